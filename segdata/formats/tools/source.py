"""Shared by annotation tools: the opened dataset, its image files, rasterised shapes, and helpers of writers."""

import itertools
import os
import posixpath
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, list_names
from segdata.core.finding import Defect
from segdata.core.format import HEAD_BYTES, Detached, ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import dataset_folder, is_unsafe_path, split_from_path
from segdata.core.profile import ImageSequence, Profile, RasterRule
from segdata.core.runs import Ints, Runs, group_offsets, positions_in
from segdata.core.safe_text import whole_number
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Taxonomy
from segdata.formats.coco.segments import Polygons, flat_rings
from segdata.formats.shapes.geometry import (
    Bitmap,
    Ellipse,
    Polygon,
    PolygonArrays,
    Shape,
    rasterise,
    rasterise_polygons,
    unite_owners,
)
from segdata.formats.shapes.polygons import SourcePolygons
from segdata.formats.shared.file_names import misnamed_hint, misnamed_images
from segdata.formats.shared.image_names import images_folder, missing_images
from segdata.formats.shared.images import ImageFolder, ImageHeader, similar_name_hint
from segdata.formats.shared.json_files import Json
from segdata.formats.shared.per_image import (
    ImageEntry,
    ReadImages,
    annotation_table,
    chunk_rows,
    detach_entries,
    read_images,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames
from segdata.formats.shared.writing import count_segments, in_first_annotation
from segdata.formats.tools.shapes import (
    GROUP,
    GroupedShapes,
    ParsedPolygons,
    PolygonNotation,
    ShapeAnnotation,
    ToolShape,
    group_shapes,
    parse_polygons,
    take_polygons,
)

_NON_POLYGONS = (Ellipse, Bitmap)
_IMAGES_PER_CHUNK = 64


def rasterise_shapes(
    shapes: Sequence[ToolShape],
    size: Ints,
    parsed: ParsedPolygons,
    parts: Sequence[Sequence[int]],
    notation: PolygonNotation,
    rule: RasterRule,
) -> tuple[Runs, pa.Array]:
    """The pixels of n segments, and the column `rings` (n,), null if a part is not a polygon.

    Parameters
    ----------
    shapes : m of them
    size : (m, 2) heights and widths in pixels of the images that they are on
    parsed : their polygons
    parts : of each segment the rows of its shapes
    notation, rule : of the tool
    """
    count = np.fromiter(map(len, parts), np.int64, len(parts))
    part_rows = np.fromiter(itertools.chain.from_iterable(parts), np.int64, count.sum())
    segment = np.repeat(np.arange(len(parts)), count)
    place = positions_in(part_rows, len(shapes))  # of each shape among the parts of all segments
    height, width = size[parsed.owner].T
    bridged = notation.unbridge(parsed.drawn, height, width)
    others: dict[int, Shape] = {}
    if len(parsed.owner) + len(parsed.broken) < len(shapes):
        others = {row: shape.geometry for row, shape in enumerate(shapes) if isinstance(shape.geometry, _NON_POLYGONS)}
    flat, plain = parsed.drawn, np.arange(len(parsed.owner))
    if bridged:
        plain = np.delete(plain, list(bridged))
        flat = take_polygons(flat, plain)
    runs = rasterise_polygons(flat, rule, height[plain], width[plain])
    rows = parsed.owner[plain]
    if bridged or others:
        others |= dict(zip(parsed.owner[list(bridged)].tolist(), bridged.values(), strict=True))
        other_rows = np.array(list(others), np.int64)
        more = rasterise([[shape] for shape in others.values()], rule, size[other_rows, 0], size[other_rows, 1])
        runs, rows = Runs.concatenate([runs, more], [len(plain), 0]), np.concatenate([rows, other_rows])
    target_rows = place[rows]
    if (target_rows != np.arange(len(target_rows))).any():
        runs = Runs(runs.start, runs.length, target_rows[runs.owner].astype(np.int32)).sorted_by_owner(len(part_rows))
    first = part_rows[np.cumsum(count) - count]
    runs = unite_owners(runs, segment, size[first, 0], size[first, 1])
    kept = np.arange(len(parsed.owner)) if notation.keeps_bridges else plain
    return runs, _ring_column(parsed, kept, place[parsed.owner[kept]], segment, len(parts))


def _ring_column(parsed: ParsedPolygons, polygon: Ints, place: Ints, segment: Ints, n: int) -> pa.Array:
    """The column `rings` (n,) of these polygons, which are the shapes at `place` of their segments."""
    order = np.argsort(place, kind="stable")
    polygon, owner = polygon[order], segment[place[order]]
    is_complete = np.bincount(owner, minlength=n) == np.bincount(segment, minlength=n)
    polygon, owner = polygon[is_complete[owner]], owner[is_complete[owner]]
    flat = PolygonArrays(parsed.kept, parsed.drawn.ring, parsed.drawn.polygon)
    if len(polygon) < len(parsed.owner) or (np.diff(polygon) != 1).any():
        flat = take_polygons(flat, polygon)
    n_rings = np.bincount(owner, weights=np.diff(flat.polygon), minlength=n).astype(np.int64)
    lists = pa.ListArray.from_arrays(pa.array((2 * flat.ring).astype(np.int32)), pa.array(flat.points.ravel()))
    return pa.ListArray.from_arrays(
        pa.array(group_offsets(n_rings).astype(np.int32)), lists, mask=pa.array(~is_complete)
    )


SHOWN_SIZE = "size that viewers show"  # what labels have whose format states no size


@dataclass(frozen=True, slots=True)
class Tool:
    """An annotation tool: its format, raster rule and notation of polygons."""

    format: str  # the format's name
    raster_rule: RasterRule
    notation: PolygonNotation = field(default_factory=PolygonNotation)
    size_name: str = "declared size"  # name of the size in messages


@dataclass(frozen=True)
class ToolSource:
    """An opened dataset of an annotation tool."""

    root: Path  # base of the paths in messages
    tool: Tool
    profile: Profile
    entries: Sequence[ImageEntry]  # its images
    defects: tuple[Defect, ...]  # met while opening
    to: Mapping[str, int] = field(repr=False)  # name in the files -> category id
    # returns the annotations of an image, one for each annotator, given its file's header, if any; none: the image
    # is not annotated. Called from any thread; raises BrokenLabelsError
    read_image: Callable[[ImageEntry, ImageHeader | None], Sequence[ShapeAnnotation]] = field(repr=False)
    annotator: str | None = None  # for annotations without one

    @classmethod
    def from_request(
        cls,
        request: ReadRequest,
        tool: Tool,
        categories: CategoryNames,
        entries: Sequence[ImageEntry],
        defects: Iterable[Defect],
        read_image: Callable[[ImageEntry, ImageHeader | None], Sequence[ShapeAnnotation]],
        *,
        root: Path | None = None,
        sequences: Iterable[ImageSequence] = (),
    ) -> "ToolSource":
        """The dataset that a request opens; `root` is its folder if the request may name a file in it."""
        profile = categories.profile(
            tool.format,
            request.root,
            "instance",
            "sparse",
            "allow",
            name=None if root is None else root.name,
            raster_rule=tool.raster_rule,
            sequences=tuple(sequences),
        )
        return cls(
            root=root or request.root,
            tool=tool,
            profile=profile,
            entries=entries,
            defects=tuple(defects),
            to=categories.to,
            read_image=read_image,
            annotator=request.annotator,
        )

    @cached_property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids, in order."""
        return [entry.image_id for entry in self.entries]

    def chunks(self) -> list[Ints]:
        """Rows in chunks of a few images."""
        return chunk_rows(len(self.entries), _IMAGES_PER_CHUNK)

    def detached(self) -> Detached | None:
        """See `detach_entries`."""
        return detach_entries(self)

    def load(self, rows: Ints) -> Batch:
        """The images at these rows; all their shapes are parsed and rasterised at once."""
        tool, entries = self.tool, [self.entries[row] for row in rows]
        images = read_images(self.root, entries, self.read_image, self.annotator, tool.size_name)
        shapes = [shape for group in images.annotations for shape in group.shapes]
        offset = group_offsets(np.array([len(group.shapes) for group in images.annotations], np.int64))
        size = (
            np.array([group.size for group in images.annotations], np.int64)
            .reshape(-1, 2)
            .repeat(np.diff(offset), axis=0)
        )
        parsed = parse_polygons(shapes, size, tool.notation)
        segments = _group_annotations(images, shapes, offset.tolist(), parsed.broken)
        if tool.raster_rule == "coco":  # other rules draw edges, so that such a ring is a line of pixels
            _report_lines(images, shapes, offset, parsed, segments)
        _report_clipped(images, shapes, offset, size)
        _report_outer_holes(images, shapes, offset, parsed)
        parts = [part for group in segments for part in group.parts]
        runs, rings = rasterise_shapes(shapes, size, parsed, parts, tool.notation, tool.raster_rule)
        annotation = np.repeat(np.arange(len(segments), dtype=np.int32), [len(group.parts) for group in segments])
        firsts = [shapes[part[0]] for part in parts]
        columns = _columns(firsts)
        table_of_segments = make_table(
            BATCH_SEGMENTS,
            len(parts),
            annotation=annotation,
            segment_id=[id_ for group in segments for id_ in group.ids],
            category_id=[self.to[shape.name] for shape in firsts],
            attributes=[pairs or None for group in segments for pairs in group.attributes],
            rings=rings,
            file=pa.array(images.file, pa.string()).take(pa.array(annotation)),
            place=[shape.place for shape in firsts],
            **columns,
        )
        annotations = annotation_table(images.annotations, images.image, self.annotator, file=images.file)
        return Batch(images.images, annotations, table_of_segments, runs, tuple(images.defects))


def _report_lines(
    images: ReadImages[ShapeAnnotation],
    shapes: Sequence[ToolShape],
    offset: Ints,
    parsed: ParsedPolygons,
    segments: Sequence[GroupedShapes],
) -> None:
    polygons = parsed.drawn
    ids: dict[int, int | str] = {}
    for group in segments:
        for part, id_ in zip(group.parts, group.ids, strict=True):
            source_id = shapes[part[0]].columns.get("source_id")
            ids |= dict.fromkeys(part, id_ if source_id is None else str(source_id))
    on_line = flat_rings(Polygons(polygons.points.ravel(), 2 * polygons.ring, polygons.polygon))
    for row in np.unique(parsed.owner[polygons.polygon_of_ring[on_line]]).tolist():
        problem = "has a ring of zero area: its points are on one line; kept, with the pixels of COCO's rule"
        defect = replace(shapes[row].doubt(problem), segments=(ids[row],) if row in ids else ())
        images.report(int(np.searchsorted(offset, row, side="right")) - 1, [defect])


def _report_outer_holes(
    images: ReadImages[ShapeAnnotation], shapes: Sequence[ToolShape], offset: Ints, parsed: ParsedPolygons
) -> None:
    """SEG006 for polygons with a hole that leaves the box of their exterior."""
    polygons = parsed.drawn
    polygon_of_ring = polygons.polygon_of_ring
    exterior = polygons.polygon[:-1][polygon_of_ring]
    if len(polygon_of_ring) == len(parsed.owner):
        return  # no holes
    begin = polygons.ring[:-1]
    low, high = (at.reduceat(polygons.points, begin, axis=0) for at in (np.minimum, np.maximum))
    beyond = np.maximum(low[exterior] - low, high - high[exterior]).max(axis=1)
    worst = np.zeros(len(parsed.owner))
    np.maximum.at(worst, polygon_of_ring, beyond)
    for polygon in np.flatnonzero(worst > 1).tolist():
        row = int(parsed.owner[polygon])
        problem = f"has a hole that goes {worst[polygon]:,.0f} px beyond its outline: there it is no hole, but filled"
        defect = replace(shapes[row].doubt(problem), severity="warning")
        images.report(int(np.searchsorted(offset, row, side="right")) - 1, [defect])


def _report_clipped(images: ReadImages[ShapeAnnotation], shapes: Sequence[ToolShape], offset: Ints, size: Ints) -> None:
    """SEG004 for masks with pixels outside of their image, of the size (n, 2) of each shape's."""
    for row, shape in enumerate(shapes):
        mask = shape.geometry
        if not isinstance(mask, Bitmap):
            continue
        height, width = size[row].tolist()
        right, bottom = mask.x + mask.mask.shape[1], mask.y + mask.mask.shape[0]
        if mask.x >= 0 and mask.y >= 0 and right <= width and bottom <= height:
            continue
        within = mask.mask[max(-mask.y, 0) : max(height - mask.y, 0), max(-mask.x, 0) : max(width - mask.x, 0)]
        if n := int(mask.mask.sum()) - int(within.sum()):
            message = f"{n:,} px of the mask lie outside of the image of {width:,} x {height:,} px; they are left out"
            defect = Defect("SEG004", message, place=shape.place, pixels=n, severity="warning")
            images.report(int(np.searchsorted(offset, row, side="right")) - 1, [defect])


def _columns(shapes: Sequence[ToolShape]) -> dict[str, list[object] | None]:
    """The other columns of segments, from their first shapes; None for columns of nulls."""
    column_sets = {id(shape.columns): shape.columns for shape in shapes}  # many shapes share one mapping
    named = dict.fromkeys(name for values in column_sets.values() for name in values)
    columns: dict[str, list[object] | None] = {}
    if len(column_sets) == 1:
        (only,) = column_sets.values()
        columns |= {name: None if only[name] is None else [only[name]] * len(shapes) for name in named}
    else:
        columns |= {name: [shape.columns.get(name) for shape in shapes] for name in named}
    columns["iscrowd"] = [bool(value) for value in columns.get("iscrowd") or [False] * len(shapes)]
    return columns


def _group_annotations(
    images: ReadImages[ShapeAnnotation],
    shapes: Sequence[ToolShape],
    offset: Sequence[int],
    broken: Mapping[int, Defect],
) -> list[GroupedShapes]:
    """Group the shapes of each annotation into segments; reports broken shapes."""
    groups = []
    for row, (begin, end) in enumerate(pairwise(offset)):
        if broken:
            images.report(row, [broken[i] for i in range(begin, end) if i in broken])
        groups.append(group_shapes(shapes, [i for i in range(begin, end) if i not in broken]))
        images.report(row, groups[-1].defects)
    return groups


@dataclass(slots=True)
class ListedImages:
    """Collects the images listed in a dataset's documents, by image id, and defects."""

    root: Path  # the file or folder that the user named
    images: Path | None  # the user's folder of images
    folders: Sequence[ImageFolder]  # the folders searched for images
    entries: dict[str, ImageEntry] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)

    @classmethod
    def from_request(cls, request: ReadRequest) -> Self:
        """An empty list for a request."""
        root, images = request.root, images_folder(request)
        return cls(root, images, image_folders(root, images))

    @property
    def folder(self) -> Path:
        """The folder of the dataset."""
        return dataset_folder(self.root)

    @property
    def sorted_entries(self) -> list[ImageEntry]:
        """The images in the order of their ids."""
        return sorted(self.entries.values(), key=lambda entry: entry.image_id)

    def id_folder(self, document: Path) -> str:
        """The folder of a document, relative to the dataset: the prefix of its image ids."""
        return posixpath.dirname(relative_path(self.root, document)) if document.is_relative_to(self.root) else ""

    def missing_image(self, entry: ImageEntry, consequence: str = "", place: str | None = None) -> Defect:
        """SEG002 for a missing image file; `place` is where its document names it."""
        hint = similar_name_hint(nearest_name(self.folders, entry.image_id))
        message = f"image file {entry.image_id!r} does not exist{consequence}{hint}"
        file = relative_path(self.root, entry.files[0]) if entry.files else None
        return Defect("SEG002", message, file, place, image=entry.image_id)

    def report_missing(self, describe: Callable[[ImageEntry], Defect] | None = None) -> None:
        """Report images without a file: see `missing_images`."""
        entries = list(self.entries.values())
        self.defects += missing_images(entries, self.folder, self.images, describe or self.missing_image)

    def report_unlisted(self, tool: str) -> None:
        """Report image files that no document lists, if the user named a folder."""
        if self.root.is_dir():
            self.defects += unlisted_images(self.folders, self.entries.values(), tool)


