"""Comparison: the only pass over a panel's pixels, from chunks of images to tables."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from segdata.agreement.boundaries import OutlineCache
from segdata.agreement.contingency import count_hidden, overlapping_layers, pixel_tables
from segdata.agreement.copying import telling_parts
from segdata.agreement.instance_clusters import member_table
from segdata.agreement.instance_matching import cause_table, instance_tables
from segdata.agreement.paired_segments import (
    AnnotatorPair,
    PanelBatch,
    annotator_names,
    category_positions,
    pair_annotators,
    void_category,
)
from segdata.agreement.panel import Panel, PanelReader
from segdata.agreement.surface_distances import Tolerance, surface_table
from segdata.agreement.votes import vote_tables
from segdata.core import kernels
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.batch import Batch, clip_to_roi, replace_column
from segdata.core.executor import no_progress, run_ordered
from segdata.core.overlay import complement
from segdata.core.profile import Profile
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Ints, Runs, number_groups
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.core.table import Table
from segdata.core.taxonomy import Category
from segdata.measure.measure import MeasuredTables, complete_tables, gather_measured, measure_batch

if TYPE_CHECKING:
    from segdata.core.cluster import Cluster, Portion, RemoteDataset

OUTSIDE_NAME = "outside the region of interest"


Columns = dict[str, np.ndarray]
# Columns that are rows of another table: they count within a portion, and are shifted when portions are joined.
_ROWS_OF = {
    "cases": {"image": "images"},
    "pairs": {"case": "cases", "annotation_a": "annotations", "annotation_b": "annotations"},
    "overlaps": {"pair": "pairs"},
    "cells": {"pair": "pairs"},
    "patterns": {"case": "cases"},
    "votes": {"pattern": "patterns"},
    "matches": {"pair": "pairs", "a": "segments", "b": "segments"},
    "members": {"case": "cases", "segment": "segments"},
    "groups": {"pair": "pairs", "segment": "segments", "piece": "segments"},
    "causes": {"pair": "pairs"},
    "surfaces": {"pair": "pairs", "match": "matches"},
    "partitions": {"pair": "pairs"},
    "parts": {"case": "cases", "segment": "segments"},
    "hidden": {"case": "cases"},
}
_OF_NAMES = {"pairs": ("a", "b")} | dict.fromkeys(("votes", "members", "parts", "hidden"), ("annotator",))


@dataclass
class ChunkTables:
    """The tables of one portion of images, with rows counted from 0, and the names of its annotators."""

    measured: MeasuredTables
    names: list[str]
    tables: dict[str, Columns] = field(default_factory=dict)


def compare_panel(
    panel: Panel,
    *,
    tolerance: Tolerance | None = None,
    on: "tuple[Cluster, RemoteDataset, Callable[[Ints], Portion]] | None" = None,
    jobs: int = 0,
    progress: Callable[[int], None] = no_progress,
) -> Tables:
    """Compare the annotators of a panel: the tables of rows, and in `Tables.annotator_pairs` the comparison.

    Parameters
    ----------
    tolerance : of boundaries; None: the default
    on : a cluster whose workers do the comparison, the panel to open there, and a function that cuts portions of it;
        None: threads of this process
    jobs : threads; 0: one per core
    progress : is called with the number of images done since the last call

    The result does not depend on `jobs`, nor on where the work is done.
    """
    portions, near = [], tolerance or Tolerance()
    if on is None:
        compared = run_ordered(
            lambda rows: _compare_images(load_images(panel, rows), panel.profile, near), panel.chunks(), jobs
        )
    else:
        cluster, remote, cut = on
        compared = cluster.run_ordered(_compare_remote, map(cut, panel.chunks()), cluster.share(remote), near)
    for portion in compared:
        portions.append(portion)
        progress(portion.measured.tables["images"].num_rows)
    measured = gather_measured((portion.measured for portion in portions), panel.defects, frozenset(), panel.profile)
    tables = complete_tables(measured, panel, frozenset(), panel.profile, [], jobs)
    return replace(tables, annotator_pairs=_join_chunks(portions, panel.profile))


def load_images(panel: Panel, rows: Ints) -> PanelBatch:
    """Load images (rows) of a panel; pixels outside of their regions of interest get a void category, the last one."""
    return mark_outside(panel, *panel.load_asked(rows))


def mark_outside(panel: Panel, batch: Batch, asked: Flags) -> PanelBatch:
    """Like `load_images`, from a batch and `asked` that `panel.load_asked` returned."""
    profile = panel.profile
    clipped, limits = clip_to_roi(batch)
    images = PanelBatch(
        clipped,
        annotator_names(batch),
        profile.taxonomy.categories,
        asked,
        panel.volumes,
        profile.task == "semantic",
    ).with_category(OUTSIDE_NAME)
    if limits is None:
        return images
    return replace(images, batch=add_outside_segments(clipped, limits, images.categories[-1]))


def add_outside_segments(batch: Batch, limits: Runs, category: Category) -> Batch:
    """Add a segment to each annotation for all pixels outside its region of interest, and remove the regions.

    `limits` are the regions; their owners are the annotations.
    """
    height, width = batch.image_size
    n = batch.annotations.num_rows
    outside = complement(limits, height[batch.annotation_image], width[batch.annotation_image])
    added = make_table(BATCH_SEGMENTS, n, annotation=pa.array(range(n), pa.int32()), category_id=[category.id] * n)
    added = replace_column(added, "segment_id", np.full(n, -1))
    segments = pa.concat_tables([batch.segments, added])
    order = np.argsort(np.append(batch.segment_annotation, np.arange(n)), kind="stable")
    rank = np.argsort(order).astype(np.int32)
    owner = rank[np.append(batch.runs.owner, outside.owner + batch.n_segments)]
    start, length = np.append(batch.runs.start, outside.start), np.append(batch.runs.length, outside.length)
    by_owner = kernels.order_by(owner, len(order))
    return replace(
        batch,
        images=replace_column(batch.images, "roi", [None] * batch.images.num_rows),
        segments=segments.take(pa.array(order)).combine_chunks(),
        runs=Runs(start[by_owner], length[by_owner], owner[by_owner]),
    )


def _compare_remote(images: "Portion", remote: "RemoteDataset", tolerance: Tolerance) -> ChunkTables:
    """Call `_compare_images` in a worker."""
    if isinstance(remote.reader, PanelReader):
        panel, loaded = remote.reader.panel, remote.load_part(images)
    else:
        source = remote.source()
        assert isinstance(source, Panel)
        panel, loaded = source, source.load_asked(images.rows)
    portion = _compare_images(mark_outside(panel, *loaded), panel.profile, tolerance)
    portion.measured.tables["images"] = remote.relative(portion.measured.tables["images"])
    return portion


def _compare_images(images: PanelBatch, profile: Profile, tolerance: Tolerance) -> ChunkTables:
    portion = ChunkTables(measure_batch(images.batch, profile, frozenset()), list(images.annotators))
    case, portion.tables["cases"] = _case_columns(images, profile)
    pieces: dict[str, list[Columns]] = {}
    n_pairs = n_matches = 0
    outlines = OutlineCache(images.batch)
    layer = overlapping_layers(images)
    for pair in pair_annotators(images):
        tables = _pair_columns(pair, images, case, layer, tolerance, portion.tables["cases"], outlines)
        for name, columns in tables.items():
            for column, moved in (("pair", n_pairs), ("match", n_matches)):
                if column in columns:
                    columns[column] = np.where(columns[column] < 0, -1, columns[column] + moved)
            pieces.setdefault(name, []).append(columns)
        n_pairs += pair.n_cases
        n_matches += len(tables["matches"]["pair"])
    portion.tables |= {name: _concatenate_columns(columns) for name, columns in pieces.items()}
    images = replace(images, cases=case)
    portion.tables |= vote_tables(images, layer)
    portion.tables["hidden"] = count_hidden(images, layer)
    portion.tables["members"] = member_table(images)
    if images.is_semantic and not images.volumes:
        portion.tables["parts"] = _part_columns(images)
    return portion


def _part_columns(images: PanelBatch) -> Columns:
    """The parts of class masks that can show copying, see `segdata.agreement.copying`."""
    batch = images.batch
    segment, digest = telling_parts(batch, connected=True)
    code = category_positions(batch.segment_category, images.categories)
    is_drawn = np.array([category.kind != "void" for category in images.categories])[code[segment]]
    segment, digest = segment[is_drawn], digest[is_drawn]
    annotator = images.annotator[batch.segment_annotation[segment]]
    return {
        "case": images.case[batch.segment_image[segment]],
        "annotator": annotator,
        "segment": segment,
        "digest": digest,
    }


def _case_columns(images: PanelBatch, profile: Profile) -> tuple[Ints, Columns]:
    """(n_images,) the case of each image, and the columns of the cases."""
    batch, volumes = images.batch, images.volumes
    first, case = number_groups(images.image_or_volume)
    height, width = batch.image_size
    spacing = {sequence.name: sequence.spacing for sequence in profile.sequences}
    sequence, image_id, group = (batch.images[name].to_pylist() for name in ("sequence", "image_id", "group"))
    unknown = (np.nan, np.nan, np.nan)
    places = np.array([spacing.get(sequence[row]) or unknown for row in first.tolist()], float).reshape(-1, 3)
    names = [sequence[row] if sequence[row] in volumes else image_id[row] for row in first.tolist()]
    clusters = [group[row] or sequence[row] or image_id[row] for row in first.tolist()]
    return case, {
        "image": first,
        "frames": np.bincount(case, minlength=len(first)),
        "name": _object_array(names),
        "cluster": _object_array(clusters),
        "width": width[first],
        "height": height[first],
        "spacing_x": places[:, 0],
        "spacing_y": places[:, 1],
        "spacing_z": places[:, 2],
    }


def _pair_columns(
    pair: AnnotatorPair,
    images: PanelBatch,
    case: Ints,
    layer: Ints,
    tolerance: Tolerance,
    cases: Columns,
    outlines: OutlineCache,
) -> dict[str, Columns]:
    """The columns of all tables of a pair of annotators; segments are rows of the batch."""
    annotation = images.annotation[list(pair.annotators)]
    of_two = case[pair.case]
    spacing = np.stack([cases[f"spacing_{axis}"][of_two] for axis in "xyz"], axis=1)
    tables: dict[str, Columns] = {
        "pairs": {
            "case": of_two,
            "a": np.full(pair.n_cases, pair.annotators[0]),
            "b": np.full(pair.n_cases, pair.annotators[1]),
            "annotation_a": annotation[0, pair.case],
            "annotation_b": annotation[1, pair.case],
            "pixels": pair.pixels,
            "void": pair.void_pixels,
        }
    }
    tables |= pixel_tables(pair, layer, is_counted=not images.is_semantic)
    tables |= instance_tables(pair, is_counted=not images.is_semantic)
    tables["causes"] = cause_table(pair, tables["matches"])
    tables |= surface_table(pair, tables["matches"], spacing=spacing, tolerance=tolerance, outlines_of_batch=outlines)
    matches, groups = tables["matches"], tables["groups"]
    matches["a"] = _segment_rows(pair.a.segment, matches["a"])
    matches["b"] = _segment_rows(pair.b.segment, matches["b"])
    both, of_a = np.concatenate([pair.a.segment, pair.b.segment]), groups["side"] == 0
    for name, is_of_a in (("segment", of_a), ("piece", ~of_a)):
        groups[name] = both[groups[name] + np.where(is_of_a, 0, len(pair.a.segment))]
    return tables


def _segment_rows(segment: Ints, row: Ints) -> Ints:
    """Rows of the batch's segments; -1 stays."""
    return np.where(row < 0, -1, np.append(segment, -1)[row])


