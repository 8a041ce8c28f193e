"""Overlaps and cells against pixels that are counted one by one."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.agreement.annotator_pairs import AnnotatorPair, AnnotatorSegments, pair_annotators
from segdata.agreement.contingency import pixel_tables
from segdata.agreement.metrics.iou import iou
from segdata.testing.pictures import masks_of_runs
from tests.generators.panels import Panel, panel, panels

Rows = list[tuple[int, ...]]


def both(given_: Panel, asked: np.ndarray | None = None) -> AnnotatorPair | None:
    """The two annotators; `asked` (R, n_categories) of each."""
    by = given_.batch.annotations["annotator"].to_pylist()
    of_each = None if asked is None else asked[[given_.annotators.index(name) for name in by]]
    return next(pair_annotators(replace(given_, asked=of_each)), None)


def rows(columns: dict[str, Any]) -> Rows:
    return [tuple(row) for row in np.stack(list(columns.values()), axis=1).tolist()]


def layers(opposite: AnnotatorPair, drawn: AnnotatorSegments, case: int) -> Iterator[tuple[int, bool, np.ndarray]]:
    """Category, whether it is void, and mask of what one annotator drew on an image, in the order of drawing."""
    batch = opposite.batch
    height, width = batch.segment_size
    masks = masks_of_runs(batch.runs, height, width)
    for row in np.flatnonzero(drawn.case == case):
        yield int(drawn.category[row]), bool(drawn.is_void[row]), masks[drawn.segment[row]]


def counted(opposite: AnnotatorPair) -> tuple[Rows, Rows]:
    """Overlaps and cells, from dense masks."""
    overlaps: Rows = []
    cells: Counter[tuple[int, ...]] = Counter()
    for case in range(opposite.n_cases):
        size = int(opposite.line.height[case]), int(opposite.line.width[case])
        flat = np.full((2, *size), -1)
        union = np.zeros((2, len(opposite.categories), *size), bool)
        out = np.zeros(size, bool)
        for side, drawn in enumerate((opposite.a, opposite.b)):
            for code, void, mask in layers(opposite, drawn, case):
                flat[side][mask] = code
                union[side, code] |= mask
                out |= mask & void
        for code, (a, b) in enumerate(np.moveaxis(union, 0, 1) & ~out):
            if (a | b).any():
                overlaps.append((case, code, int(a.sum()), int(b.sum()), int((a & b).sum())))
        for a, b in flat[:, ~out].T.tolist():
            cells[case, a, b] += 1
    return overlaps, [(*key, cells[key]) for key in sorted(cells)]


@settings(max_examples=50)
@given(panels(), st.lists(st.booleans(), min_size=8, max_size=8))
def test_overlaps_and_cells_are_counted_pixels(drawn: Panel, asked: list[bool]) -> None:
    opposite = both(drawn, np.array(asked).reshape(2, 4))
    if opposite is not None:
        found = pixel_tables(opposite)
        assert (rows(found["overlaps"]), rows(found["cells"])) == counted(opposite)


@settings(max_examples=50)
@given(panels())
def test_the_other_way_round(drawn: Panel) -> None:
    """Swapping the annotators swaps the columns, and nothing else."""
    opposite = both(drawn)
    if opposite is not None:
        one, other = pixel_tables(opposite), pixel_tables(opposite.swapped)
        assert sorted((p, b, a, n) for p, a, b, n in rows(one["cells"])) == rows(other["cells"])
        assert [(p, c, b, a, n) for p, c, a, b, n in rows(one["overlaps"])] == rows(other["overlaps"])


@settings(max_examples=30)
@given(panels())
def test_an_annotator_agrees_with_himself(drawn: Panel) -> None:
    opposite = both(drawn)
    if opposite is not None:
        found = pixel_tables(replace(opposite, b=opposite.a))
        scores = iou(*(found["overlaps"][name] for name in ("both", "area_a", "area_b")))
        np.testing.assert_array_equal(scores, np.ones(len(scores)))
        np.testing.assert_array_equal(found["cells"]["category_a"], found["cells"]["category_b"])


@settings(max_examples=50)
@given(panels(overlapping=False))
def test_without_overlaps_cells_sum_to_overlaps(drawn: Panel) -> None:
    opposite = both(drawn)
    if opposite is not None:
        found = pixel_tables(opposite)
        pair, first, second, n = found["cells"].values()
        for case, code, area_a, area_b, shared in rows(found["overlaps"]):
            assert area_a == n[(pair == case) & (first == code)].sum()
            assert area_b == n[(pair == case) & (second == code)].sum()
            assert shared == n[(pair == case) & (first == code) & (second == code)].sum()
        left = np.bincount(pair, n, opposite.n_cases)
        np.testing.assert_array_equal(left, opposite.pixels - opposite.void_pixels)


def test_a_category_that_one_was_not_asked_for() -> None:
    """Its pixels say nothing about either, and it has no overlap."""
    opposite = both(panel("aab.", "aaaa"), np.array([[True, True], [True, False]]))
    assert opposite is not None
    found = pixel_tables(opposite)
    assert rows(found["overlaps"]) == [(0, 0, 2, 3, 2)]
    assert rows(found["cells"]) == [(0, -1, 0, 1), (0, 0, 0, 2)]


def test_segments_of_one_category_count_once() -> None:
    """Two segments on one pixel; the one drawn last has the pixel in the cells."""
    a = "axb.\n\nx = a + b\na, b: car"
    opposite = both(panel(a, "aaa.\n\na: car"))
    assert opposite is not None
    found = pixel_tables(opposite)
    assert rows(found["overlaps"]) == [(0, 0, 3, 3, 3)]
    assert rows(found["cells"]) == [(0, -1, -1, 1), (0, 0, 0, 3)]


def test_nothing_drawn() -> None:
    opposite = both(panel("..\n..", "..\n.."))
    assert opposite is not None
    found = pixel_tables(opposite)
    assert rows(found["overlaps"]) == []
    assert rows(found["cells"]) == [(0, -1, -1, 4)]
