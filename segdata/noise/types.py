"""Types: what can be wrong with a segment, and the ways in which labels are spoiled to learn what that looks like."""

from typing import Literal

Type = Literal["missing", "extra", "category", "boundary", "merge", "split", "shift"]
Kind = Literal[
    "missing", "extra", "category", "merge", "split", "dilate", "erode", "coarse", "wobble", "shift", "misaligned"
]

TYPES: tuple[Type, ...] = ("missing", "extra", "category", "boundary", "merge", "split", "shift")
KINDS: tuple[Kind, ...] = (
    "missing", "extra", "category", "merge", "split", "dilate", "erode", "coarse", "wobble", "shift", "misaligned",
)  # fmt: skip
CODES: dict[Type, str] = {
    "missing": "SEG501",
    "extra": "SEG502",
    "category": "SEG503",
    "boundary": "SEG504",
    "merge": "SEG505",
    "split": "SEG506",
    "shift": "SEG507",
}
TYPE_OF: dict[Kind, Type] = {
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
OF_SEVERAL: frozenset[Kind] = frozenset({"merge", "split"})  # of no meaning where a category lies in one piece
