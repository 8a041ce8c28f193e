"""The inner loops over runs: compiled where that was possible, else in numpy.

`NAME` says which: "compiled" or "plain". The environment variable SEGDATA_KERNELS=plain asks for numpy. Both give the
same results; what each function does is documented in the plain twin.

Pixels are in column-major order: pixel (x, y) is at x * height + y. A run is a vertical strip inside one column.
Arrays are one-dimensional and contiguous; positions and lengths are int64, owners int32.
"""

import os

try:
    if os.environ.get("SEGDATA_KERNELS") == "plain":
        raise ImportError("the plain kernels are asked for")
    from segdata.core.kernels._compiled import (
        bridges,
        cover,
        crop_runs,
        crossings,
        cycles,
        deal,
        decode_counts,
        distinct,
        draw_bitmaps,
        draw_opencv,
        draw_pillow,
        encode_counts,
        extents,
        follow,
        join_counts,
        label_runs,
        order_by,
        pack_rgb,
        parse_rings,
        parts,
        rasterise,
        split_counts,
        strips,
        strips_within,
        tally,
        unpack_alpha,
    )

    NAME = "compiled"
except ImportError:
    from segdata.core.kernels._plain import (
        bridges,
        cover,
        crop_runs,
        crossings,
        cycles,
        deal,
        decode_counts,
        distinct,
        draw_bitmaps,
        draw_opencv,
        draw_pillow,
        encode_counts,
        extents,
        follow,
        join_counts,
        label_runs,
        order_by,
        pack_rgb,
        parse_rings,
        parts,
        rasterise,
        split_counts,
        strips,
        strips_within,
        tally,
        unpack_alpha,
    )

    NAME = "plain"

__all__ = [
    "NAME",
    "bridges",
    "cover",
    "crop_runs",
    "crossings",
    "cycles",
    "deal",
    "decode_counts",
    "distinct",
    "draw_bitmaps",
    "draw_opencv",
    "draw_pillow",
    "encode_counts",
    "extents",
    "follow",
    "join_counts",
    "label_runs",
    "order_by",
    "pack_rgb",
    "parse_rings",
    "parts",
    "rasterise",
    "split_counts",
    "strips",
    "strips_within",
    "tally",
    "unpack_alpha",
]
