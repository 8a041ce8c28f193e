"""Source: a dataset of an annotation tool, its image files, and its shapes, which become pixels in batches."""

import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.finding import Defect
from segdata.core.format import HEAD_BYTES
from segdata.core.profile import Profile, RasterRule
from segdata.core.runs import Ints, Runs
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.formats.coco.segments import Polygons
from segdata.formats.coco.segments import flat_rings as on_lines
from segdata.formats.shapes.geometry import Bitmap, Ellipse, PolygonArrays, Shape, group_offsets
from segdata.formats.shapes.raster import rasterise, rasterise_polygons, unite_owners
from segdata.formats.shared.images import ImageFolder, ImageHeader
from segdata.formats.shared.per_image import ImageEntry, ReadImages, annotation_table, chunk_rows, read_images
from segdata.formats.tools.polygons import ParsedPolygons, PolygonNotation, parse_polygons, take_polygons
from segdata.formats.tools.shapes import GroupedShapes, ShapeAnnotation, ToolShape, group_shapes

_PICTURES = (Ellipse, Bitmap)


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
    place = np.full(len(shapes), -1, np.int64)  # of each shape among the parts of all segments
    place[part_rows] = np.arange(len(part_rows))
    height, width = size[parsed.owner].T
    bridged = notation.unbridge(parsed.drawn, height, width)
    others: dict[int, Shape] = {}
    if len(parsed.owner) + len(parsed.broken) < len(shapes):
        others = {row: shape.geometry for row, shape in enumerate(shapes) if isinstance(shape.geometry, _PICTURES)}
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


@dataclass(frozen=True)
class ToolSource:
    """An opened dataset of an annotation tool.

    Attributes
    ----------
    root : paths in messages start here
    profile : of the dataset; its raster rule is the tool's
    entries : its images
    defects : met while opening
    to : a category's name in the files -> its id
    read_image : the annotations of an image, one for each annotator, given the header of its file if there is one;
        none: the image is not annotated. Called from any thread; raises BrokenLabelsError
    annotator : the annotator if the files name none
    notation : how the tool writes polygons
    per_chunk : how many images are good to load at once
    what : how messages call the size in the files
    """

    root: Path
    profile: Profile
    entries: Sequence[ImageEntry]
    defects: tuple[Defect, ...]
    to: Mapping[str, int] = field(repr=False)
    read_image: Callable[[ImageEntry, ImageHeader | None], Sequence[ShapeAnnotation]] = field(repr=False)
    annotator: str | None = None
    notation: PolygonNotation = field(default=PolygonNotation(), repr=False)
    per_chunk: int = 64
    what: str = "declared size"

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids, in order."""
        return [entry.image_id for entry in self.entries]

    def chunks(self) -> list[Ints]:
        """Rows in chunks of a few images."""
        return chunk_rows(len(self.entries), self.per_chunk)

    def load(self, rows: Ints) -> Batch:
        """The images at these rows; all their shapes are parsed and rasterised at once."""
        images = read_images(self.root, [self.entries[row] for row in rows], self.read_image, self.annotator, self.what)
        shapes = [shape for group in images.annotations for shape in group.shapes]
        offset = group_offsets(np.array([len(group.shapes) for group in images.annotations], np.int64))
        size = (
            np.array([group.size for group in images.annotations], np.int64)
            .reshape(-1, 2)
            .repeat(np.diff(offset), axis=0)
        )
        parsed = parse_polygons(shapes, size, self.notation)
        if self.profile.raster_rule == "coco":  # by other rules edges are pixels, and such a ring is a line of them
            _report_lines(images, shapes, offset, parsed)
        segments = _group_annotations(images, shapes, offset.tolist(), parsed.broken)
        parts = [part for group in segments for part in group.parts]
        runs, rings = rasterise_shapes(shapes, size, parsed, parts, self.notation, self.profile.raster_rule)
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
    images: ReadImages[ShapeAnnotation], shapes: Sequence[ToolShape], offset: Ints, parsed: ParsedPolygons
) -> None:
    """Report the rings whose points are on one line."""
    polygons = parsed.drawn
    on_line = on_lines(Polygons(polygons.points.ravel(), 2 * polygons.ring, polygons.polygon))
    for row in np.unique(parsed.owner[polygons.polygon_of_ring[on_line]]).tolist():
        problem = "has a ring of zero area: its points are on one line; kept, with the pixels of COCO's rule"
        images.report(int(np.searchsorted(offset, row, side="right")) - 1, [shapes[row].doubt(problem)])


def _columns(shapes: Sequence[ToolShape]) -> dict[str, list[object] | None]:
    """The further columns of segments, from their first shapes; None if all values are null."""
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
    """The segments of each annotation, without broken shapes, which are reported."""
    groups = []
    for row, (begin, end) in enumerate(pairwise(offset)):
        if broken:
            images.report(row, [broken[i] for i in range(begin, end) if i in broken])
        groups.append(group_shapes(shapes, [i for i in range(begin, end) if i not in broken]))
        images.report(row, groups[-1].defects)
    return groups


def read_head(path: Path) -> bytes:
    """The first bytes of a file, enough for detection; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


def image_folders(root: Path, images: Path | None) -> list[ImageFolder]:
    """The folders that may hold the images: `images`, else the dataset's folder `root` or one called images."""
    if images:
        return [ImageFolder.below(images)]
    folder = ImageFolder.below(root)
    return [folder, folder.subfolder("images"), ImageFolder.below(root.parent / "images")]


def first_image(folders: Sequence[ImageFolder], names: Iterable[str]) -> Path | None:
    """The first image file of one of these names."""
    return next((folder.paths[name] for name in names for folder in folders if name in folder.paths), None)


def nearest_name(folders: Sequence[ImageFolder], name: str) -> str | None:
    """The first name that differs from `name` only in case or extension."""
    return next((hit for folder in folders if (hit := folder.similar_name(name))), None)


def unlisted_images(folders: Sequence[ImageFolder], entries: Iterable[ImageEntry], tool: str) -> list[Defect]:
    """SEG011 for each image file that is not listed, in a folder with listed ones."""
    used = {str(entry.image) for entry in entries if entry.image is not None}  # texts are hashed faster than paths
    beside = {path.rpartition(os.sep)[0] for path in used}
    unlisted = {
        str(path): name
        for folder in folders
        for name, path in folder.paths.items()
        if str(path) not in used and str(path).rpartition(os.sep)[0] in beside
    }
    return [
        Defect("SEG011", f"an image that no {tool} file lists", name, image=name) for name in sorted(unlisted.values())
    ]
