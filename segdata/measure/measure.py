"""Measure: the only pass over pixels, from chunks of images to tables."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, clip_to_roi, replace_column
from segdata.core.executor import default_jobs, no_progress, run_ordered
from segdata.core.finding import Defect
from segdata.core.format import Source
from segdata.core.profile import Profile
from segdata.core.rule import Family, Tables
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.measure.registry import (
    BatchMeasurement,
    BatchView,
    all_families,
    batch_measurements,
    chosen_measurements,
    dataset_measurements,
    images_measurements,
    row_links,
)
from segdata.measure.sequences import ColumnArrays, DatasetView, RetainedSource
from segdata.measure.stored_tables import StoredTables


class MeasuredTables(msgspec.Struct):
    """The tables and defects of one chunk, or of several that are joined; rows count from 0 within it."""

    tables: dict[str, pa.Table] = {}
    defects: list[Defect] = []


class GatheredTables(msgspec.Struct):
    """The tables of single images of a whole dataset, and its defects."""

    tables: StoredTables
    defects: list[Defect]


def measure_batch(batch: Batch, profile: Profile, families: frozenset[Family]) -> MeasuredTables:
    """Measure one batch: the tables of rows, and those of `families`."""
    batch, limits = clip_to_roi(batch)
    view = BatchView(batch, profile, families, limits)
    for measurement in chosen_measurements(families):
        _add_measured(view, measurement)
    return MeasuredTables(view.tables, list(batch.defects))


def _add_measured(view: BatchView, measurement: BatchMeasurement) -> None:
    """Run a measurement, and add its tables, or its columns of existing tables, to those of the view."""
    result = measurement.function(view)
    (own, *_) = measurement.tables or {"": {}}
    for name, table in (result if isinstance(result, dict) else {own: result}).items():
        before = None if name in measurement.tables else view.tables[name]
        view.tables[name] = table if before is None else _append_columns(before, table)


def concatenate_measured(pieces: Iterable[MeasuredTables]) -> MeasuredTables:
    """Join the tables of chunks in order: the rows of later chunks follow those of earlier ones."""
    collected: dict[str, list[pa.Table]] = {}
    defects: list[Defect] = []
    for tables in _successive_tables(pieces, defects):
        for name, table in tables.items():
            collected.setdefault(name, []).append(table)
    joined = {name: pa.concat_tables(tables, promote_options="permissive") for name, tables in collected.items()}
    return MeasuredTables(joined, defects)


def _successive_tables(pieces: Iterable[MeasuredTables], defects: list[Defect]) -> Iterator[dict[str, pa.Table]]:
    """Yield the tables of each piece, with links as rows of all pieces together; adds the defects to `defects`."""
    before: dict[str, int] = dict.fromkeys(row_links(), 0)
    for piece in pieces:
        defects += piece.defects
        moved = dict(piece.tables)
        for name in moved:
            for column, target in row_links().get(name, {}).items():
                rows = moved[name][column].to_numpy().astype(np.int64) + before[target]
                moved[name] = replace_column(moved[name], column, rows)
        yield moved
        for name, table in moved.items():
            before[name] += table.num_rows


def measure_source(
    source: Source,
    families: frozenset[Family],
    *,
    chunks: list[Ints] | None = None,
    profile: Profile | None = None,
    jobs: int = 0,
    progress: Callable[[int], None] = no_progress,
) -> Tables:
    """Load and measure a source, chunk by chunk, in threads.

    Parameters
    ----------
    source : an opened dataset
    families : what to measure beyond the rows
    chunks : rows of the source's images, in portions; default: all, as the source proposes
    profile : what is known of the dataset; default: the source's
    jobs : threads; 0: one per core
    progress : is called with the number of images done since the last call

    Returns the tables. The result does not depend on `jobs`.
    """
    profile = profile or source.profile
    source = retain_sequences(source, families)
    chunks = source.chunks() if chunks is None else chunks
    pieces = (piece for _, piece in measure_chunks(source, families, profile, chunks, jobs, progress))
    gathered = gather_measured(pieces, source.defects, families, profile)
    return complete_tables(gathered, source, families, profile, chunks, jobs)


def measure_chunks(
    source: Source,
    families: frozenset[Family],
    profile: Profile,
    chunks: list[Ints],
    jobs: int,
    progress: Callable[[int], None],
) -> Iterator[tuple[Ints, MeasuredTables]]:
    """Measure portions of images, and yield each with its tables, in order; `progress` counts images."""
    pieces = run_ordered(lambda chunk: measure_batch(source.load(chunk), profile, families), chunks, jobs)
    for chunk, piece in zip(chunks, pieces, strict=True):
        yield chunk, piece
        progress(len(chunk))


def gather_measured(
    pieces: Iterable[MeasuredTables], opened: Sequence[Defect], families: frozenset[Family], profile: Profile
) -> GatheredTables:
    """Join all pieces, after the defects from opening; without pieces, the tables have no rows."""
    measured = iter(pieces)
    first = next(measured, None) or measure_batch(Batch.empty(), profile, families)
    gathered = GatheredTables(StoredTables(), list(opened))
    for tables in _successive_tables(itertools.chain([first], measured), gathered.defects):
        gathered.tables.append(tables)
    gathered.tables.close()
    return gathered


def complete_tables(
    gathered: GatheredTables,
    source: Source,
    families: frozenset[Family],
    profile: Profile,
    chunks: list[Ints],
    jobs: int,
) -> Tables:
    """The gathered tables, and those that are measured over several images."""
    if any(measurement.families & families for measurement in images_measurements()):
        with default_jobs(jobs):
            gathered.tables.replace("images", complete_images(gathered.tables["images"], families))
    tables = with_unmeasured(gathered.tables, profile)
    add_dataset_tables(tables, source, families, profile, chunks, jobs)
    return Tables.of(profile, tables, gathered.defects)


def add_dataset_tables(
    tables: dict[str, Table],
    source: Source,
    families: frozenset[Family],
    profile: Profile,
    chunks: list[Ints],
    jobs: int,
) -> None:
    """Add the tables that are measured over several images to those of single images."""
    for measurement in dataset_measurements():
        view = DatasetView(source, profile, tables, chunks, jobs)
        result = measurement.function(view) if measurement.families & families else {}
        for name, names in measurement.tables.items():
            columns = result.get(name, [])
            tables[name] = columns if isinstance(columns, Table) else _join_columns(columns, names)


def with_unmeasured(measured: StoredTables, profile: Profile) -> dict[str, Table]:
    """The tables of single images; those that were not measured are added without rows."""
    missing = row_links().keys() - measured.keys()
    if not missing:
        return {name: measured.lazy(name) for name in row_links()}
    known = {name: measured.schema(name).empty_table() for name in measured}
    view = BatchView(Batch.empty(), profile, all_families(), None, known)
    for measurement in batch_measurements():
        if missing & (measurement.tables.keys() | measurement.needs):
            _add_measured(view, measurement)
    return {name: Table.of(view.tables[name]) if name in missing else measured.lazy(name) for name in row_links()}


def provided_columns(families: frozenset[Family], profile: Profile) -> dict[str, list[str]]:
    """Table -> its columns that are measured from single images for some families."""
    tables = measure_batch(Batch.empty(), profile, families).tables
    tables["images"] = complete_images(tables["images"], families)
    return {name: table.column_names for name, table in tables.items()}


def retain_sequences(source: Source, families: frozenset[Family]) -> Source:
    """The source, wrapped so that it keeps the frames that are loaded twice, if a measurement reloads any."""
    reloads = any(measurement.reloads and measurement.families & families for measurement in dataset_measurements())
    return RetainedSource(source) if source.profile.sequences and reloads else source


def complete_images(images: pa.Table, families: frozenset[Family]) -> pa.Table:
    """The table `images` with the columns that are measured once all images are known."""
    for measurement in images_measurements():
        if measurement.families & families:
            images = _append_columns(images, measurement.function(images))
    return images


def _join_columns(portions: list[ColumnArrays], names: tuple[str, ...]) -> Table:
    none = np.empty(0, np.int64)
    return Table({name: np.concatenate([none, *(portion[name] for portion in portions)]) for name in names})


def _append_columns(table: pa.Table, more: pa.Table) -> pa.Table:
    """`table` with the columns of `more`, row by row."""
    for name in more.column_names:
        table = table.append_column(name, more[name])
    return table
