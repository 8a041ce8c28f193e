"""Images: image files as arrays with one number of channels, cached up to a memory budget."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import SegdataError, count_noun, import_extra
from segdata.core.executor import n_threads
from segdata.core.finding import Defect
from segdata.core.image_files import ChannelArray, read_channels
from segdata.core.label_maps import LabelMaps
from segdata.core.runs import Flags

Loader = Callable[[str, tuple[int, int]], ChannelArray]
Floats32 = NDArray[np.float32]
_DARK, _BRIGHT = 1.0, 99.5  # percentiles that become 0 and 1
_PERCENTILE_PIXELS = 20_000  # pixels that percentiles are taken of
_WITH_ALPHA = (2, 4)  # channels
_AVERAGED = ("uint8", "uint16", "float32")  # as they are; all else as float32
_PHOTO = 4  # channels; what has more is no photograph, whose colours would need one scale for all


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An image with the values of its file, and the values that become 0 and 1."""

    pixels: ChannelArray  # (C, height, width)
    low: Floats32  # (C,) what becomes 0
    high: Floats32  # (C,) what becomes 1


class ImageCache:
    """The images of a dataset, decoded on demand; the last ones stay in memory, up to `budget` bytes.

    `defects` lists files that are missing, damaged, or of another size than their labels. Several threads may use the
    cache at the same time.
    """

    def __init__(self, maps: LabelMaps, budget: int, load: Loader = read_channels, scale: float = 1.0) -> None:
        self._maps, self._budget, self._load, self._scale = maps, budget, load, scale
        self._kept: OrderedDict[int, DecodedImage] = OrderedDict()
        self._used, self._lock = 0, Lock()
        self._inherited: dict[int, DecodedImage] = {}
        self._wrong: dict[int, Defect] = {}
        self.channels: int | None = None

    @property
    def defects(self) -> tuple[Defect, ...]:
        """One for each image that cannot be used, in the order of the images."""
        return tuple(self._wrong[row] for row in sorted(self._wrong))

    def survey(self, jobs: int = 0) -> Flags:
        """(n_images,) which images can be used; decodes each once, and settles the number of channels.

        The most frequent number wins. Grey becomes colour or the reverse, and alpha is left out; images that still have
        another number become defects.
        """
        with ThreadPoolExecutor(n_threads(jobs)) as pool:
            n_channels = np.array(list(pool.map(self._n_channels, range(len(self._maps)))), np.int64)
            counts = np.bincount(n_channels, minlength=1)
            counts[0] = 0
            self.channels = int(counts.argmax()) if counts.any() else None
            others = np.flatnonzero(n_channels != (self.channels or 0)).tolist()
            for row in others:
                if row in self._kept:
                    self._used -= self._kept.pop(row).pixels.nbytes
            list(pool.map(self.get, others))  # again, now that it is known what they are to have
        usable = n_channels > 0
        usable[list(self._wrong)] = False
        return usable

    def downscale(self, scale: float) -> "ImageCache":
        """The same images with sides `scale` times as long, at most 1: each pixel the mean of what it covers."""
        if scale == 1:
            return self
        smaller = ImageCache(self._maps, self._budget, self._load, scale)
        smaller.channels, smaller._wrong = self.channels, dict(self._wrong)
        for row, picture in self._kept.items():
            smaller._keep(row, smaller._smaller(picture))
        return smaller

    def divide(self, n: int) -> None:
        """Keep a share of the memory for what this process decodes from now on: it is one of `n` copies of another.

        The images that were decoded before stay; their memory is that of the first process.
        """
        self._inherited, self._kept, self._used = dict(self._kept), OrderedDict(), 0
        self._budget //= n

    def get(self, row: int) -> DecodedImage | None:
        """The picture of an image; None if it cannot be used."""
        with self._lock:
            if row in self._wrong:
                return None
            if row in self._inherited:
                return self._inherited[row]
            if row in self._kept:
                self._kept.move_to_end(row)
                return self._kept[row]
        picture = self._read(row)
        if picture is not None:
            self._keep(row, picture)
        return picture

    def _keep(self, row: int, picture: DecodedImage) -> None:
        with self._lock:
            if row in self._kept:
                return
            self._kept[row] = picture
            self._used += picture.pixels.nbytes
            while self._used > self._budget and len(self._kept) > 1:
                self._used -= self._kept.popitem(last=False)[1].pixels.nbytes

    def _n_channels(self, row: int) -> int:
        picture = self.get(row)
        return 0 if picture is None else len(picture.pixels)

    def _read(self, row: int) -> DecodedImage | None:
        try:
            pixels = self._decode(row)
            fitting = pixels if self.channels is None else _adapt_channels(pixels, self.channels)
        except _UnusableError as error:
            self.report(row, *error.args)
            return None
        return self._smaller(DecodedImage(fitting, *_limits(fitting)))

    def _smaller(self, picture: DecodedImage) -> DecodedImage:
        if self._scale == 1:
            return picture
        high, wide = (max(round(side * self._scale), 1) for side in picture.pixels.shape[1:])
        pixels = picture.pixels if picture.pixels.dtype.name in _AVERAGED else picture.pixels.astype(np.float32)
        cv2 = import_extra("cv2", "torch", "OpenCV")
        layers = [cv2.resize(layer, (wide, high), interpolation=cv2.INTER_AREA) for layer in pixels]
        return DecodedImage(np.stack(layers), picture.low, picture.high)

    def _decode(self, row: int) -> ChannelArray:
        """The (channels, height, width) pixels of an image, from its file or all its files in order."""
        uri, size = self._maps.uris[row], (int(self._maps.height[row]), int(self._maps.width[row]))
        files: Sequence[str] = self._maps.channels[row] or (() if uri is None else (uri,))
        if not files:
            raise _UnusableError("SEG002", "the labels do not name an image file; the image is left out")
        try:
            layers = [self._load(file, size) for file in files]
        except FileNotFoundError as error:
            raise _UnusableError("SEG002", "the image file does not exist; the image is left out") from error
        except (OSError, SegdataError, ValueError, SyntaxError) as error:  # a damaged PNG is a SyntaxError to Pillow
            raise _UnusableError("SEG001", f"cannot be decoded, so the image is left out: {error}") from error
        for layer in layers:
            if layer.shape[1:] != size:
                sizes = f"{layer.shape[2]}x{layer.shape[1]} px, its labels {size[1]}x{size[0]} px"
                raise _UnusableError("SEG003", f"the image has {sizes}; it is left out")
        return layers[0] if len(layers) == 1 else np.concatenate(layers)

    def report(self, row: int, code: str, message: str) -> None:
        """An image cannot be used."""
        with self._lock:
            self._wrong[row] = Defect(code, message, file=self._maps.uris[row], image=self._maps.image_ids[row])


