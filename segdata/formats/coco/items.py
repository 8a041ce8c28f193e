"""The items of a COCO document: decoded all at once where they are sound, one by one where some are broken."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.defect import Defect
from segdata.core.runs import Ints
from segdata.formats.coco.document import Document

Raw = msgspec.Raw
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Id = int | str
MISSING = Raw(b"")
MAX_ID = 2**62


@dataclass(frozen=True, slots=True)
class Items(Generic[T_co]):
    """The items of one list that could be decoded.

    Attributes
    ----------
    items : (n,) structs
    rows : (n,) where each is in the list
    raws : the undecoded list, when some item has keys that its struct does not know; else empty
    pointer : where the list is in its document (a JSON pointer)
    """

    items: Sequence[T_co] = ()
    rows: Sequence[int] = ()
    raws: Sequence[Raw] = ()
    pointer: str = ""

    def place(self, at: int, within: str = "") -> str:
        """Where in the document the item at a position is, or what is at the pointer `within` it."""
        return f"{self.pointer}/{self.rows[at]}{within}"

    def places(self, at: Ints) -> pa.Array:
        """Where in the document each of the items at some positions is."""
        rows = pa.array(at if isinstance(self.rows, range) else np.array(self.rows, np.int64)[at])
        return pc.binary_join_element_wise(f"{self.pointer}/", rows.cast(pa.string()), "")

    def extras(self, at: Iterable[int], known: frozenset[str]) -> list[dict[str, str]]:
        """The keys beyond `known` of the items at these positions, each value as JSON text."""
        if not self.raws:
            return [{} for _ in at]
        decode = msgspec.json.Decoder(dict[str, Raw]).decode
        return [
            {
                key: str(memoryview(value), "utf-8")
                for key, value in decode(self.raws[self.rows[i]]).items()
                if key not in known
            }
            for i in at
        ]


def decode_items(document: Document, key: str, strict: type[T], lenient: type[T]) -> Items[T]:
    """The items of a top-level list; what cannot be decoded is SEG004 and left out.

    `strict` refuses keys that it does not know and `lenient` does not: where every item is `strict`, none has keys
    to be kept.
    """
    pointer = document.pointer(key)
    whole = (document.parts or {}).get(key, Raw(b"[]"))
    try:
        every: list[T] = msgspec.json.decode(whole, type=list[strict])  # type: ignore[valid-type]  # made at run time
        if len(every):
            return Items(every, range(len(every)), pointer=pointer)
    except msgspec.ValidationError:
        pass
    raws = document.items(key)
    items, broken = decode_each(raws, lenient)
    for row, problem in broken.items():
        place = f"{pointer}/{row}{problem.place}"
        document.defects.append(Defect("SEG004", f"{problem.message}; left out", document.name, place))
    rows = [row for row in range(len(raws)) if row not in broken]
    return Items([item for item in items if item is not None], rows, raws, pointer)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a value could not be decoded: in words, and where in it (a JSON pointer)."""

    message: str
    place: str


def decode_each(raws: Sequence[Raw], type_: type[T]) -> tuple[list[T | None], dict[int, Problem]]:
    """Every value as `type_`, None where that fails, and why it failed by position."""
    decode = msgspec.json.Decoder(type_).decode
    values: list[T | None] = []
    broken = {}
    for row, raw in enumerate(raws):
        try:
            values.append(decode(raw))
        except msgspec.ValidationError as error:
            values.append(None)
            broken[row] = problem(error)
    return values, broken


def decode_column(raws: Sequence[Raw], type_: type[T]) -> tuple[list[T | None], dict[int, Problem]]:
    """As `decode_each`, with `MISSING` and null as None without a problem, in one step where all are sound."""
    joined = b"[" + b",".join([raw if len(raw) else b"null" for raw in raws]) + b"]"
    try:
        # Any: a type that is made at run time
        as_list: Any = list[type_ | None]  # type: ignore[valid-type]
        return msgspec.json.decode(joined, type=as_list), {}
    except msgspec.ValidationError:
        present = [Raw(b"null") if not len(raw) else raw for raw in raws]
        as_value: Any = type_ | None
        return decode_each(present, as_value)


def numbers(raws: Sequence[Raw]) -> NDArray[np.float64] | None:
    """(n,) values that are numbers all of them; None where some is missing, or something else."""
    found = _rings(b"[[" + b",".join(raws) + b"]]")
    return None if found is None or len(found[1]) != 2 or len(found[0]) != len(raws) else found[0]


def boxes(raws: Sequence[Raw]) -> pa.Array | None:
    """(n,) list<double>, values that are lists of four numbers all of them; None where some is not."""
    found = _rings(b"[" + b",".join(raws) + b"]")
    if found is None or len(found[1]) != len(raws) + 1 or (np.diff(found[1]) != 4).any():
        return None
    return pa.ListArray.from_arrays(pa.array(found[1].astype(np.int32)), pa.array(found[0]))


def _rings(text: bytes) -> tuple[NDArray[np.float64], Ints] | None:
    """A JSON list of lists of numbers: the numbers, and where each list begins and the last ends; None for others."""
    xy, ring, _, error = kernels.parse_rings(text, np.zeros(1, np.int64), np.array([len(text)]))
    return None if error[0] or not np.isfinite(xy).all() else (xy, ring)


def problem(error: msgspec.ValidationError) -> Problem:
    """A msgspec message in our words, with its path as a JSON pointer.

    >>> problem(msgspec.ValidationError("Expected `int`, got `str` - at `$.bbox[2]`"))
    Problem(message='bbox/2: expected int, got str', place='/bbox/2')
    """
    text, _, path = str(error).partition(" - at `")
    steps = re.findall(r"[^.\[\]`$]+", path)
    missing = re.fullmatch(r"Object missing required field `(.*)`", text)
    where = "/".join(steps)
    said = (
        f"{missing[1]!r} is missing"
        if missing
        else (text[:1].lower() + text[1:]).replace("`", "").replace(" | null", "")
    )
    return Problem(f"{where}: {said}" if where else said, f"/{where}" if where else "")


def number_of(id_: Id) -> tuple[int, str | None]:
    """An id as an integer that stays the same, and the source's own where that is not an integer of 62 bits.

    >>> number_of(7), number_of("7")[1]
    ((7, None), '7')
    """
    if isinstance(id_, int) and abs(id_) <= MAX_ID:
        return id_, None
    digest = hashlib.blake2b(str(id_).encode("utf-8", "replace"), digest_size=7).digest()
    return int.from_bytes(digest, "big"), str(id_)
