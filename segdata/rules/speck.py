"""SEG106 speck: a segment has stray parts."""

import numpy as np

from segdata.core.profile import has_volumes
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints
from segdata.core.table import Table
from segdata.measure.sequences import SequenceIndex, outside_volumes
from segdata.rules.shared import counts_small_shapes, small_region_findings

_MAIN = 0.99  # of a structure, in its largest part
_MIN_NATURAL_PARTS = 20  # small or large ones, from which a segment has many parts by nature


@rule(
    "SEG106",
    "speck",
    severity="info",
    needs=("shapes", "parts", "volumes"),
    fix="unsafe",
    habit="image",
    per_image=lambda profile: not has_volumes(profile),
    per_sequence=True,
)
def speck(tables: Tables, *, min_pixels: int = 8, max_share: float = 0.05) -> Findings:
    """A stray part is far smaller than its segment.

    Flagged:
        aaaaaaaaaaaa...
        aaaaaaaaaaaa.a.
        aaaaaaaaaaaa...

    Fine, it touches the segment:
        aaaaaaaaaaaa...
        aaaaaaaaaaaaa..
        aaaaaaaaaaaa...

    Fine (min_pixels=1):
        aaaaaaaaaaaa...
        aaaaaaaaaaaa.a.
        aaaaaaaaaaaa...

    Fine, its share of the segment is large:
        aaaa....
        aaaa.aa.
        ........

    Fine, it touches the segment at a corner:
        aaaaaaaaaaaaaaaaa...
        aaaaaaaaaaaaaaaaa...
        .................a..
        ....................

    Fine, the frame may have cut it:
        aaaaaaaaaaaa...
        aaaaaaaaaaaa..a
        aaaaaaaaaaaa...

    You get one finding for each segment, with the number of its stray parts. Parts that touch at a corner count as one.
    In a volume, parts reach across slices, and sizes are in voxels. There a larger part is stray, too, if nearly all of
    the structure is one part, this one has under a hundredth of it, lies further away than that is wide on the slice,
    and is not on the first or last slice.

    It is an info, because only the picture tells a slip of a brush from the tip of a thing, a dash of an antenna or a
    glimpse between leaves.

    Never flagged: parts at the frame or at the edge of a region of interest; crowds, void, and categories that are
    `thin`; masks that their storage changed (SEG010); pieces of a polygon that is narrower than a pixel; and segments
    of 20 small things or more, such as dots or fibres.

    Why: one stray pixel stretches the bounding box, and becomes an instance of its own when you convert the data.

    Remedy: look at some with `--overlays`. Make the category `thin` in the taxonomy if they are dashes of poles, wires
    or lanes. Else erase them: look at what `--diff --unsafe-fixes` shows, then run `--unsafe-fixes`. `--fix` alone
    leaves them, since they may be drawn on purpose.

    Options: `min_pixels`: parts of this size or larger are not flagged. `max_share`: nor are parts above this share of
    their segment.
    Defaults: below 8 pixels, COCO (50 images) has 1 finding; TACO, GBM40 and DRIVE have none. No larger part is stray
    in a spleen, spines and 17 volumes of TotalSegmentator's tests.
    """
    counts = counts_small_shapes(tables)
    for parts, group, unit in (
        (outside_volumes(tables, tables.parts), "segment", "px"),
        (tables.solids, "thing", "voxels"),
    ):
        small = (parts["cluster"] < min_pixels) & (parts["cluster"] < max_share * parts["whole"])
        small &= parts["drawn"] if group == "segment" else True
        small &= ~_small_by_nature(parts, group, small, min_pixels)
        if group == "thing" and len(parts):
            small |= _far_away(tables, parts)
        small &= counts[parts["segment"]] & (parts["cut"] == 0)
        yield from small_region_findings(parts.take(small), group, "stray part", unit)


def _far_away(tables: Tables, solids: Table) -> Flags:
    """(n_solids,) whether a small part lies far from the only large part of its structure, and within the volume."""
    largest = _largest(solids, "thing")[solids["thing"]]
    index, annotation = SequenceIndex.from_tables(tables), tables.segments["annotation"][solids["segment"]]
    place = index.place[annotation]
    n_slices = np.array([len(sequence.frame) for sequence in index.sequences])[index.sequence[annotation]]
    small = (place >= solids["slices"]) & (place + solids["slices"] < n_slices)
    small &= (solids["area"][largest] >= _MAIN * solids["whole"]) & (solids["cluster"] < (1 - _MAIN) * solids["whole"])
    rows = np.flatnonzero(small)
    # What the slice has of the structure besides, or else its largest part.
    parts = tables.parts.take(np.isin(tables.parts["segment"], solids["segment"][rows]))
    of_segment = _largest(parts, "segment")
    parts_of = np.append(of_segment, np.full(max(len(tables.segments) - len(of_segment), 0), -1))
    part = parts_of[solids["segment"][rows]]
    far, wide = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for low, size in (("x", "width"), ("y", "height")):
        begin, length = (
            np.where(part >= 0, np.append(parts[name], 0)[part], solids[name][largest[rows]]) for name in (low, size)
        )
        mine = solids[low][rows]
        far = np.maximum(far, np.maximum(mine - (begin + length), begin - (mine + solids[size][rows])))
        wide = np.maximum(wide, length)
    small[rows] = far > wide
    return small


def _largest(parts: Table, group: str) -> Ints:
    """(n_groups,) the row of the largest part of each group; -1: none."""
    rows = np.full(int(parts[group].max(initial=-1)) + 1, -1, np.int64)
    by_area = np.argsort(parts["area"], kind="stable")
    rows[parts[group][by_area]] = by_area  # of several rows the last that is written stays
    return rows


def _small_by_nature(parts: Table, group: str, small: Flags, min_pixels: int) -> Flags:
    """(n_parts,) whether a small part is but the smallest of many of its group.

    Fibres: at least `_MANY` parts, and four times as many as are below `min_pixels`, reach it and less than four times
    it. Real ones of axons have 1 to 7 pixels, too, beside 70 to 127 parts of 8 to 32. Dots, such as centres of atoms:
    at least `_MANY` parts, none of which reaches it.
    """
    larger = (parts["area"] >= min_pixels) & (parts["area"] < 4 * min_pixels)
    n_groups = int(parts[group].max(initial=-1)) + 1
    n_small, n_larger = (np.bincount(parts[group][rows], minlength=n_groups) for rows in (small, larger))
    largest = np.zeros(n_groups, np.int64)
    np.maximum.at(largest, parts[group], parts["cluster"])
    are_dots = (n_small >= _MIN_NATURAL_PARTS) & (largest < min_pixels)
    natural: Flags = (n_larger >= _MIN_NATURAL_PARTS) & (n_larger >= 4 * n_small) | are_dots
    return natural[parts[group]]
