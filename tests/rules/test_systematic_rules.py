"""SEG030 and SEG130: what is wrong in the same way in a whole file, or in part of it, is one finding that names it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import segdata
from segdata.core.config import Config
from segdata.core.finding import Finding
from segdata.core.rule import Tables, find_rule
from segdata.core.rule_runner import run_rules
from segdata.measure.measure import measure_source
from tests.generators.sequences import sequence_dataset

SIDE = (120, 160)  # height and width


def scattered(n: int = 12) -> np.ndarray:
    """Three rectangles of many sizes in each of n images."""
    rng = np.random.default_rng(30)
    labels = np.zeros((n, *SIDE), np.int64)
    for image in labels:
        for label, left in enumerate((5, 60, 110), start=1):
            y, x = int(rng.integers(2, 60)), left + int(rng.integers(0, 10))
            image[y : y + int(rng.integers(12, 50)), x : x + int(rng.integers(12, 35))] = label
    return labels


def boxes(tables: Tables) -> np.ndarray:
    return np.stack([tables.segments[name] for name in ("x", "y", "width", "height")], axis=1).astype(float)


def declared(tables: Tables, values: np.ndarray) -> Tables:
    names = ("declared_x", "declared_y", "declared_width", "declared_height")
    columns = {name: np.ascontiguousarray(values[:, k]) for k, name in enumerate(names)}
    return replace(tables, segments=tables.segments.beside(**columns))


def found(code: str, tables: Tables) -> list[Finding]:
    return list(run_rules(tables, [find_rule(code)], Config()).findings)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return measure_source(sequence_dataset(scattered()), find_rule("SEG030").needs, jobs=1)


HIGH, WIDE = SIDE
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "shifted by -1 px across and -1 px down": lambda b: b + np.array([1, 1, 0, 0]),
    "shifted by +0 px across and +7 px down": lambda b: b - [0, 7, 0, 0],
    "mirrored left to right": lambda b: np.stack([WIDE - b[:, 0] - b[:, 2], b[:, 1], b[:, 2], b[:, 3]], axis=1),
    "mirrored top to bottom": lambda b: np.stack([b[:, 0], HIGH - b[:, 1] - b[:, 3], b[:, 2], b[:, 3]], axis=1),
    "turned by 180 degrees": lambda b: np.concatenate([[WIDE, HIGH] - b[:, :2] - b[:, 2:], b[:, 2:]], axis=1),
    "read as y, x, height, width": lambda b: b[:, [1, 0, 3, 2]],
    "read as two corners": lambda b: np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1),
    "read as centre and size": lambda b: np.concatenate([b[:, :2] + b[:, 2:] / 2, b[:, 2:]], axis=1),
    "multiplied by the image's size": lambda b: b / [WIDE, HIGH, WIDE, HIGH],
    "scaled by 2 and 2": lambda b: np.rint(b / 2),
}  # fmt: skip


@pytest.mark.parametrize("words", list(CHANGES))
def test_one_change_of_all_boxes_is_one_finding_that_names_it(tables: Tables, words: str) -> None:
    (finding,) = found("SEG030", declared(tables, CHANGES[words](boxes(tables))))
    assert finding.message.endswith(f"only when they are {words}")
    hits, n = finding.message.split(" declared boxes")[0].split(" of ")
    assert (int(hits) >= 33, n) == (True, "36")  # a box in the middle fits its mirror image, too


def test_a_change_of_a_part_is_found_in_this_part(tables: Tables) -> None:
    # The twelfth box is in the middle: it fits as it is.
    own = boxes(tables)
    values = own.copy()
    values[24:] = CHANGES["mirrored top to bottom"](own)[24:]
    (finding,) = found("SEG030", declared(tables, values))
    assert finding.message == "11 of 36 declared boxes fit their segments only when they are mirrored top to bottom"


def test_boxes_that_fit_or_differ_in_no_common_way_are_left_alone(tables: Tables) -> None:
    own = boxes(tables)
    rng = np.random.default_rng(1)
    assert not found("SEG030", declared(tables, own))
    assert not found("SEG030", declared(tables, own + rng.uniform(-0.5, 0.5, own.shape)))
    assert not found("SEG030", declared(tables, own - [0, 0, 1, 1]))  # the last pixel instead of the size
    assert not found("SEG030", declared(tables, own + rng.uniform(-15, 15, own.shape)))
    assert not found("SEG030", declared(tables, np.full(own.shape, np.nan)))


def test_boxes_one_pixel_larger_on_the_right_and_below_are_an_info(tables: Tables) -> None:
    larger = boxes(tables) + np.array([0, 0, 1, 1])
    larger[:3] += 5
    (finding,) = found("SEG030", declared(tables, larger))
    assert finding.message.startswith("33 of 36 declared boxes are one pixel wider and higher than their segments")
    assert finding.severity == "info"
    larger[3:10] += [0.25, 0, 0, 0]  # too few of them exactly
    assert not found("SEG030", declared(tables, larger))


OUTLINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "points at (-1, -1) are left out": lambda ring: np.concatenate([ring, np.full((70 - len(ring), 2), -1.0)]),
    "the outlines are read as all x before all y": lambda ring: ring.T.reshape(-1, 2),
    "they are read as y, x, height, width": lambda ring: ring[:, ::-1],
    "": lambda ring: ring,
}


@pytest.mark.parametrize("words", list(OUTLINES))
@pytest.mark.parametrize("n", [4, 12])
def test_outlines_that_were_written_in_another_way_are_one_finding(tmp_path: Path, words: str, n: int) -> None:
    rng = np.random.default_rng(5)
    annotations = []
    for number in range(n):
        turn = np.linspace(0, 2 * np.pi, int(rng.integers(40, 70)), endpoint=False)
        ring = rng.uniform([60, 30], [140, 60]) + rng.uniform(10, 25, 2) * np.stack([np.cos(turn), np.sin(turn)], 1)
        x, y, right, bottom = *ring.min(axis=0), *ring.max(axis=0)
        annotations.append({
            "id": number + 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [x, y, right - x, bottom - y],
            "area": 1.0, "segmentation": [OUTLINES[words](ring).reshape(-1).tolist()],
        })  # fmt: skip
    images = [{"id": 1, "file_name": "a.jpg", "width": 200, "height": 200}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(
        {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "car"}]}
    ))  # fmt: skip
    messages = [one.message for one in segdata.validate(path, select="SEG030").findings]
    whole = f"{n} of {n} declared boxes fit their segments only when {words}"
    assert messages == [whole] * bool(words and n > 10)


def street(n: int, bands: dict[int, tuple[int, int, int, int]], void: int = 0) -> np.ndarray:
    """Images full of two categories, but for bands at the left, top, right and bottom of some."""
    labels = np.ones((n, *SIDE), np.int64)
    labels[:, 70:] = 2
    for row, (left, top, right, bottom) in bands.items():
        inner = labels[row, top : HIGH - bottom, left : WIDE - right].copy()
        labels[row] = void
        labels[row, top : HIGH - bottom, left : WIDE - right] = inner
    return labels


def bands(labels: np.ndarray) -> list[Finding]:
    rule = find_rule("SEG130")
    return found("SEG130", measure_source(sequence_dataset(labels, void=(9,)), rule.needs, jobs=1))


@pytest.mark.parametrize("void", [0, 9])
@pytest.mark.parametrize(("rows", "severity"), [((3, 7), "info"), ((3, 7, 8), "warning")])
def test_a_band_in_some_images_is_one_finding(void: int, rows: tuple[int, ...], severity: str) -> None:
    """Things that end at one distance from the frame by chance are in one image or two."""
    (finding,) = bands(street(12, dict.fromkeys(rows, (4, 0, 4, 0)), void))
    n = len(rows)
    assert finding.message.startswith(
        f"no pixel is labelled in a band of 4 px at the left and 4 px at the right; {n} images"
    )
    assert (finding.severity, finding.pixels) == (severity, n * 8 * HIGH)


def test_bands_in_all_images_are_how_the_dataset_is_made() -> None:
    (finding,) = bands(street(6, dict.fromkeys(range(6), (0, 8, 0, 0)), 9))
    assert finding.severity == "info"


def test_a_roof_below_the_sky_is_no_band() -> None:
    """The labels fill their box nearly, and reach its top at a ridge alone; where all of the top is straight, it is."""
    labels = street(12, dict.fromkeys((3, 7), (0, 10, 0, 0)))
    assert len(bands(labels)) == 1
    for row in (3, 7):
        for y in range(10, 16):
            reach = (y - 9) * WIDE // 14
            labels[row, y, : WIDE // 2 - reach] = labels[row, y, WIDE // 2 + reach :] = 0
    assert not bands(labels)


def test_a_pixel_short_of_the_frame_or_few_labels_are_no_band() -> None:
    assert not bands(street(12, {3: (1, 1, 1, 1)}))
    assert not bands(scattered())
