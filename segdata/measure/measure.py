"""Measure: the only pass over pixels. Every chunk of images becomes columns; the columns become tables."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replaced
from segdata.core.defect import Defect
from segdata.core.executor import run_ordered
from segdata.core.format import Source
from segdata.core.meet import Side
from segdata.core.profile import Profile
from segdata.core.roi import limited
from segdata.core.rule import Family, Tables
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.measure import rows, semantics
from segdata.measure.across import across, retaining
from segdata.measure.apart import apart
from segdata.measure.borders import borders
from segdata.measure.copies import copies
from segdata.measure.coverage import coverage
from segdata.measure.dashes import dashes
from segdata.measure.ends import ends
from segdata.measure.lobes import lobes
from segdata.measure.outlines import outlines
from segdata.measure.pairs import contacts, pairs
from segdata.measure.seams import seams
from segdata.measure.shapes import shapes
from segdata.measure.steps import steps

# Which columns of a table are rows of another: they are counted per chunk and moved when chunks are put together.
ROWS_OF = {
    "annotations": {"image": "images"},
    "segments": {"annotation": "annotations", "image": "images"},
    "parts": {"segment": "segments"},
    "holes": {"segment": "segments"},
    "outlines": {"segment": "segments"},
    "gaps": {"annotation": "annotations"},
    "pairs": {"a": "segments", "b": "segments"},
    "contacts": {"a": "segments", "b": "segments"},
    "borders": {"a": "segments", "b": "segments"},
    "seams": {"a": "segments", "b": "segments"},
    "lobes": {"segment": "segments"},
    "apart": {"segment": "segments"},
    "ends": {"segment": "segments"},
    "steps": {"segment": "segments"},
    "dashes": {"segment": "segments"},
    "attributes": {"segment": "segments"},
    "also": {"segment": "segments"},
}
_TABLES = (
    "images",
    "annotations",
    "segments",
    "parts",
    "holes",
    "outlines",
    "gaps",
    "pairs",
    "contacts",
    "borders",
    "seams",
    "lobes",
    "apart",
    "ends",
    "steps",
    "dashes",
    "attributes",
    "also",
)
_SWEPT: frozenset[Family] = frozenset({"coverage", "gaps", "pairs", "contacts", "borders", "apart"})


@dataclass
class Measured:
    """The tables of one chunk, or of several put together; rows count from 0 within it. And the defects met."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)


def measure_batch(batch: Batch, profile: Profile, families: frozenset[Family]) -> Measured:
    """The tables of one batch: rows always, everything else for the families named."""
    batch, limits = limited(batch)
    tables = {
        "images": rows.images(batch),
        "annotations": rows.annotations(batch),
        "segments": rows.segments(batch),
    }
    line = batch.annotation_line
    side = Side.of(batch.runs, line, batch.segment_annotation) if families & _SWEPT else None
    if side and families & {"coverage", "gaps"}:
        found = coverage(batch, side, line, limits, profile.taxonomy, "gaps" in families)
        tables["annotations"] = _beside(tables["annotations"], found.pop("coverage"))
        tables |= found
    if families & {"shapes", "parts", "holes", "apart"}:
        found = shapes(batch)
        tables["segments"] = _beside(tables["segments"], found.pop("shapes"))
        tables |= found
    if "outlines" in families:
        tables["outlines"] = outlines(batch)
    if side and "pairs" in families:
        tables["pairs"] = pairs(batch, side, line)
    if side and "contacts" in families:
        tables["contacts"] = contacts(side, line)
    if side and "borders" in families:
        tables["borders"] = borders(batch, side, line, profile.taxonomy)
    if "seams" in families:
        tables["seams"] = seams(batch, tables["segments"])
    if "lobes" in families:
        tables["lobes"] = lobes(batch)
    if side and "apart" in families:
        tables["apart"] = apart(batch, tables["parts"], side, line, profile.taxonomy)
    if "ends" in families:
        tables["ends"] = ends(batch, tables["segments"])
    if "steps" in families:
        tables["steps"] = steps(batch)
    if "dashes" in families:
        tables["dashes"] = dashes(batch, profile.taxonomy)
    if "attributes" in families:
        tables["attributes"] = semantics.attributes(batch, profile.taxonomy)
    if "also" in families:
        tables["also"] = semantics.also(batch)
    return Measured(tables, list(batch.defects))


