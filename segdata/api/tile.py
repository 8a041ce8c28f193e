"""Tile, crop, and back: windows of images as images of their own, and whole images of windows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal, Unpack, get_args

import numpy as np

from segdata.api.convert import Conversion, write_derived
from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.api.validate import measure_dataset
from segdata.core.errors import SegdataError, check_choice
from segdata.core.profile import Profile
from segdata.dataset import Dataset
from segdata.store.output import WindowCrops
from segdata.store.stitching import SegmentLink, StitchedSource, TilePlaces, link_by_id, link_by_overlap
from segdata.store.windows import (
    Tile,
    WindowChooser,
    WindowSource,
    check_window_order,
    fixed_window,
    read_tile,
    tile_windows,
    window_prefixes,
    windows_around_segments,
)

Match = Literal["id", "overlap"]
_SEGMENT_LINKS: dict[Match, SegmentLink] = {"id": link_by_id, "overlap": link_by_overlap}
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
    """Write tiles of all images, pictures and labels, as a canonical dataset.

    Parameters
    ----------
    data : a file, a folder or a `Dataset`
    target : a folder that does not exist, or is empty
    size : of a tile in pixels: one number, or width and height
    overlap : pixels that neighbours share at least; the last ones share more, so that all have the full size
    crop_images : write the pictures too, into the folder ``images``; else tiles have none
    jobs, progress, opening : as for `convert`

    Segments keep their ids, so that `untile` gives the same labels again. Tiles of one image are of one `group`, so
    that `split` does not separate them.
    """
    width, height = (size, size) if isinstance(size, int) else size
    made = f"tiles of {width}x{height} pixels, overlap {overlap}"
    return _write_windows(
        read(data, **opening), target, tile_windows(width, height, overlap), made, crop_images, jobs, progress
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
    """Write windows of images, pictures and labels, as a canonical dataset.

    Parameters
    ----------
    window : x, y, width and height in pixels: one window an image, as far as it lies in it
    category : without `window`, a window around each segment of these categories; None: of all
    margin : pixels around each segment
    data, target, crop_images, jobs, progress, opening : as for `tile`
    """
    dataset = read(data, **opening)
    if window is not None:
        if min(window[:2]) < 0 or min(window[2:]) < 1:
            raise SegdataError(f"a window of x, y, width and height {window} is none")
        made = f"cropped to {window[2]}x{window[3]} pixels at ({window[0]}, {window[1]})"
        return _write_windows(dataset, target, fixed_window(*window), made, crop_images, jobs, progress)
    names = [category] if isinstance(category, str) else category
    choose = windows_around_segments(None if names is None else _category_ids(dataset.profile, names), margin)
    made = f"cropped to {'all segments' if names is None else ', '.join(names)}, {margin} pixels around"
    return _write_windows(dataset, target, choose, made, crop_images, jobs, progress)


def _write_windows(
    dataset: Dataset,
    target: str | Path,
    choose: WindowChooser,
    made: str,
    crop: bool,
    jobs: int,
    progress: Progress,
) -> Conversion:
    """Write the windows that `choose` chooses."""
    rows = np.arange(len(dataset.source.image_ids)) if dataset.rows is None else dataset.rows
    names = [dataset.source.image_ids[row] for row in rows.tolist()]
    check_window_order(names)
    source = WindowSource(dataset.source, choose, window_prefixes(names), tuple(names), rows, crop)
    return write_derived(
        replace(dataset, source=source, rows=None), target, made, copy_images=WindowCrops if crop else False, jobs=jobs,
        progress=progress,
    )  # fmt: skip


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
    """Write the labels of tiles as labels of the images that they were cut from, as a canonical dataset.

    Parameters
    ----------
    data : the tiles, as `tile` wrote them, or anything that was drawn or predicted on them, in any format
    target : a folder that does not exist, or is empty
    tiles : the dataset that `tile` wrote, where `data` only has the names of its images; extensions may differ
    match : which segments of several tiles are one: ``id``: those of one id; ``overlap``: those of one category that
        share half or more of what either has where their tiles overlap, for instances that a model found
    jobs, progress, opening : as for `convert`

    What two tiles say of the pixels that both have is divided in the middle. Raises SegdataError where nothing says
    what the images are tiles of.
    """
    check_choice("match", match, get_args(Match))
    dataset = read(data, **opening)
    known = _known_tiles(dataset if tiles is None else read(tiles), jobs)
    bare = {_stem(name): name for name in known}
    found: dict[str, list[tuple[int, Tile, int, int]]] = {}
    rows = np.arange(len(dataset.source.image_ids)) if dataset.rows is None else dataset.rows
    for row in rows.tolist():
        name = dataset.source.image_ids[row]
        said = known.get(name) or known.get(bare.get(_stem(name), ""))
        if said is None:
            hint = "give the dataset that segdata tile wrote" if tiles is None else "the tiles have no such image"
            raise SegdataError(f"{dataset.profile.files}: nothing says what {name!r} is a tile of; {hint}")
        found.setdefault(said[0].of, []).append((row, *said))
    placed = {}
    for name, mine in found.items():
        width, height = (np.array([each[at] for each in mine], np.int64) for at in (2, 3))
        placed[name] = (
            np.array([each[0] for each in mine], np.int64),
            TilePlaces.of([each[1] for each in mine], width, height),
        )
    details = {name: mine[0][1] for name, mine in found.items()}
    source = StitchedSource(dataset.source, dataset.profile, placed, details, _SEGMENT_LINKS[match])
    whole = replace(dataset, source=source, rows=None)
    return write_derived(whole, target, f"put together from tiles, by {match}", jobs=jobs, progress=progress)


def _known_tiles(dataset: Dataset, jobs: int) -> dict[str, tuple[Tile, int, int]]:
    """What the images of a dataset are tiles of, with their own width and height; those that say nothing left out."""
    images = measure_dataset(dataset, frozenset(), jobs).images
    lines = images.lines("image_id", "metadata", "width", "height")
    said = ((name, read_tile(metadata), width, height) for name, metadata, width, height in lines)
    return {name: (each, width, height) for name, each, width, height in said if each is not None}


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _category_ids(profile: Profile, names: Sequence[str]) -> list[int]:
    """The ids of categories; raises SegdataError for a name that none has."""
    known = profile.taxonomy.by_name()
    for name in names:
        if name not in known:
            near = profile.taxonomy.nearest(name)
            raise SegdataError(f"no category {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return [known[name].id for name in names]
