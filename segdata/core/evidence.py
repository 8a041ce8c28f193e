"""Evidence: the pixels and outlines that a finding speaks of, recomputed from the labels."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.annotation import Annotation, Points, Regions
from segdata.core.batch import Batch
from segdata.core.counts import runs_of_counts
from segdata.core.finding import Box, Finding
from segdata.core.rule import rules
from segdata.core.runs import Ints, Runs, boxes, spread

_PIXEL = re.compile(r"x=(\d+), y=(\d+)")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What to point at.

    Attributes
    ----------
    segments : rows of the batch's segments that the finding names
    runs : the pixels concerned, of owner 0
    rings : polygon rings (n, 2) in pixels, to be drawn as lines
    points : (n, 2) places in pixels, to be marked
    declared : a box that the file declares
    box : where to look; None where a finding is about the whole image
    """

    segments: Ints
    runs: Runs = field(default_factory=Runs.empty)
    rings: tuple[Points, ...] = ()
    points: Points = field(default_factory=lambda: np.empty((0, 2)))
    declared: tuple[float, float, float, float] | None = None
    box: Box | None = None


def evidence(annotation: Annotation, finding: Finding) -> Evidence:
    """What a finding speaks of, in one annotation; at least its box, and the segments that it names."""
    rows = named(annotation.batch, finding)
    gather = _GATHER.get(finding.code, _proposed if finding.correction else None)
    found = Evidence(rows) if gather is None else gather(annotation, finding, rows)
    box = finding.bbox or found.box or _box_of_place(finding) or _box(annotation.of(rows), annotation.size[0])
    points = found.points
    if finding.bbox is None and not len(points) and (pixel := _PIXEL.search(finding.place or "")):
        points = np.array([[int(pixel[1]) + 0.5, int(pixel[2]) + 0.5]])
    return Evidence(rows, found.runs, found.rings, points, found.declared, box)


def named(batch: Batch, finding: Finding) -> Ints:
    """The rows of the segments whose ids a finding gives; all of them where an id is there twice."""
    if not finding.segments:
        return np.empty(0, np.int64)
    wanted = set(map(str, finding.segments))
    ids = zip(batch.segments["source_id"].to_pylist(), batch.segments["segment_id"].to_pylist(), strict=True)
    return np.array([row for row, (own, id_) in enumerate(ids) if str(id_ if own is None else own) in wanted], np.int64)


def _gap(annotation: Annotation, finding: Finding, rows: Ints) -> Evidence:
    return Evidence(rows, annotation.unlabelled())


def _unknown_value(annotation: Annotation, finding: Finding, rows: Ints) -> Evidence:
    """The unlabelled region that the value's first pixel lies in: what is unknown became no segment.

    Only the pixel where most of that region is of other values.
    """
    pixel = _PIXEL.search(finding.place or "")
    if pixel is None:
        return Evidence(rows)
    height = annotation.size[0]
    at = int(pixel[1]) * height + int(pixel[2])
    regions = Regions.of(annotation.unlabelled(), height)
    inside = (regions.runs.start <= at) & (at < regions.runs.start + regions.runs.length)
    found = regions.only(regions.label[inside])
    if found.length.sum() > 2 * (finding.pixels or 0):
        return Evidence(rows)
    return Evidence(rows, found, box=_box(found, height))


def _hairline(annotation: Annotation, finding: Finding, rows: Ints) -> Evidence:
    """Unlabelled slivers, or doubly claimed ones: those that have as many pixels as the finding says."""
    gaps = _slivers(annotation, annotation.unlabelled(), finding.pixels)
    if gaps.length.sum() == finding.pixels:
        return Evidence(rows, gaps)
    return Evidence(rows, _slivers(annotation, annotation.shared(rows), finding.pixels))


def _slivers(annotation: Annotation, runs: Runs, pixels: int | None) -> Runs:
    """The longest thin regions of `runs` that together have no more than `pixels`."""
    regions = Regions.of(runs, annotation.size[0])
    half = regions.perimeter / 2
    root = np.sqrt(np.maximum(half**2 - 4 * regions.area, 0))
    thin = np.flatnonzero((half - root) / 2 <= rules()["SEG111"].options["max_width"])
    return regions.first(thin[np.argsort(-(half + root)[thin], kind="stable")], pixels)


