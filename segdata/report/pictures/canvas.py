"""Canvas: the part of an image that is drawn, its scale, and text on pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from segdata.core.finding import Box
from segdata.core.runs import Flags, Ints, Runs, expand_ranges, run_columns
from segdata.core.taxonomy import Color

Pixels = NDArray[np.uint8]
LONGEST = 1600  # canvas pixels of a whole image's longer side, at most
_ENLARGED_SIDE = 1280  # canvas pixels up to which small images are enlarged


@dataclass(frozen=True, slots=True)
class View:
    """A rectangle of an image, which may reach beyond the frame, drawn at `scale` canvas pixels per image pixel."""

    x: int
    y: int
    width: int
    height: int
    scale: float

    @staticmethod
    def whole(width: int, height: int) -> "View":
        """The view of a whole image of this size in pixels: small ones enlarged by an integer, large ones reduced."""
        longer = max(width, height, 1)
        scale = LONGEST / longer if longer > LONGEST else float(min(8, max(1, _ENLARGED_SIDE // longer)))
        return View(0, 0, width, height, scale)

    @staticmethod
    def around(x: int, y: int, side: int, canvas: int) -> "View":
        """The view of about `side` image pixels square around (x, y), enlarged to about `canvas` canvas pixels."""
        scale = max(1, canvas // max(side, 1))
        shown = canvas // scale
        return View(x - shown // 2, y - shown // 2, shown, shown, float(scale))

    def inside(self, height: int, width: int) -> "View":
        """The same view moved into the frame of an image of this size, as far as it fits."""
        x = min(max(self.x, 0), width - self.width) if self.width < width else (width - self.width) // 2
        y = min(max(self.y, 0), height - self.height) if self.height < height else (height - self.height) // 2
        return replace(self, x=x, y=y)

    @property
    def columns(self) -> Ints:
        """The image x (w,) that each canvas column shows, ascending; negative or large beyond the frame."""
        return self.x + _steps(self.width, self.scale)

    @property
    def rows(self) -> Ints:
        """The image y (h,) that each canvas row shows."""
        return self.y + _steps(self.height, self.scale)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The position on the canvas of the image's point (x, y)."""
        return (x - self.x) * self.scale, (y - self.y) * self.scale

    def rectangle(self, box: Box | tuple[float, float, float, float], room: float, least: float) -> tuple[float, ...]:
        """A box as (left, top, right, bottom) on the canvas, `room` larger on each side, at least `least` wide."""
        left, top = self.place(box[0], box[1])
        right, bottom = self.place(box[0] + box[2], box[1] + box[3])
        more_x = max(room, (least - (right - left)) / 2)
        more_y = max(room, (least - (bottom - top)) / 2)
        return left - more_x, top - more_y, right + more_x, bottom + more_y

    def labels(self, runs: Runs, image_height: int, n_owners: int) -> NDArray[np.int32]:
        """(h, w): the owner of each canvas pixel plus 1, or 0; if several claim it, the smallest one."""
        area = runs.areas(n_owners)
        rank = np.empty(n_owners, np.int64)
        rank[np.argsort(-area, kind="stable")] = np.arange(n_owners)
        order = np.argsort(rank[runs.owner], kind="stable")
        x, top = run_columns(Runs(runs.start, runs.length, np.zeros_like(runs.owner)), np.array([image_height]))
        x, top, bottom = x[order], top[order], (top + runs.length)[order]
        shown, where = np.unique(self.columns, return_inverse=True)
        rows = self.rows
        column = np.minimum(np.searchsorted(shown, x), len(shown) - 1)
        first, last = np.searchsorted(rows, top), np.searchsorted(rows, bottom)
        is_seen = (shown[column] == x) & (last > first) if len(shown) else np.zeros(len(x), bool)
        first, count = first[is_seen], (last - first)[is_seen]
        canvas = np.zeros(len(shown) * len(rows), np.int32)
        # Later assignments win, so the smallest segment is on top.
        canvas[expand_ranges(column[is_seen] * len(rows) + first, count)] = np.repeat(
            runs.owner[order][is_seen] + 1, count
        )
        return np.ascontiguousarray(canvas.reshape(len(shown), len(rows))[where].T)

    def sample(self, picture: Pixels, outside: int) -> Pixels:
        """(h, w, …): the pixels of a whole picture that this view shows; `outside` beyond its frame."""
        rows, columns = self.rows, self.columns
        height, width = picture.shape[:2]
        shown = picture[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]
        shown[(rows < 0) | (rows >= height)] = outside
        shown[:, (columns < 0) | (columns >= width)] = outside
        return shown


def _steps(length: int, scale: float) -> Ints:
    n = max(1, round(length * scale))
    steps: Ints = np.minimum(np.floor((np.arange(n) + 0.5) / scale), length - 1).astype(np.int64)
    return steps


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_FONTS = Path(__file__).parent / "fonts"


@cache
def font(size: int, bold: bool = False) -> Font:
    """DejaVu Sans at `size` pixels; it covers most alphabets."""
    return ImageFont.truetype(str(_FONTS / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")), size)


def fold_text(text: str, face: Font, room: float) -> list[str]:
    """Wrap text to lines of at most `room` pixels, broken at spaces; longer words are cut."""
    lines: list[str] = []
    line = ""
    for word in "".join(letter if letter.isprintable() else " " for letter in text).split():
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


def draw_chip(draw: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, color: Color, size: int = 13) -> float:
    """Draw white text on a coloured rectangle with this top left corner; returns its width in pixels."""
    face = font(size, bold=True)
    width = face.getlength(text) + 8
    x, y = corner
    draw.rectangle((x, y, x + width, y + size + 6), fill=color)
    draw.text((x + 4, y + 2), text, fill=(255, 255, 255), font=face)
    return float(width)


def outline(labels: NDArray[np.int32]) -> Flags:
    """(height, width) whether a labelled pixel, or its right or lower neighbour, borders on another label or none."""
    edge = np.zeros(labels.shape, bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge & (labels > 0)


def panes_side_by_side(panes: Sequence[Image.Image], side: int) -> Image.Image:
    """Place pictures of at most `side` pixels beside each other, each in the middle of its square."""
    row = Image.new("RGB", (len(panes) * (side + 4) - 4, side), (45, 45, 45))
    for number, pane in enumerate(panes):
        row.paste(pane, (number * (side + 4) + (side - pane.width) // 2, (side - pane.height) // 2))
    return row
