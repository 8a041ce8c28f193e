"""Legend: what the colours and numbers on a picture mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from segdata.core.finding import Finding
from segdata.core.taxonomy import Color
from segdata.report.lettering import chip, folded, font
from segdata.report.palette import SEVERITY
from segdata.report.scene import Marked

WIDTH = 400
_MARGIN, _LINE = 14, 17
_DARK, _GREY = (25, 25, 25), (110, 110, 110)


@dataclass(frozen=True, slots=True)
class Entry:
    """A category on the picture: its name, colour, and how many segments of it there are."""

    name: str
    color: Color
    count: int


def legend(
    title: str, notes: Sequence[str], entries: Sequence[Entry], marks: Sequence[Marked], least: int, *, with_ids: bool
) -> Image.Image:
    """A panel of at least `least` pixels height with the title, notes, findings and categories.

    What does not fit is counted; findings get at most two thirds of the room. `with_ids`: findings name their segments.
    """
    height = max(least, 520)
    panel = Image.new("RGB", (WIDTH, height), (255, 255, 255))
    draw = ImageDraw.Draw(panel)
    y = _lines(draw, title, 8, 16, _DARK, bold=True)
    for note in notes:
        y = _lines(draw, note, y, 12, _GREY)
    room = height - min(len(entries), 14) * (_LINE + 3) - 40
    lines = [_about(mark.finding, with_ids) for mark in marks]
    y = _findings(draw, marks, lines, y + 8, max(room, height * 2 // 3))
    _categories(draw, entries, y + 8, height)
    return panel


def _about(finding: Finding, with_ids: bool) -> str:
    """What a finding speaks of, and its message."""
    ids = ", ".join(map(str, finding.segments[:3])) if with_ids or not finding.category else ""
    return ": ".join(filter(None, [" ".join(filter(None, [finding.category, ids])), finding.message]))


def _findings(draw: ImageDraw.ImageDraw, marks: Sequence[Marked], texts: Sequence[str], y: int, bottom: int) -> int:
    for at, (mark, text) in enumerate(zip(marks, texts, strict=True)):
        finding = mark.finding
        needed = 24 + _LINE * len(folded(text, font(12), WIDTH - 2 * _MARGIN))
        if y + needed > bottom - 20 and at:
            return _lines(draw, f"… and {len(marks) - at:,} more findings", y, 12, _GREY)
        width = chip(draw, (_MARGIN, y), f"{mark.number}", SEVERITY[finding.severity])
        draw.text((_MARGIN + width + 6, y + 2), f"{finding.code} {finding.rule}", fill=_DARK, font=font(13, bold=True))
        y = _lines(draw, text, y + 22, 12, _DARK) + 4
    return y


def _categories(draw: ImageDraw.ImageDraw, entries: Sequence[Entry], y: int, bottom: int) -> None:
    for at, entry in enumerate(entries):
        if y + 2 * (_LINE + 3) > bottom and at < len(entries) - 1:
            _lines(draw, f"… and {len(entries) - at} more categories", y, 12, _GREY)
            return
        draw.rectangle((_MARGIN, y, _MARGIN + 20, y + 14), fill=entry.color, outline=_DARK)
        name = folded(f"{entry.name}  ({entry.count:,})", font(12), WIDTH - 2 * _MARGIN - 28)
        draw.text((_MARGIN + 28, y), name[0] if name else "", fill=_DARK, font=font(12))
        y += _LINE + 3


def _lines(draw: ImageDraw.ImageDraw, text: str, y: int, size: int, color: Color, *, bold: bool = False) -> int:
    """Write folded text from `y` on; returns where the next line begins."""
    face = font(size, bold)
    for line in folded(text, face, WIDTH - 2 * _MARGIN):
        draw.text((_MARGIN, y), line, fill=color, font=face)
        y += size + 5
    return y
