"""XML files, read without entities: what could fetch files or blow up memory is refused before it is built."""

import re
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, fromstring
from xml.parsers import expat

_DEEPEST = 64  # elements within elements; annotation files have about six
# What careful reading is for. A document type has a "!", whatever the encoding: expat takes none in which other bytes
# are markup, and UTF-16 has zeros.
_NOT_PLAIN = (b"!", b"\0", b"xmlns", b"xml:")
_NO_TEXT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlError(Exception):
    """A file that is no XML, or not XML that is safe to read; `line` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


def read_xml(path: Path) -> Element:
    """The root element of an XML file.

    Raises XmlError for what is not well formed, declares a document type (the place of entities), or is nested deeper
    than any annotation; OSError where the file cannot be read.

    Source: Python documentation, section "XML security" (billion laughs, external entities).
    """
    data = path.read_bytes()
    root = None if any(mark in data for mark in _NOT_PLAIN) else _plain(data)
    return _careful(data) if root is None else root


def _plain(data: bytes) -> Element | None:
    """The root element of XML without declarations and namespaces, which the parser in C may see; None: it may not."""
    try:
        level = [root := fromstring(data)]
    except (ParseError, LookupError, ValueError):  # told with its line by the careful parser
        return None
    for _ in range(_DEEPEST):
        level = [child for element in level for child in element]
        if not level:
            return root
    return None


def _careful(data: bytes) -> Element:
    """The root element, of which every element and declaration is looked at while it is built."""
    parser, builder = expat.ParserCreate(), TreeBuilder()
    depth = 0

    def refuse(*_: object) -> NoReturn:
        raise XmlError("has a document type declaration, which annotation files do not need", parser.CurrentLineNumber)

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise XmlError(f"is nested deeper than {_DEEPEST} elements", parser.CurrentLineNumber)
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
    except LookupError as error:  # an encoding that Python does not know
        raise XmlError(str(error), 1) from error
    return builder.close()


def is_xml_text(text: str) -> bool:
    r"""Whether XML 1.0 can hold a text: it has no place for control characters, however they are written.

    >>> is_xml_text("Straße"), is_xml_text("bell \x07")
    (True, False)
    """
    return _NO_TEXT.search(text) is None