def together(pieces: Iterable[Measured]) -> Measured:
    """Chunks in order as one: rows of later chunks follow those of earlier ones."""
    before: dict[str, int] = dict.fromkeys(_TABLES, 0)
    collected: dict[str, list[pa.Table]] = {}
    defects: list[Defect] = []
    for piece in pieces:
        defects += piece.defects
        for name, table in piece.tables.items():
            moved = table
            for column, of in ROWS_OF.get(name, {}).items():
                moved = replaced(moved, column, moved[column].to_numpy().astype(np.int64) + before[of])
            collected.setdefault(name, []).append(moved)
        for name, table in piece.tables.items():
            before[name] += table.num_rows
    joined = {name: pa.concat_tables(tables, promote_options="permissive") for name, tables in collected.items()}
    return Measured(joined, defects)


def measure(
    source: Source,
    families: frozenset[Family],
    *,
    chunks: list[Ints] | None = None,
    profile: Profile | None = None,
    jobs: int = 0,
    progress: Callable[[int], None] = lambda images: None,
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
    known = profile or source.profile
    source = retaining(source, families)
    portions = source.chunks() if chunks is None else chunks
    pieces = (piece for _, piece in measured(source, families, known, portions, jobs, progress))
    return completed(gathered(pieces, source.defects, families, known), source, families, known, portions, jobs)


def measured(
    source: Source,
    families: frozenset[Family],
    profile: Profile,
    chunks: list[Ints],
    jobs: int,
    progress: Callable[[int], None],
) -> Iterator[tuple[Ints, Measured]]:
    """Portions of images with what was measured of each, in order; `progress` counts images."""

    def one(chunk: Ints) -> Measured:
        return measure_batch(source.load(chunk), profile, families)

    for chunk, piece in zip(chunks, run_ordered(one, chunks, jobs), strict=True):
        yield chunk, piece
        progress(len(chunk))


def gathered(
    pieces: Iterable[Measured], opened: Sequence[Defect], families: frozenset[Family], profile: Profile
) -> Measured:
    """All pieces as one, after the defects that were met while opening; tables without rows have their columns, too."""
    empty = measure_batch(Batch.empty(), profile, families)
    return together(itertools.chain([empty, Measured({}, list(opened))], pieces))


def completed(
    found: Measured, source: Source, families: frozenset[Family], profile: Profile, chunks: list[Ints], jobs: int
) -> Tables:
    """The tables of what was gathered, with what is measured over several images: copies, frames, volumes."""
    unmeasured = measure_batch(Batch.empty(), profile, frozenset(get_args(Family))).tables
    if "copies" in families:
        found.tables["images"] = _beside(found.tables["images"], copies(found.tables["images"]))
    tables = {name: Table.of(table) for name, table in (unmeasured | found.tables).items()}
    tables |= across(source, tables, families, profile, chunks, jobs)
    return Tables.of(profile, tables, found.defects)


def provided(families: frozenset[Family], profile: Profile) -> tuple[dict[str, list[str]], dict[str, pa.Table]]:
    """What is measured of single images for some families: table -> columns; and all tables, without rows."""
    given = measure_batch(Batch.empty(), profile, families).tables
    if "copies" in families:
        given["images"] = _beside(given["images"], copies(given["images"]))
    unmeasured = measure_batch(Batch.empty(), profile, frozenset(get_args(Family))).tables
    return {name: table.column_names for name, table in given.items()}, unmeasured


def _beside(table: pa.Table, more: pa.Table) -> pa.Table:
    """`table` with the columns of `more`, row by row."""
    for name in more.column_names:
        table = table.append_column(name, more[name])
    return table
