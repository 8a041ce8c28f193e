"""Finding location: the pixels and outlines that a finding is about, recomputed from the labels."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch, clip_runs, clip_to_roi, replace_column
from segdata.core.finding import Box, Finding
from segdata.core.overlay import SweepRuns, complement, union_by_frame
from segdata.core.rule import rules
from segdata.core.runs import Ints, NumberLine, Runs, bounding_boxes, mask_to_runs, runs_to_mask
from segdata.core.schema import rle_to_runs

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ImageRegions:
    """Connected regions of one image."""

    runs: Runs  # the pixels, of owner 0
    label: Ints  # (n_runs,) int64, the region of each run
    area: Ints  # (n,) int64, pixels of each region
    perimeter: Ints  # (n,) int64, pixel edges of each region

    @staticmethod
    def from_runs(runs: Runs, height: int, *, diagonal: bool = False) -> "ImageRegions":
        """The connected regions of runs in an image of this height: 4-connected, or with `diagonal` 8-connected."""
        x, top = np.divmod(runs.start, height)
        label, left, *_ = kernels.parts(x, top, top + runs.length, np.zeros(len(runs), np.int32), diagonal)
        n = int(label.max(initial=-1)) + 1
        area, edges = np.zeros(n, np.int64), np.zeros(n, np.int64)
        np.add.at(area, label, runs.length)
        np.add.at(edges, label, 2 + 2 * runs.length - 2 * left)
        return ImageRegions(runs, label, area, edges)

    def only(self, regions: Ints) -> Runs:
        """The pixels of some regions."""
        kept = np.isin(self.label, regions)
        return Runs(self.runs.start[kept], self.runs.length[kept], self.runs.owner[kept])

    def at_frame(self, height: int, width: int) -> Ints:
        """The regions that reach the frame, ascending."""
        x, top = np.divmod(self.runs.start, height)
        reaches = (x == 0) | (x == width - 1) | (top == 0) | (top + self.runs.length == height)
        return np.unique(self.label[reaches])

    def first(self, order: Ints, pixels: int | None) -> Runs:
        """The pixels of the first regions in `order` that together have at most this many pixels."""
        return self.only(order[np.cumsum(self.area[order]) <= (pixels or 0)])

    def smallest(self, finding: Finding, height: int, among: Ints) -> Runs:
        """The smallest of the regions `among` up to the finding's number of pixels, those in its box first."""
        x, y, wide, high = finding.bbox or (0, 0, 0, 0)
        run_x, run_y = np.divmod(self.runs.start, height)
        inside = (run_x >= x) & (run_x < x + wide) & (run_y >= y) & (run_y < y + high)
        boxed = np.isin(among, self.label[inside])
        return self.first(among[np.lexsort((self.area[among], ~boxed))], finding.pixels)


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation of one image, as a batch that holds nothing else."""

    batch: Batch

    @staticmethod
    def split_batch(batch: Batch) -> "list[Annotation]":
        """Split a batch of one image into its annotations."""
        annotations = []
        for row in range(batch.annotations.num_rows):
            kept = np.flatnonzero(batch.segment_annotation == row)
            part = batch.take_segments(kept)
            segments = replace_column(part.segments, "annotation", np.zeros(len(kept), np.int32))
            annotations.append(
                Annotation(replace(part, annotations=batch.annotations.slice(row, 1), segments=segments))
            )
        return annotations

    @property
    def annotator(self) -> str | None:
        """The annotator's name."""
        name: str | None = self.batch.annotations["annotator"][0].as_py()
        return name

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.batch.image_size
        return int(height[0]), int(width[0])

    @property
    def line(self) -> NumberLine:
        """The number line of the one image."""
        return NumberLine.from_sizes(*self.batch.image_size)

    @property
    def side(self) -> SweepRuns:
        """Every run in sweep order."""
        return SweepRuns.from_runs(self.batch.runs, self.line, np.zeros(self.batch.n_segments, np.int64))

    def unlabelled_pixels(self) -> Runs:
        """The pixels that no segment claims, inside the region of interest where there is one."""
        empty = self.complement(union_by_frame(self.side, self.line).runs)
        _, limits = clip_to_roi(self.batch)
        return empty if limits is None else clip_runs(empty, np.zeros(1, np.int64), limits, self.line, 1)

    def complement(self, runs: Runs) -> Runs:
        """The pixels of the image that are not in `runs`, of owner 0."""
        return complement(runs, *self.batch.image_size)

    def shared_pixels(self, among: Ints) -> Runs:
        """The pixels that at least two of the segments `among` claim; of all segments if fewer than two are named."""
        side = self.side
        if len(among) > 1:
            named = np.isin(side.owner, among)
            side = side.take(named)
        _, _, start, length = kernels.strips_within(side.start, side.end, side.owner)
        return self._union(start, length)

    def pixels_of(self, segments: Ints) -> Runs:
        """The pixels of some segments."""
        side = self.side
        named = np.isin(side.owner, segments)
        return self._union(side.start[named], side.end[named] - side.start[named])

    def rings(self, segments: Ints) -> tuple[Points, ...]:
        """The source's polygons of some segments."""
        listed = self.batch.segments["rings"].take(segments).to_pylist()
        return tuple(np.array(ring).reshape(-1, 2) for rings in listed if rings for ring in rings if len(ring) > 3)

    def _union(self, place: Ints, length: Ints) -> Runs:
        """The union of strips on the line, ascending and perhaps overlapping, as runs of owner 0."""
        place, length, _ = kernels.cover(place, place + length)
        _, x, y = self.line.lower(place)
        return Runs(x * self.size[0] + y, length, np.zeros(len(place), np.int32))


