"""Prediction: predict whole images tile by tile, encode the result on the device, and store it.

On a CPU each thread predicts an image by itself with one thread of torch, so that busy machines do not wait for the
slowest part of a layer, and the result does not depend on the number of threads. On a GPU some threads read and cut
images and assemble tiles, one only feeds the GPU, and others take the results, find instances and write files. Separate
streams copy batches to the GPU and back while it computes another one.
"""

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from segdata.core.atomic_files import replace_whole
from segdata.core.errors import SegdataError
from segdata.core.executor import n_threads, run_ordered
from segdata.core.image_files import ChannelArray
from segdata.core.label_maps import LabelMaps
from segdata.core.processes import process_pool
from segdata.core.runs import Flags, Ints
from segdata.noise.networks.images import DecodedImage, Floats32, ImageCache
from segdata.noise.networks.network import UNet, instances_of, logits, precision
from segdata.noise.networks.plan import MULTIPLE, TrainingPlan
from segdata.noise.networks.predictions import (
    Codes,
    PlaneLayout,
    StoredInstances,
    encode_prediction,
    enlarge,
    is_predicted,
    prediction_path,
    shares_of,
)

_MARGIN = 64  # px on each side of a tile that only serve as surroundings, where there is more image
_ON_GPU = 16  # tiles at once
_FEW_THREADS = 2  # more than these wait for Python's lock, so that processes write the files
_LEVELS = 255


@dataclass(frozen=True, slots=True)
class ChannelLegend:
    """The meaning of channels: (K - 1,) the category id of channels 1, 2, …, and whether it has instances."""

    ids: Ints
    is_thing: Flags


@dataclass(frozen=True, slots=True)
class PredictedTile:
    """A part of an image that is predicted at once: the pixels that networks see, and those that are written."""

    top: int  # of the part that networks see, in pixels
    left: int
    kept: tuple[int, int, int, int]  # (y from, y to, x from, x to) in the image; tiles share no pixel of these


