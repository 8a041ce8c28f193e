"""Measure: the only pass over pixels. Every chunk of images becomes columns; the columns become tables."""

from collections.abc import Callable, Iterable
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
from segdata.measure.borders import borders
from segdata.measure.copies import copies
from segdata.measure.coverage import coverage
from segdata.measure.outlines import outlines
from segdata.measure.pairs import contacts, pairs
from segdata.measure.shapes import shapes

# Which columns of a table are rows of another: they are counted per chunk and moved when chunks are put together.
_ROWS_OF = {
    "annotations": {"image": "images"},
    "segments": {"annotation": "annotations", "image": "images"},
    "parts": {"segment": "segments"},
    "holes": {"segment": "segments"},
    "outlines": {"segment": "segments"},
    "gaps": {"annotation": "annotations"},
    "pairs": {"a": "segments", "b": "segments"},
    "contacts": {"a": "segments", "b": "segments"},
    "borders": {"a": "segments", "b": "segments"},
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
    "attributes",
    "also",
)
_SWEPT: frozenset[Family] = frozenset({"coverage", "gaps", "pairs", "contacts", "borders"})


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
    if families & {"shapes", "parts", "holes"}:
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
            for column, of in _ROWS_OF.get(name, {}).items():
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

    def one(chunk: Ints) -> Measured:
        return measure_batch(source.load(chunk), known, families)

    portions = source.chunks() if chunks is None else chunks
    opened = Measured({}, list(source.defects))
    empty = measure_batch(Batch.empty(), known, families)  # so that tables without rows have their columns, too

    def pieces() -> Iterable[Measured]:
        yield empty
        yield opened
        for chunk, piece in zip(portions, run_ordered(one, portions, jobs), strict=True):
            yield piece
            progress(len(chunk))

    unmeasured = measure_batch(Batch.empty(), known, frozenset(get_args(Family))).tables
    found = together(pieces())
    if "copies" in families:
        found.tables["images"] = _beside(found.tables["images"], copies(found.tables["images"]))
    tables = {name: Table.of(table) for name, table in (unmeasured | found.tables).items()}
    return Tables(profile=known, defects=tuple(found.defects), **tables)


def _beside(table: pa.Table, more: pa.Table) -> pa.Table:
    """`table` with the columns of `more`, row by row."""
    for name in more.column_names:
        table = table.append_column(name, more[name])
    return table
