"""Lettering: text on pictures."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageDraw, ImageFont

from segdata.core.taxonomy import Color

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def font(size: int, bold: bool = False) -> Font:
    """A font of `size` pixels: DejaVu Sans, which Matplotlib brings and which knows most alphabets, else Pillow's."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    found = find_spec("matplotlib")  # looked for, not imported: that takes long
    if found is not None and found.origin is not None:
        path = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)


def folded(text: str, face: Font, room: float) -> list[str]:
    """`text` in lines of at most `room` pixels, broken at spaces; longer words are cut."""
    lines: list[str] = []
    line = ""
    for word in "".join(each if each.isprintable() else " " for each in text).split():
        longer = f"{line} {word}" if line else word
        if face.getlength(longer) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while face.getlength(line) > room and len(line) > 1:
            end = max(1, int(len(line) * room / face.getlength(line)))
            lines.append(line[:end])
            line = line[end:]
    return [*lines, line] if line else lines


def chip(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, color: Color, size: int = 13) -> float:
    """White text on a coloured rectangle with its top left corner `at`; returns its width in pixels."""
    face = font(size, bold=True)
    width = face.getlength(text) + 8
    x, y = at
    draw.rectangle((x, y, x + width, y + size + 6), fill=color)
    draw.text((x + 4, y + 2), text, fill=(255, 255, 255), font=face)
    return float(width)
