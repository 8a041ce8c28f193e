"""Error types: what can be wrong with a segment, and the corruptions from which `flag` learns what that looks like."""

from typing import Literal, get_args

ErrorType = Literal["missing", "extra", "category", "boundary", "merge", "split", "shift"]
CorruptionKind = Literal[
    "missing",
    "extra",
    "category",
    "merge",
    "split",
    "dilate",
    "erode",
    "coarse",
    "wobble",
    "shift",
    "speck",
    "sliver",
    "copy",
    "core",
    "hole",
    "bite",
    "box",
    "stale",
    "misaligned",
    "bare",
    "habit",
]

TYPES: tuple[ErrorType, ...] = get_args(ErrorType)
KINDS: tuple[CorruptionKind, ...] = get_args(CorruptionKind)
CODES: dict[ErrorType, str] = {type_: f"SEG{code}" for code, type_ in enumerate(TYPES, 501)}
TYPE_OF: dict[CorruptionKind, ErrorType] = {
    "missing": "missing", "extra": "extra", "category": "category", "merge": "merge", "split": "split",
    "dilate": "boundary", "erode": "boundary", "coarse": "boundary", "wobble": "boundary",
    "shift": "shift", "speck": "extra", "sliver": "extra", "copy": "extra", "core": "split",
    "hole": "boundary", "bite": "boundary", "box": "boundary", "stale": "boundary",
    "misaligned": "shift", "bare": "missing", "habit": "boundary",
}  # fmt: skip
IMAGE_KINDS: tuple[CorruptionKind, ...] = ("misaligned", "bare", "habit")  # of all labels of an image
MULTI_PART_KINDS: frozenset[CorruptionKind] = frozenset({"merge", "split"})  # need categories in several pieces