def _overlap(annotation: Annotation, finding: Finding, rows: Ints) -> Evidence:
    return Evidence(rows, annotation.shared(rows))


def _specks(annotation: Annotation, finding: Finding, rows: Ints) -> Evidence:
    """The small parts: all but the largest, as many pixels as the finding says."""
    height = annotation.size[0]
    parts = Regions.of(annotation.of(rows), height, diagonal=True)
    others = np.argsort(-parts.area, kind="stable")[1:]
    return Evidence(rows, parts.smallest(finding, height, others))


def _pinholes(annotation: Annotation, finding: Finding, rows: Ints) -> Evidence:
    """The small holes: regions that do not reach the frame, as many pixels as the finding says."""
    height, width = annotation.size
    empty = Regions.of(annotation.without(annotation.of(rows)), height, diagonal=True)
    x, top = np.divmod(empty.runs.start, height)
    at_frame = (x == 0) | (x == width - 1) | (top == 0) | (top + empty.runs.length == height)
    closed = np.setdiff1d(np.arange(len(empty.area)), empty.label[at_frame])
    return Evidence(rows, empty.smallest(finding, height, closed))


def _rings(annotation: Annotation, finding: Finding, rows: Ints) -> Evidence:
    return Evidence(rows, rings=annotation.rings(rows))


def _crossing(annotation: Annotation, finding: Finding, rows: Ints) -> Evidence:
    """The outline, and where each ring first crosses itself."""
    rings = annotation.rings(rows)
    ends = np.cumsum([0, *(ring.size for ring in rings)]).astype(np.int64)
    flat = np.concatenate([ring.ravel() for ring in rings]) if rings else np.empty(0)
    count, x, y = kernels.crossings(flat, ends)
    points = np.stack([x, y], axis=1)[count > 0] if rings else np.empty((0, 2))
    return Evidence(rows, rings=rings, points=points)


def _outside(annotation: Annotation, finding: Finding, rows: Ints) -> Evidence:
    """The outline, and its vertices beyond the frame."""
    rings = annotation.rings(rows)
    height, width = annotation.size
    vertices = np.concatenate(rings) if rings else np.empty((0, 2))
    beyond = ((vertices < 0) | (vertices > (width, height))).any(axis=1)
    return Evidence(rows, rings=rings, points=vertices[beyond])


def _declared(annotation: Annotation, finding: Finding, rows: Ints) -> Evidence:
    boxes = annotation.batch.segments["declared_bbox"].take(rows).to_pylist()
    box = next((each for each in boxes if each and len(each) == 4), None)
    return Evidence(rows, declared=None if box is None else (box[0], box[1], box[2], box[3]))


_GATHER: dict[str, Callable[[Annotation, Finding, Ints], Evidence]] = {
    "SEG009": _unknown_value,
    "SEG013": _declared,
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


def _proposed(annotation: Annotation, finding: Finding, rows: Ints) -> Evidence:
    """The pixels that a correction would change: those proposed where a category is new, else those that differ."""
    correction = finding.correction
    if correction is None or correction.size != annotation.size:
        return Evidence(rows)
    before = Runs.empty() if correction.action in ("add", "rename") else annotation.of(rows)
    height, width = correction.size
    counts = pa.array([each.encode() for each in correction.counts], pa.binary())
    sides = (np.full(len(counts), side, np.int64) for side in (height, width))
    proposed, _ = runs_of_counts(counts, *sides)
    canvas = np.zeros((2, width * height), bool)
    for layer, runs in enumerate((proposed, before)):
        canvas[layer, spread(runs.start, runs.length)] = True
    differs = (canvas[0] != canvas[1]).reshape(width, height).T
    start, length, value = kernels.label_runs(np.ascontiguousarray(differs, np.uint8))
    inside = value > 0
    return Evidence(rows, Runs(start[inside], length[inside], np.zeros(int(inside.sum()), np.int32)))


def _box(runs: Runs, height: int) -> Box | None:
    """The box of runs of owner 0; None without any."""
    x, y, wide, high = (int(side[0]) for side in boxes(runs, np.array([height]), 1))
    return (x, y, wide, high) if wide else None


def _box_of_place(finding: Finding) -> Box | None:
    pixel = _PIXEL.search(finding.place or "")
    return None if pixel is None else (int(pixel[1]), int(pixel[2]), 1, 1)
