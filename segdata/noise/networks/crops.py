"""Crops: pieces of images with their labels, chosen, painted from runs on the device, and augmented.

Crops are bent, blurred, noisy, tinted and inverted only if the settings say so. numpy draws all random numbers, and a
separate generator those of noise, so a seed gives the same crops in every run.
"""

import multiprocessing
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from segdata.core.config import Augmentation
from segdata.core.executor import run_ordered
from segdata.core.image_files import ChannelArray
from segdata.core.label_maps import LabelMaps
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Ints, expand_ranges
from segdata.noise.networks.images import ImageCache
from segdata.noise.networks.network import TrainingTargets, training_targets
from segdata.noise.networks.plan import TrainingPlan
from segdata.noise.segments import paint_order

WINDOW = 1.6  # sides of a crop that are read for one, as scale and turn may need
_SCALE = 1.33
_MAX_TURN = 10.0  # degrees to either side
_JITTER = 0.2  # of contrast and brightness


@dataclass(frozen=True)
class SegmentCentres:
    """The centres of segments for crops."""

    image: Ints  # (n_segments,)
    category: Ints  # (n_segments,)
    x: Ints  # (n_segments,) the middle, in pixels
    y: Ints

    @staticmethod
    def from_tables(tables: Tables, scale: float = 1.0) -> "SegmentCentres":
        """The centres of all segments with pixels that are not void, in images with sides `scale` times as long."""
        rows = tables.segments
        is_used = (rows["area"] > 0) & ~np.isin(rows["category_id"], tables.profile.taxonomy.void_ids)
        x, y = ((rows[corner] + rows[side] // 2)[is_used] * scale for corner, side in (("x", "width"), ("y", "height")))
        return SegmentCentres(
            rows["image"][is_used], rows["category_id"][is_used], x.astype(np.int64), y.astype(np.int64)
        )

    def among(self, rows: Ints) -> "SegmentCentres":
        """The centres in some images."""
        is_chosen = np.isin(self.image, rows)
        return SegmentCentres(self.image[is_chosen], self.category[is_chosen], self.x[is_chosen], self.y[is_chosen])

    @cached_property
    def by_category(self) -> list[Ints]:
        """The segments of each category that occurs, by its id."""
        return [np.flatnonzero(self.category == id_) for id_ in np.unique(self.category)]


@dataclass(frozen=True, slots=True)
class CropChoice:
    """The positions and augmentations of a batch of crops; all (B,)."""

    image: Ints  # row
    x: Ints  # the middle, in pixels
    y: Ints
    scale: NDArray[np.float32]  # enlargement
    turn: NDArray[np.float32]  # angle in radians
    mirrored: Flags  # left to right
    contrast: NDArray[np.float32]  # a factor
    brightness: NDArray[np.float32]  # what is added
    variation: "ImageVariation | None" = None  # more that is asked for; None: nothing


def choose_crops(
    rng: np.random.Generator,
    rows: Ints,
    places: SegmentCentres,
    maps: LabelMaps,
    plan: TrainingPlan,
    n: int,
    *,
    vary: bool = True,
) -> CropChoice:
    """Choose n crops of the images `rows` (k,): half of them anywhere, half near a segment of a random category.

    So a category with a thousandth of the pixels is still seen in every few steps.
    """
    image = rng.choice(rows, n)
    x, y = (rng.random(n) * side[image] for side in (maps.width, maps.height))
    n_categories = len(places.by_category)
    for number in range(0, n if n_categories else 0, 2):
        segment = rng.choice(places.by_category[rng.choice(n_categories)])
        image[number], shift = places.image[segment], rng.uniform(-plan.crop / 3, plan.crop / 3, 2)
        x[number], y[number] = places.x[segment] + shift[0], places.y[segment] + shift[1]
    for middle, side in ((x, maps.width[image]), (y, maps.height[image])):  # within the image where a crop fits
        half = np.minimum(plan.crop, side) / 2
        middle[:] = np.clip(middle, half, side - half)
    augmentations = frozenset(plan.augment if vary else ())
    quarter = rng.integers(0, 4, n) * (np.pi / 2) if plan.rotate and vary else np.zeros(n)
    # Drawn whether asked for or not, so that one kind changes nothing of the others.
    larger = np.exp(rng.uniform(-np.log(_SCALE), np.log(_SCALE), n)) ** ("scale" in augmentations)
    turn = quarter + np.deg2rad(rng.uniform(-_MAX_TURN, _MAX_TURN, n)) * ("turn" in augmentations)
    mirrored = (rng.random(n) < 0.5) & ("mirror" in augmentations)
    contrast = 1 + rng.uniform(-_JITTER, _JITTER, n) * ("light" in augmentations)
    brightness = rng.uniform(-_JITTER, _JITTER, n) / 2 * ("light" in augmentations)
    return CropChoice(
        image=image,
        x=x.astype(np.int64),
        y=y.astype(np.int64),
        scale=larger.astype(np.float32),
        turn=turn.astype(np.float32),
        mirrored=mirrored,
        contrast=contrast.astype(np.float32),
        brightness=brightness.astype(np.float32),
        variation=draw_variation(rng, n, augmentations),
    )


@dataclass(frozen=True, slots=True)
class CropWindows:
    """The input of a batch of crops on the device: B windows of S x S pixels, and the runs in them."""

    pixels: Tensor  # (B, C, S, S) uint8 or float32, as the files have them; 0 where an image cannot be read
    low: NDArray[np.float32]  # (B, C) what becomes 0
    high: NDArray[np.float32]  # (B, C) what becomes 1
    size: int  # S
    inside: Ints  # (B, 4) which columns from, to, and rows from, to, of a window are within its image
    runs: Tensor  # (3, n_runs) int64: start in the windows one after the other, column by column; length; owner from 1
    classes: Ints  # (B, n) the class of each owner, as `segdata.noise.networks.network.training_targets` wants it
    things: Ints  # (B, n) likewise

    def pin_memory(self) -> "CropWindows":
        """The same in memory from which a GPU copies by itself; `DataLoader` calls it."""
        return replace(self, pixels=self.pixels.pin_memory(), runs=self.runs.pin_memory())


class CropLabels:
    """The labels as crops need them: which channel each class is, and which segments are instances.

    Parameters
    ----------
    maps : the labels
    channel : (n_classes,) the channel of each class of `maps`, from 1; -1: the class does not count
    is_thing : (n_classes,) whether its segments are distinguished
    """

    def __init__(self, maps: LabelMaps, channel: Ints, is_thing: Flags) -> None:
        self.maps = maps
        self._channel = np.append(channel, -1)  # class -1: void
        self._thing = np.append(np.where(is_thing, 1, 0), -1)

    def windows(self, choice: CropChoice, pictures: ImageCache, plan: TrainingPlan, *, vary: bool) -> CropWindows:
        """The source of a batch, read from files and memory."""
        size = 2 * int(np.ceil(plan.crop * (WINDOW if vary else 1) / 2))
        n, rows = len(choice.image), choice.image.tolist()
        every = [pictures.get(row) for row in rows]
        are_bytes = all(picture is None or picture.pixels.dtype == np.uint8 for picture in every)
        pixels = np.zeros((n, plan.channels, size, size), np.uint8 if are_bytes else np.float32)
        low, high = np.zeros((n, plan.channels), np.float32), np.ones((n, plan.channels), np.float32)
        inside = np.zeros((n, 4), np.int64)
        runs: list[tuple[Ints, Ints, Ints]] = []
        tables: list[tuple[Ints, Ints]] = []
        for number, (row, picture) in enumerate(zip(rows, every, strict=True)):
            left, top = int(choice.x[number]) - size // 2, int(choice.y[number]) - size // 2
            height, width = int(self.maps.height[row]), int(self.maps.width[row])
            inside[number] = np.clip([-left, width - left, -top, height - top], 0, size)
            segments = self.maps.segments(row)
            run, classes = segments.runs, self._channel[segments.classes]
            # 1 for an instance, 0 for what is none, -1 for what may hold several
            things = np.where(segments.crowd, -1, self._thing[segments.classes])
            order = paint_order(run.areas(len(classes)), classes < 0)
            place = np.argsort(order)  # the last one wins
            tables.append((classes[order], things[order]))
            if picture is None:
                inside[number] = 0
                continue
            _copy_window(picture.pixels, pixels[number], left, top, inside[number].tolist())
            low[number], high[number] = picture.low, picture.high
            start, length, owner = _clip_runs(run.start, run.length, run.owner, height, left, top, size)
            runs.append((start + number * size * size, length, place[owner] + 1))
        nothing = np.empty(0, np.int64)
        joined = np.stack([np.concatenate([nothing, *(run[column] for run in runs)]) for column in range(3)])
        longest = max(len(classes) for classes, _ in tables)
        classes, things = (_pad_rows([table[column] for table in tables], longest) for column in (0, 1))
        return CropWindows(
            pixels=torch.from_numpy(pixels),
            low=low,
            high=high,
            size=size,
            inside=inside,
            runs=torch.from_numpy(joined),
            classes=classes,
            things=things,
        )


@dataclass(frozen=True)
class TrainingBatches(Dataset[tuple[CropChoice, CropWindows]]):
    """The batch of each step of a training; a step's number decides what it is."""

    labels: CropLabels
    pictures: ImageCache
    places: SegmentCentres  # in the images `rows`
    rows: Ints  # images to learn from
    plan: TrainingPlan
    seed: int  # of this network

    def __getitem__(self, step: int) -> tuple[CropChoice, CropWindows]:
        rng = np.random.default_rng([self.seed, step])
        choice = choose_crops(rng, self.rows, self.places, self.labels.maps, self.plan, self.plan.batch)
        return choice, self.labels.windows(choice, self.pictures, self.plan, vary=True)


def prepared_batches(
    batches: TrainingBatches, steps: range, n: int, *, pinned: bool = False
) -> Iterator[tuple[CropChoice, CropWindows]]:
    """The batches of some steps, in order, from `n` processes; from threads where processes cannot be forked.

    Forks have the decoded images without a copy of them, and do not wait for Python's lock. `pinned`: in memory from
    which a GPU copies by itself.
    """
    if n == 1 or "fork" not in multiprocessing.get_all_start_methods():
        return run_ordered(batches.__getitem__, steps, n)
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=steps,
        num_workers=n,
        pin_memory=pinned,
        multiprocessing_context="fork",
        worker_init_fn=lambda worker: batches.pictures.divide(n),
    )
    return iter(loader)


def make_crops(
    windows: CropWindows, choice: CropChoice, plan: TrainingPlan, device: torch.device
) -> tuple[Tensor, TrainingTargets]:
    """Images (B, C, crop, crop) float32 and their targets, varied as chosen; on the device."""
    owners = paint_segments(windows, device)
    images = scale_windows(windows, device)
    more = choice.variation
    if len(owners) and windows.size != plan.crop:
        grid = functional.affine_grid(
            _transforms(choice, plan.crop / windows.size, device), [len(images), 1, plan.crop, plan.crop], False
        )
        if more is not None:
            grid = grid + bent_places(more, plan.crop, windows.size, device)
        images = functional.grid_sample(images, grid, align_corners=False, padding_mode="border")
        as_float = owners[:, None].float()  # exact to 2^24
        owners = functional.grid_sample(as_float + 1, grid, mode="nearest", align_corners=False)[:, 0].long() - 1
    contrast, brightness = (
        torch.from_numpy(array).to(device)[:, None, None, None] for array in (choice.contrast, choice.brightness)
    )
    images = (images - 0.5) * contrast + 0.5 + brightness
    if more is not None:
        images = vary_pixels(images, more)
    tables = (torch.from_numpy(array).to(device, non_blocking=True) for array in (windows.classes, windows.things))
    ready = images.contiguous(memory_format=torch.channels_last)
    return ready, training_targets(owners, *tables, instances=plan.instances)


def paint_segments(windows: CropWindows, device: torch.device) -> Tensor:
    """(B, S, S) int64 the number of the segment that each pixel belongs to, from 1; 0: none, -1: outside of the image.

    Of overlapping segments the last one wins on every device.
    """
    size, n = windows.size, len(windows.pixels)
    inside = torch.from_numpy(windows.inside).to(device, non_blocking=True)
    start, length, owner = windows.runs.to(device, non_blocking=True)
    n_pixels = int(windows.runs[1].sum())  # known here, so that nothing waits for the device
    position = torch.arange(size, device=device)
    across = (position >= inside[:, :1]) & (position < inside[:, 1:2])  # (B, S)
    along = (position >= inside[:, 2:3]) & (position < inside[:, 3:])
    canvas = torch.where(across[:, :, None] & along[:, None, :], 0, -1).reshape(n * size * size)
    before = torch.cumsum(length, 0) - length
    first, segment = (torch.repeat_interleave(of, length, output_size=n_pixels) for of in (start - before, owner))
    canvas = canvas.scatter_reduce(0, first + torch.arange(n_pixels, device=device), segment, "amax")
    return canvas.reshape(n, size, size).transpose(1, 2)


def _copy_window(pixels: ChannelArray, window: ChannelArray, left: int, top: int, inside: list[int]) -> None:
    """Copy a part of an image into its window (C, S, S); beyond the image, its outermost pixels are repeated.

    `inside`: which columns from, to, and rows from, to, of the window are within the image.
    """
    first, end, upper, lower = inside
    window[:, upper:lower, first:end] = pixels[:, top + upper : top + lower, left + first : left + end]
    window[:, upper:lower, :first] = window[:, upper:lower, first : first + 1]
    window[:, upper:lower, end:] = window[:, upper:lower, end - 1 : end]
    window[:, :upper] = window[:, upper : upper + 1]
    window[:, lower:] = window[:, lower - 1 : lower]


def _clip_runs(
    start: Ints, length: Ints, owner: NDArray[np.int32], height: int, left: int, top: int, size: int
) -> tuple[Ints, Ints, Ints]:
    """The parts of an image's runs that are in a window: start in the window's columns, length, owner."""
    x, y = np.divmod(start, max(height, 1))
    first = np.maximum(y, top)
    n_left = np.minimum(y + length, top + size) - first
    is_inside = (x >= left) & (x < left + size) & (n_left > 0)
    return ((x - left) * size + first - top)[is_inside], n_left[is_inside], owner[is_inside].astype(np.int64)


def _pad_rows(values: list[Ints], n: int) -> Ints:
    """(B, n) lists of different lengths, filled with -1."""
    padded = np.full((len(values), n), -1, np.int64)
    lengths = np.array([len(row_values) for row_values in values], np.int64)
    if n:
        rows = np.repeat(np.arange(len(values)), lengths)
        padded[rows, expand_ranges(np.zeros(len(values), np.int64), lengths)] = np.concatenate(values)
    return padded


def scale_windows(windows: CropWindows, device: torch.device) -> Tensor:
    """(B, C, S, S) float32, mostly from 0 to 1."""
    images = windows.pixels.to(device, non_blocking=True).float()
    low, high = (torch.from_numpy(array).to(device)[:, :, None, None] for array in (windows.low, windows.high))
    return torch.nan_to_num((images - low) / (high - low), 0.0, 2.0, -1.0).clamp(-0.5, 1.5)


def _transforms(choice: CropChoice, part: float, device: torch.device) -> Tensor:
    """(B, 2, 3) from places in the crop to places in its window, both from -1 to 1."""
    scale = part / choice.scale
    cos, sin = np.cos(choice.turn) * scale, np.sin(choice.turn) * scale
    flip = np.where(choice.mirrored, -1.0, 1.0)
    zero = np.zeros_like(scale)
    matrix = np.stack([cos * flip, -sin, zero, sin * flip, cos, zero], axis=1).reshape(-1, 2, 3)
    return torch.from_numpy(matrix.astype(np.float32)).to(device)


_KNOTS = 6  # on each side of a crop, of the grid that is bent
_BENT, _BENT_SHARE = 0.03, 0.5  # standard deviation in sides of the crop, and the share of crops
_MAX_BLUR, _BLUR_SHARE = 1.5, 0.3  # px, standard deviation
_MAX_NOISE, _NOISE_SHARE = 0.08, 0.3  # of the range from 0 to 1, standard deviation
_MAX_HUE_SHIFT = 0.1  # of a full turn, to either side
_INVERTED_SHARE = 0.5
_COLOURS = 3
# Luma and two colour differences (NTSC), in which a change of hue is a rotation.
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True, slots=True)
class ImageVariation:
    """The unusual variations of the crops of a batch; 0 and False change nothing."""

    bent: NDArray[np.float32]  # (B, 2, k, k) shifts to the right and down at the knots, in sides of the crop
    blur: NDArray[np.float32]  # (B,) standard deviation in pixels
    noise: NDArray[np.float32]  # (B,) standard deviation
    hue: NDArray[np.float32]  # (B,) angle in radians; of images with three channels only
    inverted: Flags  # (B,)
    seed: int  # of the noise


