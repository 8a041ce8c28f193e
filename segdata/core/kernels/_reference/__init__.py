"""The kernels in numpy: the reference implementation, and the fallback if nothing is compiled."""

from segdata.core.kernels._reference.counts import (
    decode_counts,
    encode_counts,
    guard_pages,
    join_counts,
    join_spans,
    release_pages,
    repeated_keys,
    split_counts,
    unpack_alpha,
)
from segdata.core.kernels._reference.groups import (
    expand_ranges,
    extents,
    first_rows,
    medians,
    nearest,
    order_by,
    quantiles,
    sums,
    take_ranges,
)
from segdata.core.kernels._reference.labels import (
    crop_runs,
    deal,
    distinct,
    draw_bitmaps,
    flood,
    label_runs,
    pack_rgb,
)
from segdata.core.kernels._reference.outlines import (
    borders,
    bridges,
    cycles,
    follow,
    outline_distances,
    parts,
    triangulate,
)
from segdata.core.kernels._reference.overlay import (
    bands,
    contacts,
    cover_frames,
    overlaps,
    overlaps_within,
    shared_pixels,
    tally,
)
from segdata.core.kernels._reference.polygons import (
    convex_rings,
    crossings,
    draw_opencv,
    draw_pillow,
    flawed_rings,
    parse_rings,
    rasterise,
    recurring,
    ring_boxes,
    ring_lengths,
)
from segdata.core.kernels._reference.sweep import (
    bounds,
    columns,
    cover,
    cut,
    empty_strips,
    lift,
    line_hashes,
    lower,
    strip_hashes,
    strips,
    strips_within,
    sweep_order,
)
from segdata.core.kernels._reference.walk import even_steps, measure_segments

__all__ = [
    "bands", "borders", "bounds", "bridges", "columns", "contacts", "convex_rings", "cover", "cover_frames",
    "crop_runs", "crossings", "cut", "cycles", "deal", "decode_counts", "distinct", "draw_bitmaps", "draw_opencv",
    "draw_pillow", "empty_strips", "encode_counts", "even_steps", "expand_ranges", "extents", "first_rows",
    "flawed_rings", "flood", "follow", "guard_pages", "join_counts", "join_spans", "label_runs", "lift", "line_hashes",
    "lower", "measure_segments", "medians", "nearest", "order_by", "outline_distances", "overlaps", "overlaps_within",
    "pack_rgb", "parse_rings", "parts", "quantiles", "rasterise", "recurring", "release_pages", "repeated_keys",
    "ring_boxes", "ring_lengths", "shared_pixels", "split_counts", "strip_hashes", "strips", "strips_within", "sums",
    "sweep_order", "take_ranges", "tally", "triangulate", "unpack_alpha",
]  # fmt: skip
