"""The items of a COCO document: decoded all at once where they are sound, one by one where some are broken."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from segdata.core.defect import Defect
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
    raws, pointer = document.items(key), document.pointer(key)
    try:
        decode = msgspec.json.Decoder(strict).decode
        return Items([decode(raw) for raw in raws], range(len(raws)), pointer=pointer)
    except msgspec.ValidationError:
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
