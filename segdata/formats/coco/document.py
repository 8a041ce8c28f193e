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
_CONSTANTS = (b"-Infinity", b"Infinity", b"NaN")  # what Python's json writes although JSON has no such numbers


@dataclass(frozen=True, slots=True)
class Document:
    """A COCO file.

    Attributes
    ----------
    path : the file
    name : as defects name it, below the dataset's root
    parts : the values of the top-level keys, undecoded; None when the file could not be read as JSON
    defects : what was met; readers add to it
    """

    path: Path
    name: str
    parts: dict[str, Raw] | None
    defects: list[Defect] = field(default_factory=list)

    def items(self, key: str) -> list[Raw]:
        """The undecoded items of a top-level list; a missing or other value is SEG004 and no items."""
        if self.parts is None:
            return []
        raw = self.parts.get(key)
        if raw is None:
            self.defects.append(Defect("SEG004", f"{key!r} is missing: a COCO file has a list of them", self.name, "/"))
            return []
        try:
            return msgspec.json.decode(raw, type=list[Raw])
        except msgspec.ValidationError:
            found = bytes(memoryview(raw)[:20]).decode("utf-8", "replace")
            self.defects.append(Defect("SEG004", f"{key!r} is not a list: {found}…", self.name, f"/{key}"))
            return []

    def small(self, key: str, limit: int = 65_536) -> str | None:
        """The JSON text of a top-level value that is worth keeping as it is; None: missing, or over `limit` bytes."""
        raw = (self.parts or {}).get(key)
        return None if raw is None or len(raw) > limit else bytes(raw).decode()


def read_document(path: Path, name: str) -> Document:
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
        return Document(path, name, _parts(memoryview(data)[len(_BOM) :] if data.startswith(_BOM) else data), defects)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors too
        pass
    try:
        return Document(path, name, _parts(_mended(data, name, defects)), defects)
    except (ValueError, RecursionError) as error:
        defects.append(Defect("SEG001", _complaint(data, error), name, line=getattr(error, "lineno", None)))
    return Document(path, name, None, defects)


def _parts(data: bytes | memoryview) -> dict[str, Raw]:
    """The top-level values; raises ValueError where the bytes are no JSON object in UTF-8."""
    parts = msgspec.json.decode(data, type=dict[str, Raw])
    if not (isinstance(data, bytes) and data.isascii()):
        _check_texts(data)
    return parts


def _check_texts(data: bytes | memoryview) -> None:
    """Raise UnicodeDecodeError where the bytes are not UTF-8; texts in values that nobody decodes count too."""
    step = 1 << 24
    decoder = codecs.getincrementaldecoder("utf-8")()
    for first in range(0, len(data), step):
        decoder.decode(data[first : first + step])
    decoder.decode(b"", final=True)


def _mended(data: bytes, name: str, defects: list[Defect]) -> bytes:
    """The same content as strict JSON in UTF-8; raises ValueError with line and column where it is no JSON at all."""
    quoted = data.removeprefix(_BOM)
    for constant in _CONSTANTS:
        if constant in quoted:
            quoted = _quote(quoted, constant)
    try:
        _parts(quoted)
        return quoted
    except ValueError:
        pass
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        text = data.decode("latin-1")
        message = f"is not UTF-8 (byte {error.start}); read as Latin-1, names may be garbled"
        defects.append(Defect("SEG001", message, name, severity="warning"))
    loaded = json.loads(text, strict=False, parse_constant=str)
    return json.dumps(loaded, ensure_ascii=False).encode("utf-8", "replace")


def _quote(data: bytes, constant: bytes) -> bytes:
    """`data` with a bare constant as a text wherever a value ends with it."""
    return re.sub(constant + rb"(?=\s*[,\]}])", b'"' + constant + b'"', data)


def _complaint(data: bytes, error: Exception) -> str:
    if not data.strip():
        return f"the file is empty ({len(data)} bytes)"
    if isinstance(error, json.JSONDecodeError):
        said = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        cut = error.pos >= len(error.doc.rstrip()) or "Unterminated" in error.msg
        at = f"at line {error.lineno}, column {error.colno}"
        return f"is not JSON: {said} {at}{'; the file is cut off there' if cut else ''}"
    if isinstance(error, msgspec.ValidationError):
        return "is not a COCO document: an object with images, annotations and categories is expected"
    return f"is not JSON: {error or 'nested too deeply'}"
