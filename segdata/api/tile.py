"""Tile, crop, and back: windows of images as images of their own, and whole images of windows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from segdata.api.convert import Conversion, write_derived
from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.api.validate import measure_dataset
from segdata.core.errors import SegdataError
from segdata.core.profile import Profile
from segdata.dataset import Dataset
from segdata.store.output import WindowCrops
from segdata.store.stitching import (
    Match,
    stitch_dataset,
)
from segdata.store.windows import (
    Tile,
    WindowChooser,
    cut_dataset,
    fixed_window,
    read_tile,
    tile_windows,
    windows_around_segments,
)

Size = int | tuple[int, int]
Box = tuple[int, int, int, int]


def tile(
    data: Data,
    target: str | Path,
    size: Size = 512,
    *,
    overlap: int = 0,
    crop_images: bool = True,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Cut images into tiles: `segdata.Dataset.tile` of ``read(data, **opening)``."""
    width, height = (size, size) if isinstance(size, int) else size
    origin = f"tiles of {width}x{height} pixels, overlap {overlap}"
    return _write_windows(
        read(data, **opening), target, tile_windows(width, height, overlap), origin, crop_images, jobs, progress
    )


def crop(
    data: Data,
    target: str | Path,
    *,
    window: Box | None = None,
    category: str | Sequence[str] | None = None,
    margin: int = 0,
    crop_images: bool = True,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Cut windows out of images: `segdata.Dataset.crop` of ``read(data, **opening)``."""
    dataset = read(data, **opening)
    if window is not None:
        if min(window[:2]) < 0 or min(window[2:]) < 1:
            raise SegdataError(f"window {window}: x and y must be 0 or more, width and height 1 or more")
        origin = f"cropped to {window[2]}x{window[3]} pixels at ({window[0]}, {window[1]})"
        return _write_windows(dataset, target, fixed_window(*window), origin, crop_images, jobs, progress)
    names = [category] if isinstance(category, str) else category
    choose = windows_around_segments(None if names is None else _category_ids(dataset.profile, names), margin)
    origin = f"cropped to {'all segments' if names is None else ', '.join(names)}, {margin} pixels around"
    return _write_windows(dataset, target, choose, origin, crop_images, jobs, progress)


def _write_windows(
    dataset: Dataset, target: str | Path, choose: WindowChooser, made: str, crop: bool, jobs: int, progress: Progress
) -> Conversion:
    """Write the windows that `choose` chooses."""
    copies = WindowCrops if crop else False
    windows = cut_dataset(dataset, choose, crop)
    return write_derived(windows, target, made, copy_images=copies, jobs=jobs, progress=progress)


def untile(
    data: Data,
    target: str | Path,
    *,
    tiles: Data | None = None,
    match: Match = "id",
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Put tiles together again: `segdata.Dataset.untile` of ``read(data, **opening)``."""
    dataset = read(data, **opening)
    tiles_by_id = _known_tiles(dataset if tiles is None else read(tiles), jobs)
    hint = "give the dataset that segdata tile wrote" if tiles is None else "the tiles have no such image"
    stitched = stitch_dataset(dataset, tiles_by_id, match, hint)
    return write_derived(stitched, target, f"put together from tiles, by {match}", jobs=jobs, progress=progress)


def _known_tiles(dataset: Dataset, jobs: int) -> dict[str, tuple[Tile, int, int]]:
    """What the images of a dataset are tiles of, with their own width and height; those that say nothing left out."""
    images = measure_dataset(dataset, frozenset(), jobs).images
    lines = images.lines("image_id", "metadata", "width", "height")
    windows = ((name, read_tile(metadata), width, height) for name, metadata, width, height in lines)
    return {name: (window, width, height) for name, window, width, height in windows if window is not None}


def _category_ids(profile: Profile, names: Sequence[str]) -> list[int]:
    """The ids of categories; raises SegdataError for a name that none has."""
    by_name = profile.taxonomy.by_name()
    for name in names:
        if name not in by_name:
            near = profile.taxonomy.nearest(name)
            raise SegdataError(f"no category {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return [by_name[name].id for name in names]
