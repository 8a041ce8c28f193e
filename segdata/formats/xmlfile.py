"""XML files, read without entities: what could fetch files or blow up memory is refused before it is built."""

import re
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

_DEEPEST = 64  # elements within elements; annotation files have about six
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
        parser.Parse(path.read_bytes(), True)
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
