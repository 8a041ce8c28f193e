"""Partitions: measure a dataset on a cluster, whose workers keep the tables of the partitions that they measure.

A partition is a number of successive portions of images, as the source proposes them (row groups of a canonical
dataset, ranges of images of a JSON): only the data decide what they are. Three things return from a worker: the numbers
of rows of the tables, the findings of rules that look at single images, and the columns or rows that a rule of the
whole dataset requests.

Rules of videos and volumes run on whole sequences: a sequence belongs to the partition of its first image, whose worker
loads and measures again the frames that such a rule compares.
"""

import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.cluster import Cluster, Portion, RemoteDataset
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.executor import mapping_files, no_progress
from segdata.core.finding import Defect, Finding
from segdata.core.format import Source
from segdata.core.pixel_limit import max_pixels, set_max_pixels
from segdata.core.profile import Profile
from segdata.core.rule import Family, Rule, Tables, rules
from segdata.core.rule_runner import Answers, FoundInPart, combine_parts, find_in_part
from segdata.core.runs import Ints, positions_in
from segdata.core.strata import number_names
from segdata.core.table import LazyColumn, Table
from segdata.measure.measure import (
    MeasuredTables,
    add_dataset_tables,
    complete_images,
    concatenate_measured,
    measure_batch,
    retain_sequences,
    with_unmeasured,
)
from segdata.measure.registry import dataset_measurements, images_measurements, row_links
from segdata.measure.stored_tables import StoredTables

if TYPE_CHECKING:
    from distributed import Future

MAX_SINGLE_PORTIONS = 64  # portions; with more, several make a partition
MAX_PORTIONS, MEAN_IMAGES = 16, 16_384  # of one partition
_MAX_SMALL_ROWS = 20_000  # of a table that is fetched with all requested columns at once
_MAX_FEW_SHARE = 0.25  # of a column's rows that are fetched without the others
_FILES_PER_TASK = 256  # that a task reads
_MAX_LOADED_PORTIONS = 4  # of sequences: those of a window of frames, and one more


