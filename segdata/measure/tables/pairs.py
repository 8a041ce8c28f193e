"""Pairs: which segments of one annotation share pixels, touch, or have a thin band between them."""

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.overlay import SweepRuns, find_contacts, first_identical
from segdata.measure.registry import BatchView, measure

WIDEST_BAND = 5  # pixels of a band; Pascal VOC's void borders are 5 wide


@measure("pairs", tables={"pairs": {"a": "segments", "b": "segments"}})
def measure_pairs(view: BatchView) -> pa.Table:
    """The table `pairs`: segments a < b of one annotation that share pixels, their box and perimeter.

    The first of identical segments stands for all in pairs with others, and is paired with each copy: n copies give n -
    1 pairs.
    """
    batch, line, walk, side = view.batch, view.line, view.walk, view.sweep
    twin = first_identical(batch.runs, batch.segment_annotation, walk.area)
    copies = np.flatnonzero(twin != np.arange(batch.n_segments))
    if len(copies):
        single = twin[side.owner] == side.owner
        side = SweepRuns(side.start[single], side.end[single], side.owner[single])
    first, second, shared = kernels.shared_pixels(side.start, side.end, side.owner, line.base, line.height)
    # A copy shares all of its pixels with the first of its kind.
    own = [getattr(walk, name)[copies] for name in ("area", "x", "y", "width", "height", "perimeter")]
    a, b = np.concatenate([first, twin[copies]]), np.concatenate([second, copies])
    order = np.lexsort((b, a))
    columns = dict(zip(("shared", "x", "y", "width", "height", "perimeter"), np.hstack([shared, own]), strict=True))
    columns = {"a": a.astype(np.int64), "b": b.astype(np.int64), **columns}
    return pa.table({name: column[order] for name, column in columns.items()})


@measure("contacts", tables={"contacts": {"a": "segments", "b": "segments"}})
def measure_contacts(view: BatchView) -> pa.Table:
    """The table `contacts`: segments a < b of one annotation that touch, and the contact's length in pixel edges."""
    contacts = find_contacts(view.sweep, view.line)
    return pa.table({"a": contacts.a.astype(np.int64), "b": contacts.b.astype(np.int64), "length": contacts.pixels})


@measure("borders", tables={"borders": {"a": "segments", "b": "segments"}})
def measure_borders(view: BatchView) -> pa.Table:
    """The table `borders`: pairs a < b of segments of one annotation that follow each other along an image column.

    `touching` counts the places (image columns) where no pixel is between them, or they overlap, and `apart` those
    where 1 to `WIDEST_BAND` pixels lie between them that are void or unlabelled. Runs lie along columns, so one pass
    over them sees every border but those that are exactly upright.
    """
    side, line = view.sweep, view.line
    seen = ~np.isin(view.batch.segments["category_id"].to_numpy(), view.taxonomy.void_ids)
    a, b, (touching, apart) = kernels.bands(
        side.start, side.end, side.owner, line.base, line.height, seen.view(np.uint8), WIDEST_BAND
    )
    return pa.table({"a": a.astype(np.int64), "b": b.astype(np.int64), "touching": touching, "apart": apart})
