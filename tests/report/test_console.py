"""Paper: nothing is wider than it, and nothing is lost on it."""

from hypothesis import given
from hypothesis import strategies as st

from segdata.report.console import Console, display_width, fold, shorten, table

texts = st.text(alphabet=st.sampled_from("ab/. é汽車_-"), max_size=60)


@given(texts, st.integers(2, 30), st.integers(2, 30))
def test_folded_lines_fit_and_keep_every_character(text: str, first: int, later: int) -> None:
    lines = fold(text, first, later)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for at, line in enumerate(lines):
        assert display_width(line) <= (later if at else first)


@given(texts, st.integers(4, 30))
def test_shortened_texts_fit_and_keep_both_ends(text: str, room: int) -> None:
    short = shorten(text, room)
    assert display_width(short) <= room
    if short != text:
        head, _, tail = short.partition("…")
        assert text.startswith(head)
        assert text.endswith(tail)


def test_words_given_as_such_are_not_broken() -> None:
    assert Console(12).wrap(["by image:", "a b 3,", "c 4"]) == ["by image:", "a b 3, c 4"]


def test_names_cannot_steer_the_terminal() -> None:
    assert Console().wrap("\x1b[31mred\x07\n") == ["[31mred"]


def test_colour_is_only_there_when_wanted() -> None:
    assert Console(colour=True).paint("x", "error") == "\x1b[1;31mx\x1b[0m"
    assert Console().paint("x", "error") == "x"


def test_table_columns_line_up() -> None:
    assert table(("name", "n"), [["汽车", "1"], ["bus", "20"]]) == ["name   n", "汽车   1", "bus   20"]


names = st.text(alphabet=st.sampled_from("ab/._-"), min_size=1, max_size=60)


@given(st.lists(st.tuples(names, st.integers(0, 10**6).map(str), names), min_size=1, max_size=4), st.integers(30, 120))
def test_a_table_fits_and_cuts_no_name_that_has_room(rows: list[tuple[str, str, str]], width: int) -> None:
    heads = ("image", "pixels", "worst category")
    whole = table(heads, rows, left=(0, 2))
    lines = table(heads, rows, left=(0, 2), width=width)
    assert max(map(display_width, lines)) <= max(width, 8 + 2 + 7 + 2 + 8)
    if max(map(display_width, whole)) <= width:
        assert lines == whole
    else:  # one column more for each name would not fit
        assert max(map(display_width, lines)) >= min(width - 2, 8 + 2 + 7 + 2 + 8) - 1
    assert all(number in line for (_, number, _), line in zip(rows, lines[1:], strict=True))
