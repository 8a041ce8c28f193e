"""Contingency tables: pixels by the categories that two annotators give them, computed from runs."""

from dataclasses import replace

import numpy as np

from segdata.agreement.paired_segments import (
    AnnotatorPair,
    AnnotatorSegments,
    PanelBatch,
    category_positions,
    uncovered_runs,
)
from segdata.core import kernels
from segdata.core.overlay import Overlaps, SweepRuns, find_overlaps, find_overlaps_within
from segdata.core.runs import Flags, Floats, Ints, NumberLine, Rows, unique_inverse
from segdata.core.table import Column


def is_flat(side: SweepRuns) -> bool:
    """Whether no two runs share a pixel."""
    return bool((side.start[1:] >= side.end[:-1]).all())


def flatten_segments(segments: AnnotatorSegments) -> SweepRuns:
    """The runs of one annotator's segments, cut so that no two share pixels.

    A pixel that several segments claim goes to a void one, else to the one drawn last, which has the highest row.
    Without overlaps the annotator's own side is returned.
    """
    side = segments.side
    if is_flat(side):
        return side
    furthest = np.maximum.accumulate(side.end)
    apart = np.ones(len(side.start) + 1, bool)  # whether a run begins behind the end of all before it
    apart[1:-1] = side.start[1:] >= furthest[:-1]
    alone = apart[:-1] & apart[1:]
    heaped = side.take(~alone).topmost(np.arange(len(segments)) + len(segments) * segments.is_void)
    start = np.concatenate([side.start[alone], heaped.start])
    order = np.argsort(start, kind="stable")
    end, owner = np.concatenate([side.end[alone], heaped.end]), np.concatenate([side.owner[alone], heaped.owner])
    return SweepRuns(start[order], end[order], owner[order])


Columns = dict[str, Ints]


def pixel_tables(
    pair: AnnotatorPair, layer: Ints | None = None, *, is_counted: bool = True
) -> dict[str, dict[str, Column]]:
    """The columns of `overlaps`, `cells` and `partitions`, see `segdata.core.annotator_pairs.AnnotatorPairs`.

    `layer` (n,): of the batch's segments, see `overlapping_layers`; None: no annotator draws categories in layers.
    `is_counted`: things are counted one by one; else `partitions` has no rows.
    """
    cells = count_cells(pair, layer)
    return {
        "overlaps": count_overlaps(pair, cells),
        "cells": cells,
        "partitions": measure_partitions(pair, is_counted=is_counted),
    }


def _flat_overlaps(pair: AnnotatorPair) -> Overlaps:
    """The overlaps of segments of A and B, with each pixel counted once, under the segment drawn last."""
    flat_a, flat_b = flatten_segments(pair.a), flatten_segments(pair.b)
    is_drawn_flat = flat_a is pair.a.side and flat_b is pair.b.side
    return pair.overlaps if is_drawn_flat else find_overlaps(flat_a, flat_b)


def count_cells(pair: AnnotatorPair, layer: Ints | None = None) -> Columns:
    """Count the pixels of each case by the pair of categories that A and B give them, -1 for none.

    Each pixel counts once for each layer that either draws in the case; `layer` (n,) is that of the batch's segments,
    None: there is one. A pixel that several segments of an annotator and layer claim goes to the one drawn last.
    Pixels that either labels void are left out.
    """
    sides = pair.a, pair.b
    numbers = [np.zeros(len(side), np.int64) if layer is None else layer[side.segment] for side in sides]
    n_layers = 1 + max((int(number.max(initial=0)) for number in numbers), default=0)
    if n_layers == 1:
        counted = [_count_layer(pair, np.ones(pair.n_cases, bool))]
    else:
        has = np.zeros((n_layers, pair.n_cases), bool)
        for side, number in zip(sides, numbers, strict=True):
            has[number[~side.is_void], side.case[~side.is_void]] = True
        has[0] |= ~has.any(axis=0)
        counted = []
        for k in range(n_layers):
            a, b = (
                replace(side, side=side.runs_of((number == k) | side.is_void, np.arange(len(side))))
                for side, number in zip(sides, numbers, strict=True)
            )
            counted.append(_count_layer(replace(pair, a=a, b=b), has[k]))
    codes = np.concatenate([code for code, _ in counted])
    code, total, _, _ = kernels.distinct(codes, np.concatenate([pixels for _, pixels in counted]))
    order = np.argsort(code)
    order = order[total[order] > 0]
    code, total = code[order], total[order]
    n_codes = len(pair.categories) + 1
    return {
        "pair": code // (n_codes * n_codes),
        "category_a": code // n_codes % n_codes - 1,
        "category_b": code % n_codes - 1,
        "pixels": total,
    }


