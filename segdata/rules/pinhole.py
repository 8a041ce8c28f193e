"""SEG107 pinhole: small holes in a segment."""

from collections.abc import Iterator

import numpy as np

from segdata.core.counted import counted
from segdata.core.finding import Found
from segdata.core.reported import is_lossy
from segdata.core.rule import Tables, rule
from segdata.core.summed import COLUMNS, summed


@rule("SEG107", "pinhole", severity="warning", needs=("holes",))
def pinhole(tables: Tables, *, min_pixels: int = 8, max_share: float = 0.05) -> Iterator[Found]:
    """A hole of a few pixels inside a segment, which nobody labelled.

    Flagged:
        aaaaaaaa
        aaaa.aaa
        aaaaaaaa

    Fine:
        aaaaaaaa
        aaaa.aaa
        aaaa.aaa

    Fine:
        aaaaaaaa
        aaaabaaa
        aaaaaaaa

    Fine (min_pixels=1):
        aaaaaaaa
        aaaa.aaa
        aaaaaaaa

    One finding for each segment, with the number of such holes. A hole that another segment fills is that segment's
    matter: a small object, or a speck (SEG106). Polygons cannot have holes; where one touches itself, its raster may
    enclose a pixel, and that is not flagged. Crowds, void, categories that are `thin` (whose loops are narrow), and
    masks that their storage changed (SEG010) are left alone.

    Why: nobody draws a hole of three pixels; it is left over from a brush or from thresholding. It becomes a ring of
    its own on conversion to polygons, and is lost where the format cannot hold holes.

    Remedy: fill them.

    Options: min_pixels, holes this large are kept. max_share, as are holes above this share of their segment.
    Defaults: unlabelled holes are either tiny or large: in ten corrected masks of axons and myelin 27 have under 8
    pixels and 2 have 8 to 16, in magnetic_tile (472 masks) 26 and 6, in DRIVE (20 masks of vessels that cross) 102 and
    24. CamVid, CamSeq01 and all polygons have none.
    """
    segments, categories = tables.segments, tables.profile.taxonomy.categories
    left_alone = [each.id for each in categories if each.thin or each.kind == "void"]
    exempt = is_lossy(tables) | segments["iscrowd"] | np.isin(segments["category_id"], left_alone)
    owner, size = tables.holes["segment"], segments["area"]
    area = tables.holes["area"]
    small = (area < min_pixels) & (area < max_share * size[owner]) & tables.holes["empty"] & ~exempt[owner]
    found = summed(tables.holes.take(small), "segment")
    for segment, n, pixels, largest, x, y, width, height in found.lines("segment", *COLUMNS):
        most = f", the largest {largest} px" if n > 1 else ""
        message = f"{counted(n, 'hole')} of {pixels:,} px{most}, in a segment of {size[segment]:,} px"
        yield Found(message, segments=(segment,), bbox=(x, y, width, height), pixels=pixels)
