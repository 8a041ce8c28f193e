"""The image below the labels: opened, enlarged and toned."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, UnidentifiedImageError

from segdata.core.errors import SegdataError
from segdata.core.image_files import read_channels, split_uri
from segdata.core.pixel_limit import decoding
from segdata.core.runs import Floats
from segdata.report.pictures.canvas import Pixels, View

_GREY, _OUTSIDE = 150, 45
_MIN_CONTRAST = 24  # grey levels to either side; less is not stretched, or noise would look like structure
_MAX_PIXELS = 300_000_000  # of an image that is decoded for a picture


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
        image, note = _open_image(uri)
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
        with decoding(), Image.open(path) as image:
            if image.width * image.height > _MAX_PIXELS:
                return None, "the image is too large to draw"
            return _to_rgb(image), ""
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
