"""Stitching: join the labels of tiles to those of the images from which they were cut."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.batch import Batch, replace_column
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import Source
from segdata.core.overlay import SweepRuns, find_overlaps_within, union_by_frame
from segdata.core.paths import without_extension
from segdata.core.profile import Profile
from segdata.core.runs import Ints, NumberLine, Rows, Runs, run_columns
from segdata.core.schema import IMAGES, runs_to_rle
from segdata.core.statistics import linked_groups
from segdata.store.windows import TILE_KEY, Tile, image_regions


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
    rows = np.arange(len(dataset.source.image_ids)) if dataset.rows is None else dataset.rows
    for row in rows.tolist():
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
