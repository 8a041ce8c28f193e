"""Canvas: the part of an image that is drawn, its scale, the image below, text on pictures, and all their colours."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from segdata.core.errors import SegdataError
from segdata.core.finding import Box
from segdata.core.image_files import read_channels, split_uri
from segdata.core.profile import Task
from segdata.core.runs import Ints, Runs, expand_ranges, run_columns
from segdata.core.taxonomy import Color, Taxonomy

SEVERITY_COLORS: dict[str, Color] = {"error": (225, 20, 40), "warning": (240, 120, 0), "info": (30, 100, 220)}
# Of Okabe and Ito (2008), "Color Universal Design": told apart by people of any colour vision.
ANNOTATOR_COLORS: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
)
_TURN = 0.618033988749895  # of the hue circle: the golden ratio keeps any number of hues apart
_DEPTHS = ((0.85, 1.0), (0.6, 0.85), (0.95, 0.6), (0.4, 1.0))  # saturation and value
_SHADES = (0.0, 0.28, -0.22, 0.14, -0.36)  # of a category's colour, for its instances in turn


def category_colors(taxonomy: Taxonomy) -> dict[int, Color]:
    """A colour for each category id: the taxonomy's own where they tell the categories apart, else distinct ones."""
    own_colors = {category.id: category.rgb for category in reversed(taxonomy.categories)}
    usable = len(set(own_colors.values())) > 0.5 * len(own_colors)
    colors: dict[int, Color] = {}
    for position, (id_, rgb) in enumerate(sorted(own_colors.items())):
        colors[id_] = rgb if rgb is not None and usable else distinct_color(position)
    return colors


