import csv
import io
import os
import re
import subprocess

from hypothesis import given
from hypothesis import strategies as st

from segdata.core.safe_text import csv_cell, escape_controls, escape_line, shell_word, whole_number
from segdata.report.console import Console
from segdata.report.encoding import csv_text

# What terminals obey: C0 and C1 control characters but tab and line feed, and what turns the direction of text.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
TEXTS = st.text(st.characters() | st.sampled_from("\x1b\x9b\x07\u202e\n[31m=+-@'\"\\"))


@given(TEXTS)
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    assert STEERING.search(escape_controls(text)) is None
    assert "\n" not in escape_line(text)
    escape_controls(text).encode()


@given(TEXTS)
def test_of_a_report_only_colours_are_left(text: str) -> None:
    coloured = Console(colour=True).paint(text, "error")
    kept = escape_controls(coloured, colours=True)
    assert STEERING.search(re.sub("\x1b\\[[0-9;]*m", "", kept)) is None
    assert kept.count("\x1b") == (2 if text else 0), "colours of names are no colours of the report"


@given(st.lists(TEXTS.filter(lambda text: "\x00" not in text), max_size=8))
def test_a_shell_reads_the_words_back(texts: list[str]) -> None:
    names = [text for text in texts if not re.search("[\ud800-\udfff]", text)]
    script = "".join(f"printf '%s\\0' {shell_word(name)};" for name in names)
    assert STEERING.search(script) is None
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    read = subprocess.run(["bash"], input=script.encode(), capture_output=True, check=True, env=environment).stdout
    assert read == b"".join(name.encode() + b"\0" for name in names)


def test_a_shell_reads_a_name_that_is_not_utf8() -> None:
    word = shell_word(os.fsdecode(b"a\xff'b"))
    assert subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout == b"a\xff'b"


@given(st.lists(TEXTS, min_size=1))
def test_no_cell_of_a_table_is_a_formula(cells: list[str]) -> None:
    text = csv_text(["name"] * len(cells), [cells])
    assert STEERING.search(text) is None
    _, *rows = csv.reader(io.StringIO(text, newline=""))
    for cell, original in zip(*rows, map(escape_controls, cells), strict=True) if rows else ():
        assert cell in (original, f"'{original}")
        assert not re.match("[=+\\-@\t\r]", cell) or re.fullmatch(r"[+-][\d.eE+-]+%?", cell)


def test_numbers_stay_numbers() -> None:
    for cell in ("-1", "+2.5", "-1e-05", "-.5", -3, None, 0.5, "-12%"):
        assert csv_cell(cell) == cell
    for cell in ("-1+2", "=1", "@SUM(A1)", "+cmd|'/C calc'!A0", "\t=1", "--"):
        assert csv_cell(cell) == f"'{cell}"


@given(st.text(st.sampled_from("0129-+_ .²٣"), max_size=24) | st.integers(-(10**30), 10**30).map(str))
def test_whole_numbers_are_those_of_python_that_a_table_can_hold(text: str) -> None:
    """Digits of other scripts, raised digits, and numbers that a table cannot hold are no numbers of a label file."""
    number = whole_number(text)
    if number is not None:
        assert number == int(text)
        assert abs(number) < 10**18
    elif text.isascii() and text.removeprefix("-").isdecimal():
        assert len(text.removeprefix("-")) > 18
    assert whole_number("1" * 5000) is None