def tile_side(length: int, most: int) -> int:
    """The side of the tiles, at most `most`, that cover an axis with the least surroundings; a multiple of 32.

    >>> tile_side(256, 768), tile_side(520, 768), tile_side(1040, 768), tile_side(5000, 512)
    (256, 544, 608, 512)
    """
    whole = MULTIPLE * -(-length // MULTIPLE)
    if whole <= most:
        return max(whole, MULTIPLE)
    margin = min(_MARGIN, most // 4)
    n = -(-(length - 2 * margin) // (most - 2 * margin))
    return min(MULTIPLE * -(-(length + (n - 1) * 2 * margin) // (n * MULTIPLE)), most)


def tiles(height: int, width: int, size: tuple[int, int]) -> Iterator[PredictedTile]:
    """Tiles of `size` (height, width) whose kept parts cover each pixel of an image once."""
    for top, y0, y1 in _tile_axis(height, size[0]):
        for left, x0, x1 in _tile_axis(width, size[1]):
            yield PredictedTile(top, left, (y0, y1, x0, x1))


def _tile_axis(length: int, size: int) -> Iterator[tuple[int, int, int]]:
    """The starts of the tiles on one axis, and which part of each is kept."""
    if length <= size:
        yield 0, 0, length
        return
    margin = min(_MARGIN, size // 4)
    n = -(-(length - 2 * margin) // (size - 2 * margin))
    starts = np.linspace(0, length - size, n).astype(int).tolist()
    cuts = [0, *((a + size + b) // 2 for a, b in itertools.pairwise(starts)), length]
    yield from zip(starts, cuts, cuts[1:], strict=False)


def predict(
    models: Sequence[nn.Module],
    rows: Ints,
    maps: LabelMaps,
    pictures: ImageCache,
    plan: TrainingPlan,
    legend: ChannelLegend,
    folder: Path,
    report: Callable[[int], None],
    jobs: int = 0,
    numbers: Ints | None = None,
) -> None:
    """Write the mean prediction of the networks for the images `rows`; existing files stay as they are.

    `report` is called with the number of images done. `numbers` (n_images,): the rows of the images in the dataset,
    which name the files, if `maps` are a part of it. Raises SegdataError if a file cannot be written.
    """
    device = next(models[0].parameters()).device
    threads, names = n_threads(jobs), np.arange(len(maps)) if numbers is None else numbers
    missing = [row for row in rows.tolist() if not is_predicted(folder, int(names[row]))]
    done = len(rows) - len(missing)
    report(done)
    networks = [_without_norms(model) for model in models]
    work = _ImagePredictor(networks, maps, pictures, plan, legend, folder, device, names)
    before = torch.get_num_threads()
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        if device.type == "cpu":
            torch.set_num_threads(1)
        steps = run_ordered(work.predict, missing, threads) if device.type == "cpu" else work.pipeline(missing, threads)
        for _ in steps:
            done += 1
            report(done)
    except OSError as error:
        raise SegdataError(f"{folder}: predictions cannot be written: {error.strerror or error}") from error
    finally:
        torch.set_num_threads(before)


@dataclass(slots=True)
class _OpenImage:
    """An image that lacks some tiles: its size, and the pixels predicted so far."""

    row: int
    size: tuple[int, int]  # (height, width)
    planes: Codes  # (n, height, width) as networks see it
    n_waiting: int  # tiles


@dataclass(frozen=True, slots=True)
class _CutTile:
    """A tile for the networks, with the pixels of the file."""

    image: _OpenImage
    tile: PredictedTile
    pixels: ChannelArray  # (C, height, width)
    low: Floats32  # (C,) what becomes 0
    high: Floats32  # (C,) what becomes 1


@dataclass(frozen=True, slots=True)
class _FileWriter:
    """Finds the instances of predicted images, and writes their files; in any thread or process."""

    layout: PlaneLayout
    legend: ChannelLegend
    folder: Path
    least_area: int | None  # of instances, in pixels; None: the networks tell none apart

    def __call__(self, number: int, size: tuple[int, int], planes: Codes) -> None:
        """Write the file of the image `number`, of `size` (height, width), from its planes (n, h, w) as predicted."""
        n, layout = self.layout.n_planes, self.layout
        instances = None
        if self.least_area is not None:
            shares, contours = enlarge(shares_of(planes[:n], layout), size), None
            if planes[-1].any() or planes[-2].any():  # else the network has no such head
                ends = enlarge(planes[[n, n - 1]].astype(np.float32) / np.float32(_LEVELS), size)
                contours = np.concatenate([1 - ends.sum(0, keepdims=True), ends])
            detections = instances_of(shares, contours, self.legend.ids, self.legend.is_thing, self.least_area)
            instances = StoredInstances(detections.runs, detections.category, detections.score)
        content = encode_prediction(planes[:n], layout, size, instances)
        with replace_whole(prediction_path(self.folder, number), durable=False) as file:  # else slow disks wait
            file.write_bytes(content)


@dataclass
class _ImagePredictor:
    """Predicts images and writes their files; safe in any thread."""

    models: Sequence[nn.Module]
    maps: LabelMaps
    pictures: ImageCache
    plan: TrainingPlan
    legend: ChannelLegend
    folder: Path
    device: torch.device
    numbers: Ints  # (n_images,) by which files are named
    layout: PlaneLayout = field(init=False)
    write: _FileWriter = field(init=False)
    _streams: "tuple[torch.cuda.Stream | None, torch.cuda.Stream | None]" = (None, None)  # there and back
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.layout = PlaneLayout(self.plan.categories, self.plan.instances)
        least_area = self.plan.least_area if self.plan.instances else None
        self.write = _FileWriter(self.layout, self.legend, self.folder, least_area)
        if self.device.type == "cuda":
            there, back = (torch.cuda.Stream(self.device) for _ in range(2))  # type: ignore[no-untyped-call]  # no types
            self._streams = there, back

    def predict(self, row: int) -> None:
        """Predict and write one image in this thread."""
        for cut in self._cut(row):
            self._keep(_OnDevice([cut], self._codes(self._inputs(self._pack([cut]))), None))

    def pipeline(self, rows: Sequence[int], threads: int) -> Iterator[None]:
        """Predict images: this thread feeds the device, others do the rest; yields once for each image.

        Each kind of work has `threads`, and at least two, so that the device never waits for a single one. As many
        processes find instances and write files if there are several.
        """
        n_done, several = 0, threads > _FEW_THREADS
        threads = max(threads, 2)
        with process_pool(threads) if several else nullcontext() as pool:
            cut = itertools.chain.from_iterable(run_ordered(lambda row: list(self._cut(row)), rows, threads))
            packed = run_ordered(self._pack, _batches(cut), threads)
            for n_whole in run_ordered(partial(self._keep, pool=pool), map(self._begin, packed), threads):
                n_done += n_whole
                yield from itertools.repeat(None, n_whole)
        yield from itertools.repeat(None, len(rows) - n_done)  # images that could not be read

    def _begin(self, packed: "_PackedTiles") -> "_OnDevice":
        """Start the computation of some tiles on the device, without waiting."""
        return _OnDevice(packed.tiles, self._codes(self._inputs(packed)), self._streams[1])

    def _keep(self, computed: "_OnDevice", pool: Executor | None = None) -> int:
        """Write computed tiles into their images, and the files of complete images; returns the number of files.

        The processes of `pool` write the files; None: this thread does.
        """
        tiles = zip(computed.tiles, computed.codes(), strict=True)
        whole = [cut.image for cut, codes in tiles if self._keep_tile(cut, codes)]
        own = [(int(self.numbers[image.row]), image.size, image.planes) for image in whole]
        if pool is None:
            for image in own:
                self.write(*image)
        else:
            for future in [pool.submit(self.write, *image) for image in own]:
                future.result()
        return len(own)

    def _keep_tile(self, cut: _CutTile, codes: Codes) -> bool:
        """Write a tile into its image; returns whether it was the last one."""
        y0, y1, x0, x1 = cut.tile.kept
        top, left = cut.tile.top, cut.tile.left
        cut.image.planes[:, y0:y1, x0:x1] = codes[:, y0 - top : y1 - top, x0 - left : x1 - left]
        with self._lock:
            cut.image.n_waiting -= 1
            return not cut.image.n_waiting

    def _cut(self, row: int) -> Iterator[_CutTile]:
        """The tiles of an image, in order; none if it cannot be read."""
        picture = self.pictures.get(row)
        if picture is None:
            return
        height, width = picture.pixels.shape[1:]
        size = tile_side(height, self.plan.tile[0]), tile_side(width, self.plan.tile[1])
        own = list(tiles(height, width, size))
        planes = np.empty((self.layout.n_planes + self.layout.edges, height, width), np.uint8)
        image = _OpenImage(row, (int(self.maps.height[row]), int(self.maps.width[row])), planes, len(own))
        for tile in own:
            yield _CutTile(image, tile, _cut_pixels(picture, tile, size), picture.low, picture.high)

    def _pack(self, batch: Sequence[_CutTile]) -> "_PackedTiles":
        """Pack tiles of one size into memory from which the device can copy by itself."""
        pixels = torch.from_numpy(np.stack([_movable(tile.pixels) for tile in batch]))
        bounds = torch.from_numpy(np.stack([[tile.low, tile.high] for tile in batch]))
        if self.device.type == "cuda":
            pixels, bounds = pixels.pin_memory(), bounds.pin_memory()
        return _PackedTiles(batch, pixels, bounds)

    def _inputs(self, packed: "_PackedTiles") -> Tensor:
        """(B, C, H, W) float32, about 0 to 1, on the device, which scales the bytes."""
        coming = self._streams[0]
        with nullcontext() if coming is None else torch.cuda.stream(coming):
            moved = [tensor.to(self.device, non_blocking=True) for tensor in (packed.pixels, packed.bounds)]
        if coming is not None:  # what is computed next waits for the copies, and they live until it is done
            computing = torch.cuda.current_stream(self.device)
            computing.wait_stream(coming)
            for tensor in moved:
                tensor.record_stream(computing)
        pixels, bounds = moved
        low, high = bounds[:, 0, :, None, None], bounds[:, 1, :, None, None]
        scaled = torch.nan_to_num((pixels.float() - low) / (high - low), 0.0, 2.0, -1.0).clamp(-0.5, 1.5)
        return scaled.contiguous(memory_format=torch.channels_last)

    def _codes(self, images: Tensor) -> Tensor:
        """(B, n, H, W) uint8, see `encode_planes`; half of the images at a time if memory is short."""
        try:
            with torch.inference_mode():
                return encode_planes(*_mean_probabilities(self.models, images, self.plan.flips), self.layout)
        except torch.OutOfMemoryError as error:
            if len(images) == 1:
                raise SegdataError(
                    "one tile does not fit into memory; choose a smaller width or another device"
                ) from error
        if images.device.type == "cuda":
            torch.cuda.empty_cache()
        return torch.cat([self._codes(part) for part in images.chunk(2)])


def _batches(cut: Iterable[_CutTile]) -> Iterator[list[_CutTile]]:
    """Batches of tiles of one size and type, `_ON_GPU` in each, fewer at the end.

    Several images fill a batch, so that small images keep a GPU busy, too.
    """
    waiting: dict[tuple[int, ...], list[_CutTile]] = {}
    for tile in cut:
        key = (*tile.pixels.shape, tile.pixels.dtype.num)
        batch = waiting.setdefault(key, [])
        batch.append(tile)
        if len(batch) == _ON_GPU:
            yield waiting.pop(key)
    yield from waiting.values()


@dataclass(frozen=True, slots=True)
class _PackedTiles:
    """Tiles of one size, ready for the device."""

    tiles: Sequence[_CutTile]
    pixels: Tensor  # (B, C, height, width) uint8 or float32
    bounds: Tensor  # (B, 2, C) what becomes 0 and 1


class _OnDevice:
    """Tiles that a device computes, and their results in memory to which it writes by itself."""

    def __init__(self, tiles: Sequence[_CutTile], codes: Tensor, going: "torch.cuda.Stream | None") -> None:
        self.tiles, self._codes = tiles, codes
        self._event: torch.cuda.Event | None = None
        if going is not None:
            self._codes = torch.empty(codes.shape, dtype=codes.dtype, pin_memory=True)
            going.wait_stream(torch.cuda.current_stream(codes.device))
            with torch.cuda.stream(going):
                self._codes.copy_(codes, non_blocking=True)
                self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no types for it
                self._event.record(going)
            codes.record_stream(going)

    def codes(self) -> Codes:
        """(B, n, H, W) uint8, once they are computed."""
        if self._event is not None:
            self._event.synchronize()
        values: Codes = self._codes.cpu().numpy()
        return values


def _cut_pixels(picture: DecodedImage, tile: PredictedTile, size: tuple[int, int]) -> ChannelArray:
    """(C, height, width) of a tile; beyond the image, its last pixels are mirrored."""
    _, height, width = picture.pixels.shape
    top, left = tile.top, tile.left
    if top + size[0] <= height and left + size[1] <= width:
        return picture.pixels[:, top : top + size[0], left : left + size[1]]
    lines, columns = _mirror_positions(top, size[0], height), _mirror_positions(left, size[1], width)
    return picture.pixels[:, lines[:, None], columns]


def _mirror_positions(first: int, n: int, length: int) -> Ints:
    """The positions first, first + 1, …; those beyond `length` go back and forth."""
    position = np.arange(first, first + n) % (2 * length)
    return np.where(position < length, position, 2 * length - 1 - position)


def _movable(pixels: ChannelArray) -> ChannelArray:
    """Bytes unchanged, other types as float32, since torch knows few of them."""
    return pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)


def encode_planes(categories: Tensor, contours: Tensor | None, layout: PlaneLayout) -> Tensor:
    """(B, n, H, W) uint8 as `PlaneLayout` has them, and one more plane for the insides of instances.

    Parameters
    ----------
    categories : (B, K, H, W) probabilities
    contours : (B, 3, H, W) probabilities of neither, inside and edge; None: 0 in both planes
    """
    n = layout.n_categories
    most, best = categories.max(1)
    numbers, shares = [best], []
    if n == 2:
        shares = [2 * categories.amin(1)]
    elif n > 2:
        less, second = categories.scatter(1, best[:, None], -1.0).max(1)
        numbers.append(second)
        shares = [2 * less, 1 - most - less]
    planes = [(number >> 8 * byte) & 255 for number in numbers for byte in range(layout.bytes_per_number)]
    planes += [(_LEVELS * share.clamp(0, 1).sqrt()).round() for share in shares]
    if layout.edges:
        none = torch.zeros_like(most)
        inside, edge = (none, none) if contours is None else (contours[:, 1], contours[:, 2])
        planes += [(_LEVELS * share).round() for share in (edge, inside)]
    return torch.stack([plane.to(torch.uint8) for plane in planes], 1)


def _mean_probabilities(models: Sequence[nn.Module], images: Tensor, flips: int) -> tuple[Tensor, Tensor | None]:
    """Mean probabilities (B, K, H, W) and (B, 3, H, W), over networks and mirrored copies."""
    totals: list[Tensor | None] = [None, None]
    mirrored: list[list[int]] = [[], [3], [2]][: flips + 1]
    for model in models:
        for axes in mirrored:
            with precision(images.device):
                outputs = logits(model, images.flip(axes) if axes else images)
            for number, head in enumerate(outputs):
                if head is not None:
                    p = head.softmax(1)
                    p = p.flip(axes) if axes else p
                    so_far = totals[number]
                    totals[number] = p if so_far is None else so_far + p
    assert totals[0] is not None  # every network has this head
    n = len(models) * len(mirrored)
    return totals[0] / n, None if totals[1] is None else totals[1] / n


def _without_norms(model: nn.Module) -> nn.Module:
    """The network for prediction; in a U-Net the convolutions absorb the normalisations that follow them."""
    model.eval()
    if not isinstance(model, UNet):
        return model
    fused = copy.deepcopy(model)
    for module in fused.modules():
        if isinstance(module, nn.Sequential):
            for number, (before, after) in enumerate(itertools.pairwise(list(module))):
                if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
                    module[number], module[number + 1] = fuse_conv_bn_eval(before, after), nn.Identity()
    return fused
