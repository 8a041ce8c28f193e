"""Prediction: what networks say of whole images, tile by tile, written to files as it comes."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segdata.core.errors import SegdataError
from segdata.core.executor import n_threads, run_ordered
from segdata.core.label_maps import LabelMaps
from segdata.core.runs import Ints
from segdata.noise.networks.images import DecodedImage, ImageCache
from segdata.noise.networks.network import instances_of, logits, precision
from segdata.noise.networks.plan import TrainingPlan
from segdata.noise.networks.predictions import HalfFloats, is_predicted, prediction_path, unfinished_path

_MARGIN = 64  # px on each side of a tile that only serve as surroundings, where there is more image
_ON_GPU = 16  # tiles at once


@dataclass(frozen=True, slots=True)
class ChannelLegend:
    """What channels mean: (K - 1,) the category id of channels 1, 2, …, and whether it has instances."""

    ids: Ints
    is_thing: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PredictedTile:
    """A part of an image that is predicted at once: the part that networks see, and the part that is written."""

    top: int  # of the part that networks see, in pixels
    left: int
    kept: tuple[int, int, int, int]  # (y from, y to, x from, x to) in the image; tiles share no pixel of these


def tiles(height: int, width: int, size: tuple[int, int]) -> Iterator[PredictedTile]:
    """Tiles of `size` (height, width) whose kept parts cover an image, each pixel once."""
    for top, y0, y1 in _tile_axis(height, size[0]):
        for left, x0, x1 in _tile_axis(width, size[1]):
            yield PredictedTile(top, left, (y0, y1, x0, x1))


def _tile_axis(length: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Where tiles begin on one axis, and from where to where they are kept."""
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
) -> None:
    """Write what the networks say, on average, of the images `rows`; those that have their files are left as they are.

    `report` is called with the number of images done. Raises SegdataError where a file cannot be written.
    """
    device = next(models[0].parameters()).device
    for model in models:
        model.eval()
    kinds = ("probabilities", *(("contours", "instances") if plan.instances else ()))
    missing = [row for row in rows.tolist() if not is_predicted(folder, row, kinds)]
    done = len(rows) - len(missing)
    report(done)
    try:
        for kind in kinds:
            (folder / kind).mkdir(parents=True, exist_ok=True)
        images = _decoded_images(missing, maps, pictures, jobs if device.type != "cpu" else 1)
        finished = _ImageWriter(models, plan, legend, folder, device).write(images)
        # Instances are found by other threads while the device goes on.
        for _ in run_ordered(lambda finish: finish(), finished, n_threads(jobs)):
            done += 1
            report(done)
    except OSError as error:
        raise SegdataError(f"{folder}: predictions cannot be written: {error.strerror or error}") from error


def _decoded_images(
    rows: Sequence[int], maps: LabelMaps, pictures: ImageCache, jobs: int
) -> Iterator[tuple[int, int, int, DecodedImage]]:
    """Row, height, width and picture of the images that can be read, decoded ahead by `jobs` threads."""
    for row, picture in zip(rows, run_ordered(pictures.get, rows, jobs), strict=True):
        if picture is not None:
            yield row, int(maps.height[row]), int(maps.width[row]), picture


@dataclass(frozen=True, slots=True)
class _OpenImage:
    """An image some of whose tiles are still to come: its unfinished files, and its size as networks see it."""

    row: int
    categories: HalfFloats
    contours: HalfFloats | None
    seen: tuple[int, int]


