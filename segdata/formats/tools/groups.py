"""Groups: the numbers that tie the parts of segments together in files of annotation tools."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from segdata.formats.tools.mark import GROUP


def groups(
    labels: Sequence[str], said: Sequence[Mapping[str, Any]], n_parts: Sequence[int], first: int = 0
) -> tuple[list[int | None], list[bool]]:
    """(n,) the group of each segment of an image, and whether it says its attribute `group_id`, too.

    It does where it is read as that again: of one part, or with several labels; and one label has a number but once.
    Segments of several parts that have none get numbers that are free, from `first` on.
    """
    wanted: list[int | None] = []
    seen: set[tuple[str, int]] = set()
    for label, segment in zip(labels, said, strict=True):
        number = as_number(dict(segment["attributes"] or ()).get(GROUP))
        taken = number is None or number < first or (label, number) in seen
        wanted.append(None if taken else number)
        seen.add((label, number or 0))
    names = Counter(wanted)
    kept = [
        number is not None and (parts == 1 or names[number] > 1) for number, parts in zip(wanted, n_parts, strict=True)
    ]
    free = max((number for number in wanted if number is not None), default=first - 1) + 1
    found: list[int | None] = []
    for number, parts, is_kept in zip(wanted, n_parts, kept, strict=True):
        if is_kept or parts == 1:
            found.append(number if is_kept else None)
        else:
            found.append(free)
            free += 1
    return found, kept


def as_number(text: str | None) -> int | None:
    """A JSON text as a whole number; None where it is something else."""
    digits = (text or "").removeprefix("-")
    whole = digits.isascii() and digits.isdecimal() and len(digits) < 18
    return int(text or 0) if whole else None
