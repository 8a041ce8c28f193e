"""The library: everything that the command line does, as functions. Puts the rooms together."""

from segdata.api.arrays import from_arrays
from segdata.api.checking import assert_valid, hash_of, info, measured, validate
from segdata.api.comparing import diff
from segdata.api.converting import Conversion, convert
from segdata.api.ground import areas_m2
from segdata.api.opening import read

__all__ = [
    "Conversion",
    "areas_m2",
    "assert_valid",
    "convert",
    "diff",
    "from_arrays",
    "hash_of",
    "info",
    "measured",
    "read",
    "validate",
]
