"""SEG106 speck: stray parts of a segment."""

from collections.abc import Iterator

import numpy as np

from segdata.core.counted import counted
from segdata.core.finding import Found
from segdata.core.reported import is_lossy
from segdata.core.rule import Tables, rule
from segdata.core.summed import COLUMNS, summed


@rule("SEG106", "speck", severity="warning", needs=("shapes", "parts"))
def speck(tables: Tables, *, min_pixels: int = 8, max_share: float = 0.05) -> Iterator[Found]:
    """A stray part far smaller than its segment.

    Flagged:
        aaaaaaaaaaaa..
        aaaaaaaaaaaa.a

    Fine:
        aaaaaaaaaaaa..
        aaaaaaaaaaaaa.

    Fine (min_pixels=1):
        aaaaaaaaaaaa..
        aaaaaaaaaaaa.a

    Fine:
        aaaa.a
        aaaa.a

    Fine:
        aaaaaaaaaaaaaaaaa..
        aaaaaaaaaaaaaaaaa..
        .................a.

    One finding for each segment, with the number of such parts. Parts that touch at a corner count as one here. Where
    a polygon is narrower than a pixel its raster falls apart; only whole rings of it count. Crowds, void, and masks
    that their storage changed (SEG010) are left alone.

    Why: one stray pixel stretches the bounding box, becomes an instance of its own on conversion, and skews boundary
    metrics.

    Remedy: erase them, and give their pixels to what surrounds them.

    Options: min_pixels, parts this large are kept. max_share, as are parts above this share of their segment.
    Defaults: COCO (50 images), TACO, GBM40 and DRIVE have 1, 0, 0 and 2 findings at 8, and at 12; masks of axons
    hold real ones of 8 to 16 pixels, and a few below. CamVid, shrunken by nearest neighbour, has specks in 191 of
    442 segments, CamSeq01 in 110 of 321; three quarters of these parts have under 4 pixels.
    """
    segments = tables.segments
    exempt = is_lossy(tables) | segments["iscrowd"] | np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    owner, size = tables.parts["segment"], segments["area"]
    cluster = tables.parts["cluster"]
    small = (cluster < min_pixels) & (cluster < max_share * size[owner]) & tables.parts["drawn"] & ~exempt[owner]
    found = summed(tables.parts.take(small), "segment")
    for segment, n, pixels, largest, x, y, width, height in found.lines("segment", *COLUMNS):
        most = f", the largest {largest} px" if n > 1 else ""
        message = f"{counted(n, 'stray part')} of {pixels:,} px{most}, in a segment of {size[segment]:,} px"
        yield Found(message, segments=(segment,), bbox=(x, y, width, height), pixels=pixels)