def draw_variation(rng: np.random.Generator, n: int, augmentations: Collection[Augmentation]) -> ImageVariation | None:
    """Draw the variation of `n` crops; None, without drawing, if no kind is chosen."""
    if not {"elastic", "blur", "noise", "hue", "invert"} & set(augmentations):
        return None

    def draw_some(share: float, kind: Augmentation) -> Flags:
        return (rng.random(n) < share) & (kind in augmentations)

    bent = rng.normal(0, _BENT, (n, 2, _KNOTS, _KNOTS)) * draw_some(_BENT_SHARE, "elastic")[:, None, None, None]
    blur = rng.uniform(0.3, _MAX_BLUR, n) * draw_some(_BLUR_SHARE, "blur")
    noise = rng.uniform(0, _MAX_NOISE, n) * draw_some(_NOISE_SHARE, "noise")
    hue = 2 * np.pi * rng.uniform(-_MAX_HUE_SHIFT, _MAX_HUE_SHIFT, n) * ("hue" in augmentations)
    inverted = draw_some(_INVERTED_SHARE, "invert")
    drawn = [values.astype(np.float32) for values in (bent, blur, noise, hue)]
    return ImageVariation(drawn[0], drawn[1], drawn[2], drawn[3], inverted, int(rng.integers(2**31)))