def outside_path_defect(path: str, file: str, place: str) -> Defect:
    """SEG015 for the path of an image that leaves the dataset."""
    return Defect("SEG015", f"path {path!r} leaves the dataset's root; its last part is used as the name", file, place)


def left_out_defects(what: str, counts: Mapping[str, int]) -> list[Defect]:
    """One defect of severity info about entries without pixels, counted by kind; none if there are none."""
    shown = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))
    return [Defect("SEG004", f"{what} are left out: {shown}", severity="info")] if counts else []


def read_head(path: Path) -> bytes:
    """The first bytes of a file, enough for detection; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


_MIN_AT_HOME = 3  # images whose names occur once: of two of one name, the one beside them is meant


def image_folders(data: Path, images: Path | None) -> list[ImageFolder]:
    """The folders that may hold the images: `images`, else the folder of the dataset `data` and its `images`.

    The last one combines all folders below `root`, by file names that occur once, or once in the folders with
    several such files; it excludes folders of splits, since an image of another split is a different image.
    """
    if images:
        return [ImageFolder.below(images)]
    root = dataset_folder(data)
    folder = ImageFolder.near(data)
    counts = Counter(path.name for path in folder.paths.values())
    below = [path for name, path in folder.paths.items() if "/" in name and split_from_path(name) is None]
    nested = {path.name: path for path in below if counts[path.name] == 1}
    n_files = Counter(path.parent for path in nested.values())
    homes = {place for place, n in n_files.items() if n >= _MIN_AT_HOME}
    at_home = Counter(path.name for path in below if path.parent in homes)
    nested |= {path.name: path for path in below if path.parent in homes and at_home[path.name] == 1}
    beside = ImageFolder.below(root.parent / "images")
    return [folder, folder.subfolder("images"), beside, ImageFolder(root, nested)]


def first_image(folders: Sequence[ImageFolder], names: Iterable[str]) -> Path | None:
    """The first image file with one of these names."""
    return next((folder.paths[name] for name in names for folder in folders if name in folder.paths), None)


def nearest_name(folders: Sequence[ImageFolder], name: str) -> str | None:
    """The first name that differs from `name` only in case or extension."""
    return next((hit for folder in folders if (hit := folder.similar_name(name))), None)


def unlisted_images(folders: Sequence[ImageFolder], entries: Collection[ImageEntry], tool: str) -> list[Defect]:
    """SEG011 for each image file that is not listed, in a folder with listed ones."""
    used = {str(entry.image) for entry in entries if entry.image is not None}  # strings hash faster than paths
    beside = {path.rpartition(os.sep)[0] for path in used}
    unlisted = {
        str(path): name
        for folder in reversed(folders)
        for name, path in folder.paths.items()
        if str(path) not in used and str(path).rpartition(os.sep)[0] in beside
    }
    meant = misnamed_images([entry.image_id for entry in entries if entry.image is None], unlisted.values())
    message = f"an image that no {tool} file lists"
    return [
        Defect("SEG011", message + misnamed_hint(meant.get(name)), name, image=name)
        for name in sorted(unlisted.values())
    ]


def category_names(taxonomy: Taxonomy) -> dict[int, str]:
    """Category id -> name for writing; of categories with one name, only the first is included."""
    by_name = taxonomy.by_name()
    return {
        category.id: category.name
        for category in taxonomy.categories
        if category.name and by_name[category.name].id == category.id
    }


def writable_rows(batch: Batch, categories: Collection[int], losses: LossCounter, *, empty: bool) -> Ints:
    """The rows of the segments to write: those of each image's first annotation, with one of these categories.

    `empty`: include segments without pixels. Counts segments that cannot be written.
    """
    category, first = batch.segment_category, in_first_annotation(batch)
    areas = batch.runs.areas(batch.n_segments)
    is_known = np.isin(category, np.array(list(categories), np.int64))
    unnamed = np.flatnonzero(first & ~is_known)
    count_segments(batch, unnamed, "category", losses, areas)
    if empty:
        return np.flatnonzero(first & is_known)
    empty_rows = np.flatnonzero(first & is_known & (areas == 0))
    count_segments(batch, empty_rows, "empty-segment", losses)
    return np.flatnonzero(first & is_known & (areas > 0))


def image_rows(batch: Batch, rows: Ints) -> Iterator[tuple[Json, slice, Json]]:
    """Each image of a batch, its slice of `rows` (ascending rows of segments), and its annotation.

    The last has `annotator` and `source` of the image's first annotation; it is empty if there is none.
    """
    bounds = np.searchsorted(batch.segment_image[rows], np.arange(batch.images.num_rows + 1)).tolist()
    annotation = np.searchsorted(batch.annotation_image, np.arange(batch.images.num_rows)).tolist()
    annotated = set(batch.annotation_image.tolist())
    owners = batch.annotations.select(["annotator", "source"]).to_pylist()
    for row, image in enumerate(batch.images.to_pylist()):
        owner = owners[annotation[row]] if row in annotated else {}
        yield image, slice(bounds[row], bounds[row + 1]), owner


def repeated_image_defects(root: Path, repeated: Mapping[tuple[Path, Path], Sequence[Defect]]) -> Iterator[Defect]:
    """SEG008 for images that are labelled again: each within a file or folder, all that two have in common as one.

    `repeated`: a file or folder and the one that labels its images first -> a defect for each image.
    """
    for (place, first), defects in repeated.items():
        if place == first or len(defects) == 1:
            yield from defects
            continue
        names = list_names([str(defect.image) for defect in defects])
        message = f"{len(defects):,} images have labels in {relative_path(root, first)}, too, which are read: {names}"
        yield Defect("SEG008", message, relative_path(root, place))


def free_name(image_id: str, suffix: str, taken: set[str]) -> str:
    """A unique name for an image's label file: the image's name with another extension, if free.

    It is never hidden, since hidden files are not read as labels. `taken` are the names so far, in lower case.
    Raises SegdataError if the name would lie outside of the dataset.
    """
    if is_unsafe_path(image_id):
        raise SegdataError(f"image id {image_id!r} leaves the dataset's root, so its file has no place")
    image = PurePosixPath(*(part.lstrip(".") or "_" for part in PurePosixPath(image_id).parts))
    name = image.with_suffix(suffix).as_posix()
    number = 0
    while name.lower() in taken:
        name = f"{image}.{number}{suffix}" if number else f"{image}{suffix}"
        number += 1
    taken.add(name.lower())
    return name


def count_lost_rings(batch: Batch, rows: Ints, losses: LossCounter) -> None:
    """Count the segments at `rows` whose source polygons are lost."""
    lost = rows[batch.segments["rings"].is_valid().to_numpy()[rows]]
    count_segments(batch, lost, "rings", losses)


def source_polygons(batch: Batch, rows: Ints, rule: RasterRule) -> list[list[Polygon]]:
    """(n,) the source's polygons of the segments at these rows; empty if they have holes or are not exact."""
    polygons = SourcePolygons.from_batch(batch)
    exact = polygons.exact(batch.runs, rule)
    with_holes = np.diff(polygons.polygons.polygon) > 1
    exact[polygons.segment[with_holes]] = False
    return [
        polygons.of_segment(row) if is_exact else [] for row, is_exact in zip(rows.tolist(), exact[rows], strict=True)
    ]


