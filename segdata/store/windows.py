"""Windows: cut images and labels into tiles, or into windows around segments, and join labels of tiles again."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from numbers import Integral
from pathlib import PurePosixPath
from typing import Literal, get_args

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.core.batch import Batch, replace_column
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import Source
from segdata.core.overlay import SweepRuns, find_overlaps_within, union_by_frame
from segdata.core.paths import without_extension
from segdata.core.profile import Profile
from segdata.core.runs import Ints, NumberLine, Rows, Runs, bounding_boxes, expand_ranges, run_columns
from segdata.core.safe_text import stored_json
from segdata.core.schema import IMAGES, rle_to_runs, runs_to_rle
from segdata.core.statistics import linked_groups

TILE_KEY = "tile"  # of an image's metadata
_TIFF = frozenset({".tif", ".tiff"})


class Tile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A window of an image: its position in pixels, and values of the image's row that its own row cannot hold.

    `of` is the image_id, `width` and `height` are the image's.
    """

    of: str
    x: int
    y: int
    width: int
    height: int
    uri: str | None = None
    sha256: str | None = None
    sequence: str | None = None
    frame: int | None = None
    group: str | None = None

    def entry(self) -> tuple[str, str]:
        """The tile as an item of metadata."""
        return TILE_KEY, msgspec.json.encode(self).decode()


def read_tile(metadata: Sequence[tuple[str, str]] | None) -> Tile | None:
    """The tile in an image's metadata; None if the image is no tile."""
    stored = next((text for key, text in reversed(metadata or ()) if key == TILE_KEY), None)
    return stored_json(stored, Tile)


def window_prefixes(image_ids: Sequence[str]) -> dict[str, str]:
    """The prefix of the names of each image's windows: its id without extension, unless another image has the same.

    >>> window_prefixes(["a/b.png", "a/c.jpg", "a/c.png"])
    {'a/b.png': 'a/b', 'a/c.jpg': 'a/c.jpg', 'a/c.png': 'a/c.png'}
    """
    bare = {name: without_extension(name) for name in image_ids}
    count = Counter(bare.values())
    return {name: stem if count[stem] == 1 else name for name, stem in bare.items()}


def window_name(image_id: str, prefix: Mapping[str, str], x: int, y: int, size: tuple[int, int] | None = None) -> str:
    """The image_id of a window: the image's windows are sorted by x, y and size (width, height).

    >>> window_name("a/b.jpg", {"a/b.jpg": "a/b"}, 448, 0)
    'a/b_x00448_y00000.png'
    """
    sized = "" if size is None else f"_w{size[0]:05d}_h{size[1]:05d}"
    suffix = ".tif" if PurePosixPath(image_id).suffix.lower() in _TIFF else ".png"
    return f"{prefix[image_id]}_x{x:05d}_y{y:05d}{sized}{suffix}"


_OF_THE_WHOLE = ("rings", "declared_area", "declared_bbox")  # undefined for a piece of a segment
_PER_IMAGE = ("sha256", "sequence", "frame", "channels")  # kept in the tile's metadata for stitching


@dataclass(frozen=True, slots=True)
class Windows:
    """Rectangles inside the images of a batch, in pixels, ordered by image."""

    image: Ints  # (n,) int64, rows of the batch's images, ascending
    x: Ints  # (n,) int64
    y: Ints  # (n,) int64
    width: Ints  # (n,) int64
    height: Ints  # (n,) int64
    sized: bool = False  # their names tell their sizes, since several may begin at one place

    def __len__(self) -> int:
        return len(self.image)

    def of_images(self, n_images: int) -> tuple[Ints, Ints]:
        """(n_images,) the first window of each image, and the number of its windows."""
        count = np.bincount(self.image, minlength=n_images)
        return np.cumsum(count) - count, count


WindowChooser = Callable[[Batch], Windows]


def tile_starts(length: int, size: int, overlap: int) -> list[int]:
    """The starts of tiles of `size` pixels along a side of `length`; each overlaps the one before by `overlap` or more.

    All tiles have the full size; the last one ends where the side ends. A shorter side has one, of its own length.

    >>> tile_starts(1000, 512, 64), tile_starts(300, 512, 64)
    ([0, 448, 488], [0])
    """
    last = max(length - size, 0)
    return [*range(0, last, size - overlap), last]


