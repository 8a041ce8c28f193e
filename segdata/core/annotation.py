"""Annotation: one annotation of one image, and the pixels that one can ask it for."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch, replaced
from segdata.core.cover import complement, cover
from segdata.core.finding import Finding
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.roi import inside, limited
from segdata.core.runs import Ints, Runs

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Regions:
    """Connected regions of one image.

    Attributes
    ----------
    runs : the pixels, of owner 0
    label : (n_runs,) int64, the region of each run
    area, perimeter : (n,) int64, pixels and pixel edges of each region
    """

    runs: Runs
    label: Ints
    area: Ints
    perimeter: Ints

    @staticmethod
    def of(runs: Runs, height: int, *, diagonal: bool = False) -> "Regions":
        """The 4-connected regions of runs in an image of this height, or with `diagonal` the 8-connected ones."""
        x, top = np.divmod(runs.start, height)
        label, left, *_ = kernels.parts(x, top, top + runs.length, np.zeros(len(runs), np.int32), diagonal)
        n = int(label.max(initial=-1)) + 1
        area, edges = np.zeros(n, np.int64), np.zeros(n, np.int64)
        np.add.at(area, label, runs.length)
        np.add.at(edges, label, 2 + 2 * runs.length - 2 * left)
        return Regions(runs, label, area, edges)

    def only(self, regions: Ints) -> Runs:
        """The pixels of some regions."""
        kept = np.isin(self.label, regions)
        return Runs(self.runs.start[kept], self.runs.length[kept], self.runs.owner[kept])

    def first(self, order: Ints, pixels: int | None) -> Runs:
        """The pixels of the first regions in this order that together have no more than `pixels`."""
        return self.only(order[np.cumsum(self.area[order]) <= (pixels or 0)])

    def smallest(self, finding: Finding, height: int, among: Ints) -> Runs:
        """The smallest regions that together have as many pixels as a finding says; first those in its box."""
        x, y, wide, high = finding.bbox or (0, 0, 0, 0)
        run_x, run_y = np.divmod(self.runs.start, height)
        inside = (run_x >= x) & (run_x < x + wide) & (run_y >= y) & (run_y < y + high)
        boxed = np.isin(among, self.label[inside])
        return self.first(among[np.lexsort((self.area[among], ~boxed))], finding.pixels)


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation of one image, as evidence is drawn from it: a batch of nothing else."""

    batch: Batch

    @staticmethod
    def each(batch: Batch) -> "list[Annotation]":
        """The annotations of a batch of one image, each by itself."""
        found = []
        for row in range(batch.annotations.num_rows):
            kept = np.flatnonzero(batch.segment_annotation == row)
            part = batch.take_segments(kept)
            segments = replaced(part.segments, "annotation", np.zeros(len(kept), np.int32))
            found.append(Annotation(replace(part, annotations=batch.annotations.slice(row, 1), segments=segments)))
        return found

    @property
    def annotator(self) -> str | None:
        """Whose it is."""
        name: str | None = self.batch.annotations["annotator"][0].as_py()
        return name

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.batch.image_size
        return int(height[0]), int(width[0])

    @property
    def line(self) -> Line:
        """The number line of the one image."""
        return Line.of(*self.batch.image_size)

    @property
    def side(self) -> Side:
        """Every run in sweep order."""
        return Side.of(self.batch.runs, self.line, np.zeros(self.batch.n_segments, np.int64))

    def unlabelled(self) -> Runs:
        """The pixels that no segment claims, inside the region of interest where there is one."""
        empty = self.without(cover(self.side, self.line).runs)
        _, limits = limited(self.batch)
        return empty if limits is None else inside(empty, np.zeros(1, np.int64), limits, self.line, 1)

    def without(self, runs: Runs) -> Runs:
        """The pixels of the image that are not in `runs`, of owner 0."""
        return complement(runs, *self.batch.image_size)

    def shared(self, among: Ints) -> Runs:
        """The pixels that two of these segments claim, or two of all where fewer than two are named."""
        side = self.side
        if len(among) > 1:
            named = np.isin(side.owner, among)
            side = Side(side.start[named], side.end[named], side.owner[named])
        _, _, start, length = kernels.strips_within(side.start, side.end, side.owner)
        return self._union(start, length)

    def of(self, segments: Ints) -> Runs:
        """The pixels of some segments."""
        side = self.side
        named = np.isin(side.owner, segments)
        return self._union(side.start[named], side.end[named] - side.start[named])

    def rings(self, segments: Ints) -> tuple[Points, ...]:
        """The source's polygons of some segments."""
        listed = self.batch.segments["rings"].take(segments).to_pylist()
        return tuple(np.array(ring).reshape(-1, 2) for rings in listed if rings for ring in rings if len(ring) > 3)

    def _union(self, place: Ints, length: Ints) -> Runs:
        """Strips on the line, in ascending order and perhaps overlapping, as runs of owner 0."""
        place, length, _ = kernels.cover(place, place + length)
        _, x, y = self.line.lower(place)
        return Runs(x * self.size[0] + y, length, np.zeros(len(place), np.int32))
