"""Categories that lie inside others in nearly all places: the second half of SEG318."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.polygons import row_portions, stabbing_pairs
from segdata.core.reductions import sum_by
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Ints, expand_ranges
from segdata.core.statistics import proves_rate
from segdata.core.strata import is_example, joint_codes
from segdata.core.table import Column, Table, group_edges
from segdata.measure.sequences import is_frame_of
from segdata.rules.shared import both_ways, is_lossy

_MIN_INSIDE_RATE = 0.8  # of parts inside, which must be proven
_INSIDE, _OUTSIDE = 0.9, 0.5  # of a segment's pixels, and of its box, are the outer category's: at least, and less
_MIN_PART_PIXELS = 16  # smaller parts are specks
_MAX_IMAGE_SHARE = 0.5  # of the images that have it: larger ones are a background, which contains everything
_BOX = ("x", "y", "width", "height")


class InsideLaw(NamedTuple):
    """A category that lies inside another nearly everywhere: in `within` of `parts` places, in `images` images."""

    inner: int
    outer: int
    within: int
    parts: int
    images: int


def outside_rows(tables: Tables, min_images: int) -> tuple[list[InsideLaw], dict[str, Ints]]:
    """Pairs of which one lies inside the other, and the columns of one row for each annotation with parts outside.

    A part of a segment lies inside another category if it is within a hole of one of its segments, or if most of its
    segment's pixels are theirs; it lies outside if less than half of its pixels and of its box are. Parts at the frame,
    specks, frames of videos and slices do not count. The columns:
    annotation, inner, outer, n parts outside of so many, their pixels and the edges of the box around them.
    """
    counted = _counted_segments(tables)
    parts = _parts(tables, counted, free=True)
    inside, covered = _within(tables, parts)
    _, first = joint_codes(parts["category"], parts["annotation"])
    is_first = np.zeros(len(parts), np.int64)
    is_first[first] = 1
    counts = {"n": np.ones(len(parts), np.int64), "images": is_first}
    known = {
        line[0]: line[1:] for line in sum_by(tables, {"inner": parts["category"]}, counts).lines("inner", "n", "images")
    }
    pairs = {"inner": parts["category"][inside["part"]], "outer": inside["outer"]}
    within = sum_by(tables, pairs, {"n": np.ones(len(inside), np.int64)})
    backgrounds = _backgrounds(tables)
    laws = [
        InsideLaw(inner, outer, n, *known[inner])
        for inner, outer, n in within.lines("inner", "outer", "n")
        if outer not in backgrounds
        and known[inner][1] >= min_images
        and proves_rate(n, known[inner][0], _MIN_INSIDE_RATE)
    ]
    category = tables.segments["category_id"]
    rows = [_outside_rows(_parts(tables, counted & (category == law.outer)), parts, covered, law) for law in laws]
    return laws, {name: np.concatenate([np.zeros(0, np.int64), *(part[name] for part in rows)]) for name in _COLUMNS}


def outside_findings(tables: Tables, laws: list[InsideLaw], rows: Table, max_share: float) -> Iterator[RowFinding]:
    """One finding for each annotation and inner category of the rows, where they are few."""
    law_of = {(law.inner, law.outer): law for law in laws}
    kept: dict[tuple[int, int], list[tuple[InsideLaw, int]]] = {}
    for own in rows.groups("inner", "outer"):
        law = law_of[int(rows["inner"][own[0]]), int(rows["outer"][own[0]])]
        if len(own) <= max(1, max_share * law.images):
            for row in own.tolist():
                kept.setdefault((int(rows["annotation"][row]), law.inner), []).append((law, row))
    for (annotation, _), several in sorted(kept.items()):
        # The outer category, if there are several, that holds the most parts elsewhere.
        law, row = max(several, key=lambda pair: pair[0].within)
        inner, outer = (tables.profile.name_of(id_) for id_ in (law.inner, law.outer))
        left, top, right, bottom = (int(rows[name][row]) for name in ("left", "top", "right", "bottom"))
        yield RowFinding(
            f"{inner!r} lies outside of {outer!r} in {rows['n'][row]:,} of {rows['of'][row]:,} places; in "
            f"{law.within:,} of all {law.parts:,} places it lies inside",
            annotation=annotation,
            bbox=(left, top, right - left, bottom - top),
            pixels=int(rows["pixels"][row]),
            category=inner,
            severity="info",
        )


_COLUMNS = ("annotation", "inner", "outer", "n", "of", "pixels", "left", "top", "right", "bottom")


def _counted_segments(tables: Tables) -> Flags:
    """(n_segments,) which segments count: examples in single images."""
    counts = is_example(tables, crowds=False) & ~is_lossy(tables)
    for kind in ("video", "volume"):
        counts &= ~is_frame_of(tables.profile, tables.images, kind)[tables.segments["image"]]
    return counts


def _parts(tables: Tables, of: Flags, *, free: bool = False) -> Table:
    """The parts of the segments `of` (n_segments,): segment, annotation, category, area and box.

    `free`: without specks, and without parts that the frame has cut.
    """
    segments, several = tables.segments, tables.parts
    is_single, is_part = of.copy(), of[several["segment"]]
    is_single[several["segment"]] = False
    if free:
        is_single &= _is_free(tables, segments, segments["image"])
        is_part &= _is_free(tables, several, segments["image"][several["segment"]])
    single, part = np.flatnonzero(is_single), np.flatnonzero(is_part)
    segment = np.concatenate([single, several["segment"][part]])
    columns: dict[str, Column] = {"segment": segment.astype(np.int32)}
    columns["area"] = np.concatenate([segments["area"][single], several["area"][part]])
    for name in _BOX:
        columns[name] = np.concatenate([segments[name][single].astype(np.int32), several[name][part].astype(np.int32)])
    columns["annotation"] = segments["annotation"][segment]
    columns["category"] = segments["category_id"][segment]
    return Table(columns)


def _is_free(tables: Tables, boxes: Table, image: Ints) -> Flags:
    """(n,) which boxes with an area are no specks, and do not touch the frame; `image` (n,): the row of each."""
    is_free: Flags = (boxes["x"] > 0) & (boxes["y"] > 0) & (boxes["area"] >= _MIN_PART_PIXELS)
    for start, size in (("x", "width"), ("y", "height")):
        is_free &= boxes[start] + boxes[size] < tables.images[size][image]
    return is_free


def _within(tables: Tables, parts: Table) -> tuple[Table, Table]:
    """Parts that lie inside a category, and those that do not lie outside of it: part (row) and outer, each once."""
    of_hole, outer = _holes_around(tables, parts)
    segment, category, share = _shared(tables)
    is_shared = np.zeros(len(tables.segments), bool)
    is_shared[segment] = True
    rows = np.flatnonzero(is_shared[parts["segment"]])  # few of millions
    rows = rows[np.argsort(parts["segment"][rows], kind="stable")]
    count = np.bincount(parts["segment"][rows], minlength=len(tables.segments))
    n = count[segment]
    part = rows[expand_ranges((np.cumsum(count) - count)[segment], n)]
    category, share = np.repeat(category, n), np.repeat(share, n)
    pairs_within = []
    for least in (_INSIDE, _OUTSIDE):
        is_in = share >= least
        pair = np.concatenate([of_hole, part[is_in]]), np.concatenate([outer, category[is_in]])
        _, first = joint_codes(*pair)
        pairs_within.append(Table({"part": pair[0][first], "outer": pair[1][first]}))
    return pairs_within[0], pairs_within[1]


def _holes_around(tables: Tables, parts: Table) -> tuple[Ints, Ints]:
    """Parts (rows) whose box lies in a hole of a segment, and that segment's category; other than their own."""
    segments, holes = tables.segments, tables.holes
    category = segments["category_id"][holes["segment"]].astype(np.int64)
    annotation = segments["annotation"][holes["segment"]].astype(np.int64)
    has_holes = np.zeros(len(tables.annotations), bool)
    has_holes[annotation] = True
    rows = np.flatnonzero(has_holes[parts["annotation"]])
    # Annotations one after the other on one line along x.
    wide = int(tables.images["width"].max(initial=0)) + 1
    begin = annotation * wide + holes["x"]
    at = parts["annotation"][rows].astype(np.int64) * wide + parts["x"][rows]
    hole_pairs = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for hole, place in stabbing_pairs(begin, begin + holes["width"], at):
        part = rows[place]
        fits = (category[hole] != parts["category"][part]) & (parts["area"][part] <= holes["area"][hole])
        fits &= parts["y"][part] >= holes["y"][hole]
        for start, size in (("x", "width"), ("y", "height")):
            fits &= parts[start][part] + parts[size][part] <= holes[start][hole] + holes[size][hole]
        hole_pairs.append((part[fits], category[hole[fits]]))
    part, outer = (np.concatenate(columns) for columns in zip(*hole_pairs, strict=True))
    return part, outer