def _count_layer(pair: AnnotatorPair, is_counted: Flags) -> tuple[Ints, Ints]:
    """Case and two categories as one number, and the pixels, of segments of one layer in the chosen cases."""
    a, b = pair.a, pair.b
    overlaps = _flat_overlaps(pair)
    # Row -1, "none", takes what is appended.
    case = np.maximum(np.append(a.case, -1)[overlaps.a], np.append(b.case, -1)[overlaps.b])
    kept = ~(np.append(a.is_void, False)[overlaps.a] | np.append(b.is_void, False)[overlaps.b]) & is_counted[case]
    first, second = (np.append(segments.category, -1)[row] + 1 for segments, row in ((a, overlaps.a), (b, overlaps.b)))
    n_codes = len(pair.categories) + 1
    code, total, _, _ = kernels.distinct(((case * n_codes + first) * n_codes + second)[kept], overlaps.pixels[kept])
    neither = pair.pixels - np.bincount(case, overlaps.pixels, pair.n_cases).astype(np.int64)
    cases = np.flatnonzero(is_counted)
    return np.concatenate([code, cases * n_codes * n_codes]), np.concatenate([total, neither[cases]])


def measure_partitions(pair: AnnotatorPair, *, is_counted: bool = True) -> dict[str, Column]:
    """The table `partitions`: compares how two annotators divide the pixels of each case into things of a category.

    Each category is compared by itself. A pixel that several segments of one category claim goes to the one drawn last;
    pixels that either labels void are left out. A category that neither has in a case has no row. See
    `segdata.core.annotator_pairs.AnnotatorPairs` for the columns.
    """
    a, b, overlaps = pair.a, pair.b, _overlaps_by_category(pair)
    n_categories = max(len(pair.categories), 1)
    row_a, row_b, shared = overlaps.a, overlaps.b, overlaps.pixels
    areas: list[Floats] = [
        np.bincount(row[row >= 0], shared[row >= 0], len(segments)).astype(np.float64)
        for segments, row in ((a, row_a), (b, row_b))
    ]
    keys = [segments.case * n_categories + segments.category for segments in (a, b)]
    counted = [segments.is_thing & (area > 0) & is_counted for segments, area in zip((a, b), areas, strict=True)]
    code = np.unique(np.concatenate([key[some] for key, some in zip(keys, counted, strict=True)]))
    both = (row_a >= 0) & (row_b >= 0)
    row_a, row_b, shared = row_a[both], row_b[both], shared[both].astype(np.float64)
    same = (keys[0][row_a] == keys[1][row_b]) & counted[0][row_a]
    row_a, row_b, shared = row_a[same], row_b[same], shared[same]
    where = np.searchsorted(code, keys[0][row_a])
    pixels = (pair.pixels - pair.void_pixels)[code // n_categories].astype(np.float64)
    fit = shared / (areas[0][row_a] + areas[1][row_b] - shared)

    def total(place: Ints, amount: Floats) -> Floats:
        return np.bincount(place, amount, len(code)).astype(np.float64, copy=False)

    columns: dict[str, Column] = {"pair": code // n_categories, "category": code % n_categories, "pixels": pixels}
    neither = pixels + total(where, shared)
    squares, logs = total(where, shared**2), total(where, _times_log(shared))
    for k, (name, row) in enumerate((("a", row_a), ("b", row_b))):
        some, area = counted[k], areas[k]
        place, size = np.searchsorted(code, keys[k][some]), area[some]
        alone = (area - np.bincount(row, shared, len(area)))[some]
        best = np.zeros(len(area))
        np.maximum.at(best, row, fit)
        drawn = total(place, size)
        neither -= drawn
        squares += total(place, alone**2)
        logs += total(place, _times_log(alone))
        columns[f"area_{name}"] = drawn
        columns[f"covered_{name}"] = total(place, size * best[some])
        columns[f"squares_{name}"] = total(place, size**2) + (pixels - drawn) ** 2
        columns[f"logs_{name}"] = total(place, _times_log(size)) + _times_log(pixels - drawn)
    columns["squares_both"], columns["logs_both"] = squares + neither**2, logs + _times_log(neither)
    return columns


def _overlaps_by_category(pair: AnnotatorPair) -> Overlaps:
    """The overlaps of segments of A and B without void, with each category on a number line of its own."""
    if is_flat(pair.a.side) and is_flat(pair.b.side):
        return pair.met_clear
    flat = []
    for segments, side in zip((pair.a, pair.b), pair.clear, strict=True):
        lifted = _lift_categories(side, segments.category, pair.line, len(pair.categories))
        flat.append(flatten_segments(replace(segments, side=lifted, is_void=np.zeros(len(segments), bool))))
    return find_overlaps(*flat)


def _lift_categories(side: SweepRuns, category: Ints, line: NumberLine, n_categories: int) -> SweepRuns:
    """The runs with a number line of its own for each category, one after the other."""
    of_run = category[side.owner]
    order = kernels.order_by(of_run.astype(np.int32), max(n_categories, 1))
    lift = of_run[order] * _line_end(line)
    return SweepRuns(side.start[order] + lift, side.end[order] + lift, side.owner[order])


def _times_log(n: Floats) -> Floats:
    """(...) of n: n log2 n, 0 for 0."""
    return n * np.log2(np.maximum(n, 1))


def count_overlaps(pair: AnnotatorPair, of_cells: Columns | None = None) -> Columns:
    """Count the pixels of each case that each annotator gives each category, and those that both give it.

    Pixels that several segments of one category share count once. Pixels that either labels void are left out. A
    category that neither has in a case has no row. `of_cells` is the result of `count_cells`, if there is one.
    """
    flat = is_flat(pair.a.side) and is_flat(pair.b.side)
    owned = _overlaps_from_cells(pair, of_cells or count_cells(pair)) if flat else _overlaps_from_unions(pair)
    code, _ = unique_inverse(np.concatenate([owner for owner, _ in owned]))
    columns = [np.zeros(len(code), np.int64) for _ in owned]
    for column, (owner, total) in zip(columns, owned, strict=True):
        column[np.searchsorted(code, owner)] = total
    n_categories = max(len(pair.categories), 1)
    return {
        "pair": code // n_categories,
        "category": code % n_categories,
        "area_a": columns[0],
        "area_b": columns[1],
        "both": columns[2],
    }


def _overlaps_from_cells(pair: AnnotatorPair, of_cells: Columns) -> tuple[tuple[Ints, Ints], ...]:
    """The columns of `count_overlaps` if segments share no pixels: the marginals and the diagonal of the cells."""
    case, category_a, category_b, n = of_cells.values()
    code = case * len(pair.categories)
    of_a, of_b, both = category_a >= 0, category_b >= 0, (category_a == category_b) & (category_a >= 0)
    return (
        _sum_by_owner((code + category_a)[of_a], n[of_a]),
        _sum_by_owner((code + category_b)[of_b], n[of_b]),
        _sum_by_owner((code + category_a)[both], n[both]),
    )


def _overlaps_from_unions(pair: AnnotatorPair) -> tuple[tuple[Ints, Ints], ...]:
    """The columns of `count_overlaps` if segments overlap, from the union of each category's segments."""
    a, b = (
        _union_of_categories(segments, side, pair) for segments, side in zip((pair.a, pair.b), pair.clear, strict=True)
    )
    _, both, _, length = a.strips_with(b)
    return _sum_by_owner(a.owner, a.end - a.start), _sum_by_owner(b.owner, b.end - b.start), _sum_by_owner(both, length)


def _union_of_categories(segments: AnnotatorSegments, side: SweepRuns, pair: AnnotatorPair) -> SweepRuns:
    """The union of each category's segments, as runs of `side`; `owner` is case * n_categories + category."""
    line = pair.line
    lifted = _lift_categories(side, segments.category, line, len(pair.categories))
    start, length, _ = kernels.cover(lifted.start, lifted.end)
    code, place = np.divmod(start, max(_line_end(line), 1))
    case = pair.case_of_frame[line.frame_of(place)]
    return SweepRuns(start, start + length, (case * len(pair.categories) + code).astype(np.int32))


def _line_end(line: NumberLine) -> int:
    return int(line.base[-1] + (line.height[-1] + 1) * (line.width[-1] + 1)) if len(line.base) else 0


def _sum_by_owner(owner: Ints | Rows, length: Ints) -> tuple[Ints, Ints]:
    """The owners, case * n_categories + category, that occur, ascending, and the sum of lengths of each."""
    owners, total, _, _ = kernels.distinct(owner.astype(np.int64), length)
    return owners, total


_LAYER_SHARE = 0.1  # of the smaller category's pixels; seams of polygons that overlap are thinner


def overlapping_layers(images: PanelBatch) -> Ints:
    """(n_segments,) the layer of each segment in its case, from 0, such that no layer has two categories on one pixel.

    Two categories of stuff (in class masks also of things) are in different layers if an annotator of the case draws
    them one above the other, so that they share more than a tenth of the smaller one's pixels. Things that are counted
    one by one, which hide what is below them, and void are in layer 0.
    """
    batch, categories = images.batch, images.categories
    side = SweepRuns.from_runs(batch.runs, batch.annotation_line, batch.segment_annotation)
    if not np.any(side.start[1:] < np.maximum.accumulate(side.end)[:-1]):
        return np.zeros(batch.n_segments, np.int64)
    code = category_positions(batch.segment_category, categories)
    layered = ("stuff", "thing") if images.is_semantic else ("stuff",)
    is_layered = np.array([category.kind in layered for category in categories], bool)[code]
    solid = is_layered[side.owner]
    met = find_overlaps_within(side.take(solid))
    n_categories = len(categories)
    case = images.case[batch.segment_image]
    drawn = images.annotator[batch.segment_annotation] + case * len(images.annotators)
    cell, of_cell = unique_inverse(drawn * n_categories + code)
    area = np.bincount(of_cell, batch.runs.areas(batch.n_segments), len(cell))
    first, second = np.sort(np.stack([of_cell[met.a], of_cell[met.b]]), axis=0)
    pair, inverse = unique_inverse(first * len(cell) + second)
    shared = np.bincount(inverse, met.pixels, len(pair))
    first, second = np.divmod(pair, len(cell))
    on_purpose = (first != second) & (shared > _LAYER_SHARE * np.minimum(area[first], area[second]))
    node = cell // n_categories // len(images.annotators) * n_categories + cell % n_categories
    pairs = np.unique(np.sort(np.stack([node[first], node[second]], axis=1)[on_purpose], axis=1), axis=0)
    layer = number_layers(pairs)
    own = case * n_categories + code
    layers: Ints = np.where(is_layered, [layer.get(key, 0) for key in own.tolist()], 0)
    return layers


def number_layers(pairs: Ints) -> dict[int, int]:
    """Assign the smallest layer, from 0, to each member of the pairs (n, 2), such that no pair is in one layer."""
    layer: dict[int, int] = {}
    for code in np.unique(pairs).tolist():  # overlapping categories are few
        met_here = pairs[(pairs == code).any(axis=1)]
        taken_layers = {layer[other] for other in met_here.ravel().tolist() if other in layer}
        layer[code] = next(k for k in range(len(taken_layers) + 1) if k not in taken_layers)
    return layer


def count_hidden(images: PanelBatch, layer: Ints) -> Columns:
    """The table `hidden`: the pixels of each annotator's categories that lie below another category of the same layer.

    `layer` (n_segments,) is the result of `overlapping_layers`. Every category below another one counts its pixels;
    pixels that the annotator labels void are left out. `labelled` are the pixels of all categories. Annotators and
    cases without hidden pixels have no row.
    """
    batch, n = images.batch, len(images.categories)
    line = batch.annotation_line
    side = SweepRuns.from_runs(batch.runs, line, batch.segment_annotation)
    labelled, visible = np.zeros((2, batch.annotations.num_rows), np.int64)
    if not is_flat(side):
        code = category_positions(batch.segment_category, images.categories)
        is_void = np.array([category.kind == "void" for category in images.categories], bool)[code]

        def cover_runs(start: Ints, end: Ints) -> tuple[Ints, Ints]:
            first, length, _ = kernels.cover(start, end)
            return first, length

        void = is_void[side.owner]
        start, length = cover_runs(side.start[void], side.end[void])
        side = uncovered_runs(side, SweepRuns(start, start + length, np.zeros(len(start), np.int32)))
        for k in range(int(layer.max(initial=0)) + 1):
            own = layer[side.owner] == k
            flat = side.take(own)
            lifted = _lift_categories(flat, code, line, n)
            for total, runs in ((labelled, lifted), (visible, flat)):
                place, pixels = cover_runs(runs.start, runs.end)
                np.add.at(total, line.frame_of(place % max(_line_end(line), 1)), pixels)
    case = images.case[batch.annotation_image]
    key, inverse = unique_inverse(case * max(len(images.annotators), 1) + images.annotator)
    pixels, every = (np.bincount(inverse, n, len(key)).astype(np.int64) for n in (labelled - visible, labelled))
    some = np.flatnonzero(pixels)
    case, annotator = np.divmod(key[some], max(len(images.annotators), 1))
    return {"case": case, "annotator": annotator, "pixels": pixels[some], "labelled": every[some]}
