"""XML files that nobody vouches for."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.formats.shared.xml_files import XmlError, _parse_checked, read_xml

BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;">]>\n<a>&c;</a>'
EXTERNAL = '<!DOCTYPE a SYSTEM "file:///etc/passwd">\n<a/>'


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (BOMB.encode(), 1, "document type"),
        (EXTERNAL.encode(), 1, "document type"),
        (BOMB.encode("utf-16"), 1, "document type"),
        (b"", 1, "not well formed"),
        (b"<a>\n<b></a>", 2, "not well formed: mismatched tag"),
        (b"<a>\n&nothing;</a>", 2, "undefined entity"),
        (b"<a>" * 100_000, 1, "deeper than 64"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', 1, "unknown encoding"),
        (b"\x00\x01\x02", 1, "not well formed"),
    ],
)
def test_refused(tmp_path: Path, content: bytes, line: int, words: str) -> None:
    (tmp_path / "a.xml").write_bytes(content)
    with pytest.raises(XmlError, match=words) as raised:
        read_xml(tmp_path / "a.xml")
    assert raised.value.line == line


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_read(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><a b="1"><c>Straße &amp; &#228;</c></a>'
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    root = read_xml(tmp_path / "a.xml")
    assert (root.tag, root.get("b"), root.findtext("c")) == ("a", "1", "Straße & ä")


@pytest.mark.parametrize("deep", [64, 65])
def test_how_deep_is_too_deep(tmp_path: Path, deep: int) -> None:
    (tmp_path / "a.xml").write_text("<a>" * deep + "</a>" * deep)
    if deep > 64:
        with pytest.raises(XmlError, match="deeper than 64"):
            read_xml(tmp_path / "a.xml")
    else:
        assert read_xml(tmp_path / "a.xml").tag == "a"


PIECES = ["<b>", "</b>", "<c d='1'/>", "x > y", "&amp;", "é", "!", "<!-- n -->", "<e:f/>", "<g xmlns='u'/>", "<h/>\n"]


def told(read: Callable[[], Element]) -> bytes:
    """The tree that is read, or why there is none."""
    try:
        return tostring(read())
    except XmlError as error:
        return str(error).encode()


@given(st.lists(st.sampled_from(PIECES), max_size=9))
def test_the_parser_in_c_and_the_parse_checked_one_give_the_same(pieces: list[str]) -> None:
    data = f"<a>{''.join(pieces)}</a>".encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.xml")
        path.write_bytes(data)
        assert told(lambda: read_xml(path)) == told(lambda: _parse_checked(data))
