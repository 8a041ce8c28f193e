"""SEG106 speck: a segment has stray parts."""

import numpy as np

from segdata.core.profile import has_volumes
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags
from segdata.core.table import Table
from segdata.measure.sequences import outside_volumes
from segdata.rules.shared import counts_small_shapes, small_region_findings

_MANY = 20  # parts that are small but no specks


@rule(
    "SEG106",
    "speck",
    severity="warning",
    needs=("shapes", "parts", "volumes"),
    fix="unsafe",
    habit="image",
    habit_severity="info",
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
    If stray parts are a habit of the dataset, you get one info for all: they can be slips of a brush, but also glimpses
    between leaves or dashes of an antenna. Only those that stand out are warnings.

    Parts at the frame, or at the edge of a region of interest, are left alone: what is cut there leaves small parts.
    So are crowds, void, categories that are `thin`, and masks that their storage changed (SEG010).

    A polygon that is narrower than a pixel falls apart in its raster. Only its whole rings count as parts.

    Masks of many small things are left alone, too, such as fibres: at least 20 parts, and four times as many as are
    below `min_pixels`, reach `min_pixels` and less than four times that. So are masks of dots, such as the centres of
    atoms: at least 20 parts, none of which reaches `min_pixels`.

    In a volume the parts are those of the whole thing across its slices, and sizes are in voxels.

    Why: one stray pixel stretches the bounding box, becomes an instance of its own when you convert the data, and skews
    boundary metrics.

    Remedy: look at some with `--overlays`. If they are dashes of poles, wires or lanes, make the category `thin` in the
    taxonomy. Else erase them, and give their pixels to what surrounds them. The fix does that. It is unsafe, because it
    cannot tell a slip from a dash; check it with `--diff`.

    Options: `min_pixels`: parts of this size or larger are not flagged. `max_share`: nor are parts above this share of
    their segment.
    Defaults: below 8 pixels, COCO (50 images) has 1 finding, and TACO, GBM40 and DRIVE have none. Real fibres of axons
    have 1 to 7 pixels, too, but come with 70 to 127 parts of 8 to 32. CamVid, shrunken by nearest neighbour, has specks
    in 160 of 442 segments, CamSeq01 in 110 of 321: these are habits.
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
    """(n_parts,) whether a small part is but the smallest of many of its group: see `speck`."""
    larger = (parts["area"] >= min_pixels) & (parts["area"] < 4 * min_pixels)
    n_groups = int(parts[group].max(initial=-1)) + 1
    n_small, n_larger = (np.bincount(parts[group][rows], minlength=n_groups) for rows in (small, larger))
    largest = np.zeros(n_groups, np.int64)
    np.maximum.at(largest, parts[group], parts["cluster"])
    are_dots = (n_small >= _MANY) & (largest < min_pixels)
    natural: Flags = (n_larger >= _MANY) & (n_larger >= 4 * n_small) | are_dots
    return natural[parts[group]]
