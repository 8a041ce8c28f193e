"""Error types: what can be wrong with a segment, and the corruptions from which `flag` learns what that looks like."""

from typing import Literal

ErrorType = Literal["missing", "extra", "category", "boundary", "merge", "split", "shift"]
CorruptionKind = Literal[
    "missing", "extra", "category", "merge", "split", "dilate", "erode", "coarse", "wobble", "shift", "misaligned"
]

TYPES: tuple[ErrorType, ...] = ("missing", "extra", "category", "boundary", "merge", "split", "shift")
KINDS: tuple[CorruptionKind, ...] = (
    "missing", "extra", "category", "merge", "split", "dilate", "erode", "coarse", "wobble", "shift", "misaligned",
)  # fmt: skip
CODES: dict[ErrorType, str] = {
    "missing": "SEG501",
    "extra": "SEG502",
    "category": "SEG503",
    "boundary": "SEG504",
    "merge": "SEG505",
    "split": "SEG506",
    "shift": "SEG507",
}
TYPE_OF: dict[CorruptionKind, ErrorType] = {
    "missing": "missing",
    "extra": "extra",
    "category": "category",
    "merge": "merge",
    "split": "split",
    "dilate": "boundary",
    "erode": "boundary",
    "coarse": "boundary",
    "wobble": "boundary",
    "shift": "shift",
    "misaligned": "shift",
}
MULTI_PART_KINDS: frozenset[CorruptionKind] = frozenset(
    {"merge", "split"}
)  # of no meaning where a category lies in one piece
