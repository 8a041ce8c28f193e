"""The kernels in numpy: what each one computes, and the fallback where nothing is compiled."""

from segdata.core.kernels._plain.counts import decode_counts, encode_counts, join_counts, split_counts, unpack_alpha
from segdata.core.kernels._plain.drawing import draw_opencv, draw_pillow
from segdata.core.kernels._plain.groups import (
    dense,
    extents,
    medians,
    nearest,
    order_by,
    quantiles,
    sums,
)
from segdata.core.kernels._plain.labels import (
    crop_runs,
    deal,
    distinct,
    draw_bitmaps,
    label_runs,
    pack_rgb,
)
from segdata.core.kernels._plain.outlines import borders, bridges, cycles, follow, outline_sums, parts, triangulate
from segdata.core.kernels._plain.overlay import (
    bands,
    contacts,
    cover_frames,
    overlaps,
    overlaps_within,
    shared_pixels,
    tally,
)
from segdata.core.kernels._plain.polygons import crossings, flawed_rings, parse_rings, rasterise, recurring
from segdata.core.kernels._plain.scan import join_spans, repeated_keys, scan_items, skip_json, value_spans
from segdata.core.kernels._plain.sweep import bounds, columns, cover, cut, lift, lower, strips, strips_within
from segdata.core.kernels._plain.walk import walk

__all__ = [
    "bands",
    "borders",
    "bounds",
    "bridges",
    "columns",
    "contacts",
    "cover",
    "cover_frames",
    "crop_runs",
    "crossings",
    "cut",
    "cycles",
    "deal",
    "decode_counts",
    "dense",
    "distinct",
    "draw_bitmaps",
    "draw_opencv",
    "draw_pillow",
    "encode_counts",
    "extents",
    "flawed_rings",
    "follow",
    "join_counts",
    "join_spans",
    "label_runs",
    "lift",
    "lower",
    "medians",
    "nearest",
    "order_by",
    "outline_sums",
    "overlaps",
    "overlaps_within",
    "pack_rgb",
    "parse_rings",
    "parts",
    "quantiles",
    "rasterise",
    "recurring",
    "repeated_keys",
    "scan_items",
    "shared_pixels",
    "skip_json",
    "split_counts",
    "strips",
    "strips_within",
    "sums",
    "tally",
    "triangulate",
    "unpack_alpha",
    "value_spans",
    "walk",
]
