"""Console: text reports in lines of a given width, with colour or without."""

import unicodedata
from collections.abc import Iterable, Sequence

import msgspec

from segdata.core.safe_text import escape_controls

_MIN_NAME_WIDTH = 8  # columns of names in a table
_STYLES = {"error": "1;31", "warning": "33", "info": "34", "good": "32", "bold": "1", "dim": "2", "where": "36"}


class Console(msgspec.Struct, frozen=True):
    """The layout of a text report: lines of at most `width` columns, with terminal colours if `colour`.

    With `quiet`, the report has no next steps.
    """

    width: int = 80
    colour: bool = False
    quiet: bool = False

    def paint(self, text: str, style: str | None) -> str:
        """The text in one of the styles error, warning, info, good, bold, dim, where; None: unchanged."""
        text = escape_controls(text)
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if style and self.colour and text else text

    def next_block(self, lines: Iterable[str]) -> list[str]:
        """The next steps under their heading, at the end of a report; empty if the report is quiet."""
        return [] if self.quiet else ["", self.paint("next", "bold"), *lines]

    def wrap(
        self, text: str | Sequence[str], indent: str = "", hanging: str | None = None, style: str | None = None
    ) -> list[str]:
        """Wrap text to lines that fit; the first begins with `indent`, the others with `hanging` (default: `indent`).

        If `text` is a sequence, its items are never broken at their spaces.
        """
        later = indent if hanging is None else hanging
        lines = fold(text, self.width - display_width(indent), self.width - display_width(later))
        return [(later if number else indent) + self.paint(line, style) for number, line in enumerate(lines)]

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
        """A table with bold heads, in lines that fit; see `table`."""
        head, *lines = table(heads, rows, left=left, width=self.width)
        return [self.paint(head, "bold"), *lines]

    def pieces(self, *styled: tuple[str, str | None], hanging: str = "  ") -> list[str]:
        """Wrap pieces of text, each in its style, to lines that fit; later lines begin with `hanging`."""
        words = [(word, style) for text, style in styled for word in _printable(text).split()]
        lines, width_taken = [""], 0
        for word, style in words:
            if width_taken and width_taken + 1 + display_width(word) > self.width:
                lines.append(hanging)
                width_taken = display_width(hanging)
            elif width_taken:
                lines[-1] += " "
                width_taken += 1
            lines[-1] += self.paint(word, style)
            width_taken += display_width(word)
        return lines


def display_width(text: str) -> int:
    """The width of a text on a terminal: East Asian wide characters take two columns, combining ones none.

    >>> display_width("car"), display_width("汽车")
    (3, 4)
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def fold(text: str | Sequence[str], first: int, later: int) -> list[str]:
    """Wrap a text, or words, to lines of `first` and then `later` columns; longer words are cut.

    >>> fold("one part of 6 px", 8, 5)
    ['one part', 'of 6', 'px']
    """
    lines: list[str] = []
    line = ""
    for word in _printable(text).split() if isinstance(text, str) else map(_printable, text):
        room = later if lines else first
        if line and display_width(line) + 1 + display_width(word) > room:
            lines.append(line)
            line = ""
            room = later
        line = f"{line} {word}" if line else word
        while display_width(line) > room:
            head = _head(line, room) or line[0]
            lines.append(head)
            line = line[len(head) :]
            room = later
    return [*lines, line] if line else lines


def shorten(text: str, room: int) -> str:
    """Shorten a text to at most `room` columns by cutting its middle, since paths differ at their ends.

    >>> shorten("train/scene_000123_left_image.png", 21)
    'train/scen…_image.png'
    """
    if display_width(text) <= room:
        return text
    tail = text[::-1]
    end = _head(tail, room // 2)[::-1]
    return _head(text, room - 1 - display_width(end)) + "…" + end


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[int] = (0,), width: int | None = None
) -> list[str]:
    """Lay out a table with columns two spaces apart: names (the columns `left`) are aligned left, figures right.

    If lines would be longer than `width`, names and heads are shortened in their middles, as little as possible.

    >>> table(("image", "IoU"), [("train/scene_000123_left_image.png", "0.50")], width=27)
    ['image                   IoU', 'train/scen…_image.png  0.50']
    """
    printed = [list(map(_printable, row)) for row in (heads, *rows)]
    if width is not None:
        printed = _fit(printed, left, width)
    widths = [max(map(display_width, column)) for column in zip(*printed, strict=True)]
    lines = []
    for row in printed:
        gaps = (" " * (width - display_width(cell)) for width, cell in zip(widths, row, strict=True))
        cells = (
            cell + gap if column in left else gap + cell
            for column, (cell, gap) in enumerate(zip(row, gaps, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return lines


def _fit(printed: Sequence[Sequence[str]], left: Sequence[int], width: int) -> list[list[str]]:
    """Shorten names and heads to the largest common width with which lines have at most `width` columns."""
    needed = [
        0 if column in left else max(map(display_width, cells), default=0)
        for column, cells in enumerate(zip(*printed[1:], strict=True))
    ] or [0] * len(printed[0])
    longest = [max(map(display_width, cells)) for cells in zip(*printed, strict=True)]
    room = max(longest, default=0)
    while (
        room > _MIN_NAME_WIDTH
        and sum(max(n, min(m, room)) + 2 for n, m in zip(needed, longest, strict=True)) - 2 > width
    ):
        room -= 1
    heads = [shorten(head, max(room, n)) for head, n in zip(printed[0], needed, strict=True)]
    return [
        heads,
        *([shorten(cell, room) if k in left else cell for k, cell in enumerate(row)] for row in printed[1:]),
    ]


def _printable(text: str) -> str:
    """The text without control characters: names from files must not move the cursor or colour the terminal."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def _head(text: str, room: int) -> str:
    """The longest beginning of a text that takes at most `room` columns."""
    end = min(len(text), room)
    while end > 0 and display_width(text[:end]) > room:
        end -= 1
    return text[:end]
