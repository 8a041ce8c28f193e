"""Trap: a situation in files that careless tools get wrong, and what must come out of it.

Traps are for any tool, not only for this one: `python -m tests.generators.traps FOLDER` writes them all, a folder each
with `expected.json` beside the files.
"""

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.core.config import Option

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TrueSegment:
    """A segment that must come out.

    Attributes
    ----------
    image : image id
    category : its name
    mask : (height, width), True where the segment is
    iscrowd, track, annotator, attributes : where they are part of the trap; None: they do not matter
    """

    image: str
    category: str
    mask: Mask = field(repr=False)
    iscrowd: bool | None = None
    track: int | None = None
    annotator: str | None = None
    attributes: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What must come out of a trap.

    Attributes
    ----------
    open : what is to be opened, below the trap's folder; "" for the folder itself
    segments : exactly these, in any order
    findings : the codes that must be reported; others may be, except of files that cannot be read (SEG001 to SEG019)
    refused : words of the message with which the whole must be refused, instead of all that
    to : the trap is in writing: what is opened is sound, has to be written in this format and read back, and then
        `segments` must come out, or the writer must refuse
    read, write : options of the formats
    """

    open: str = ""
    segments: Sequence[TrueSegment] = ()
    findings: Sequence[str] = ()
    refused: str | None = None
    to: str | None = None
    read: Mapping[str, Option] = field(default_factory=dict)
    write: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trap:
    """One situation.

    Attributes
    ----------
    code : T01 …; several traps may be variants of one code
    name : of the function that makes it
    format : the format of the files; the reader is told, unless it is `None`: then it has to detect it
    situation : what is in the files, and what careless tools make of it, with who was seen to do so
    make : writes the files into an empty folder, and tells what must come out
    """

    code: str
    name: str
    format: str | None
    situation: str
    make: Callable[[Path], Truth] = field(repr=False)


_TRAPS: list[Trap] = []


def trap(code: str, format: str | None) -> Callable[[Callable[[Path], Truth]], Callable[[Path], Truth]]:
    """Make a trap of a function; its docstring is the situation."""

    def register(make: Callable[[Path], Truth]) -> Callable[[Path], Truth]:
        name = getattr(make, "__name__", code)
        _TRAPS.append(Trap(code, name, format, " ".join((make.__doc__ or "").split()), make))
        return make

    return register


@cache
def traps() -> tuple[Trap, ...]:
    """Every trap of this package, by code."""
    package = import_module("tests.generators.traps")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in ("__main__", "trap"):
            import_module(f"tests.generators.traps.{module.name}")
    return tuple(sorted(_TRAPS, key=lambda each: (each.code, each.name)))
