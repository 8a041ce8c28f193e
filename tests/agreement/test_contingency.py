"""Overlaps and cells against pixels that are counted one by one."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.agreement.contingency import count_hidden, overlapping_layers, pixel_tables
from segdata.agreement.metrics.iou import iou
from segdata.agreement.paired_segments import AnnotatorPair, AnnotatorSegments, pair_annotators
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


@settings(max_examples=30)
@given(panels(), st.lists(st.booleans(), min_size=8, max_size=8))
def test_overlaps_and_cells_are_counted_pixels(drawn: Panel, asked: list[bool]) -> None:
    opposite = both(drawn, np.array(asked).reshape(2, 4))
    if opposite is not None:
        found = pixel_tables(opposite)
        assert (rows(found["overlaps"]), rows(found["cells"])) == counted(opposite)


@settings(max_examples=30)
@given(panels())
def test_the_other_way_round(drawn: Panel) -> None:
    """Swapping the annotators swaps the columns, and nothing else."""
    opposite = both(drawn)
    if opposite is not None:
        one, other = pixel_tables(opposite), pixel_tables(opposite.swap)
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


@settings(max_examples=30)
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


@settings(max_examples=30, deadline=None)
@given(panels())
def test_layers_and_what_is_hidden_are_counted_pixels(drawn: Panel) -> None:
    """Each layer that either draws counts once; of categories below others in a layer, every pixel is hidden."""
    opposite, layer = both(drawn), overlapping_layers(drawn)
    hidden_pixels_are_those_below_another_category(drawn, layer)
    if opposite is None:
        return
    cells: Counter[tuple[int, ...]] = Counter()
    for case in range(opposite.n_cases):
        size = int(opposite.line.height[case]), int(opposite.line.width[case])
        sides = [
            list(zip(layer[side.segment[side.case == case]].tolist(), layers(opposite, side, case), strict=True))
            for side in (opposite.a, opposite.b)
        ]
        out = np.zeros(size, bool)
        for _, (_, void, mask) in [*sides[0], *sides[1]]:
            out |= mask & void
        for number in {k for side in sides for k, (_, void, _) in side if not void} or {0}:
            flat = np.full((2, *size), -1)
            for side, segments in enumerate(sides):
                for k, (code, void, mask) in segments:
                    if k == number and not void:
                        flat[side][mask] = code
            for a, b in flat[:, ~out].T.tolist():
                cells[case, a, b] += 1
    assert rows(pixel_tables(opposite, layer)["cells"]) == [(*key, cells[key]) for key in sorted(cells)]


def hidden_pixels_are_those_below_another_category(drawn: Panel, layer: np.ndarray) -> None:
    batch = drawn.batch
    code = {category.id: k for k, category in enumerate(drawn.categories)}
    ids = batch.segments["category_id"].to_pylist()
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    expected = []
    for annotation in range(batch.annotations.num_rows):
        own = np.flatnonzero(batch.segment_annotation == annotation).tolist()
        height, width = (int(side[batch.annotation_image[annotation]]) for side in batch.image_size)
        void = np.zeros((height, width), bool)
        for row in own:
            void |= masks[row] & (drawn.categories[code[ids[row]]].kind == "void")
        unions: dict[tuple[int, int], np.ndarray] = {}
        for row in own:
            if drawn.categories[code[ids[row]]].kind != "void":
                key = int(layer[row]), code[ids[row]]
                unions[key] = unions.get(key, False) | masks[row] & ~void
        labelled = sum(int(mask.sum()) for mask in unions.values())
        visible = sum(
            int(np.logical_or.reduce([mask for (k, _), mask in unions.items() if k == number]).sum())
            for number in {k for k, _ in unions}
        )
        if labelled > visible:
            case, who = drawn.case[batch.annotation_image[annotation]], drawn.annotator[annotation]
            expected.append((int(case), int(who), labelled - visible, labelled))
    assert rows(count_hidden(drawn, layer)) == sorted(expected)


def test_a_membrane_below_a_synapse_agrees() -> None:
    """Both draw the same, one above the other: nothing is hidden, and each pixel counts in both layers."""
    drawn = panel(LAYERED, LAYERED)
    layer, opposite = overlapping_layers(drawn), both(drawn)
    assert opposite is not None
    assert rows(pixel_tables(opposite, layer)["cells"]) == [(0, -1, -1, 6), (0, 0, 0, 3), (0, 1, 1, 1)]
    assert rows(count_hidden(drawn, layer)) == []


LAYERED = "mbm..\n\nb = m + s\nm: membrane (stuff)\ns: synapse (stuff)"
