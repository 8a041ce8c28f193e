"""SEG106 speck: a segment has stray parts."""

import numpy as np

from segdata.core.profile import has_volumes
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags
from segdata.core.table import Table
from segdata.measure.sequences import outside_volumes
from segdata.rules.shared import counts_small_shapes, small_region_findings

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
    In a volume, parts reach across slices, and sizes are in voxels.

    It is an info, because only the picture tells a slip of a brush from the tip of a thing, a dash of an antenna or a
    glimpse between leaves.

    Never flagged: parts at the frame or at the edge of a region of interest; crowds, void, and categories that are
    `thin`; masks that their storage changed (SEG010); pieces of a polygon that is narrower than a pixel; and segments
    of 20 small things or more, such as dots or fibres.

    Why: one stray pixel stretches the bounding box, and becomes an instance of its own when you convert the data.

    Remedy: look at some with `--overlays`. Make the category `thin` in the taxonomy if they are dashes of poles, wires
    or lanes. Else erase them, as the fix does: check it with `--diff`.

    Options: `min_pixels`: parts of this size or larger are not flagged. `max_share`: nor are parts above this share of
    their segment.
    Defaults: below 8 pixels, COCO (50 images) has 1 finding; TACO, GBM40 and DRIVE have none.
    """
    counts = counts_small_shapes(tables)
    for parts, group, unit in (
        (outside_volumes(tables, tables.parts), "segment", "px"),
        (tables.solids, "thing", "voxels"),
    ):
        small = (parts["cluster"] < min_pixels) & (parts["cluster"] < max_share * parts["whole"])
        small &= parts["drawn"] if group == "segment" else True
        small &= counts[parts["segment"]]
        small &= ~_small_by_nature(parts, group, small, min_pixels) & (parts["cut"] == 0)
        yield from small_region_findings(parts.take(small), group, "stray part", unit)


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
