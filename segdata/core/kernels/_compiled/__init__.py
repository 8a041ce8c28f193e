"""The kernels as compiled extensions; importing fails when one of them was not built."""

from segdata.core.kernels._compiled.bitmaps import crop_runs, draw_bitmaps
from segdata.core.kernels._compiled.borders import borders
from segdata.core.kernels._compiled.brush import unpack_alpha
from segdata.core.kernels._compiled.counts import decode_counts, encode_counts, join_counts, split_counts
from segdata.core.kernels._compiled.crossings import crossings, recurring
from segdata.core.kernels._compiled.cutting import cut
from segdata.core.kernels._compiled.groups import dense, extents, medians, order_by, paired, sums, tally
from segdata.core.kernels._compiled.labels import deal, distinct, label_runs, pack_rgb
from segdata.core.kernels._compiled.nearest import nearest
from segdata.core.kernels._compiled.opencv import draw_opencv
from segdata.core.kernels._compiled.outlines import bridges, cycles, follow
from segdata.core.kernels._compiled.parts import parts
from segdata.core.kernels._compiled.pillow import draw_pillow
from segdata.core.kernels._compiled.places import bounds, columns, lift, lower
from segdata.core.kernels._compiled.polygons import rasterise
from segdata.core.kernels._compiled.quantiles import quantiles
from segdata.core.kernels._compiled.rings import parse_rings
from segdata.core.kernels._compiled.sweep import cover, strips, strips_within
from segdata.core.kernels._compiled.triangles import triangulate

try:
    from segdata.core.kernels._compiled.keys import repeated_keys
except ImportError:  # built before it was added
    from segdata.core.kernels._plain.keys import repeated_keys
try:
    from segdata.core.kernels._compiled.overlay import bands, contacts, cover_frames, shared_pixels
except ImportError:  # as above
    from segdata.core.kernels._plain.overlay import bands, contacts, cover_frames, shared_pixels
try:
    from segdata.core.kernels._compiled.outline_sums import outline_sums
except ImportError:  # as above
    from segdata.core.kernels._plain.outline_sums import outline_sums
try:
    from segdata.core.kernels._compiled.walk import walk
except ImportError:  # as above
    from segdata.core.kernels._plain.walk import walk
try:
    from segdata.core.kernels._compiled.scan import join_spans, scan_items, skip_json, value_spans
except ImportError:  # built before it was added
    from segdata.core.kernels._plain.scan import join_spans, scan_items, skip_json, value_spans
try:
    from segdata.core.kernels._compiled.rings import flawed_rings
except ImportError:  # as above
    from segdata.core.kernels._plain.polygons import flawed_rings

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
    "pack_rgb",
    "paired",
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