_PIXEL = re.compile(r"x=(\d+), y=(\d+)")


@dataclass(frozen=True, slots=True)
class FindingLocation:
    """The location of a finding: segments, pixels, rings, points and boxes to draw."""

    segments: Ints  # rows of the batch's segments that the finding names
    runs: Runs = field(default_factory=Runs.empty)  # the pixels concerned, of owner 0
    rings: tuple[Points, ...] = ()  # polygon rings (n, 2) in pixels, to be drawn as lines
    points: Points = field(default_factory=lambda: np.empty((0, 2)))  # (n, 2) places in pixels, to be marked
    declared: tuple[float, float, float, float] | None = None  # a box that the file declares
    box: Box | None = None  # where to look; None where a finding is about the whole image


def locate_finding(annotation: Annotation, finding: Finding) -> FindingLocation:
    """The location of a finding in one annotation: at least its box and the segments that it names."""
    rows = named_segments(annotation.batch, finding)
    gather = _LOCATORS.get(finding.code, _proposed_location if finding.correction else None)
    location = FindingLocation(rows) if gather is None else gather(annotation, finding, rows)
    box = finding.bbox or location.box or _box_of_place(finding) or _box(annotation.pixels_of(rows), annotation.size[0])
    points = location.points
    if finding.bbox is None and not len(points) and (pixel := _PIXEL.search(finding.place or "")):
        points = np.array([[int(pixel[1]) + 0.5, int(pixel[2]) + 0.5]])
    return FindingLocation(rows, location.runs, location.rings, points, location.declared, box)


def named_segments(batch: Batch, finding: Finding) -> Ints:
    """The rows (m,) of the segments whose ids a finding gives, all rows of an id that occurs twice."""
    if not finding.segments:
        return np.empty(0, np.int64)
    wanted = set(map(str, finding.segments))
    ids = zip(batch.segments["source_id"].to_pylist(), batch.segments["segment_id"].to_pylist(), strict=True)
    return np.array([row for row, (own, id_) in enumerate(ids) if str(id_ if own is None else own) in wanted], np.int64)


def _gap(annotation: Annotation, finding: Finding, rows: Ints) -> FindingLocation:
    return FindingLocation(rows, annotation.unlabelled_pixels())


def _unknown_value(annotation: Annotation, finding: Finding, rows: Ints) -> FindingLocation:
    """The unlabelled region around the first pixel of an unknown value, which became no segment.

    Only the pixel itself if most of that region has other values.
    """
    pixel = _PIXEL.search(finding.place or "")
    if pixel is None:
        return FindingLocation(rows)
    height = annotation.size[0]
    place = int(pixel[1]) * height + int(pixel[2])
    regions = ImageRegions.from_runs(annotation.unlabelled_pixels(), height)
    inside = (regions.runs.start <= place) & (place < regions.runs.start + regions.runs.length)
    region = regions.only(regions.label[inside])
    if region.length.sum() > 2 * (finding.pixels or 0):
        return FindingLocation(rows)
    return FindingLocation(rows, region, box=_box(region, height))


def _hairline(annotation: Annotation, finding: Finding, rows: Ints) -> FindingLocation:
    """The slivers, unlabelled or claimed twice, or the line of a segment, that have as many pixels as the finding."""
    if finding.segments:
        parts = ImageRegions.from_runs(annotation.pixels_of(rows), annotation.size[0], diagonal=True)
        lines = np.flatnonzero(parts.area == finding.pixels)
        return FindingLocation(rows, parts.smallest(finding, annotation.size[0], lines))
    gaps = _slivers(annotation, annotation.unlabelled_pixels(), finding.pixels)
    if gaps.length.sum() == finding.pixels:
        return FindingLocation(rows, gaps)
    return FindingLocation(rows, _slivers(annotation, annotation.shared_pixels(rows), finding.pixels))


