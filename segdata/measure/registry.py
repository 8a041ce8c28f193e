"""Registry: the decorators with which a measurement declares its tables, their row links and its needs.

A module in `segdata.measure.tables` decorates functions with `measure` (one batch of images), `measure_images` (columns
of the table `images`, once all are known) or `measure_dataset` (tables over several images). Nothing else lists them: a
new family of tables is a new function, and rules ask for it by its family in `needs`.
"""

import pkgutil
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from importlib import import_module
from typing import TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns
from segdata.core.profile import Profile
from segdata.core.rule import Family
from segdata.core.runs import Components, Flags, Ints, NumberLine, Runs
from segdata.core.table import Table
from segdata.core.taxonomy import Taxonomy
from segdata.measure.sequences import ColumnArrays, DatasetView

SHORTEST_END = 8  # pixels of a flat end
MIN_FLATNESS = 0.75  # share of the change of width within `_NEAR` pixels; the end of a disc has 0.5
_NEAR = 3  # pixels
Links = Mapping[str, str]  # column -> the table of which it is a row
BatchFunction = Callable[["BatchView"], pa.Table | dict[str, pa.Table]]
ImagesFunction = Callable[[pa.Table], pa.Table]
DatasetFunction = Callable[[DatasetView], Mapping[str, Table | list[ColumnArrays]]]


class FlatEnds(msgspec.Struct, frozen=True):
    """Straight ends of segments: lines between two columns or rows of an image where a segment begins or ends."""

    segment: Ints  # (n,) rows, ascending; upright lines of a segment first, then by `at`
    upright: Flags  # (n,) whether the line is
    at: Ints  # (n,) its x or y, in pixels from the image's top left corner
    step: Ints  # (n,) by how many pixels the segment is wider right of the line, or below


class SegmentWalk(msgspec.Struct, frozen=True):
    """The measures of every segment from one pass over its runs; all are 0 for a segment without pixels."""

    area: Ints  # (n_segments,) pixels
    x: Ints  # (n_segments,) the bounding box, in pixels
    y: Ints
    width: Ints
    height: Ints
    parts: Ints  # (n_segments,) 4-connected parts
    holes: Ints  # (n_segments,)
    largest: Ints  # (n_segments,) pixels of the largest part
    perimeter: Ints  # (n_segments,) pixel edges between the segment and everything else, the frame's edge included
    column_sum: Ints  # (n_segments,) of all pixels
    twice_row_sum: Ints  # (n_segments,) of all pixels, doubled so that it is whole
    several: Components  # the parts of the segments that have several
    cluster: Ints  # (n_several,) pixels of the 8-connected region that each of these belongs to
    ends: FlatEnds


def walk_segments(batch: Batch) -> SegmentWalk:
    """Measure every segment of a batch by itself."""
    runs, (height, width) = batch.runs, batch.segment_size
    measured, (owner, *several, cluster), (segment, upright, at, step) = kernels.measure_segments(
        runs.start, runs.length, runs.owner, height, width, SHORTEST_END, MIN_FLATNESS, _NEAR
    )
    parts = Components(owner.astype(np.int32), *several)
    ends = FlatEnds(segment, upright.astype(bool), at, step)
    area, x, y, wide, high, n_parts, n_holes, largest, perimeter, columns, rows = measured
    return SegmentWalk(
        area, x, y, wide, high, n_parts, n_holes, largest, perimeter, columns, rows, parts, cluster, ends
    )


class BatchView(msgspec.Struct, dict=True):
    """The argument of a measurement of one batch.

    Attributes
    ----------
    batch : the images, cut to their regions of interest
    profile : of the dataset
    families : the families to measure
    limits : the regions of interest, whose owners are annotations; None: no image has one
    tables : the tables of the batch so far, by name
    """

    batch: Batch
    profile: Profile
    families: frozenset[Family] = frozenset()
    limits: Runs | None = None
    tables: dict[str, pa.Table] = {}

    @property
    def taxonomy(self) -> Taxonomy:
        """The categories."""
        return self.profile.taxonomy

    @cached_property
    def line(self) -> NumberLine:
        """The number line of the annotations."""
        return self.batch.annotation_line

    @cached_property
    def sweep(self) -> SweepRuns:
        """The batch's runs in sweep order on `line`."""
        return SweepRuns.from_runs(self.batch.runs, self.line, self.batch.segment_annotation)

    @cached_property
    def cover(self) -> Ints:
        """(2, n_annotations) the number of pixels that any segment claims, and that two or more claim."""
        return kernels.cover_frames(self.sweep.start, self.sweep.end, self.line.base)

    @cached_property
    def walk(self) -> SegmentWalk:
        """The measures of every segment, from one pass over the batch's runs."""
        return walk_segments(self.batch)


class BatchMeasurement(msgspec.Struct, frozen=True):
    """A measurement of one batch, as `measure` registers it."""

    families: frozenset[Family]
    tables: Mapping[str, Links]
    needs: frozenset[str]
    function: BatchFunction

    @property
    def after(self) -> set[str]:
        """The tables that must be measured before: those it needs, and those that its rows refer to."""
        targets = {target for links in self.tables.values() for target in links.values()}
        return {*self.needs, *targets} - self.tables.keys()