def partition_chunks(chunks: Sequence[Ints]) -> list[list[Ints]]:
    """Group portions of images into partitions: single portions for a small dataset, else successive ones.

    A partition has `MEAN_IMAGES` on average, so that large portions do not make larger partitions.

    >>> [len(portions) for portions in partition_chunks([np.arange(3)] * 130)][:2]
    [2, 2]
    """
    n_images = max(sum(map(len, chunks)), 1)
    size = max(min(len(chunks) // MAX_SINGLE_PORTIONS, MAX_PORTIONS, MEAN_IMAGES * len(chunks) // n_images), 1)
    return [list(chunks[first : first + size]) for first in range(0, len(chunks), size)]


@dataclass(frozen=True, slots=True)
class MeasuringJob:
    """The arguments that all tasks of one measurement share."""

    data: RemoteDataset | None  # opens the dataset in a worker; None: nothing is measured
    profile: Profile  # of the dataset
    config: Config  # of the dataset
    families: frozenset[Family]  # to measure
    codes: tuple[str, ...]  # of the rules that run where an image is measured
    opened: tuple[Defect, ...]  # the defects found while opening


@dataclass(frozen=True, slots=True)
class PartitionSummary:
    """The summary of a partition: the numbers of rows of its tables, findings by code, and defects of readers."""

    n_rows: dict[str, int]
    findings: FoundInPart
    defects: list[Defect]


def measure_partition(portions: list[Portion], job: MeasuringJob) -> MeasuredTables:
    """Measure one partition, in a worker."""
    assert job.data is not None
    return concatenate_measured(
        measure_batch(job.data.load(portion), job.profile, job.families) for portion in portions
    )


def summarise_partition(measured: MeasuredTables, job: MeasuringJob) -> PartitionSummary:
    """Summarise one partition, in a worker; rules run up to their first request to other partitions."""
    return PartitionSummary(
        {name: table.num_rows for name, table in measured.tables.items()},
        find_in_partition(measured, answers={}, job=job, codes=job.codes),
        measured.defects,
    )


class PortionSource:
    """Portions of images as a source, whose rows count from 0; `load_portion` loads the k-th one."""

    defects = ()

    def __init__(self, profile: Profile, sizes: Sequence[int], load_portion: Callable[[int], Batch]) -> None:
        self.profile = profile
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._portion = lru_cache(_MAX_LOADED_PORTIONS)(load_portion)

    @property
    def image_ids(self) -> Sequence[str]:
        """The names of the images."""
        return [name for k in range(len(self._ends)) for name in self._portion(k).images["image_id"].to_pylist()]

    def chunks(self) -> list[Ints]:
        """The portions."""
        return np.split(np.arange(self._ends[-1]), self._ends[:-1])

    def load(self, rows: Ints) -> Batch:
        """The images at these rows."""
        number = np.searchsorted(self._ends, rows, side="right")
        starts = np.flatnonzero((np.diff(number) != 0) | (np.diff(rows) != 1)) + 1
        first = np.concatenate([[0], self._ends])
        pieces = zip(np.split(rows, starts), number[[0, *starts]].tolist(), strict=True)
        return concatenate_batches([self._portion(k).take_images(piece - first[k]) for piece, k in pieces])


def sequence_portions(images: Table, begins: Ints, most: int) -> list[list[Ints]]:
    """Rows of images in portions of at most `most` images, by parts that do not divide sequences.

    A sequence belongs to the part of its first image. `begins` (n_parts,): the first image of each part. Parts without
    images are left out.
    """
    names, sequence = number_names(images.texts("sequence"))
    own = np.arange(len(images))
    first = np.full(len(names) + 1, len(images))
    np.minimum.at(first, sequence, own)
    part = np.searchsorted(begins, np.where(sequence >= 0, first[sequence], own), side="right")
    order = np.argsort(part, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(part[order])) + 1) if len(order) else []
    return [np.array_split(rows, -(-len(rows) // most)) for rows in parts]


def measure_sequences(source: Source, job: MeasuringJob) -> MeasuredTables:
    """Measure whole sequences, including the tables over several images."""
    source, chunks = retain_sequences(source, job.families), source.chunks()
    measured = concatenate_measured(measure_batch(source.load(rows), job.profile, job.families) for rows in chunks)
    tables = with_unmeasured(StoredTables(measured.tables), job.profile)
    add_dataset_tables(tables, source, job.families, job.profile, chunks, jobs=1)
    for measurement in dataset_measurements():
        for name, columns in measurement.tables.items():
            measured.tables[name] = pa.table({column: tables[name][column] for column in columns})
    return measured


def _measure_sequence_portions(portions: list[Portion], job: MeasuringJob) -> MeasuredTables:
    """Measure whole sequences, in a worker."""
    data, sizes = job.data, [len(portion.rows) for portion in portions]
    assert data is not None
    return measure_sequences(PortionSource(job.profile, sizes, lambda k: data.load_local(portions[k])), job)


def find_in_partition(
    measured: MeasuredTables, *, answers: Answers, job: MeasuringJob, codes: Sequence[str]
) -> FoundInPart:
    """Run rules on one partition, in a worker; returns code -> findings."""
    names = set(measured.tables["images"]["image_id"].to_pylist())
    opened = [defect for defect in job.opened if defect.image in names]
    tables = _partition_tables(measured, job.profile, [])
    findings: FoundInPart = {}
    for code in codes:
        # Defects from opening belong to no partition; the leading part reports them once.
        defects = (*measured.defects, *(defect for defect in opened if defect.code != code))
        findings |= find_in_part(replace(tables, defects=defects), [rules()[code]], job.config, answers)
    return findings


def find_by_part(
    job: MeasuringJob,
    whole: Tables,
    part_findings: Sequence[FoundInPart],
    n_rows: Mapping[str, Ints],
    run: Callable[[Answers, Sequence[str]], Sequence[FoundInPart]],
) -> dict[str, list[Finding]]:
    """Run the rules of a job on all partitions; returns code -> findings.

    Parameters
    ----------
    whole : the tables of the whole dataset
    part_findings : the result of `find_in_partition` for each partition, without any answer
    n_rows : table -> (n_partitions,) its rows; empty for parts of whole sequences, whose rows do not follow each other:
        their rules can ask for sums and medians, and not for rows that name rows
    run : `find_in_partition` in each, with answers, for some codes
    """
    without_rows = measure_batch(Batch.empty(), job.profile, job.families)
    leading = _partition_tables(without_rows, job.profile, list(job.opened))

    def lead(answers: Answers, codes: Sequence[str]) -> FoundInPart:
        return find_in_part(leading, [rules()[code] for code in codes], job.config, answers, whole)

    def go_on(answers: Answers, waiting: Sequence[str], led: Sequence[str]) -> list[FoundInPart]:
        parts = run({code: answers[code] for code in waiting}, waiting) if waiting else []
        return [lead(answers, led), *parts]

    first = {name: np.cumsum(rows) - rows for name, rows in n_rows.items()}
    begins = [
        dict.fromkeys(first, 0),
        *({name: int(first[name][k]) for name in first} for k in range(len(part_findings))),
    ]
    return combine_parts([lead({}, job.codes), *part_findings], begins, go_on)


def _partition_tables(measured: MeasuredTables, profile: Profile, defects: list[Defect]) -> Tables:
    """The tables of a partition for rules; tables over several images are empty, unless it holds sequences."""
    tables = with_unmeasured(StoredTables(measured.tables), profile)
    for measurement in dataset_measurements():
        for name, columns in measurement.tables.items():
            none = Table({column: np.empty(0, np.int64) for column in columns})
            tables[name] = Table.of(measured.tables[name]) if name in measured.tables else none
    return Tables.of(profile, tables, defects)


@dataclass
class RemoteTables:
    """Tables whose pieces are held by workers."""

    cluster: Cluster
    pieces: "list[Future]"  # the partitions, in order
    n_rows: dict[str, Ints]  # table -> (n_pieces,) its rows in each
    empty: dict[str, pa.Table]  # the tables without rows, which have the columns and their types
    fetched: int = 0  # how many bytes of columns have come here so far
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _small: dict[str, pa.Table] = field(default_factory=dict, repr=False)

    def table(self, name: str) -> Table:
        """A table whose columns are fetched on first use."""
        n = int(self.n_rows[name].sum())
        return Table({column: RemoteColumn(self, name, column, n) for column in self.empty[name].column_names})

    def first_rows(self, name: str) -> Ints:
        """(n_pieces,) the first row of each piece of a table."""
        return np.cumsum(self.n_rows[name]) - self.n_rows[name]

    def whole(self, name: str) -> pa.Table:
        """All columns of a table."""
        return self._join(name, self._fetch(name, self.empty[name].column_names, np.flatnonzero(self.n_rows[name])))

    def column(self, name: str, column: str) -> pa.ChunkedArray:
        """All rows of a column; the columns of a small table are fetched together, and cached."""
        if self.n_rows[name].sum() <= _MAX_SMALL_ROWS:
            with self._lock:
                if name not in self._small:
                    self._small[name] = self.whole(name)
            return self._small[name][column]
        return self._join(name, self._fetch(name, [column], np.flatnonzero(self.n_rows[name])))[column]

    def rows(self, name: str, column: str, rows: Ints) -> pa.ChunkedArray:
        """Some rows of a column, in the order of `rows` (m,)."""
        if len(rows) == 0:
            return self.empty[name][column]
        first = self.first_rows(name)
        order = np.argsort(rows, kind="stable")
        piece = np.searchsorted(first, rows[order], side="right") - 1
        # Empty pieces begin at the same row as the next piece; the last one of them has the row.
        which, begins = np.unique(piece, return_index=True)
        own_rows = [own - first[k] for k, own in zip(which, np.split(rows[order], begins[1:]), strict=True)]
        joined = self._join(name, self._fetch(name, [column], which, own_rows))[column]
        back = positions_in(order, len(rows))
        return joined.take(pa.array(back))

    def count_requests(self, parts: "list[FoundInPart]") -> "list[FoundInPart]":
        """Return the findings unchanged, and count the bytes of their requests as fetched."""
        self.fetched += sum(findings.request.nbytes for part in parts for findings in part.values() if findings.request)
        return parts

    def map_files(self, work: Callable[[str], Any], paths: Sequence[str]) -> list[Any]:  # Any: what `work` returns
        """`work(path)` for each file, in order, by the workers."""
        absolute = [str(Path(path).absolute()) for path in paths]
        portions = [absolute[first : first + _FILES_PER_TASK] for first in range(0, len(paths), _FILES_PER_TASK)]
        tasks = self.cluster.submit_all(_map_portion, portions, read=work, limit=max_pixels())
        packed: list[bytes] = self.cluster.results(tasks)
        self.fetched += sum(map(len, packed))
        return [value for portion in packed for value in pickle.loads(portion)]

    def _fetch(self, name: str, columns: list[str], which: Ints, rows: list[Ints] | None = None) -> list[pa.Table]:
        """Fetch columns of some pieces, with links as rows of the whole dataset."""
        links = {column: target for column, target in row_links().get(name, {}).items() if column in columns}
        first = {column: self.first_rows(target)[which].tolist() for column, target in links.items()}
        offsets = [{column: starts[k] for column, starts in first.items()} for k in range(len(which))]
        rows_of: Sequence[Ints | None] = [None] * len(which) if rows is None else rows
        pieces = [self.pieces[k] for k in which.tolist()]
        fetched: list[pa.Table] = self.cluster.results(
            self.cluster.submit_all(_columns, pieces, rows_of, offsets, name=name, columns=columns)
        )
        self.fetched += sum(table.nbytes for table in fetched)
        return fetched

    def _join(self, name: str, pieces: list[pa.Table]) -> pa.Table:
        """Join the pieces of a table, or of some of its columns."""
        columns = pieces[0].column_names if pieces else self.empty[name].column_names
        return pa.concat_tables([self.empty[name].select(columns), *pieces], promote_options="permissive")


def _map_portion(paths: list[str], *, read: Callable[[str], object], limit: int) -> bytes:
    """Apply a function to some files, in a worker, and pickle the results; `limit`: the most pixels of an image."""
    set_max_pixels(limit)
    return pickle.dumps([read(path) for path in paths])


def _columns(
    measured: MeasuredTables, rows: Ints | None, offsets: dict[str, int], *, name: str, columns: list[str]
) -> pa.Table:
    """Columns of a partition, or some rows of them, in a worker; the offsets are added to links."""
    table = measured.tables[name].select(columns)
    if rows is not None:
        table = table.take(pa.array(rows))
    for column, offset in offsets.items():
        table = replace_column(table, column, table[column].to_numpy().astype(np.int64) + offset)
    return table.combine_chunks()


class RemoteColumn(LazyColumn):
    """A column of `RemoteTables` that is fetched on first use; if few rows are taken, only these are fetched."""

    __slots__ = ("__dict__", "_column", "_lock", "_n", "_name", "_tables")

    def __init__(self, tables: RemoteTables, name: str, column: str, n: int) -> None:
        self._tables, self._name, self._column, self._n = tables, name, column, n
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._n

    @cached_property
    def _values(self) -> pa.ChunkedArray:
        return self._tables.column(self._name, self._column)

    def materialize(self) -> pa.ChunkedArray:
        """All rows."""
        with self._lock:
            return self._values

    def take(self, rows: Ints) -> pa.ChunkedArray:
        """Some rows."""
        if "_values" in self.__dict__ or len(rows) > _MAX_FEW_SHARE * self._n:
            return self.materialize().take(pa.array(rows))
        return self._tables.rows(self._name, self._column, rows)


@dataclass(frozen=True, slots=True)
class ClusterMeasurement:
    """The result of measuring on a cluster: tables, findings of rules of single images by code, and bytes fetched."""

    tables: Tables
    findings: dict[str, list[Finding]]
    remote: RemoteTables


def measure_on_cluster(
    cluster: Cluster,
    data: OpenDataset,
    families: frozenset[Family],
    rules: Sequence[Rule] = (),
    *,
    jobs: int = 0,
    progress: Callable[[int], None] = no_progress,
) -> ClusterMeasurement:
    """Measure a dataset on a cluster; the tables are equal to those of `segdata.measure.measure.measure_source`.

    Parameters
    ----------
    cluster : as `segdata.core.cluster.connect` yields it; tables are useless when that block ends
    data : a dataset that workers can open
    families : what to measure beyond the rows
    rules : rules; those that look at single images run where these are measured
    jobs : threads of this process, for what is measured over several images
    progress : is called with the number of images done since the last call
    """
    profile, source, chunks = data.profile, data.source, data.chunks()
    applicable = [rule for rule in rules if rule.applies(profile)]
    of_sequences = [rule for rule in applicable if rule.runs_per_sequence(profile)]
    others = [rule for rule in applicable if rule not in of_sequences]
    of_parts = tuple(rule.code for rule in others if rule.runs_by_part(profile))
    in_sequences = _needs(of_sequences)
    families -= in_sequences - _needs(others)
    opened = tuple(source.defects)
    remote_data, cut = RemoteDataset.cut(data)
    job = MeasuringJob(remote_data, profile, data.config, families, of_parts, opened)
    partitions = partition_chunks(chunks)
    shared = cluster.share(job)
    pieces = cluster.submit_all(measure_partition, ([cut(rows) for rows in part] for part in partitions), job=shared)
    futures = cluster.submit_all(summarise_partition, pieces, job=shared)
    sizes = [sum(map(len, portions)) for portions in partitions]
    summaries: list[PartitionSummary] = cluster.results(futures, lambda row: progress(sizes[row]))
    empty = measure_batch(Batch.empty(), profile, families)
    counted = {
        name: np.array([summary.n_rows.get(name, 0) for summary in summaries], np.int64) for name in empty.tables
    }
    remote = RemoteTables(cluster, pieces, counted, empty.tables)
    tables = with_unmeasured(StoredTables(empty.tables), profile)
    tables |= {name: remote.table(name) for name in empty.tables}
    with mapping_files(remote.map_files):
        if any(measurement.families & families for measurement in images_measurements()):
            tables["images"] = Table.of(complete_images(remote.whole("images"), families))
        add_dataset_tables(tables, source, families, profile, chunks, jobs)
    defects = [*opened, *(defect for summary in summaries for defect in summary.defects)]
    whole = Tables.of(profile, tables, defects)
    part_findings = remote.count_requests([summary.findings for summary in summaries])
    findings = find_by_part(job, whole, part_findings, remote.n_rows, _running(remote, pieces, shared))
    if of_sequences:
        job = replace(job, families=in_sequences, codes=tuple(rule.code for rule in of_sequences))
        shared = cluster.share(job)
        source_rows = np.concatenate([np.empty(0, np.int64), *chunks])
        parts = sequence_portions(whole.images, remote.first_rows("images"), max(map(len, chunks), default=1))
        portions = ([cut(source_rows[rows]) for rows in part] for part in parts)
        run = _running(remote, cluster.submit_all(_measure_sequence_portions, portions, job=shared), shared)
        findings |= find_by_part(job, whole, run({}, job.codes), {}, run)
    return ClusterMeasurement(whole, findings, remote)


def _needs(rules: Sequence[Rule]) -> frozenset[Family]:
    """The families that some rules need."""
    return frozenset(family for rule in rules for family in rule.needs)


def _running(
    remote: RemoteTables, pieces: "list[Future]", job: "Future"
) -> Callable[[Answers, Sequence[str]], list[FoundInPart]]:
    """A function that runs `find_in_partition` on each piece, with answers, for some codes."""

    def run(answers: Answers, codes: Sequence[str]) -> list[FoundInPart]:
        given = remote.cluster.share(answers)
        tasks = remote.cluster.submit_all(find_in_partition, pieces, answers=given, job=job, codes=codes)
        return remote.count_requests(remote.cluster.results(tasks))

    return run
