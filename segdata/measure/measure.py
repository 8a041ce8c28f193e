"""Measure: the only pass over pixels. Every chunk of images becomes columns; the columns become tables."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, get_args

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, clip_to_roi, replace_column
from segdata.core.executor import run_ordered
from segdata.core.finding import Defect
from segdata.core.format import Source
from segdata.core.frame_sequences import FrameSequence, frame_sequences
from segdata.core.overlay import SweepRuns
from segdata.core.profile import Profile
from segdata.core.rule import Family, Tables
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.measure import rows
from segdata.measure.duplicates import compare_duplicates, hash_image_files, similar_images
from segdata.measure.line_fragments import measure_dashes
from segdata.measure.lobes import measure_apart, measure_lobes
from segdata.measure.outlines import measure_outlines
from segdata.measure.pairs import measure_borders, measure_contacts, measure_pairs
from segdata.measure.rows import measure_coverage
from segdata.measure.sequences import (
    ColumnArrays,
    FrameWindow,
    RetainedSource,
    TablesByName,
    frames_at_once,
    map_frame_windows,
)
from segdata.measure.shapes import measure_shapes
from segdata.measure.straight_edges import measure_ends, measure_seams, measure_steps
from segdata.measure.video import (
    measure_exchanges,
    measure_flickers,
    measure_turns,
    repeated_images,
    repeated_masks,
    track_ids,
)
from segdata.measure.volumes import PartNumbers, SliceLinks, link_slices, measure_cavities, measure_solids

T = TypeVar("T")
_VideoTables = tuple[ColumnArrays, ColumnArrays, ColumnArrays, ColumnArrays]


def retain_sequences(source: Source, families: frozenset[Family]) -> Source:
    """The source, which keeps what `measure_across_images` loads again, where that is little."""
    return RetainedSource(source) if source.profile.sequences and families & {"frames", "volumes"} else source


def measure_across_images(
    source: Source, tables: TablesByName, families: frozenset[Family], profile: Profile, chunks: list[Ints], jobs: int
) -> TablesByName:
    """The tables that `frames` (of videos), `volumes`, `copies` and `compare_duplicates` add to those of a dataset.

    `chunks`: the rows of the source's images, in the order of the table `images`. Images of sequences are loaded again:
    only when all are known is it known which follow each other. Memory is that of a few frames for each thread.
    """
    source_row = np.concatenate([np.empty(0, np.int64), *chunks])
    n_frames = frames_at_once(chunks)

    def each(work: Callable[[FrameWindow], T], found: list[FrameSequence]) -> list[T]:
        return list(map_frame_windows(source, tables, source_row, found, work, jobs, n_frames))

    added = {name: _join_columns([], names) for name, names in _ACROSS_COLUMNS.items()}
    if "frames" in families:
        track = _tracks_of_things(tables["segments"], profile)
        found = frame_sequences(profile, tables["images"], tables["annotations"], "video")
        told = each(partial(_video_tables, track=track, profile=profile), found)
        for place, name in enumerate(("exchanges", "turns", "flickers", "still")):
            added[name] = _join_columns([one[place] for one in told], _ACROSS_COLUMNS[name])
        added["repeats"] = _join_columns([repeated_images(profile, tables["images"])], _ACROSS_COLUMNS["repeats"])
    if "copies" in families:
        added["alike"] = _join_columns([similar_images(tables["images"], jobs)], _ACROSS_COLUMNS["alike"])
    if "twins" in families:
        pairs = list(compare_duplicates(source, tables | added, source_row, profile, jobs))
        added["twins"] = _join_columns(pairs, _ACROSS_COLUMNS["twins"])
    if "volumes" in families and (found := frame_sequences(profile, tables["images"], tables["annotations"], "volume")):
        pieces: Sequence[SliceLinks] = each(partial(link_slices, numbers=PartNumbers.of(tables["segments"])), found)
        added["solids"] = measure_solids(tables, found, pieces)
        added["cavities"] = measure_cavities(tables, found, pieces, added["solids"])
        added["skips"] = _join_columns([piece.skips for piece in pieces], _ACROSS_COLUMNS["skips"])
    return added


def _tracks_of_things(segments: Table, profile: Profile) -> Ints:
    """(n_segments,) the track of each segment; -1: none, a crowd, or void."""
    left_out = segments["iscrowd"] | np.isin(segments["category_id"], profile.taxonomy.void_ids)
    return np.where(left_out, -1, track_ids(segments))


def _video_tables(stretch: FrameWindow, track: Ints, profile: Profile) -> _VideoTables:
    own = track[stretch.row]
    return (
        measure_exchanges(stretch, own),
        measure_turns(stretch, own),
        measure_flickers(stretch, profile.taxonomy),
        repeated_masks(stretch),
    )


_BOX = ("x", "y", "width", "height")
_ACROSS_COLUMNS = {
    "exchanges": ("a", "b", "own", "crossed"),
    "turns": (
        "before",
        "segment",
        "after",
        "agree",
        "fit",
        "like_before",
        "like_after",
        "shift",
        "stray",
        *(f"stray_{name}" for name in _BOX),
    ),
    "flickers": ("annotation", "segment", "category_id", "area", *_BOX, "part", "around", "lost", "gained"),
    "still": ("annotation", "of"),
    "repeats": ("image", "of"),
    "alike": ("image", "of", "same", "bits"),
    "twins": ("pair", "annotation", "other", "category_id", "area", "other_area", "shared"),
    "solids": ("segment", "thing", "area", *_BOX, "cluster", "slices", "whole"),
    "cavities": ("segment", "thing", "area", *_BOX, "empty", "whole"),
    "skips": ("before", "after", "annotation", "shared", "smaller", *_BOX),
}


def _join_columns(found: list[ColumnArrays], names: tuple[str, ...]) -> Table:
    """Columns of several stretches as one table."""
    return Table({name: np.concatenate([np.empty(0, np.int64), *(each[name] for each in found)]) for name in names})


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
_SWEEP_FAMILIES: frozenset[Family] = frozenset({"coverage", "gaps", "pairs", "contacts", "borders", "apart"})


@dataclass
class MeasuredTables:
    """The tables of one chunk, or of several put together; rows count from 0 within it. And the defects met."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)