class _UnusableError(Exception):
    """An image that cannot be used: the code of the rule for it, and what is wrong."""


def _adapt_channels(pixels: ChannelArray, channels: int) -> ChannelArray:
    """Give an image this number of channels: alpha is left out or opaque, grey repeated, colours averaged."""
    n = len(pixels)
    if n == channels:
        return pixels
    colours = n - 1 if n in _WITH_ALPHA else n
    n_colours = channels - 1 if channels in _WITH_ALPHA else channels
    adapted = pixels[:colours]
    if colours == 1:
        adapted = np.repeat(adapted, n_colours, axis=0)
    elif n_colours == 1 and colours == 3:
        adapted = adapted.astype(np.float32).mean(axis=0, keepdims=True).astype(pixels.dtype)
    if len(adapted) != n_colours:
        raise _UnusableError("SEG003", f"has {count_noun(n, 'channel')}, most images have {channels}; it is left out")
    if n_colours == channels:
        return adapted
    opaque = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype.str).max)
    return np.concatenate([adapted, np.full_like(adapted[:1], opaque)])


def _limits(pixels: ChannelArray) -> tuple[Floats32, Floats32]:
    """The values (C,) that become 0 and 1: percentiles of each channel, or of all channels of a photograph together."""
    flat = pixels.reshape(len(pixels), -1)
    sample = flat[:, :: max(flat.shape[1] // _PERCENTILE_PIXELS, 1)].astype(np.float32)
    if len(sample) <= _PHOTO:
        sample = sample.reshape(1, -1)
    finite = np.where(np.isfinite(sample), sample, 0)
    low, high = np.percentile(finite, [_DARK, _BRIGHT], axis=1).astype(np.float32)
    low, high = (np.resize(each, len(pixels)) for each in (low, high))
    return low, np.maximum(high, low + 1e-6)