def tile_windows(width: int, height: int, overlap: int) -> WindowChooser:
    """Tiles of this size that cover each image; raises SegdataError unless the overlap is smaller than a tile."""
    for name, pixels in (("the width", width), ("the height", height), ("the overlap", overlap)):
        if not isinstance(pixels, Integral):
            raise SegdataError(f"{name} of tiles must be a whole number of pixels, it is {pixels!r}")
    if not 0 <= overlap < min(width, height):
        raise SegdataError(f"tiles of {width}x{height} pixels cannot overlap by {overlap}")

    def choose(batch: Batch) -> Windows:
        windows = [
            (row, x, y, min(width, wide), min(height, high))
            for row, (high, wide) in enumerate(zip(*(side.tolist() for side in batch.image_size), strict=True))
            for x in tile_starts(wide, width, overlap)
            for y in tile_starts(high, height, overlap)
            if wide and high
        ]
        return Windows(*np.array(windows, np.int64).reshape(-1, 5).T)

    return choose


def fixed_window(x: int, y: int, width: int, height: int) -> WindowChooser:
    """The same window in each image, clipped to it; images outside the window have none."""

    def choose(batch: Batch) -> Windows:
        high, wide = batch.image_size
        across, down = np.minimum(x + width, wide) - x, np.minimum(y + height, high) - y
        image = np.flatnonzero((across > 0) & (down > 0))
        return Windows(image, np.full(len(image), x), np.full(len(image), y), across[image], down[image])

    return choose


def windows_around_segments(category_ids: Sequence[int] | None, margin: int) -> WindowChooser:
    """A window around each segment of some categories (None: all), `margin` pixels wider on every side."""

    def choose(batch: Batch) -> Windows:
        ids = batch.segment_category
        rows = np.flatnonzero(batch.runs.areas(batch.n_segments) > 0)
        rows = rows if category_ids is None else rows[np.isin(ids[rows], category_ids)]
        high, wide = (side[rows] for side in batch.segment_size)
        x, y, across, down = (
            side[rows] for side in bounding_boxes(batch.runs, batch.segment_size[0], batch.n_segments)
        )
        left, top = np.maximum(x - margin, 0), np.maximum(y - margin, 0)
        right, bottom = np.minimum(x + across + margin, wide), np.minimum(y + down + margin, high)
        windows = np.stack([batch.segment_image[rows], left, top, right - left, bottom - top])
        image, left, top, across, down = np.unique(windows, axis=1).astype(np.int64)
        return Windows(image, left, top, across, down, sized=True)

    return choose


def cut_windows(batch: Batch, windows: Windows, prefix: Mapping[str, str]) -> Batch:
    """Make every window an image, with the annotations of its image and the parts of segments inside it.

    `prefix`: of the names of each image's windows (`window_prefixes`). Segments keep their ids, so that
    `segdata.store.windows` can join them again; pieces have no rings. A segment without pixels stays in the first
    window of its image, as do the seconds of an annotation, so that sums stay the same.
    """
    first, count = windows.of_images(batch.images.num_rows)
    window, annotation = _window_pairs(first, count, batch.annotation_image)
    order = np.argsort(window, kind="stable")
    window, annotation = window[order], annotation[order]
    in_window, segment = _window_pairs(first, count, batch.segment_image)
    runs, kept = _cut_runs(batch.runs, segment, in_window, windows, *batch.segment_size)
    empty = batch.runs.areas(batch.n_segments)[segment] == 0
    kept |= empty & (in_window == first[batch.segment_image[segment]])
    rows = np.flatnonzero(kept)
    # Order the pieces by (window, annotation).
    n_annotations = batch.annotations.num_rows
    rank = np.searchsorted(
        window * n_annotations + annotation,
        in_window[rows] * n_annotations + batch.segment_annotation[segment[rows]],
    )
    order = np.argsort(rank, kind="stable")
    rows, rank = rows[order], rank[order]
    is_first = window == first[batch.annotation_image[annotation]]
    annotations = replace_column(batch.annotations.take(pa.array(annotation)), "image", window.astype(np.int32))
    seconds = pc.if_else(pa.array(is_first), annotations["seconds"], pa.scalar(None, pa.float64()))
    annotations = replace_column(annotations, "seconds", seconds)
    segments = batch.segments.take(pa.array(segment[rows]))
    segments = replace_column(segments, "annotation", rank.astype(np.int32))
    for name in _OF_THE_WHOLE:
        segments = replace_column(segments, name, pa.nulls(len(rows), segments.schema.field(name).type))
    return Batch(
        _window_images(batch, windows, prefix), annotations, segments, runs.take(rows, len(segment)), batch.defects
    )