def distinct_color(number: int) -> Color:
    """The number-th of endlessly many bright colours that differ from their predecessors.

    >>> distinct_color(0) != distinct_color(1)
    True
    """
    saturation, value = _DEPTHS[number % len(_DEPTHS)]
    red, green, blue = colorsys.hsv_to_rgb((0.02 + number * _TURN) % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def segment_colors(category_id: NDArray[np.int64], taxonomy: Taxonomy, task: Task) -> NDArray[np.uint8]:
    """(n, 3): a colour per segment; the instances of a thing in shades of its category's colour."""
    colors = category_colors(taxonomy)
    kinds = {category.id: category.kind for category in taxonomy.categories}
    chosen = np.zeros((len(category_id), 3), np.uint8)
    n_seen: dict[int, int] = {}
    for row, id_ in enumerate(category_id.tolist()):
        number = n_seen[id_] = n_seen.get(id_, -1) + 1
        color = colors.get(id_, (255, 255, 255))
        shaded = task != "semantic" and kinds.get(id_) == "thing"
        chosen[row] = shade(color, _SHADES[number % len(_SHADES)]) if shaded else color
    return chosen


def shade(color: Color, by: float) -> Color:
    """A colour made lighter (up to 1) or darker (down to -1).

    >>> shade((100, 100, 100), 0.5), shade((100, 100, 100), -0.5)
    ((178, 178, 178), (50, 50, 50))
    """
    target = 255 if by > 0 else 0
    red, green, blue = (round(value + (target - value) * abs(by)) for value in color)
    return red, green, blue


def annotator_color(number: int) -> Color:
    """The colour of an annotator, by position; the eighth has that of the first."""
    return ANNOTATOR_COLORS[number % len(ANNOTATOR_COLORS)]


def css_color(color: Color) -> str:
    """A colour as CSS and FiftyOne have it.

    >>> css_color((230, 159, 0))
    '#e69f00'
    """
    return "#{:02x}{:02x}{:02x}".format(*color)


Pixels = NDArray[np.uint8]
LONGEST = 1600  # canvas pixels of a whole image's longer side, at most
_COMFORTABLE = 1280  # small images are enlarged up to this


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
        """A whole image of this size in pixels: small ones enlarged by a whole number, large ones made smaller."""
        longer = max(width, height, 1)
        scale = LONGEST / longer if longer > LONGEST else float(min(8, max(1, _COMFORTABLE // longer)))
        return View(0, 0, width, height, scale)

    @staticmethod
    def around(x: int, y: int, side: int, canvas: int) -> "View":
        """A square of about `side` image pixels around (x, y), enlarged to about `canvas` canvas pixels."""
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
        """Where on the canvas the image's point (x, y) is."""
        return (x - self.x) * self.scale, (y - self.y) * self.scale

    def rectangle(self, box: Box | tuple[float, float, float, float], room: float, least: float) -> tuple[float, ...]:
        """A box as (left, top, right, bottom) on the canvas, `room` wider on each side, and at least `least` wide."""
        left, top = self.place(box[0], box[1])
        right, bottom = self.place(box[0] + box[2], box[1] + box[3])
        more_x = max(room, (least - (right - left)) / 2)
        more_y = max(room, (least - (bottom - top)) / 2)
        return left - more_x, top - more_y, right + more_x, bottom + more_y

    def labels(self, runs: Runs, image_height: int, n_owners: int) -> NDArray[np.int32]:
        """(h, w): the owner of each canvas pixel plus 1, or 0; where several claim it, the smallest one."""
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
    """The text in lines of at most `room` pixels, broken at spaces; longer words are cut."""
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
    """White text on a coloured rectangle with this top left corner; returns its width in pixels."""
    face = font(size, bold=True)
    width = face.getlength(text) + 8
    x, y = corner
    draw.rectangle((x, y, x + width, y + size + 6), fill=color)
    draw.text((x + 4, y + 2), text, fill=(255, 255, 255), font=face)
    return float(width)


_GREY, _OUTSIDE = 150, 45
_MAX_PIXELS = 300_000_000  # pixels of an image that is decoded for a picture
_FLAT = 24  # grey levels to either side: less contrast than this is not stretched, or noise would look like structure


@dataclass(frozen=True, slots=True)
class BackgroundImage:
    """An image's pixels, decoded once and shown in several views; grey where there is no image to show.

    Pillow's limit on image sizes is the caller's business, as for readers.
    """

    image: Image.Image | None  # RGB; None where there is none
    # width, height: of the labels, in pixels, which the image is stretched to
    width: int
    height: int
    note: str = ""  # why there is no image, or why it does not fit; empty where all is well
    curve: tuple[int, ...] = ()  # the 256 grey levels that are shown instead; none: as they are

    @staticmethod
    def from_uri(uri: str | None, width: int, height: int) -> "BackgroundImage":
        """The image file at `uri` for labels of this size."""
        image, note = _open_image(uri)
        if image is not None and image.size != (width, height):
            note = f"the image file is {image.width} x {image.height} px: stretched to fit the labels"
            image = image.resize((width, height))
        return BackgroundImage(image, width, height, note)

    def stretch(self, view: View) -> "BackgroundImage":
        """The same image in a contrast that shows what is in `view`, dark or pale as it may be."""
        if self.image is None:
            return self
        low, high = np.percentile(self.render(view), (1, 99))
        middle, half = (low + high) / 2, max((high - low) / 2, _FLAT)
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


def _open_image(uri: str | None) -> tuple[Image.Image | None, str]:
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
        with Image.open(path) as image:
            if image.width * image.height > _MAX_PIXELS:
                return None, "the image is too large to draw"
            return _to_rgb(image), ""
    except UnidentifiedImageError:
        return _read_raster(uri)
    except (OSError, SyntaxError, ValueError, SegdataError, Image.DecompressionBombError) as error:
        return None, f"the image cannot be decoded: {error}"


def _read_raster(uri: str) -> tuple[Image.Image | None, str]:
    """A file that Pillow does not know: a raster of many channels or a DICOM image, if anything."""
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
    """As 8-bit RGB; deeper grey images are stretched between their 1st and 99th percentile."""
    if not image.mode.startswith(("I", "F")):
        return image.convert("RGB")
    values: NDArray[np.float64] = np.nan_to_num(np.asarray(image).astype(np.float64))
    low, high = np.percentile(values, (1, 99))
    stretched = np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255
    return Image.fromarray(stretched.astype(np.uint8)).convert("RGB")


def outline(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """The labelled pixels next to another label or none, to the right or below, on either side."""
    edge = np.zeros(labels.shape, bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge & (labels > 0)


def panes_side_by_side(panes: Sequence[Image.Image], side: int) -> Image.Image:
    """Pictures of at most `side` pixels beside each other, each in the middle of its square."""
    row = Image.new("RGB", (len(panes) * (side + 4) - 4, side), (45, 45, 45))
    for number, pane in enumerate(panes):
        row.paste(pane, (number * (side + 4) + (side - pane.width) // 2, (side - pane.height) // 2))
    return row