def _concatenate_columns(pieces: list[Columns]) -> Columns:
    """Join pieces; each piece loses its columns as they are joined, to save memory."""
    return {name: np.concatenate([piece.pop(name) for piece in pieces]) for name in list(pieces[0])}


def _join_chunks(portions: list[ChunkTables], profile: Profile) -> AnnotatorPairs:
    """Join portions: rows of later ones follow those of earlier ones, annotators are numbered by name."""
    names = sorted({name for portion in portions for name in portion.names})
    position = {name: k for k, name in enumerate(names)}
    before = dict.fromkeys([*_ROWS_OF, "images", "annotations", "segments"], 0)
    collected: dict[str, list[Columns]] = {name: [] for name in _ROWS_OF}
    for portion in portions:
        own = np.array([position[name] for name in portion.names], np.int64)
        for name, columns in portion.tables.items():
            for column, target in _ROWS_OF[name].items():
                columns[column] = np.where(columns[column] < 0, -1, columns[column] + before[target])
            for column in _OF_NAMES.get(name, ()):
                columns[column] = own[columns[column]].astype(columns[column].dtype)
            collected[name].append(columns)
        for name, columns in portion.tables.items():
            before[name] += len(next(iter(columns.values())))
        for name, measured in portion.measured.tables.items():
            before[name] += measured.num_rows
    tables = {name: Table(_concatenate_columns(pieces)) if pieces else Table({}) for name, pieces in collected.items()}
    cluster = np.unique(tables["cases"]["cluster"].astype(str), return_inverse=True)[1]
    tables["cases"] = tables["cases"].beside(cluster=cluster)
    number = {person: k for k, person in enumerate(dict.fromkeys(map(person_name, names)))}
    return AnnotatorPairs(
        tuple(names),
        tuple(number[person_name(name)] for name in names),
        (*profile.taxonomy.categories, void_category(profile.taxonomy.categories, OUTSIDE_NAME)),
        profile.task,
        **tables,
        copied=None,
    )


def person_name(name: str) -> str:
    """The name of the person without the number of a further pass.

    >>> person_name("anna (2)")
    'anna'
    """
    head, opened, tail = name.rpartition(" (")
    return head if opened and tail[:-1].isdigit() and tail.endswith(")") else name


def _object_array(values: list[str]) -> np.ndarray:
    column = np.empty(len(values), object)
    column[:] = values
    return column
