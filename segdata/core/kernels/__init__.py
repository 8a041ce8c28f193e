"""The inner loops over runs: compiled where that was possible, else in numpy.

`NAME` says which are asked for: "compiled", or "reference" if the environment variable SEGDATA_KERNELS is "reference"
(or "plain", its earlier value). Both give the same results; the numpy reference documents what each function does. A
kernel is loaded when it is first used. The reference, which is slower, replaces one that was not compiled; `lacking`
lists these. `COMPILED_ONLY` have no reference: their callers ask `is_compiled` first, and read in another way if not.

Pixels are in column-major order: pixel (x, y) is at x * height + y. A run is a vertical strip inside one column.
Arrays are one-dimensional and contiguous; positions and lengths are int64, owners int32.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # compiled kernels have the signatures of their numpy reference; a test compares the two
    from segdata.core.kernels._compiled.filters import undo_filters as undo_filters
    from segdata.core.kernels._compiled.scan import scan_items as scan_items
    from segdata.core.kernels._compiled.scan import skip_json as skip_json
    from segdata.core.kernels._compiled.scan import value_spans as value_spans
    from segdata.core.kernels._reference import *  # noqa: F403 - `_FUNCTIONS` lists them

NAME = "reference" if os.environ.get("SEGDATA_KERNELS") in ("reference", "plain") else "compiled"

_FUNCTIONS = {  # of each compiled module; the reference has all but `COMPILED_ONLY`
    "bitmaps": ("crop_runs", "draw_bitmaps"),
    "borders": ("borders",),
    "counts": ("decode_counts", "encode_counts", "join_counts", "split_counts", "unpack_alpha"),
    "crossings": ("crossings", "recurring"),
    "faults": ("guard_pages", "release_pages"),
    "filters": ("undo_filters",),
    "groups": (
        "expand_ranges", "extents", "fill_ranges", "first_rows", "medians", "order_by", "quantiles", "sums",
        "take_ranges",
    ),
    "keys": ("repeated_keys",),
    "labels": ("deal", "distinct", "flood", "label_runs", "pack_rgb"),
    "nearest": ("nearest", "outline_distances"),
    "opencv": ("draw_opencv",),
    "outlines": ("bridges", "cycles", "follow"),
    "overlay": ("bands", "contacts", "cover_frames", "overlaps", "overlaps_within", "shared_pixels", "tally"),
    "pillow": ("draw_pillow",),
    "places": (
        "bounds", "columns", "empty_strips", "lift", "line_hashes", "lower", "strip_hashes", "sweep_order",
    ),
    "polygons": ("rasterise",),
    "rings": ("convex_rings", "flawed_rings", "parse_rings", "ring_boxes", "ring_lengths"),
    "scan": ("join_spans", "scan_items", "skip_json", "value_spans"),
    "sweep": ("cover", "cut", "strips", "strips_within"),
    "triangles": ("triangulate",),
    "walk": ("even_steps", "measure_segments", "parts"),
}  # fmt: skip
COMPILED_ONLY = frozenset({"scan_items", "skip_json", "undo_filters", "value_spans"})
_MODULE = {function: module for module, functions in _FUNCTIONS.items() for function in functions}


def __getattr__(name: str) -> Any:  # Any: the kernels have several signatures
    """A kernel, kept under its name from the first time on."""
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    kernel = None if NAME == "reference" else find_compiled(name)
    if kernel is None:
        kernel = getattr(import_module(f"{__name__}._reference"), name)
    globals()[name] = kernel
    return kernel


def lacking() -> list[str]:
    """The kernels that are not compiled, or whose compiled version is out of date."""
    return [name for name in _MODULE if find_compiled(name) is None]


def describe() -> str:
    """Which kernels are used, as `--version` says it."""
    missing = list(_MODULE) if NAME == "reference" else lacking()
    if len(missing) == len(_MODULE):
        return "numpy kernels (slower: no compiler was available)"
    return (
        f"compiled kernels but for {', '.join(missing)} (slower: build them again)" if missing else "compiled kernels"
    )


def is_compiled(name: str) -> bool:
    """Whether a kernel that is used is compiled."""
    return NAME == "compiled" and find_compiled(name) is not None


def find_compiled(name: str) -> Any:  # Any: as above
    """A compiled kernel, even if the reference is asked for; None where it was not built."""
    try:
        return getattr(import_module(f"{__name__}._compiled.{_MODULE[name]}"), name, None)
    except ImportError:
        return None
