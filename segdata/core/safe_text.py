"""Safe text: names from files must not steer the terminal, run in a shell, or be formulas in a spreadsheet.

All names that segdata prints or writes into reports pass through these functions; label files keep names unchanged.
`whole_number`, `stored_json` and `reading_json` are for what foreign files hold.
"""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.paths import as_url

# Control characters but tab and line feed, those that turn the direction of text, and halves of surrogate pairs.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_REPEATED = re.compile(r"(\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|[ntr]))\1{3,}")
_T = TypeVar("_T")
_COLOURS = re.compile(r"(\x1b\[(?:\d{1,3}(?:;\d{1,3})*)?m)")
_FORMULA = re.compile(r"[=+\-@\t\r＝＋－＠]")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?%?")


def whole_number(text: str | None) -> int | None:
    """Parse up to 18 digits, perhaps with a minus sign, as a number; None for any other text.

    `int` fails with texts of thousands of digits, and `isdigit` also takes raised digits and those of other scripts.

    >>> whole_number("-12"), whole_number("7" * 19), whole_number("²"), whole_number("")
    (-12, None, None, None)
    """
    return int(text) if text is not None and _WHOLE_NUMBER.fullmatch(text) else None


def stored_json(text: str | None, type: type[_T]) -> _T | None:
    """The value of a JSON text in metadata; None where it is no JSON, or not of this type: anybody may have edited it.

    >>> stored_json('{"7": "car"}', dict[int, str]), stored_json("[", dict[int, str]), stored_json(None, str)
    ({7: 'car'}, None, None)
    """
    try:
        return None if text is None else msgspec.json.decode(text, type=type)
    except (ValueError, RecursionError):
        return None


@contextmanager
def reading_json(path: Path, what: str, remedy: str = "") -> Iterator[None]:
    """While the block reads a JSON file named by the user, raise SegdataError if it cannot be read or is not `what`."""
    end = f"; {remedy}" if remedy else ""
    try:
        yield
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror or error}{end}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SegdataError(f"{path}: is not {what}: {error}{end}") from error


def escape_controls(text: str, *, colours: bool = False) -> str:
    r"""Escape control characters as JSON does; `colours` keeps the colour codes of a report.

    >>> escape_controls("a\x1b[31mb\n")
    'a\\u001b[31mb\n'
    """
    if _CONTROLS.search(text) is None:
        return text
    if colours:
        parts = _COLOURS.split(text)
        return "".join(part if number % 2 else escape_controls(part) for number, part in enumerate(parts))
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def escape_line(text: str) -> str:
    r"""Escape control characters and line breaks.

    >>> escape_line("a\nb")
    'a\\u000ab'
    """
    return escape_controls(text).replace("\n", "\\u000a").replace("\t", "\\u0009")


def message_line(text: str) -> str:
    r"""A message as one line, in which the same escape is not repeated more than three times, as of a file's padding.

    >>> message_line("'0 0.5\\x00\\x00\\x00\\x00\\x00' is no number\nb")
    "'0 0.5\\x00…' is no number\\u000ab"
    """
    if "\n" in text:
        text = escape_line(text)
    return _REPEATED.sub(r"\1…", text) if "\\" in text else text


def quote_path(name: str) -> str:
    r"""Quote a path for a message: control characters are escaped, but backslashes of Windows are not doubled.

    >>> print(quote_path(r"C:\data\a.png"), quote_path("a\nb"))
    'C:\data\a.png' 'a\u000ab'
    """
    return f"'{escape_line(name)}'"


def shell_word(value: object) -> str:
    r"""A path or value as one word to copy into a shell, without control characters.

    >>> shell_word("my file"), shell_word("a\x1b[31m'b")
    ("'my file'", "$'a\\x1b[31m\\'b'")
    """
    text = as_url(value) or str(value)
    if _CONTROLS.search(text) is None and "\n" not in text and "\t" not in text:
        return shlex.quote(text)
    return "$'" + "".join(map(_in_shell, text)) + "'"


def _in_shell(letter: str) -> str:
    if letter in "\\'":
        return f"\\{letter}"
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if letter not in "\n\t" and _CONTROLS.match(letter) is None:
        return letter
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def csv_cell(value: object) -> object:
    r"""A cell of a CSV report without control characters; a spreadsheet's formula gets an apostrophe before it.

    Programs read the files of datasets, which hold names unchanged.

    >>> csv_cell("=1+2"), csv_cell("-1.5"), csv_cell("c\x1b[31mar"), csv_cell(-2)
    ("'=1+2", '-1.5', 'c\\u001b[31mar', -2)
    """
    if not isinstance(value, str):
        return value
    formula = _FORMULA.match(value) is not None and _NUMBER.fullmatch(value) is None
    return ("'" if formula else "") + escape_controls(value)
