"""The kernels in numpy: what each one computes, and the fallback where nothing is compiled."""

from segdata.core.kernels._plain.bitmaps import crop_runs, draw_bitmaps
from segdata.core.kernels._plain.borders import borders
from segdata.core.kernels._plain.brush import unpack_alpha
from segdata.core.kernels._plain.counts import decode_counts, encode_counts, join_counts, split_counts
from segdata.core.kernels._plain.crossings import crossings, recurring
from segdata.core.kernels._plain.cutting import cut
from segdata.core.kernels._plain.groups import dense, extents, medians, order_by, paired, sums, tally
from segdata.core.kernels._plain.labels import deal, distinct, label_runs, pack_rgb
from segdata.core.kernels._plain.nearest import nearest
from segdata.core.kernels._plain.opencv import draw_opencv
from segdata.core.kernels._plain.outlines import bridges, cycles, follow
from segdata.core.kernels._plain.parts import parts
from segdata.core.kernels._plain.pillow import draw_pillow
from segdata.core.kernels._plain.places import bounds, columns, lift, lower
from segdata.core.kernels._plain.polygons import rasterise
from segdata.core.kernels._plain.quantiles import quantiles
from segdata.core.kernels._plain.rings import parse_rings
from segdata.core.kernels._plain.sweep import cover, strips, strips_within
from segdata.core.kernels._plain.triangles import triangulate

__all__ = [
    "borders",
    "bounds",
    "bridges",
    "columns",
    "cover",
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
    "follow",
    "join_counts",
    "label_runs",
    "lift",
    "lower",
    "medians",
    "nearest",
    "order_by",
    "pack_rgb",
    "paired",
    "parse_rings",
    "parts",
    "quantiles",
    "rasterise",
    "recurring",
    "split_counts",
    "strips",
    "strips_within",
    "sums",
    "tally",
    "triangulate",
    "unpack_alpha",
]
