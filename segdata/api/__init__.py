"""The library: everything that the command line does, as functions. Puts the rooms together."""

from segdata.api.checking import assert_valid, hash_of, info, measured, validate
from segdata.api.converting import Conversion, convert
from segdata.api.opening import read

__all__ = ["Conversion", "assert_valid", "convert", "hash_of", "info", "measured", "read", "validate"]