_WaitingTile = tuple[_OpenImage, PredictedTile, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class _ImageWriter:
    """Writes what some networks say of images."""

    models: Sequence[nn.Module]
    plan: TrainingPlan
    legend: ChannelLegend
    folder: Path
    device: torch.device

    def write(self, images: Iterator[tuple[int, int, int, DecodedImage]]) -> Iterator[Callable[[], None]]:
        """Write the images' probabilities, and yield what remains to be done for each, in order.

        Tiles of one image after the other fill the batches, so that small images keep a GPU busy, too. `images` are
        pictures, maybe reduced, with the row, height and width that they had before.
        """
        waiting: list[_WaitingTile] = []
        ending: list[_OpenImage] = []
        at_once = _ON_GPU if self.device.type == "cuda" else 1
        for row, height, width, picture in images:
            size = picture.pixels.shape[1], picture.pixels.shape[2]
            opened = self._open(row, (height, width), size)
            for tile in tiles(*size, self.plan.tile):
                waiting.append((opened, tile, _cut_tile(picture, tile, self.plan.tile)))
                if len(waiting) >= at_once:
                    self._predict_tiles(waiting)
                    yield from (partial(self._finish, image) for image in ending)
                    ending.clear()
            if waiting:
                ending.append(opened)
            else:
                yield partial(self._finish, opened)
        if waiting:
            self._predict_tiles(waiting)
        yield from (partial(self._finish, image) for image in ending)

    def _open(self, row: int, size: tuple[int, int], predicted_size: tuple[int, int]) -> _OpenImage:
        def file(kind: str, channels: int) -> HalfFloats:
            path = unfinished_path(prediction_path(self.folder, kind, row))
            return np.lib.format.open_memmap(path, "w+", np.float16, (channels, *size))

        contours = file("contours", 3) if self.plan.instances else None
        return _OpenImage(row, file("probabilities", self.plan.categories), contours, predicted_size)

    def _predict_tiles(self, waiting: list[_WaitingTile]) -> None:
        """Predict all tiles that wait, and write them into their images."""
        stacked = torch.from_numpy(np.stack([pixels for _, _, pixels in waiting])).to(self.device)
        images = stacked.contiguous(memory_format=torch.channels_last)
        categories, contours = _predict_by_halves(self.models, images, self.plan.flips)
        for number, (opened, tile, _) in enumerate(waiting):
            for file, output in ((opened.categories, categories), (opened.contours, contours)):
                if file is not None and output is not None:
                    _write_tile(file, output[number], tile, opened.seen)
        waiting.clear()

    def _finish(self, opened: _OpenImage) -> None:
        """Find and write the instances of an image, and give its files their names."""
        for kind, array in (("probabilities", opened.categories), ("contours", opened.contours)):
            if array is not None:
                array.flush()  # type: ignore[attr-defined]  # a memory map
                path = prediction_path(self.folder, kind, opened.row)
                unfinished_path(path).replace(path)
        if not self.plan.instances:
            return
        contours = None if opened.contours is None else opened.contours.astype(np.float32)
        if contours is not None and not contours.any():  # the network has no such head
            contours = None
        ids, is_thing = self.legend.ids, self.legend.is_thing
        instances = instances_of(opened.categories, contours, ids, is_thing, self.plan.least_area)
        path = prediction_path(self.folder, "instances", opened.row)
        runs, category, score = instances.runs, instances.category, instances.score
        with unfinished_path(path).open("wb") as npz:
            np.savez(npz, start=runs.start, length=runs.length, owner=runs.owner, category=category, score=score)
        unfinished_path(path).replace(path)


def _cut_tile(picture: DecodedImage, tile: PredictedTile, size: tuple[int, int]) -> NDArray[np.float32]:
    """(C, height, width) of a tile, about 0 to 1; beyond the image, its last pixels are mirrored."""
    _, height, width = picture.pixels.shape
    lines = _mirror_positions(tile.top, size[0], height)
    columns = _mirror_positions(tile.left, size[1], width)
    pixels = picture.pixels[:, lines[:, None], columns].astype(np.float32)
    scaled = (pixels - picture.low[:, None, None]) / (picture.high - picture.low)[:, None, None]
    clipped: NDArray[np.float32] = np.nan_to_num(scaled).clip(-0.5, 1.5)
    return clipped


def _mirror_positions(first: int, n: int, length: int) -> Ints:
    """The positions first, first + 1, …; those beyond `length` go back and forth."""
    position = np.arange(first, first + n) % (2 * length)
    return np.where(position < length, position, 2 * length - 1 - position)


def _write_tile(file: HalfFloats, output: Tensor, tile: PredictedTile, predicted_size: tuple[int, int]) -> None:
    """Write the output for a tile (channels, height, width) into the file of its image, enlarged to its size."""
    y0, y1, x0, x1 = tile.kept
    (top, bottom, lines), (left, right, columns) = (
        _enlarged_positions(*along)
        for along in (
            (y0, y1, tile.top, predicted_size[0], file.shape[1]),
            (x0, x1, tile.left, predicted_size[1], file.shape[2]),
        )
    )
    for channel, values in zip(file, output, strict=True):  # one after the other, as they may be much larger now
        channel[top:bottom, left:right] = _interpolate(_interpolate(values, lines).T, columns).T.half().cpu().numpy()


def _enlarged_positions(
    first: int, last: int, origin: int, predicted_length: int, length: int
) -> tuple[int, int, NDArray[np.float64]]:
    """The range of pixels on an axis of `length` that `first` to `last` of `predicted_length` become; their middles.

    The middles are in pixels of a tile that begins at `origin`, none of them beyond the image.
    """
    start, end = first * length // predicted_length, last * length // predicted_length
    middle = (np.arange(start, end) + 0.5) * predicted_length / length - 0.5
    return start, end, middle.clip(0, predicted_length - 1) - origin


def _interpolate(values: Tensor, places: NDArray[np.float64]) -> Tensor:
    """The rows of `values` at places between its rows, by linear interpolation."""
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, len(values) - 1)
    below, above = (values[torch.from_numpy(positions).to(values.device)] for positions in (low, high))
    return torch.lerp(below, above, torch.from_numpy((places - low).astype(np.float32)).to(values.device)[:, None])


def _predict_by_halves(models: Sequence[nn.Module], images: Tensor, flips: int) -> tuple[Tensor, Tensor | None]:
    """`_mean_probabilities`, with half of the images at a time where memory is short."""
    try:
        return _mean_probabilities(models, images, flips)
    except torch.OutOfMemoryError as error:
        if len(images) == 1:
            raise SegdataError("one tile does not fit into memory; choose a smaller width or another device") from error
    if images.device.type == "cuda":
        torch.cuda.empty_cache()
    parts = [_predict_by_halves(models, part, flips) for part in images.chunk(2)]
    contours = [part for _, part in parts if part is not None]
    return torch.cat([part for part, _ in parts]), torch.cat(contours) if contours else None


def _mean_probabilities(models: Sequence[nn.Module], images: Tensor, flips: int) -> tuple[Tensor, Tensor | None]:
    """Mean probabilities (B, K, H, W) and (B, 3, H, W), over networks and mirrored copies."""
    totals: list[Tensor | None] = [None, None]
    mirrored: list[list[int]] = [[], [3], [2]][: flips + 1]
    with torch.inference_mode():
        for model in models:
            for axes in mirrored:
                with precision(images.device):
                    outputs = logits(model, images.flip(axes) if axes else images)
                for number, head in enumerate(outputs):
                    if head is not None:
                        p = head.softmax(1) / (len(models) * len(mirrored))
                        p = p.flip(axes) if axes else p
                        so_far = totals[number]
                        totals[number] = p if so_far is None else so_far + p
    assert totals[0] is not None  # every network has this head
    return totals[0], totals[1]