def measure_batch(batch: Batch, profile: Profile, families: frozenset[Family]) -> MeasuredTables:
    """The tables of one batch: rows always, everything else for the families named."""
    batch, limits = clip_to_roi(batch)
    tables = {
        "images": rows.image_rows(batch),
        "annotations": rows.annotation_rows(batch),
        "segments": rows.segment_rows(batch),
    }
    line = batch.annotation_line
    side = SweepRuns.of(batch.runs, line, batch.segment_annotation) if families & _SWEEP_FAMILIES else None
    if side and families & {"coverage", "gaps"}:
        found = measure_coverage(batch, side, line, limits, profile.taxonomy, "gaps" in families)
        tables["annotations"] = _append_columns(tables["annotations"], found.pop("coverage"))
        tables |= found
    if families & {"shapes", "parts", "holes", "apart"}:
        found = measure_shapes(batch)
        tables["segments"] = _append_columns(tables["segments"], found.pop("shapes"))
        tables |= found
    if "outlines" in families:
        tables["outlines"] = measure_outlines(batch)
    if side and "pairs" in families:
        tables["pairs"] = measure_pairs(batch, side, line)
    if side and "contacts" in families:
        tables["contacts"] = measure_contacts(side, line)
    if side and "borders" in families:
        tables["borders"] = measure_borders(batch, side, line, profile.taxonomy)
    if "seams" in families:
        tables["seams"] = measure_seams(batch, tables["segments"])
    if "lobes" in families:
        tables["lobes"] = measure_lobes(batch)
    if side and "apart" in families:
        tables["apart"] = measure_apart(batch, tables["parts"], side, line, profile.taxonomy)
    if "ends" in families:
        tables["ends"] = measure_ends(batch, tables["segments"])
    if "steps" in families:
        tables["steps"] = measure_steps(batch)
    if "dashes" in families:
        tables["dashes"] = measure_dashes(batch, profile.taxonomy)
    if "attributes" in families:
        tables["attributes"] = rows.measure_attributes(batch, profile.taxonomy)
    if "also" in families:
        tables["also"] = rows.measure_secondary_categories(batch)
    return MeasuredTables(tables, list(batch.defects))


