"""Canvas: the part of an image that is drawn, its scale, the image below the labels, and text on pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from segdata.core.errors import SegdataError
from segdata.core.finding import Box
from segdata.core.image_files import exif_turned, read_channels, split_uri
from segdata.core.pixel_limit import decoding
from segdata.core.runs import Flags, Floats, Ints, Runs, fill_ranges, run_columns
from segdata.core.taxonomy import Color

Pixels = NDArray[np.uint8]
LONGEST = 1600  # canvas pixels of a whole image's longer side, at most
_ENLARGED_SIDE = 1280  # canvas pixels up to which small images are enlarged
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_FONTS = Path(__file__).parent / "fonts"
_GREY, _OUTSIDE = 150, 45
_MIN_CONTRAST = 24  # grey levels to either side; less is not stretched, or noise would look like structure
_MAX_PIXELS = 300_000_000  # of an image that is decoded for a picture


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
        fill_ranges(canvas, column[is_seen] * len(rows) + first, count, runs.owner[order][is_seen] + 1)
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


@dataclass(frozen=True, slots=True)
class BackgroundImage:
    """An image's pixels, decoded once and shown in several views; grey if there is no image to show.

    Pillow's limit on image sizes is the caller's business, as for readers.
    """

    image: Image.Image | None  # RGB; None where there is none
    width: int  # of the labels, in pixels, to which the image is stretched
    height: int  # likewise
    note: str = ""  # why there is no image, or why it does not fit; empty where all is well
    curve: tuple[int, ...] = ()  # the 256 grey levels that are shown instead; none: as they are

    @staticmethod
    def from_uri(uri: str | None, width: int, height: int) -> "BackgroundImage":
        """Open the image file at `uri` for labels of this size."""
        image, note = _open_image(uri, (width, height))
        if image is not None and image.size != (width, height):
            note = f"the image file is {image.width} x {image.height} px: stretched to fit the labels"
            image = image.resize((width, height))
        return BackgroundImage(image, width, height, note)

    def stretch(self, view: View) -> "BackgroundImage":
        """The image with its contrast stretched to the grey levels in `view`."""
        if self.image is None:
            return self
        low, high = np.percentile(self.render(view), (1, 99))
        middle, half = (low + high) / 2, max((high - low) / 2, _MIN_CONTRAST)
        curve = np.clip((np.arange(256) - middle) / half * 110 + 128, 0, 255)
        return replace(self, curve=tuple(round(value) for value in curve.tolist()))

    def render(self, view: View) -> Pixels:
        """(h, w, 3): the pixels that a view shows."""
        if self.image is None:
            rows, columns = view.rows[:, None], view.columns
            inside = (rows >= 0) & (rows < self.height) & (columns >= 0) & (columns < self.width)
            return np.repeat(np.where(inside, _GREY, _OUTSIDE).astype(np.uint8)[:, :, None], 3, axis=2)
        x, y = min(max(view.x, 0), self.width - 1), min(max(view.y, 0), self.height - 1)
        right, bottom = min(view.x + view.width, self.width), min(view.y + view.height, self.height)
        box = (x, y, max(right, x + 1), max(bottom, y + 1))
        if view.scale < 1:
            return self._tone(self.image.resize((len(view.columns), len(view.rows)), Image.Resampling.BOX, box))
        return replace(view, x=view.x - x, y=view.y - y).sample(self._tone(self.image.crop(box)), _OUTSIDE)

    def _tone(self, part: Image.Image) -> Pixels:
        return np.asarray(part.point(list(self.curve) * 3) if self.curve else part)


def _open_image(uri: str | None, size: tuple[int, int]) -> tuple[Image.Image | None, str]:
    """The image at `uri` as its file stores it, turned if only so it has this width and height; or why not."""
    if uri is None:
        return None, "no image file"
    try:
        path, part = split_uri(uri)
    except SegdataError:
        return None, "the image file is not here"
    if not path.is_file():
        return None, "the image file is not here"
    try:
        if part is not None:
            return _read_planes(uri), ""
        with decoding(), Image.open(path) as image:
            if image.width * image.height > _MAX_PIXELS:
                return None, "the image is too large to draw"
            turned = exif_turned(image, size[::-1])
            return _to_rgb(turned), ""
    except UnidentifiedImageError:
        return _read_raster(uri)
    except (OSError, SegdataError) as error:
        return None, f"the image cannot be decoded: {error}"


def _read_raster(uri: str) -> tuple[Image.Image | None, str]:
    """Read a file that Pillow does not know, such as a raster of many channels or a DICOM image."""
    try:
        return _read_planes(uri), ""
    except (OSError, SegdataError) as error:
        return None, f"the image cannot be decoded: {error}"


def _read_planes(uri: str) -> Image.Image:
    """The first three channels as red, green and blue, or the first as grey."""
    channels = read_channels(uri, (0, 0), most=3)
    deep = channels.dtype != np.uint8
    grey = [Image.fromarray(channel.astype(np.float32) if deep else channel) for channel in channels]
    shown = grey if len(grey) == 3 else grey[:1] * 3
    return Image.merge("RGB", [_to_rgb(channel).convert("L") for channel in shown])


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert to 8-bit RGB; grey images of more bits are stretched between their 1st and 99th percentile."""
    if not image.mode.startswith(("I", "F")):
        return image.convert("RGB")
    values: Floats = np.nan_to_num(np.asarray(image).astype(np.float64))
    low, high = np.percentile(values, (1, 99))
    stretched = np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255
    return Image.fromarray(stretched.astype(np.uint8)).convert("RGB")
