"""Blocks: a rule's letter pictures as coloured blocks on a terminal, two of them side by side where they fit."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from segdata.report.paper import Paper, columns, fold

_SHARED = re.compile(r"\s*(\w) = \w( \+ \w)+")
_COLOURS = (44, 43, 42, 45, 46, 100)  # backgrounds of the letters: the terminal's own, so that its theme suits them
_BOTH, _NONE = 41, 47  # pixels that several segments claim; pixels that nobody labelled
_GAP = 4


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a rule's page: `Flagged` or `Fine` with what else its heading says, and the lines below it."""

    heading: str
    lines: tuple[str, ...]

    @property
    def is_flagged(self) -> bool:
        """Whether it shows what the rule flags."""
        return self.heading.startswith("Flagged")

    def painted(self, paper: Paper, room: int) -> list[tuple[int, str]]:
        """Its lines with the columns that each takes; what is not pixels takes at most `room`."""
        shared = {found[1] for line in self.lines if (found := _SHARED.fullmatch(line))}
        width = max((len(line.strip()) for line in self.lines if _is_row(line)), default=0)
        wide = 2 if 2 + 2 * width <= paper.width else 1
        style = "error" if self.is_flagged else "good"
        lines = [(columns(line), paper.paint(line, style)) for line in fold(self.heading, room, room)]
        for line in self.lines:
            text = line.strip()
            if _is_row(line):
                lines.append((2 + wide * len(text), "  " + _row(text, wide, shared)))
            else:
                folded = fold(text, room - 2, room - 4) or [""]
                hanging = ["  ", *("    " for _ in folded[1:])]
                lines += [
                    (columns(indent + part) if part else 0, indent + paper.paint(part, "dim") if part else "")
                    for indent, part in zip(hanging, folded, strict=True)
                ]
        return lines


def side_by_side(pictures: Sequence[Picture], paper: Paper) -> Iterator[str]:
    """All pictures: left and right what is flagged and what is fine, as long as there is both; then the others."""
    half = (paper.width - _GAP) // 2
    flagged = [each.painted(paper, half) for each in pictures if each.is_flagged]
    fine = [each.painted(paper, half) for each in pictures if not each.is_flagged]
    both = min(len(flagged), len(fine))
    rest = flagged[both:] + fine[both:]
    none: list[tuple[int, str]] = []
    for first, second in [*zip(flagged, fine, strict=False), *zip_longest(rest[::2], rest[1::2], fillvalue=none)]:
        if second and max(wide for wide, _ in first + second) > half:
            yield from (line for part in (first, [(0, "")], second) for _, line in part)
        else:
            for (wide, one), (_, other) in zip_longest(first, second, fillvalue=(0, "")):
                yield f"{one}{' ' * (half + _GAP - wide)}{other}" if other else one
        yield ""


def _is_row(line: str) -> bool:
    """Whether a line is pixels: letters and dots only."""
    return re.fullmatch(r"\s*[\w.]+", line) is not None


def _row(text: str, wide: int, shared: set[str]) -> str:
    """A row of pixels, each `wide` columns: the letter on the colour of its segment."""
    pieces = []
    for letter, run in groupby(text):
        shown = "".join(" " * wide if letter == "." else letter.ljust(wide) for _ in run)
        number = (ord(letter) - ord("a")) % len(_COLOURS)
        colour = _BOTH if letter in shared else _NONE if letter == "." else _COLOURS[number]
        pieces.append(f"\x1b[{colour};97m{shown}\x1b[0m" if letter != "." else f"\x1b[{colour}m{shown}\x1b[0m")
    return "".join(pieces)