def bent_places(variation: ImageVariation, crop: int, window: int, device: torch.device) -> Tensor:
    """(B, crop, crop, 2) a smooth field to add to the places of pixels in their window, from -1 to 1."""
    knots = torch.from_numpy(variation.bent).to(device)
    smooth = functional.interpolate(knots, size=(crop, crop), mode="bicubic", align_corners=True)
    return (smooth * (2 * crop / window)).permute(0, 2, 3, 1)


def vary_pixels(images: Tensor, variation: ImageVariation) -> Tensor:
    """(B, C, H, W) images, mostly from 0 to 1, tinted, inverted, blurred and made noisy as drawn."""
    device = images.device
    if images.shape[1] == _COLOURS and variation.hue.any():
        images = torch.einsum("bij,bjhw->bihw", _hue_matrices(variation.hue).to(device), images)
    if variation.inverted.any():
        inverted = torch.from_numpy(variation.inverted).to(device)[:, None, None, None]
        images = torch.where(inverted, 1 - images, images)
    if variation.blur.any():
        images = _blur(images, torch.from_numpy(variation.blur).to(device))
    if variation.noise.any():
        generator = torch.Generator(device).manual_seed(variation.seed)
        strength = torch.from_numpy(variation.noise).to(device)[:, None, None, None]
        images = images + strength * torch.randn(images.shape, generator=generator, device=device)
    return images


def _hue_matrices(angle: NDArray[np.float32]) -> Tensor:
    """(B, 3, 3) rotations of colours about the axis of greys."""
    there = np.array(_YIQ)
    cos, sin, turn = np.cos(angle), np.sin(angle), np.zeros((len(angle), 3, 3))
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = cos
    turn[:, 1, 2], turn[:, 2, 1] = -sin, sin
    return torch.from_numpy((np.linalg.inv(there) @ turn @ there).astype(np.float32))


def _blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Convolve each image with its own Gaussian; 0 leaves it unchanged."""
    n, channels, height, width = images.shape
    radius = int(np.ceil(3 * _MAX_BLUR))
    position = torch.arange(-radius, radius + 1, device=images.device)
    weight = torch.exp(-0.5 * (position / sigma.clamp(min=1e-3)[:, None]) ** 2)
    weight = (weight / weight.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None]  # (B * C, 1, taps)
    flat = functional.pad(images.reshape(1, n * channels, height, width), [radius] * 4, mode="replicate")
    across = functional.conv2d(flat, weight[:, :, None, :], groups=n * channels)
    return functional.conv2d(across, weight[:, :, :, None], groups=n * channels).reshape(images.shape)