def assign_groups(
    labels: Sequence[str], segments: Sequence[Mapping[str, Any]], n_parts: Sequence[int], first: int = 0
) -> tuple[list[int | None], list[bool]]:
    """(n,) the group of each segment of an image, and whether it equals the attribute `group_id`.

    The attribute is kept if reading gives it back: the segment has one part, or other labels share the group; and one
    label has a number only once. Other segments of several parts get free numbers, from `first` on.
    """
    numbers: list[int | None] = []
    used: set[tuple[str, int]] = set()
    for label, segment in zip(labels, segments, strict=True):
        number = whole_number(dict(segment["attributes"] or ()).get(GROUP))
        taken = number is None or number < first or (label, number) in used
        numbers.append(None if taken else number)
        used.add((label, number or 0))
    names = Counter(numbers)
    kept = [
        number is not None and (parts == 1 or names[number] > 1) for number, parts in zip(numbers, n_parts, strict=True)
    ]
    next_free = max((number for number in numbers if number is not None), default=first - 1) + 1
    groups: list[int | None] = []
    for number, parts, is_kept in zip(numbers, n_parts, kept, strict=True):
        if is_kept or parts == 1:
            groups.append(number if is_kept else None)
        else:
            groups.append(next_free)
            next_free += 1
    return groups, kept
