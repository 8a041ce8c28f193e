"""Pairing: which images of several datasets are the same, by what their names have in common."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Literal

ByName = Literal["id", "stem", "name"]
By = Literal["id", "stem", "name", "varying", "content"]
Key = tuple[str, int | str]


def _stem(image: str) -> str:
    return PurePosixPath(image).with_suffix("").as_posix()


def _name(image: str) -> str:
    return PurePosixPath(image).stem


_WORDS = re.compile(r"\d+|[^\W\d_]+|[\W_]")
# What images must have in common, from the strictest on; the next is tried only where no image meets the last.
NAMES: dict[ByName, Callable[[str], str]] = {"id": str, "stem": _stem, "name": _name}


def keys(images: Sequence[str], by: By) -> list[Key]:
    """(n,) the key of each of a dataset's images; images of two datasets that have one key are the same.

    `by` is one of `NAMES` or "varying". Ids that are there twice are counted; where several images have another key
    in common it is told apart by the id, and pairs nothing.
    """
    if by == "id":
        seen: Counter[str] = Counter()
        numbered: list[Key] = []
        for each in images:
            numbered.append((each, seen[each]))
            seen[each] += 1
        return numbered
    named = varying(images) if by == "varying" else [_named(by)(image) for image in images]
    often = Counter(named)
    return [(each, 0 if often[each] == 1 else image) for each, image in zip(named, images, strict=True)]


def _named(by: By) -> Callable[[str], str]:
    return next(key for name, key in NAMES.items() if name == by)


def varying(images: Sequence[str]) -> list[str]:
    """(n,) the ids without extension, and without the words and numbers that all of them begin and end with.

    >>> varying(["b/01_manual1.gif", "b/02_manual1.gif"])
    ['01', '02']
    """
    words = [_WORDS.findall(_stem(image)) for image in images]
    if len(words) < 2:
        return [""] * len(words)
    before = _shared(words)
    after = _shared([each[before:][::-1] for each in words])
    return ["".join(each[before : len(each) - after]) for each in words]


def _shared(lists: Sequence[list[str]]) -> int:
    """How many entries all lists begin with."""
    first, last = min(lists), max(lists)
    n = min(len(first), len(last))
    return next((k for k in range(n) if first[k] != last[k]), n)
