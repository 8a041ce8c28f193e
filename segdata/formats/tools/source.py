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
from segdata.core.profile import Profile, RasterRule
from segdata.core.runs import Ints, Runs
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.formats.coco.segmentations import Polygons
from segdata.formats.coco.segmentations import flat_rings as on_lines
from segdata.formats.shapes.geometry import Bitmap, Ellipse, PolygonArrays, Shape, group_offsets
from segdata.formats.shapes.raster import rasterise, rasterise_polygons, unite_owners
from segdata.formats.shared.images import ImageFolder, ImageHeader
from segdata.formats.shared.per_image import ImageEntry, ReadImages, annotation_table, chunk_rows, read_images
from segdata.formats.tools.polygons import ParsedPolygons, PolygonNotation, parse_polygons, take_polygons
from segdata.formats.tools.shapes import GroupedShapes, ShapeAnnotation, ToolShape, group_shapes

_PICTURES = (Ellipse, Bitmap)


def rasterise_shapes(
    marks: Sequence[ToolShape],
    size: Ints,
    sketch: ParsedPolygons,
    parts: Sequence[Sequence[int]],
    notation: PolygonNotation,
    rule: RasterRule,
) -> tuple[Runs, pa.Array]:
    """The pixels of n segments, and the column `rings` (n,), null where a part is no polygon.

    Parameters
    ----------
    marks : m of them
    size : (m, 2) heights and widths in pixels of the images that they are on
    sketch : their polygons
    parts : of each segment the rows of its marks
    notation, rule : of the tool
    """
    count = np.fromiter(map(len, parts), np.int64, len(parts))
    mark = np.fromiter(itertools.chain.from_iterable(parts), np.int64, count.sum())
    segment = np.repeat(np.arange(len(parts)), count)
    place = np.full(len(marks), -1, np.int64)
    place[mark] = np.arange(len(mark))
    height, width = size[sketch.mark].T
    bridged = notation.unbridge(sketch.drawn, height, width)
    others: dict[int, Shape] = {}
    if len(sketch.mark) + len(sketch.broken) < len(marks):
        others = {row: shape_.shape for row, shape_ in enumerate(marks) if isinstance(shape_.shape, _PICTURES)}
    flat, plain = sketch.drawn, np.arange(len(sketch.mark))
    if bridged:
        plain = np.delete(plain, list(bridged))
        flat = take_polygons(flat, plain)
    runs = rasterise_polygons(flat, rule, height[plain], width[plain])
    rows = sketch.mark[plain]
    if bridged or others:
        others |= dict(zip(sketch.mark[list(bridged)].tolist(), bridged.values(), strict=True))
        other_rows = np.array(list(others), np.int64)
        more = rasterise([[shape] for shape in others.values()], rule, size[other_rows, 0], size[other_rows, 1])
        runs, rows = Runs.concatenate([runs, more], [len(plain), 0]), np.concatenate([rows, other_rows])
    target_rows = place[rows]
    if (target_rows != np.arange(len(target_rows))).any():
        runs = Runs(runs.start, runs.length, target_rows[runs.owner].astype(np.int32)).sorted_by_owner(len(mark))
    first = mark[np.cumsum(count) - count]
    runs = unite_owners(runs, segment, size[first, 0], size[first, 1])
    kept = np.arange(len(sketch.mark)) if notation.keeps_bridges else plain
    return runs, _ring_column(sketch, kept, place[sketch.mark[kept]], segment, len(parts))


def _ring_column(sketch: ParsedPolygons, polygon: Ints, place: Ints, segment: Ints, n: int) -> pa.Array:
    """The column `rings` (n,) of these polygons, which are the shapes at `place` of their segments."""
    order = np.argsort(place, kind="stable")
    polygon, owner = polygon[order], segment[place[order]]
    is_complete = np.bincount(owner, minlength=n) == np.bincount(segment, minlength=n)
    polygon, owner = polygon[is_complete[owner]], owner[is_complete[owner]]
    flat = PolygonArrays(sketch.kept, sketch.drawn.ring, sketch.drawn.polygon)
    if len(polygon) < len(sketch.mark) or (np.diff(polygon) != 1).any():
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
    root : where paths in messages start
    profile : of the dataset; its raster rule is the tool's
    entries : its images
    defects : met while opening
    to : a category's name in the files -> its id
    look : what is drawn on an image, an item for each annotator, given the header of its file if there is one; none:
        nobody annotated it. It is called from any thread, and raises BrokenLabelsError
    annotator : whose work it is where the files name nobody
    notation : how the tool writes polygons
    per_chunk : how many images are good to load at once
    what : how messages call the size in the files
    """

    root: Path
    profile: Profile
    entries: Sequence[ImageEntry]
    defects: tuple[Defect, ...]
    to: Mapping[str, int] = field(repr=False)
    look: Callable[[ImageEntry, ImageHeader | None], Sequence[ShapeAnnotation]] = field(repr=False)
    annotator: str | None = None
    notation: PolygonNotation = field(default=PolygonNotation(), repr=False)
    per_chunk: int = 64
    what: str = "declared size"

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids, in order."""
        return [entry.image_id for entry in self.entries]

    def chunks(self) -> list[Ints]:
        """Rows in portions of a few images."""
        return chunk_rows(len(self.entries), self.per_chunk)

    def load(self, rows: Ints) -> Batch:
        """The images at these rows; all their shapes are parsed and rasterised at once."""
        images = read_images(self.root, [self.entries[row] for row in rows], self.look, self.annotator, self.what)
        marks = [mark for group in images.annotations for mark in group.marks]
        offset = group_offsets(np.array([len(group.marks) for group in images.annotations], np.int64))
        size = (
            np.array([group.size for group in images.annotations], np.int64)
            .reshape(-1, 2)
            .repeat(np.diff(offset), axis=0)
        )
        sketch = parse_polygons(marks, size, self.notation)
        if self.profile.raster_rule == "coco":  # by other rules edges are pixels, and such a ring is a line of them
            _report_lines(images, marks, offset, sketch)
        segments = _group_annotations(images, marks, offset.tolist(), sketch.broken)
        parts = [part for group in segments for part in group.parts]
        runs, rings = rasterise_shapes(marks, size, sketch, parts, self.notation, self.profile.raster_rule)
        annotation = np.repeat(np.arange(len(segments), dtype=np.int32), [len(group.parts) for group in segments])
        firsts = [marks[part[0]] for part in parts]
        columns = _columns(firsts)
        table_of_segments = make_table(
            BATCH_SEGMENTS,
            len(parts),
            annotation=annotation,
            segment_id=[id_ for group in segments for id_ in group.ids],
            category_id=[self.to[mark.name] for mark in firsts],
            attributes=[pairs or None for group in segments for pairs in group.attributes],
            rings=rings,
            file=pa.array(images.file, pa.string()).take(pa.array(annotation)),
            place=[mark.place for mark in firsts],
            **columns,
        )
        annotations = annotation_table(images.annotations, images.image, self.annotator, file=images.file)
        return Batch(images.images, annotations, table_of_segments, runs, tuple(images.defects))


