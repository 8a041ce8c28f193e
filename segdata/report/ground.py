"""Ground: the image that segments are drawn over."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.report.view import Pixels, View

_GREY, _OUTSIDE = 150, 45
_MOST = 300_000_000  # pixels of an image that is decoded for a picture
_FLAT = 24  # grey levels to either side: less contrast than this is not stretched, or noise would look like structure


@dataclass(frozen=True, slots=True)
class Ground:
    """An image's pixels, decoded once and shown in several views; grey where there is no image to show.

    Pillow's limit on image sizes is the caller's business, as for readers.

    Attributes
    ----------
    image : RGB; None where there is none
    width, height : of the labels, in pixels, which the image is stretched to
    note : why there is no image, or why it does not fit; empty where all is well
    """

    image: Image.Image | None
    width: int
    height: int
    note: str = ""

    @staticmethod
    def of(uri: str | None, width: int, height: int) -> "Ground":
        """The image file at `uri` for labels of this size."""
        image, note = _opened(uri)
        if image is not None and image.size != (width, height):
            note = f"the image file is {image.width} x {image.height} px: stretched to fit the labels"
            image = image.resize((width, height))
        return Ground(image, width, height, note)

    def stretched(self, view: View) -> "Ground":
        """The same image in a contrast that shows what is in `view`, dark or pale as it may be."""
        if self.image is None:
            return self
        low, high = np.percentile(self.seen(view), (1, 99))
        middle, half = (low + high) / 2, max((high - low) / 2, _FLAT)
        curve = np.clip((np.arange(256) - middle) / half * 110 + 128, 0, 255)
        return replace(self, image=self.image.point([round(value) for value in curve.tolist()] * 3))

    def seen(self, view: View) -> Pixels:
        """(h, w, 3): the pixels that a view shows."""
        if self.image is None:
            rows, columns = view.rows[:, None], view.columns
            inside = (rows >= 0) & (rows < self.height) & (columns >= 0) & (columns < self.width)
            return np.repeat(np.where(inside, _GREY, _OUTSIDE).astype(np.uint8)[:, :, None], 3, axis=2)
        if view.scale < 1:
            return np.asarray(self.image.resize((len(view.columns), len(view.rows)), Image.Resampling.BOX))
        return view.sampled(np.asarray(self.image), _OUTSIDE)


def _opened(uri: str | None) -> tuple[Image.Image | None, str]:
    if uri is None:
        return None, "no image file"
    path = Path(uri.removeprefix("file://"))
    if not path.is_file():
        return None, "the image file is not here"
    try:
        with Image.open(path) as image:
            if image.width * image.height > _MOST:
                return None, "the image is too large to draw"
            return _rgb(image), ""
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return None, f"the image cannot be decoded: {error}"


def _rgb(image: Image.Image) -> Image.Image:
    """As 8-bit RGB; deeper grey images are stretched between their 1st and 99th percentile."""
    if not image.mode.startswith(("I", "F")):
        return image.convert("RGB")
    values: NDArray[np.float64] = np.asarray(image).astype(np.float64)
    low, high = np.percentile(values, (1, 99))
    stretched = np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255
    return Image.fromarray(stretched.astype(np.uint8)).convert("RGB")
