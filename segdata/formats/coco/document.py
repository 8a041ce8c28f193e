"""The JSON document: its top-level parts, each still raw, so that coordinates cost nothing until they are needed."""

import codecs
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from segdata.core.defect import Defect
from segdata.core.errors import SegdataError

Raw = msgspec.Raw
_BOM = b"\xef\xbb\xbf"
_BLANKS = 4096  # bytes in which a document begins
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_CONSTANTS = (b"-Infinity", b"Infinity", b"NaN")  # what Python's json writes although JSON has no such numbers


@dataclass(frozen=True, slots=True)
class Kind:
    """What a document should be.

    Attributes
    ----------
    name : in words
    expected : what it is made of, in words
    bare : the document may be a list: that of this key
    remedy : where one of its lists is missing
    """

    name: str
    expected: str
    bare: str | None = None
    remedy: str = ""


COCO = Kind("a COCO document", "an object with images, annotations and categories")


@dataclass(frozen=True, slots=True)
class Document:
    """A COCO file, or one of its relatives.

    Attributes
    ----------
    path : the file
    name : as defects name it, below the dataset's root
    parts : the values of the top-level keys, undecoded; None when the file could not be read as JSON
    defects : what was met; readers add to it
    kind : what it should be
    is_list : it is a bare list, that of `kind.bare`
    """

    path: Path
    name: str
    parts: dict[str, Raw] | None
    defects: list[Defect] = field(default_factory=list)
    kind: Kind = COCO
    is_list: bool = False

    def pointer(self, key: str) -> str:
        """Where the value of a top-level key is (a JSON pointer)."""
        return "" if self.is_list else f"/{key}"

    def items(self, key: str) -> list[Raw]:
        """The undecoded items of a top-level list; a missing or other value is SEG004 and no items."""
        if self.parts is None:
            return []
        raw = self.parts.get(key)
        if raw is None:
            message = f"{key!r} is missing: {self.kind.name} has a list of them{self.kind.remedy}"
            self.defects.append(Defect("SEG004", message, self.name, "/"))
            return []
        try:
            return msgspec.json.decode(raw, type=list[Raw])
        except msgspec.ValidationError:
            found = bytes(memoryview(raw)[:20]).decode("utf-8", "replace")
            self.defects.append(Defect("SEG004", f"{key!r} is not a list: {found}…", self.name, self.pointer(key)))
            return []

    def small(self, key: str, limit: int = 65_536) -> str | None:
        """The JSON text of a top-level value that is worth keeping as it is; None: missing, or over `limit` bytes."""
        raw = (self.parts or {}).get(key)
        return None if raw is None or len(raw) > limit else bytes(raw).decode()


def read_document(path: Path, name: str, kind: Kind = COCO) -> Document:
    """The document in a file; where it is not JSON, one without parts and with a defect that says so.

    NaN and Infinity become the texts "NaN" and "Infinity", which no number field accepts: so the items that hold
    them are named, and the others are read. Raises SegdataError when there is no such file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}") from error
    defects: list[Defect] = []
    try:
        parts = _parts(memoryview(data)[len(_BOM) :] if data.startswith(_BOM) else data, kind)
        return Document(path, name, parts, defects, kind, _is_list(data, kind))
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors too
        pass
    data = _mended(data, name, defects, kind)
    try:
        return Document(path, name, _parts(data, kind), defects, kind, _is_list(data, kind))
    except (ValueError, RecursionError) as error:
        message, line = _complaint(data, error, kind)
        defects.append(Defect("SEG001", message, name, line=line))
    return Document(path, name, None, defects, kind)


def _parts(data: bytes | memoryview, kind: Kind) -> dict[str, Raw]:
    """The top-level values; raises ValueError where the bytes are no JSON object, or list, in UTF-8."""
    if kind.bare is not None and _is_list(data, kind):
        msgspec.json.decode(data, type=list[Raw])
        parts = {kind.bare: Raw(data)}
    else:
        parts = msgspec.json.decode(data, type=dict[str, Raw])
    if not (isinstance(data, bytes) and data.isascii()):
        _check_texts(data)
    return parts


def _is_list(data: bytes | memoryview, kind: Kind) -> bool:
    """Whether it begins as a list, and may."""
    return kind.bare is not None and bytes(data[:_BLANKS]).removeprefix(_BOM).lstrip().startswith(b"[")


def _check_texts(data: bytes | memoryview) -> None:
    """Raise UnicodeDecodeError where the bytes are not UTF-8; texts in values that nobody decodes count too."""
    step = 1 << 24
    decoder = codecs.getincrementaldecoder("utf-8")()
    for first in range(0, len(data), step):
        decoder.decode(data[first : first + step])
    decoder.decode(b"", final=True)


def _mended(data: bytes, name: str, defects: list[Defect], kind: Kind) -> bytes:
    """The same content as strict JSON in UTF-8, where Python's lenient reader can make it that; else much the same."""
    quoted = data = data.removeprefix(_BOM)
    for constant in _CONSTANTS:
        if constant in quoted:
            quoted = re.sub(constant + rb"(?=\s*[,\]}])", b'"' + constant + b'"', quoted)
    try:
        _parts(quoted, kind)
        return quoted
    except (ValueError, RecursionError) as error:
        encoding = json.detect_encoding(data)
        if encoding == "utf-8" and quoted is data and not _is_lenient_matter(data, error):
            return data
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        text = data.decode("latin-1")
        message = f"is not UTF-8 (byte {error.start}); read as Latin-1, names may be garbled"
        defects.append(Defect("SEG001", message, name, severity="warning"))
    try:
        return json.dumps(json.loads(text, strict=False, parse_constant=str), ensure_ascii=False).encode(
            "utf-8", "replace"
        )
    except (ValueError, RecursionError):
        return text.encode("utf-8", "replace")


def _is_lenient_matter(data: bytes, error: Exception) -> bool:
    """Whether Python's reader, slow and hungry for memory as it is, may read what msgspec refuses.

    That is other bytes than UTF-8, control letters in texts, and halves of surrogates, at which msgspec complains of
    almost anything.
    """
    at = _byte_of(error)
    control = at is not None and at < len(data) and data[at] < 32
    return isinstance(error, UnicodeDecodeError) or control or _SURROGATE.search(data) is not None


def _byte_of(error: Exception) -> int | None:
    """The byte that msgspec complains of."""
    found = re.search(r"\(byte (\d+)\)", str(error))
    return int(found[1]) if found else None


def _complaint(data: bytes, error: Exception, kind: Kind) -> tuple[str, int | None]:
    """What is wrong with a file that could not be read, and the line, from 1."""
    if not data.strip():
        return f"the file is empty ({len(data)} bytes)", None
    if isinstance(error, msgspec.ValidationError):
        return f"is not {kind.name}: {kind.expected} is expected", None
    if isinstance(error, RecursionError):
        return f"is not {kind.name}: it is nested too deeply", None
    at = _byte_of(error)
    cut = at is None or at >= len(data.rstrip())
    at = len(data) if at is None else at
    line = data.count(b"\n", 0, at) + 1
    column = len(data[data.rfind(b"\n", 0, at) + 1 : at].decode("utf-8", "replace")) + 1
    said = "the file is cut off" if cut else f"unexpected {chr(data[at])!r}"
    return f"is not JSON: {said} at line {line}, column {column}", line