def _slivers(annotation: Annotation, runs: Runs, pixels: int | None) -> Runs:
    """The longest thin regions of `runs` that together have no more than `pixels`."""
    regions = ImageRegions.from_runs(runs, annotation.size[0])
    half = regions.perimeter / 2
    root = np.sqrt(np.maximum(half**2 - 4 * regions.area, 0))
    thin = np.flatnonzero((half - root) / 2 <= rules()["SEG111"].options["max_width"])
    return regions.first(thin[np.argsort(-(half + root)[thin], kind="stable")], pixels)


def _overlap(annotation: Annotation, finding: Finding, rows: Ints) -> FindingLocation:
    return FindingLocation(rows, annotation.shared_pixels(rows))


def _specks(annotation: Annotation, finding: Finding, rows: Ints) -> FindingLocation:
    """The small parts with as many pixels as the finding; the largest part and parts at the frame do not count."""
    parts = ImageRegions.from_runs(annotation.pixels_of(rows), annotation.size[0], diagonal=True)
    others = np.setdiff1d(np.argsort(-parts.area, kind="stable")[1:], parts.at_frame(*annotation.size))
    return FindingLocation(rows, parts.smallest(finding, annotation.size[0], others))


def _pinholes(annotation: Annotation, finding: Finding, rows: Ints) -> FindingLocation:
    """The small holes (regions that do not reach the frame) with as many pixels as the finding."""
    height, width = annotation.size
    empty = ImageRegions.from_runs(annotation.complement(annotation.pixels_of(rows)), height, diagonal=True)
    closed = np.setdiff1d(np.arange(len(empty.area)), empty.at_frame(height, width))
    return FindingLocation(rows, empty.smallest(finding, height, closed))


def _rings(annotation: Annotation, finding: Finding, rows: Ints) -> FindingLocation:
    return FindingLocation(rows, rings=annotation.rings(rows))


def _crossing(annotation: Annotation, finding: Finding, rows: Ints) -> FindingLocation:
    """The outline, and where each ring first crosses itself."""
    rings = annotation.rings(rows)
    ends = np.cumsum([0, *(ring.size for ring in rings)]).astype(np.int64)
    flat = np.concatenate([ring.ravel() for ring in rings]) if rings else np.empty(0)
    count, x, y = kernels.crossings(flat, ends)
    points = np.stack([x, y], axis=1)[count > 0] if rings else np.empty((0, 2))
    return FindingLocation(rows, rings=rings, points=points)


def _outside(annotation: Annotation, finding: Finding, rows: Ints) -> FindingLocation:
    """The outline, and its vertices beyond the frame."""
    rings = annotation.rings(rows)
    height, width = annotation.size
    vertices = np.concatenate(rings) if rings else np.empty((0, 2))
    beyond = ((vertices < 0) | (vertices > (width, height))).any(axis=1)
    return FindingLocation(rows, rings=rings, points=vertices[beyond])


def _declared_location(annotation: Annotation, finding: Finding, rows: Ints) -> FindingLocation:
    boxes = annotation.batch.segments["declared_bbox"].take(rows).to_pylist()
    box = next((box for box in boxes if box and len(box) == 4), None)
    return FindingLocation(rows, declared=None if box is None else (box[0], box[1], box[2], box[3]))


_LOCATORS: dict[str, Callable[[Annotation, Finding, Ints], FindingLocation]] = {
    "SEG009": _unknown_value,
    "SEG013": _declared_location,
    "SEG018": _rings,
    "SEG101": _gap,
    "SEG102": _overlap,
    "SEG104": _overlap,
    "SEG106": _specks,
    "SEG107": _pinholes,
    "SEG111": _hairline,
    "SEG114": _crossing,
    "SEG115": _outside,
}


def _proposed_location(annotation: Annotation, finding: Finding, rows: Ints) -> FindingLocation:
    """The pixels that a correction would change: all proposed pixels for a new category, else those that differ."""
    correction = finding.correction
    if correction is None or correction.size != annotation.size:
        return FindingLocation(rows)
    before = Runs.empty() if correction.action in ("add", "rename") else annotation.pixels_of(rows)
    height, width = correction.size
    counts = pa.array([counts.encode() for counts in correction.counts], pa.binary())
    sides = (np.full(len(counts), side, np.int64) for side in (height, width))
    proposed, _ = rle_to_runs(counts, *sides)
    differs = runs_to_mask(proposed, height, width) != runs_to_mask(before, height, width)
    return FindingLocation(rows, mask_to_runs(differs))


def _box(runs: Runs, height: int) -> Box | None:
    """The box of runs of owner 0; None without any."""
    x, y, wide, high = (int(side[0]) for side in bounding_boxes(runs, np.array([height]), 1))
    return (x, y, wide, high) if wide else None


def _box_of_place(finding: Finding) -> Box | None:
    pixel = _PIXEL.search(finding.place or "")
    return None if pixel is None else (int(pixel[1]), int(pixel[2]), 1, 1)