def concatenate_measured(pieces: Iterable[MeasuredTables]) -> MeasuredTables:
    """Chunks in order as one: rows of later chunks follow those of earlier ones."""
    before: dict[str, int] = dict.fromkeys(_TABLES, 0)
    collected: dict[str, list[pa.Table]] = {}
    defects: list[Defect] = []
    for piece in pieces:
        defects += piece.defects
        for name, table in piece.tables.items():
            moved = table
            for column, of in ROWS_OF.get(name, {}).items():
                moved = replace_column(moved, column, moved[column].to_numpy().astype(np.int64) + before[of])
            collected.setdefault(name, []).append(moved)
        for name, table in piece.tables.items():
            before[name] += table.num_rows
    joined = {name: pa.concat_tables(tables, promote_options="permissive") for name, tables in collected.items()}
    return MeasuredTables(joined, defects)


def measure_source(
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
    source = retain_sequences(source, families)
    portions = source.chunks() if chunks is None else chunks
    pieces = (piece for _, piece in measure_chunks(source, families, known, portions, jobs, progress))
    return complete_tables(
        gather_measured(pieces, source.defects, families, known), source, families, known, portions, jobs
    )


def measure_chunks(
    source: Source,
    families: frozenset[Family],
    profile: Profile,
    chunks: list[Ints],
    jobs: int,
    progress: Callable[[int], None],
) -> Iterator[tuple[Ints, MeasuredTables]]:
    """Portions of images with what was measured of each, in order; `progress` counts images."""

    def one(chunk: Ints) -> MeasuredTables:
        return measure_batch(source.load(chunk), profile, families)

    for chunk, piece in zip(chunks, run_ordered(one, chunks, jobs), strict=True):
        yield chunk, piece
        progress(len(chunk))


def gather_measured(
    pieces: Iterable[MeasuredTables], opened: Sequence[Defect], families: frozenset[Family], profile: Profile
) -> MeasuredTables:
    """All pieces as one, after the defects that were met while opening; tables without rows have their columns, too."""
    empty = measure_batch(Batch.empty(), profile, families)
    return concatenate_measured(itertools.chain([empty, MeasuredTables({}, list(opened))], pieces))


def complete_tables(
    found: MeasuredTables, source: Source, families: frozenset[Family], profile: Profile, chunks: list[Ints], jobs: int
) -> Tables:
    """The tables of what was gathered, with what is measured over several images: copies, frames, volumes."""
    unmeasured = measure_batch(Batch.empty(), profile, frozenset(get_args(Family))).tables
    if "copies" in families:
        found.tables["images"] = _append_columns(found.tables["images"], hash_image_files(found.tables["images"]))
    tables = {name: Table.of(table) for name, table in (unmeasured | found.tables).items()}
    tables |= measure_across_images(source, tables, families, profile, chunks, jobs)
    return Tables.of(profile, tables, found.defects)


def provided_columns(families: frozenset[Family], profile: Profile) -> tuple[dict[str, list[str]], dict[str, pa.Table]]:
    """What is measured of single images for some families: table -> columns; and all tables, without rows."""
    given = measure_batch(Batch.empty(), profile, families).tables
    if "copies" in families:
        given["images"] = _append_columns(given["images"], hash_image_files(given["images"]))
    unmeasured = measure_batch(Batch.empty(), profile, frozenset(get_args(Family))).tables
    return {name: table.column_names for name, table in given.items()}, unmeasured


def _append_columns(table: pa.Table, more: pa.Table) -> pa.Table:
    """`table` with the columns of `more`, row by row."""
    for name in more.column_names:
        table = table.append_column(name, more[name])
    return table
