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

    You get one finding for each segment, with the number of such parts. Parts that touch at a corner count as one here.
    A part at the frame, or at the edge of a region of interest, is not stray: what is cut there leaves small parts. In
    a volume parts are those of the whole thing across its slices, and their sizes are in voxels. The raster of a
    polygon falls apart where it is narrower than a pixel; only whole rings of it count. A category mask of many small
    things, such as fibres, has some that are smaller still: if at least 20 parts, and four times as many as are below
    min_pixels, are at most four times min_pixels large, none is stray. Nor is one where at least 20 parts are small and
    none is larger: a mask of dots, such as the centres of atoms. The rule ignores crowds, void, categories that are
    `thin` (whose lines break into dashes), and masks that their storage changed (SEG010).

    Why: one stray pixel stretches the bounding box, becomes an instance of its own when you convert the data, and skews
    boundary metrics.

    Remedy: erase them, and give their pixels to what surrounds them. The fix does that, and is unsafe: it cannot tell a
    slip from a dash of a pole, a wire or a lane marking. If you have such categories, make them `thin` in the taxonomy
    first, and look at `--diff --overlays`.

    Options: `min_pixels`: parts of this size or larger are not flagged. `max_share`: nor are parts above this share of
    their segment.
    Defaults: COCO (50 images), TACO, GBM40 and DRIVE have 1, 0, 0 and 0 findings at 8. In masks of axons with 70 to 127
    parts of 8 to 32 pixels, those of 1 to 7 (up to 14) are real fibres; stray parts come without such company. CamVid,
    shrunken by nearest neighbour, has specks in 160 of 442 segments with `thin` poles, CamSeq01 in 110 of 321; three
    quarters of these parts have under 4 pixels. As three readers drew a brain scan, 77 of 396 such parts in 185 slices
    are stray in three dimensions, in 3 findings.
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