class ImagesMeasurement(msgspec.Struct, frozen=True):
    """A measurement of columns of the table `images`, made once all images are known; see `measure_images`."""

    families: frozenset[Family]
    function: ImagesFunction


class DatasetMeasurement(msgspec.Struct, frozen=True):
    """A measurement of tables over several images, as `measure_dataset` registers it."""

    families: frozenset[Family]
    tables: Mapping[str, tuple[str, ...]]
    needs: frozenset[str]
    reloads: bool
    function: DatasetFunction


Ordered = TypeVar("Ordered", BatchMeasurement, DatasetMeasurement)

_BATCH: list[BatchMeasurement] = []
_IMAGES: list[ImagesMeasurement] = []
_DATASET: list[DatasetMeasurement] = []


def measure(
    *families: Family, tables: Mapping[str, Links], needs: tuple[str, ...] = ()
) -> Callable[[BatchFunction], BatchFunction]:
    """Register a function that measures one batch.

    Parameters
    ----------
    families : it is measured where a selected rule needs one of them; none: always
    tables : the tables that it makes, each with the columns that are rows of another table: ``{"row_use": {"segment":
        "segments"}}``. Columns for a table that exists already are put beside its own, row by row
    needs : tables that must be measured before; the function finds them in ``view.tables``

    The function takes a `BatchView` and returns its only table, or several by name.
    """

    def register(function: BatchFunction) -> BatchFunction:
        _BATCH.append(BatchMeasurement(frozenset(families), tables, frozenset(needs), function))
        _forget_order()
        return function

    return register


def measure_images(*families: Family) -> Callable[[ImagesFunction], ImagesFunction]:
    """Register a function that takes the table `images`, of the whole dataset, and returns more columns for it."""

    def register(function: ImagesFunction) -> ImagesFunction:
        _IMAGES.append(ImagesMeasurement(frozenset(families), function))
        _forget_order()
        return function

    return register


def measure_dataset(
    *families: Family, tables: Mapping[str, tuple[str, ...]], needs: tuple[str, ...] = (), reloads: bool = False
) -> Callable[[DatasetFunction], DatasetFunction]:
    """Register a function that measures over several images.

    Parameters
    ----------
    families : it is measured where a selected rule needs one of them
    tables : the tables that it makes, each with its columns
    needs : tables that must be measured before; the function finds them in ``view.tables``
    reloads : it loads the frames of sequences a second time

    The function takes a `DatasetView` and returns its tables by name, each whole or as columns in portions.
    """

    def register(function: DatasetFunction) -> DatasetFunction:
        _DATASET.append(DatasetMeasurement(frozenset(families), tables, frozenset(needs), reloads, function))
        _forget_order()
        return function

    return register


@cache
def batch_measurements() -> tuple[BatchMeasurement, ...]:
    """All measurements of single batches, each after those that it needs."""
    _import_all()
    return _in_order(_BATCH, lambda measurement: measurement.after)


@cache
def images_measurements() -> tuple[ImagesMeasurement, ...]:
    """All measurements of the table `images` as a whole."""
    _import_all()
    return tuple(_IMAGES)


@cache
def dataset_measurements() -> tuple[DatasetMeasurement, ...]:
    """All measurements over several images, each after those that it needs."""
    _import_all()
    return _in_order(_DATASET, lambda measurement: set(measurement.needs))


def chosen_measurements(families: frozenset[Family]) -> list[BatchMeasurement]:
    """The measurements of single batches for some families, with those that they need."""
    wanted_families = set[str]()
    measurements = []
    for measurement in reversed(batch_measurements()):
        asked_for = measurement.families & families or wanted_families & measurement.tables.keys()
        if not measurement.families or asked_for:
            measurements.append(measurement)
            wanted_families |= measurement.needs
    return measurements[::-1]


@cache
def all_families() -> frozenset[Family]:
    """Every family that a rule can need."""
    measurements: tuple[BatchMeasurement | ImagesMeasurement | DatasetMeasurement, ...]
    measurements = (*batch_measurements(), *images_measurements(), *dataset_measurements())
    return frozenset().union(*(measurement.families for measurement in measurements))


@cache
def row_links() -> dict[str, Links]:
    """Table -> its columns that are rows of another table; each table comes after those that it refers to."""
    return {name: links for measurement in batch_measurements() for name, links in measurement.tables.items()}


def _forget_order() -> None:
    """Clear the cached order of measurements: a rule of a third party may register its own late."""
    for ordered in (batch_measurements, images_measurements, dataset_measurements, all_families, row_links):
        ordered.cache_clear()


def _import_all() -> None:
    package = import_module("segdata.measure.tables")
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        import_module(module.name)


def _in_order(measurements: list[Ordered], needs: Callable[[Ordered], set[str]]) -> tuple[Ordered, ...]:
    """The measurements, each after those whose tables it needs; else in the order of registration."""
    table_names = {name for measurement in measurements for name in measurement.tables}
    rest, done, result = list(measurements), set[str](), list[Ordered]()
    while rest:
        ready = [measurement for measurement in rest if needs(measurement) & table_names <= done]
        if not ready:
            raise ValueError(f"measurements need each other: {sorted(name for other in rest for name in needs(other))}")
        result += ready
        done |= {name for measurement in ready for name in measurement.tables}
        rest = [measurement for measurement in rest if measurement not in ready]
    return tuple(result)
