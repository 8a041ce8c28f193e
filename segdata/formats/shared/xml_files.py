"""XML files that nobody has checked, read without entities, which could fetch files or exhaust memory."""

import re
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, fromstring
from xml.parsers import expat

_MAX_DEPTH = 64  # of nested elements; annotation files have about six
# Bytes of XML that must be checked. A document type has a "!" in every encoding that expat accepts; UTF-16 has zeros.
_RISKY_MARKS = (b"!", b"\0", b"xmlns", b"xml:")
_INVALID_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlError(Exception):
    """A file is not XML, or not safe to read; `line` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


def read_xml(path: Path) -> Element:
    """Parse an XML file and return its root element.

    Raises XmlError if it is not well formed, declares a document type (which may define entities), or is nested deeper
    than any annotation file; OSError if the file cannot be read.

    Source: Python documentation, section "XML security" (billion laughs, external entities).
    """
    data = path.read_bytes()
    root = None if any(mark in data for mark in _RISKY_MARKS) else _plain(data)
    return _parse_checked(data) if root is None else root


def _plain(data: bytes) -> Element | None:
    """Parse XML with the C parser if that is safe; else None."""
    try:
        level = [root := fromstring(data)]
    except (ParseError, LookupError, ValueError):  # the checking parser raises it again, with the line
        return None
    for _ in range(_MAX_DEPTH):
        level = [child for element in level for child in element]
        if not level:
            return root
    return None


def _parse_checked(data: bytes) -> Element:
    """Parse XML while checking every element and declaration."""
    parser, builder = expat.ParserCreate(), TreeBuilder()
    depth = 0

    def refuse(*_: object) -> NoReturn:
        raise XmlError(
            "has a document type declaration, which is not allowed in annotation files", parser.CurrentLineNumber
        )

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise XmlError(f"is nested deeper than {_MAX_DEPTH} elements", parser.CurrentLineNumber)
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise XmlError(f"is not well formed: {expat.ErrorString(error.code)}", error.lineno) from error
    except LookupError as error:  # an unknown encoding
        raise XmlError(str(error), 1) from error
    return builder.close()


def is_xml_text(text: str) -> bool:
    r"""Whether XML 1.0 can represent a text: it cannot hold control characters, even escaped.

    >>> is_xml_text("Straße"), is_xml_text("bell \x07")
    (True, False)
    """
    return _INVALID_XML.search(text) is None