def _report_lines(
    images: ReadImages[ShapeAnnotation], marks: Sequence[ToolShape], offset: Ints, sketch: ParsedPolygons
) -> None:
    """Report the rings whose points are on one line."""
    polygons = sketch.drawn
    on_line = on_lines(Polygons(polygons.points.ravel(), 2 * polygons.ring, polygons.polygon))
    for row in np.unique(sketch.mark[polygons.polygon_of_ring[on_line]]).tolist():
        problem = "has a ring of zero area: its points are on one line; kept, with the pixels that COCO's rule gives it"
        images.report(int(np.searchsorted(offset, row, side="right")) - 1, [marks[row].doubt(problem)])


def _columns(marks: Sequence[ToolShape]) -> dict[str, list[object] | None]:
    """The further columns of segments, which their first marks tell; None where all values are null."""
    column_sets = {id(mark.columns): mark.columns for mark in marks}  # many marks share what they say
    named = dict.fromkeys(name for values in column_sets.values() for name in values)
    columns: dict[str, list[object] | None] = {}
    if len(column_sets) == 1:
        (only,) = column_sets.values()
        columns |= {name: None if only[name] is None else [only[name]] * len(marks) for name in named}
    else:
        columns |= {name: [mark.columns.get(name) for mark in marks] for name in named}
    columns["iscrowd"] = [bool(values) for values in columns.get("iscrowd") or [False] * len(marks)]
    return columns


def _group_annotations(
    images: ReadImages[ShapeAnnotation], marks: Sequence[ToolShape], offset: Sequence[int], broken: Mapping[int, Defect]
) -> list[GroupedShapes]:
    """The segments of each annotation, of the marks that are not broken; those are reported."""
    groups = []
    for row, (begin, end) in enumerate(pairwise(offset)):
        if broken:
            images.report(row, [broken[mark] for mark in range(begin, end) if mark in broken])
        groups.append(group_shapes(marks, [mark for mark in range(begin, end) if mark not in broken]))
        images.report(row, groups[-1].defects)
    return groups


def image_folders(folder_: Path, images: Path | None) -> list[ImageFolder]:
    """Where the pictures may be: in `images`; without it in the dataset's folder `folder_`, or in one called images."""
    if images:
        return [ImageFolder.below(images)]
    folder = ImageFolder.below(folder_)
    return [folder, folder.subfolder("images"), ImageFolder.below(folder_.parent / "images")]


def first_image(folders: Sequence[ImageFolder], names: Iterable[str]) -> Path | None:
    """The first image file of one of these names."""
    return next((folder.paths[name] for name in names for folder in folders if name in folder.paths), None)


def nearest_name(folders: Sequence[ImageFolder], name: str) -> str | None:
    """The first name that differs from `name` only in case or extension."""
    return next((hit for folder in folders if (hit := folder.similar_name(name))), None)


def unlisted_images(folders: Sequence[ImageFolder], entries: Iterable[ImageEntry], tool: str) -> list[Defect]:
    """SEG011 for each image file that lies in a folder with listed ones and is not listed itself."""
    used = {str(entry.image) for entry in entries if entry.image is not None}  # texts are hashed faster than paths
    beside = {path.rpartition(os.sep)[0] for path in used}
    alone = {
        str(path): name
        for folder in folders
        for name, path in folder.paths.items()
        if str(path) not in used and str(path).rpartition(os.sep)[0] in beside
    }
    return [
        Defect("SEG011", f"an image that no {tool} file lists", name, image=name) for name in sorted(alone.values())
    ]
