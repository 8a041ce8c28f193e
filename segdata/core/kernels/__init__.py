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
    from segdata.core.kernels._compiled import *  # noqa: F403 - its __all__ lists the functions

    NAME = "compiled"
except ImportError:
    from segdata.core.kernels._plain import *  # noqa: F403 - as above

    NAME = "plain"

# Whether `scan_items` is compiled; its twin takes longer than decoding item by item.
SCANS = "._compiled." in scan_items.__module__  # noqa: F405 - as above