def _window_pairs(first: Ints, count: Ints, image: Rows | Ints) -> tuple[Ints, Ints]:
    """All pairs of item and window, given the image (n,) of each item: two arrays."""
    return expand_ranges(first[image], count[image]), np.repeat(np.arange(len(image)), count[image])


def _cut_runs(
    runs: Runs, owner: Ints, window: Ints, windows: Windows, height: Ints, width: Ints
) -> tuple[Runs, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Cut the runs of owners by windows: the pieces, and (n_pairs,) the owner and window of each pair that has any.

    `height` and `width` (n_owners,) are those of the owners' images. Runs are sorted by column, so of each owner only
    those in the columns of the window are visited.
    """
    room = int((height * width).max(initial=0))
    places = runs.owner.astype(np.int64) * room + runs.start
    high = height[owner]
    begin = np.searchsorted(places, owner * room + windows.x[window] * high)
    end = np.searchsorted(places, owner * room + (windows.x[window] + windows.width[window]) * high)
    rows = expand_ranges(begin, end - begin)
    pair = np.repeat(np.arange(len(owner)), end - begin)
    x, top = run_columns(runs, height)
    run_window = window[pair]
    down = windows.height[run_window]
    upper = np.clip(top[rows] - windows.y[run_window], 0, down)
    lower = np.clip(top[rows] + runs.length[rows] - windows.y[run_window], 0, down)
    some = lower > upper
    start = (x[rows] - windows.x[run_window])[some] * down[some] + upper[some]
    pieces = Runs(start, (lower - upper)[some], pair[some].astype(np.int32))
    return pieces, np.bincount(pair[some], minlength=len(owner)) > 0


def _window_images(batch: Batch, windows: Windows, prefix: Mapping[str, str]) -> pa.Table:
    """The rows of the windows as images, with their positions in the metadata."""
    rows = batch.images.to_pylist()
    image_rows = []
    for number in range(len(windows)):
        row = rows[windows.image[number]]
        x, y, width, height = (int(side[number]) for side in (windows.x, windows.y, windows.width, windows.height))
        size = (width, height) if windows.sized else None
        tile = Tile(
            of=row["image_id"],
            x=x,
            y=y,
            width=row["width"],
            height=row["height"],
            uri=row["uri"],
            sha256=row["sha256"],
            sequence=row["sequence"],
            frame=row["frame"],
            group=row["group"],
        )
        group = row["group"] or row["sequence"] or row["image_id"]  # windows of one image form a group
        metadata = [*(row["metadata"] or ()), tile.entry()]
        image_rows.append(
            row
            | dict.fromkeys(_PER_IMAGE)
            | {"image_id": window_name(row["image_id"], prefix, x, y, size), "width": width, "height": height}
            | {"group": group, "metadata": metadata}
        )
    images = pa.Table.from_pylist(image_rows, schema=batch.images.schema)
    return replace_column(images, "roi", _window_regions(batch, windows))


def image_regions(batch: Batch) -> tuple[Ints, Runs, NDArray[np.uint8]]:
    """The rows (n,) of images with a region of interest, the regions, and (n,) their errors; see `rle_to_runs`."""
    column = batch.images["roi"].combine_chunks()
    rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    height, width = (side[rows] for side in batch.image_size)
    regions, error = rle_to_runs(column.take(pa.array(rows)), height, width)
    return rows, regions, error


def _window_regions(batch: Batch, windows: Windows) -> pa.Array:
    """(n,) the region of interest in each window; null if its image has none, or a damaged one."""
    with_region, regions, error = image_regions(batch)
    if len(with_region) == 0:
        return pa.nulls(len(windows), batch.images["roi"].type)
    height, width = (side[with_region] for side in batch.image_size)
    position = np.full(batch.images.num_rows, -1, np.int64)
    position[with_region[error == 0]] = np.flatnonzero(error == 0)
    window = np.flatnonzero(position[windows.image] >= 0)
    pieces, _ = _cut_runs(regions, position[windows.image[window]], window, windows, height, width)
    counts = runs_to_rle(pieces, windows.height[window], windows.width[window])
    regions_by_window = [None] * len(windows)
    for number, region_counts in zip(window.tolist(), counts.to_pylist(), strict=True):
        regions_by_window[number] = region_counts
    return pa.array(regions_by_window, batch.images["roi"].type)


@dataclass(frozen=True)
class _WindowSource:
    """A source of the windows of another source's images; the windows of one image are loaded together."""

    source: Source
    choose: WindowChooser
    prefix: dict[str, str]
    names: tuple[str, ...]
    rows: Ints
    crop: bool

    @property
    def profile(self) -> Profile:
        """Delegates to the source."""
        return self.source.profile

    @cached_property
    def image_ids(self) -> Sequence[str]:
        """The prefix of each image's windows; sorting by prefix sorts windows by name."""
        return [f"{self.prefix[name]}_x" for name in self.names]

    @property
    def defects(self) -> Sequence[Defect]:
        """Delegates to the source."""
        return self.source.defects

    def chunks(self) -> list[Ints]:
        """Delegates to the source."""
        place = {int(row): position for position, row in enumerate(self.rows)}
        portions = ([place[row] for row in portion.tolist() if row in place] for portion in self.source.chunks())
        return [np.array(portion, np.int64) for portion in portions if portion]

    def load(self, rows: Ints) -> Batch:
        """The windows of some images."""
        batch = self.source.load(self.rows[rows])
        windows = cut_windows(batch, self.choose(batch), self.prefix)
        nowhere = [None] * windows.images.num_rows
        return windows if self.crop else replace(windows, images=replace_column(windows.images, "uri", nowhere))


def _check_window_order(names: Sequence[str]) -> None:
    """Raise SegdataError if the window names of two images would interleave."""
    keys = sorted((f"{begins}_x", name) for name, begins in window_prefixes(names).items())
    for (key, name), (following, other) in pairwise(keys):
        if following.startswith(key):
            raise SegdataError(
                f"image {other!r} is named as a window of {name!r}; rename it, or leave one out (--list)"
            )


def cut_dataset(dataset: OpenDataset, choose: WindowChooser, crop: bool) -> OpenDataset:
    """The dataset of windows; without `crop`, they have no image files.

    Raises SegdataError if an image is named like a window of another one.
    """
    rows = dataset.source_rows
    names = [dataset.source.image_ids[row] for row in rows.tolist()]
    _check_window_order(names)
    source = _WindowSource(dataset.source, choose, window_prefixes(names), tuple(names), rows, crop)
    return replace(dataset, source=source, rows=None)


@dataclass(frozen=True, slots=True)
class TilePlaces:
    """The positions of tiles in their images, and the pixels that each owns: each pixel has one owner."""

    x: Ints  # (n,) int64, of the tile in its image
    y: Ints  # (n,) int64, likewise
    left: Ints  # (n,) int64, the owned pixels in the image, half open
    top: Ints  # (n,) int64
    right: Ints  # (n,) int64
    bottom: Ints  # (n,) int64

    @staticmethod
    def from_tiles(tiles: Sequence[Tile], width: Ints, height: Ints) -> "TilePlaces":
        """The places of tiles of these sizes (n,); pixels shared by two tiles are divided in the middle."""
        x, y = (np.array([getattr(tile, axis) for tile in tiles], np.int64) for axis in "xy")
        image = np.unique([tile.of for tile in tiles], return_inverse=True)[1] if tiles else x
        left, right = _owned_span(image, x, width)
        top, bottom = _owned_span(image, y, height)
        return TilePlaces(x, y, left, top, right, bottom)

    def take(self, rows: Ints) -> "TilePlaces":
        """The places of some tiles."""
        return TilePlaces(*(getattr(self, name)[rows] for name in ("x", "y", "left", "top", "right", "bottom")))


def _owned_span(image: Ints, start: Ints, length: Ints) -> tuple[Ints, Ints]:
    """(n,) the span of pixels that each tile owns along its row, or column, of tiles."""
    key, inverse = np.unique(np.stack([image, start]), axis=1, return_inverse=True)
    end = np.zeros(key.shape[1], np.int64)
    np.maximum.at(end, inverse, start + length)
    low, high = key[1].copy(), end.copy()
    follows = np.flatnonzero(key[0][1:] == key[0][:-1])
    overlap = follows[key[1][follows + 1] < end[follows]]
    high[overlap] = low[overlap + 1] = (end[overlap] + key[1][overlap + 1]) // 2
    return low[inverse], high[inverse]


SegmentLink = Callable[[Batch, TilePlaces, Ints], Ints]  # (n_segments,) which segments of several tiles are one


def stitch(batch: Batch, places: TilePlaces, images: pa.Table, image: Ints, link: SegmentLink) -> Batch:
    """Build the `images` (rows of `schema.IMAGES`) with the labels of their tiles.

    Parameters
    ----------
    batch : the tiles
    places : the positions of the tiles
    images : rows of the whole images
    image : (n_tiles,) the row in `images` of each tile
    link : decides which segments are one; the first row counts, with the pixels of all

    Annotations by one annotator become one. Only the pixels that a tile owns count, so shared pixels are never counted
    twice.
    """
    height, width = (pc.fill_null(images[name], 0).to_numpy().astype(np.int64) for name in ("height", "width"))
    annotator = batch.annotator_number
    target_image = image[batch.annotation_image]
    _, first, annotation = np.unique(
        target_image * (annotator.max(initial=0) + 1) + annotator, return_index=True, return_inverse=True
    )
    target_annotation = annotation[batch.segment_annotation]
    group = link(batch, places, target_annotation)
    _, first_row, owner = np.unique(
        np.stack([target_annotation, group]), axis=1, return_index=True, return_inverse=True
    )
    tile = batch.segment_image
    runs = _place_runs(batch.runs, places, tile, batch.segment_size[0], height[image])
    line = NumberLine.from_sizes(height[image[tile[first_row]]], width[image[tile[first_row]]])
    runs = union_by_frame(SweepRuns.from_runs(runs, line, owner), line).runs
    annotations = replace_column(batch.annotations.take(pa.array(first)), "image", target_image[first].astype(np.int32))
    annotations = replace_column(annotations, "seconds", _sum_seconds(batch.annotations["seconds"], annotation))
    segments = batch.segments.take(pa.array(first_row))
    segments = replace_column(segments, "annotation", target_annotation[first_row].astype(np.int32))
    regions = _stitched_regions(batch, places, image, height, width)
    return Batch(replace_column(images, "roi", regions), annotations, segments, runs, batch.defects)


def link_by_id(batch: Batch, places: TilePlaces, annotation: Ints) -> Ints:
    """Number (n,) segments alike that have equal ids, as cut by `segdata.store.windows`, or equal categories."""
    ids = batch.segments.select(["segment_id", "source_id", "category_id"])
    keys = zip(annotation.tolist(), *(ids[name].to_pylist() for name in ids.column_names), strict=True)
    number: dict[tuple[object, ...], int] = {}
    return np.array([number.setdefault(key, len(number)) for key in keys], np.int64)


def _place_runs(runs: Runs, places: TilePlaces, tile: Ints | Rows, height: Ints, image_height: Ints) -> Runs:
    """Move runs to their position in the images, cut to the pixels that their tiles own.

    `tile` and `height` (n_owners,) are the owner's tile and its height, `image_height` (n_tiles,) that of its image.
    """
    run_tile = tile[runs.owner]
    x, top = run_columns(runs, height)
    x = x + places.x[run_tile]
    upper = np.maximum(top + places.y[run_tile], places.top[run_tile])
    lower = np.minimum(top + runs.length + places.y[run_tile], places.bottom[run_tile])
    some = (lower > upper) & (x >= places.left[run_tile]) & (x < places.right[run_tile])
    start = x[some] * image_height[run_tile[some]] + upper[some]
    return Runs(start, (lower - upper)[some], runs.owner[some])


def _sum_seconds(seconds: pa.ChunkedArray, annotation: Ints) -> pa.Array:
    """The total seconds of the tiles' annotations; null if none has them."""
    is_known = seconds.is_valid().to_numpy()
    n = int(annotation.max(initial=-1)) + 1
    total = np.bincount(annotation[is_known], seconds.filter(pa.array(is_known)).to_numpy(), n)
    return pa.array(total.astype(np.float64), mask=np.bincount(annotation[is_known], minlength=n) == 0)


def _stitched_regions(batch: Batch, places: TilePlaces, image: Ints, height: Ints, width: Ints) -> pa.Array:
    """The regions of interest of images; null where no tile has one."""
    with_region, regions, _ = image_regions(batch)
    if len(with_region) == 0:
        return pa.nulls(len(height), batch.images["roi"].type)
    runs = _place_runs(regions, places, with_region, batch.image_size[0][with_region], height[image])
    line = NumberLine.from_sizes(height, width)
    counts = runs_to_rle(union_by_frame(SweepRuns.from_runs(runs, line, image[with_region]), line).runs, height, width)
    has = np.isin(np.arange(len(height)), image[with_region])
    return pc.if_else(pa.array(has), counts, pa.scalar(None, counts.type))


@dataclass(frozen=True)
class StitchedSource:
    """A source of the images from which tiles were cut."""

    source: Source  # the tiles
    profile: Profile  # of the whole
    # image_id of the whole -> rows of the source with its tiles, and where each lies
    tiles: Mapping[str, tuple[Ints, TilePlaces]]
    details: Mapping[str, Tile]  # image_id of the whole -> values of its row that differ from a tile's
    link: SegmentLink  # which segments of several tiles are one

    @cached_property
    def image_ids(self) -> Sequence[str]:
        """The images, in ascending order."""
        return sorted(self.tiles)

    @property
    def defects(self) -> Sequence[Defect]:
        """Delegates to the source."""
        return self.source.defects

    def chunks(self) -> list[Ints]:
        """Images in portions, as many as the tiles have."""
        portions = np.array_split(np.arange(len(self.tiles)), max(len(self.source.chunks()), 1))
        return [portion for portion in portions if len(portion)]

    def load(self, rows: Ints) -> Batch:
        """Load images with the labels of their tiles."""
        names = self.image_ids
        image_ids = [names[row] for row in rows.tolist()]
        of_tiles = [self.tiles[name] for name in image_ids]
        batch = self.source.load(np.concatenate([defect for defect, _ in of_tiles]))
        places = TilePlaces(
            *(
                np.concatenate([getattr(defect, name) for _, defect in of_tiles])
                for name in ("x", "y", "left", "top", "right", "bottom")
            )
        )
        image = np.repeat(np.arange(len(image_ids)), [len(defect) for defect, _ in of_tiles])
        first = np.searchsorted(image, np.arange(len(image_ids)))
        kept = batch.images.take(pa.array(first)).to_pylist()
        image_rows = [_stitched_image_row(row, self.details[name]) for row, name in zip(kept, image_ids, strict=True)]
        images = pa.Table.from_pylist(image_rows, schema=IMAGES)
        names_of = dict(zip(batch.images["image_id"].to_pylist(), np.array(image_ids, object)[image], strict=True))
        defects = tuple(replace(defect, image=names_of.get(defect.image, defect.image)) for defect in batch.defects)
        return replace(stitch(batch, places, images, image, self.link), defects=defects)


def _stitched_image_row(row: dict[str, object], tile: Tile) -> dict[str, object]:
    """The row of a whole image, from the row of one of its tiles."""
    metadata = list(row["metadata"] or ())  # type: ignore[call-overload]  # pairs
    last = (
        max(position for position, (key, _) in enumerate(metadata) if key == TILE_KEY)
        if dict(metadata).get(TILE_KEY)
        else None
    )
    metadata = [entry for position, entry in enumerate(metadata) if position != last]
    details = {name: getattr(tile, name) for name in ("uri", "sha256", "sequence", "frame", "group", "width", "height")}
    return row | details | {"image_id": tile.of, "metadata": metadata or None}


_MIN_IOU = 0.5  # of the pixels that either has where the two tiles overlap


def link_by_overlap(batch: Batch, places: TilePlaces, annotation: Ints) -> Ints:
    """Link segments of one category if their IoU is a half or more where their tiles overlap.

    For instances predicted tile by tile. Source: the stitching of Ronneberger, Fischer and Brox (2015),
    MICCAI, 234-241 (overlapping tiles), with the matching of panoptic segments (IoU above a half) in the overlap.
    """
    tile = batch.segment_image
    height, width = batch.segment_size
    x, top = run_columns(batch.runs, height)
    run_tile = tile[batch.runs.owner]
    across, down = x + places.x[run_tile], top + places.y[run_tile]
    # All tiles of an annotation on one frame; tiles of one image may reach further than the next one's.
    high = int((places.y[tile] + height).max(initial=0))
    wide = int((places.x[tile] + width).max(initial=0))
    n_frames = int(annotation.max(initial=-1)) + 1
    line = NumberLine.from_sizes(np.full(n_frames, high), np.full(n_frames, wide))
    placed = Runs(across * high + down, batch.runs.length, batch.runs.owner)
    overlaps = find_overlaps_within(SweepRuns.from_runs(placed, line, annotation))
    category = batch.segment_category
    may = (tile[overlaps.a] != tile[overlaps.b]) & (category[overlaps.a] == category[overlaps.b])
    a, b, shared = overlaps.a[may].astype(np.int64), overlaps.b[may].astype(np.int64), overlaps.pixels[may]
    either = _pixels_in_tile(batch, places, a, b) + _pixels_in_tile(batch, places, b, a) - shared
    is_same = shared >= _MIN_IOU * either
    return linked_groups(batch.n_segments, a[is_same], b[is_same])


def _pixels_in_tile(batch: Batch, places: TilePlaces, a: Ints, b: Ints) -> Ints:
    """(n_pairs,) the number of pixels of segment a in the tile of segment b."""
    tile, (height, width) = batch.segment_image, batch.image_size
    runs = batch.runs.take(a, batch.n_segments)
    x, top = run_columns(runs, height[tile[a]])
    own, other = tile[a][runs.owner], tile[b][runs.owner]
    across, down = x + places.x[own], top + places.y[own]
    left, upper = places.x[other], places.y[other]
    inside = (across >= left) & (across < left + width[other])
    pixels = np.minimum(down + runs.length, upper + height[other]) - np.maximum(down, upper)
    counted = np.where(inside, np.maximum(pixels, 0), 0)
    return np.bincount(runs.owner, counted, len(a)).astype(np.int64)


Match = Literal["id", "overlap"]
_LINKS: dict[Match, SegmentLink] = {"id": link_by_id, "overlap": link_by_overlap}


def stitch_dataset(
    dataset: OpenDataset, known: Mapping[str, tuple[Tile, int, int]], match: Match, hint: str
) -> OpenDataset:
    """The dataset of the images from which tiles were cut.

    `known`: image_id of a tile -> its origin, width and height in pixels; extensions may differ from
    those of the dataset. `match`: which segments of several tiles are one. Raises SegdataError with `hint` for an image
    that is no known tile.
    """
    check_choice("match", match, get_args(Match))
    stems = {_stem(name): name for name in known}
    tiles_of: dict[str, list[tuple[int, Tile, int, int]]] = {}
    for row in dataset.source_rows.tolist():
        name = dataset.source.image_ids[row]
        tile = known.get(name) or known.get(stems.get(_stem(name), ""))
        if tile is None:
            raise SegdataError(f"{dataset.profile.files}: nothing says what {name!r} is a tile of; {hint}")
        tiles_of.setdefault(tile[0].of, []).append((row, *tile))
    placed = {}
    for name, tiles in tiles_of.items():
        row, width, height = (np.array([tile[column] for tile in tiles], np.int64) for column in (0, 2, 3))
        placed[name] = row, TilePlaces.from_tiles([tile[1] for tile in tiles], width, height)
    details = {name: tiles[0][1] for name, tiles in tiles_of.items()}
    source = StitchedSource(dataset.source, dataset.profile, placed, details, _LINKS[match])
    return replace(dataset, source=source, rows=None)


def _stem(name: str) -> str:
    return without_extension(name)