def _shared(tables: Tables) -> tuple[Ints, Ints, np.ndarray]:
    """Segments, other categories, and the share of each segment's pixels that segments of the category have, too.

    Smaller shares than `_OUTSIDE` are left out.
    """
    a, b = tables.pairs["a"], tables.pairs["b"]
    counts, category = is_example(tables, crowds=False), tables.segments["category_id"]
    pairs = both_ways(tables.pairs.take(np.flatnonzero(counts[a] & counts[b] & (category[a] != category[b]))))
    one, others = pairs["one"], category[pairs["other"]].astype(np.int64)
    code, first = joint_codes(one, others)
    share = np.bincount(code, pairs["shared"], len(first)) / np.maximum(tables.segments["area"][one[first]], 1)
    kept = share >= _OUTSIDE
    return one[first[kept]], others[first[kept]], share[kept]


def _backgrounds(tables: Tables) -> set[int]:
    """Categories that cover more than half of the images that have them."""
    segments, images = tables.segments, tables.images
    rows = np.flatnonzero(is_example(tables, crowds=False))
    image, category = segments["image"][rows], segments["category_id"][rows].astype(np.int64)
    _, first = joint_codes(image, category)
    frame = np.zeros(len(rows), np.int64)
    frame[first] = (images["width"].astype(np.int64) * images["height"])[image[first]]
    covered = sum_by(tables, {"category": category}, {"area": segments["area"][rows].astype(np.int64), "frame": frame})
    return {id_ for id_, area, frame in covered.lines("category", "area", "frame") if area > _MAX_IMAGE_SHARE * frame}


