"""SEG116: labels that are repeated or mirrored along the side of an image, as padding does."""

import numpy as np
import pytest
from numpy.typing import NDArray

from segdata.core.config import Config
from segdata.core.finding import Finding
from segdata.core.rule import find_rule
from segdata.core.rule_runner import run_rules
from segdata.measure.measure import measure_source
from segdata.measure.tables.straight_lines import MIN_CROSSED, MIN_MARGIN
from tests.generators.sequences import sequence_dataset

Labels = NDArray[np.int64]
AXES = {"left": (1, 0), "right": (1, 1), "top": (0, 0), "bottom": (0, 1)}


def cells(seed: int, side: int = 90, n: int = 40) -> Labels:
    """The nearest of some points, by a distance that is no straight line."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    points = rng.uniform(0, side, (n, 2))
    far = [np.hypot(y - a, x - b) + 3 * np.sin(x / 4 + b) * np.cos(y / 5 + a) for a, b in points]
    labels: Labels = 1 + np.argmin(far, axis=0)
    return labels


def pad(labels: Labels, where: str, width: int, mode: str) -> Labels:
    axis, end = AXES[where]
    widths = [(0, 0), (0, 0)]
    widths[axis] = (0, width) if end else (width, 0)
    kept = labels[:, width:] if axis else labels[width:]
    padded: Labels = np.pad(kept, widths, mode=mode)  # type: ignore[call-overload]  # a mode
    return padded


def found(*images: Labels, task: str = "instance") -> list[Finding]:
    rule = find_rule("SEG116")
    dataset = sequence_dataset(np.stack(images), task=task)  # type: ignore[arg-type]  # a task
    return list(run_rules(measure_source(dataset, rule.needs, jobs=1), [rule], Config()).findings)


@pytest.mark.parametrize("where", AXES)
@pytest.mark.parametrize(("mode", "what"), [("edge", "repeat the one"), ("symmetric", "mirror"), ("reflect", "mirror")])
def test_padding_is_named(where: str, mode: str, what: str) -> None:
    images = [cells(seed) for seed in range(4)]
    assert found(*images) == []
    images[2] = pad(images[2], where, 14, mode)
    (finding,) = found(*images)
    assert (finding.image, finding.severity) == ("0002.png", "warning")
    lines = "columns" if where in ("left", "right") else "rows"
    assert finding.bbox is not None
    width = min(finding.bbox[2:])
    assert width in (14, 15), "one more may be equal anyway"
    assert finding.message.startswith(f"the {width} {lines} at the {where} {what}")
    assert finding.pixels == width * 90
    assert finding.bbox[:2] == {"right": (90 - width, 0), "bottom": (0, 90 - width)}.get(where, (0, 0))


def test_narrow_padding_and_bands_of_few_segments_are_left_alone() -> None:
    assert found(pad(cells(0), "right", MIN_MARGIN - 1, "edge")) == []
    few = np.where(cells(0) % 2 == 0, 1, 2)
    assert found(pad(few, "right", 20, "edge")) == []


def test_rectangles_repeat_everywhere() -> None:
    """A facade: its windows have as many equal columns within the image as at its sides."""
    labels = np.ones((90, 90), np.int64)
    for number, (row, column) in enumerate(((r, c) for r in range(5, 85, 16) for c in (2, 32, 62)), 2):
        labels[row : row + 10, column : column + 20] = number
    assert found(labels) == []


def by_loops(labels: Labels) -> set[tuple[int, int, bool, int]]:
    """Side, width, whether mirrored, and how many are equal elsewhere, of one image."""
    rows = set()
    boxes = [np.argwhere(labels == value) for value in np.unique(labels) if value]
    for first, axis in ((0, 1), (1, 0)):
        reach = [sum(int(at in box[:, axis]) for box in boxes) >= MIN_CROSSED for at in (0, labels.shape[axis] - 1)]
        lines = [labels.take(k, axis).tolist() for k in range(labels.shape[axis])]
        n = len(lines)
        crossed = [
            sum(int(box[:, axis].min() <= k <= box[:, axis].max()) for box in boxes) >= MIN_CROSSED for k in range(n)
        ]
        same = [k > 0 and lines[k] == lines[k - 1] and crossed[k] and crossed[k - 1] for k in range(n)]
        stretches, begin = [], 0
        for k in range(1, n + 1):
            if k == n or not same[k]:
                stretches.append((begin, k - 1))
                begin = k
        inner = max((last - at for at, last in stretches if at > 0 and last < n - 1), default=0)
        for at, last in stretches:
            if last - at >= MIN_MARGIN and (at > 0) != (last < n - 1) and reach[at > 0]:
                rows.add((first + (2 if at else 0), last - at, False, inner))
        for width in range(MIN_MARGIN, n):
            for side, ordered, known in ((2, lines[::-1], crossed[::-1]), (0, lines, crossed)):
                margin = ordered[:width][::-1]
                for once in (0, 1):
                    rest = n - once - 2 * width
                    fits = rest >= width or rest == 1 or (rest == 0 and side == 0)  # a margin, or half of the image
                    mirrors = fits and ordered[width + once : 2 * width + once] == margin
                    several = len(np.unique(np.array(margin), axis=0)) >= 4
                    if mirrors and several and reach[side // 2] and known[width if side == 0 else width - 1 + once]:
                        rows.add((first + side, width, True, 0))
    return rows


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mode", ["edge", "symmetric", "reflect", "half", "none"])
def test_margins_are_counted_as_by_loops(seed: int, mode: str) -> None:
    rng = np.random.default_rng(seed)
    labels = cells(seed, 50, 20)
    for _ in range(int(rng.integers(1, 3))):
        if mode == "half":
            lines = labels.T if rng.integers(2) else labels  # a view of them
            half = len(lines) // 2 - int(rng.integers(2))
            lines[-half:] = lines[:half][::-1]
        elif mode != "none":
            labels = pad(labels, str(rng.choice(list(AXES))), int(rng.integers(5, 15)), mode)
    dataset = sequence_dataset(np.stack([cells(99, 50, 20), labels]), task="instance")
    margins = measure_source(dataset, frozenset({"margins"}), jobs=1).margins
    rows = list(margins.lines("annotation", "side", "width", "mirrored", "elsewhere"))
    assert {row[0] for row in rows} <= {1}
    assert {(side, width, bool(mirrored), inner) for _, side, width, mirrored, inner in rows} == by_loops(labels)


@pytest.mark.parametrize(
    ("height", "width", "n_holes", "is_found"), [(9, 12, 1, True), (7, 12, 1, False), (9, 12, 2, False)]
)
def test_a_rectangle_that_was_erased(height: int, width: int, n_holes: int, is_found: bool) -> None:
    """Several rectangles in one image are the cells of a table, or windows."""
    y, x = np.mgrid[:80, :90]
    labels = (((x - 45) / 40) ** 2 + ((y - 40) / 36) ** 2 < 1).astype(np.int64)
    for k in range(n_holes):
        labels[20 + 20 * k :, 30:][:height, :width] = 0
    messages = [one.message for one in found(labels) if "rectangle" in one.message]
    what = f"an exact rectangle of {width} x {height} px within the segment has no label: was it erased?"
    assert messages == [what] * is_found
    framed = np.zeros((80, 90), np.int64)
    framed[10:70, 10:80] = 1
    framed[20:60, 20:70] = 0
    assert found(framed) == [], "a frame"
