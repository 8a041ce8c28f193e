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
        bounds,
        bridges,
        columns,
        cover,
        crop_runs,
        crossings,
        cut,
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
        lift,
        lower,
        nearest,
        order_by,
        pack_rgb,
        paired,
        parse_rings,
        parts,
        rasterise,
        recurring,
        split_counts,
        strips,
        strips_within,
        sums,
        tally,
        unpack_alpha,
    )

    NAME = "compiled"
except ImportError:
    from segdata.core.kernels._plain import (
        bounds,
        bridges,
        columns,
        cover,
        crop_runs,
        crossings,
        cut,
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
        lift,
        lower,
        nearest,
        order_by,
        pack_rgb,
        paired,
        parse_rings,
        parts,
        rasterise,
        recurring,
        split_counts,
        strips,
        strips_within,
        sums,
        tally,
        unpack_alpha,
    )

    NAME = "plain"

__all__ = [
    "NAME",
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
    "nearest",
    "order_by",
    "pack_rgb",
    "paired",
    "parse_rings",
    "parts",
    "rasterise",
    "recurring",
    "split_counts",
    "strips",
    "strips_within",
    "sums",
    "tally",
    "unpack_alpha",
]