def _outside_rows(outer: Table, parts: Table, covered: Table, law: InsideLaw) -> dict[str, Ints]:
    """One row for each annotation in which parts of the inner category lie outside of the parts `outer`."""
    own = parts["category"] == law.inner
    is_out: Flags = own.copy()
    is_out[covered["part"][covered["outer"] == law.outer]] = False
    rows = np.flatnonzero(is_out)
    rows = rows[~_lie_beside(outer, parts.take(rows))]
    annotation, number = np.unique(parts["annotation"][rows], return_inverse=True)
    n = len(annotation)
    of_these = parts["annotation"][own & np.isin(parts["annotation"], annotation)]
    of = np.bincount(np.searchsorted(annotation, of_these), minlength=n)
    columns = {
        "annotation": annotation,
        "inner": np.full(n, law.inner),
        "outer": np.full(n, law.outer),
        "of": of,
        **group_edges(parts.take(rows), number, n),
    }
    columns["n"] = np.bincount(number, minlength=n)
    columns["pixels"] = np.bincount(number, parts["area"][rows], n)
    return {name: column.astype(np.int64) for name, column in columns.items()}


def _lie_beside(outer: Table, parts: Table) -> Flags:
    """(n_parts,) whether half of a part's box is shared with that of an outer part: it may lie at its border."""
    outer = outer.take(np.argsort(outer["annotation"], kind="stable"))
    low, high = (np.searchsorted(outer["annotation"], parts["annotation"], side) for side in ("left", "right"))
    beside = np.zeros(len(parts), bool)
    for rows in row_portions(high - low):
        n = (high - low)[rows]
        part, other = np.repeat(rows, n), expand_ranges(low[rows], n)
        shared = np.ones(len(part), np.int64)
        for start, size in (("x", "width"), ("y", "height")):
            first = np.maximum(parts[start][part], outer[start][other])
            last = np.minimum(parts[start][part] + parts[size][part], outer[start][other] + outer[size][other])
            shared *= np.maximum(last - first, 0)
        area = parts["width"].astype(np.int64) * parts["height"]
        beside[part[shared >= _OUTSIDE * area[part]]] = True
    return beside
