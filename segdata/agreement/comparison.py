"""Comparison: the only pass over a panel's pixels. Chunks of images become columns, and these become tables."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from segdata.agreement.annotator_pairs import AnnotatorPair, Flags, case_numbers, pair_annotators
from segdata.agreement.boundaries import OutlineCache
from segdata.agreement.contingency import pixel_tables
from segdata.agreement.instance_clusters import member_table
from segdata.agreement.instance_matching import cause_table, instance_tables
from segdata.agreement.panel import Panel
from segdata.agreement.surface_distances import Tolerance, surface_table
from segdata.agreement.votes import vote_tables
from segdata.core import kernels
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.batch import Batch, clip_to_roi, replace_column
from segdata.core.executor import run_ordered
from segdata.core.overlay import complement
from segdata.core.profile import Profile
from segdata.core.rule import Tables
from segdata.core.runs import Ints, Runs
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.core.table import Table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.measure.measure import MeasuredTables, complete_tables, gather_measured, measure_batch

OUTSIDE_NAME = "outside the region of interest"


def outside_category(taxonomy: Taxonomy) -> Category:
    """A void category of no other's id."""
    return Category(id=max((each.id for each in taxonomy.categories), default=0) + 1, name=OUTSIDE_NAME, kind="void")


def add_outside_segments(batch: Batch, limits: Runs, category: Category) -> Batch:
    """The batch with a segment more in each annotation, of all that lies outside its region, and no regions.

    `limits` are the regions; their owners are the annotations.
    """
    height, width = batch.image_size
    n = batch.annotations.num_rows
    outside = complement(limits, height[batch.annotation_image], width[batch.annotation_image])
    added = make_table(BATCH_SEGMENTS, n, annotation=pa.array(range(n), pa.int32()), category_id=[category.id] * n)
    added = replace_column(added, "segment_id", np.full(n, -1))
    segments = pa.concat_tables([batch.segments, added])
    order = np.argsort(np.append(batch.segment_annotation, np.arange(n)), kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    owner = rank[np.append(batch.runs.owner, outside.owner + batch.n_segments)]
    start, length = np.append(batch.runs.start, outside.start), np.append(batch.runs.length, outside.length)
    by_owner = kernels.order_by(owner, len(order))
    return replace(
        batch,
        images=replace_column(batch.images, "roi", [None] * batch.images.num_rows),
        segments=segments.take(pa.array(order)).combine_chunks(),
        runs=Runs(start[by_owner], length[by_owner], owner[by_owner]),
    )


Columns = dict[str, np.ndarray]
# Which columns of a table are rows of another: they are counted per portion and moved when portions are put together.
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
}
_OF_NAMES = {"pairs": ("a", "b"), "votes": ("annotator",), "members": ("annotator",)}


@dataclass
class ChunkTables:
    """The tables of one portion of images, rows counted from 0 within it, and the names of its annotators."""

    measured: MeasuredTables
    names: list[str]
    tables: dict[str, Columns] = field(default_factory=dict)


def compare_panel(
    panel: Panel,
    *,
    tolerance: Tolerance | None = None,
    jobs: int = 0,
    progress: Callable[[int], None] = lambda n_images: None,
) -> Tables:
    """The tables of images, annotations and segments, and in `Tables.annotator_pairs` what annotators have in common.

    Parameters
    ----------
    tolerance : of boundaries; None: the default
    jobs : threads; 0: one per core
    progress : is called with the number of images done since the last call

    The result does not depend on `jobs`.
    """
    portions, near = [], tolerance or Tolerance()
    for portion in run_ordered(lambda rows: _compare_chunk(panel, rows, near), panel.chunks(), jobs):
        portions.append(portion)
        progress(portion.measured.tables["images"].num_rows)
    every = gather_measured((each.measured for each in portions), panel.defects, frozenset(), panel.profile)
    tables = complete_tables(every, panel, frozenset(), panel.profile, [], jobs)
    return replace(tables, annotator_pairs=_join_chunks(portions, panel.profile, tables.images))


def load_images(panel: Panel, rows: Ints) -> tuple[Batch, tuple[Category, ...], Flags]:
    """Images of a panel, what lies outside their regions as void, the categories, and who was asked for which.

    The last, (n_annotations, n_categories), is what `segdata.agreement.annotator_pairs.pair_annotators` takes.
    """
    return mark_outside(panel, *panel.loaded(rows))


def mark_outside(panel: Panel, batch: Batch, asked: Flags) -> tuple[Batch, tuple[Category, ...], Flags]:
    """The same, of what `panel.loaded` gave."""
    batch, limits = clip_to_roi(batch)
    outside = outside_category(panel.profile.taxonomy)
    categories = (*panel.profile.taxonomy.categories, outside)
    asked = np.append(asked, np.ones((len(asked), 1), bool), axis=1)
    return batch if limits is None else add_outside_segments(batch, limits, outside), categories, asked


def _compare_chunk(panel: Panel, rows: Ints, tolerance: Tolerance) -> ChunkTables:
    """What there is to say of some images."""
    batch, categories, asked = load_images(panel, rows)
    names = sorted(set(batch.annotations["annotator"].to_pylist()))
    portion = ChunkTables(measure_batch(batch, panel.profile, frozenset()), names)
    volumes = frozenset(each.name for each in panel.profile.sequences if each.kind == "volume")
    is_semantic = panel.profile.task == "semantic"
    case, cases = _case_columns(batch, volumes, panel.profile)
    portion.tables["cases"] = cases
    found: dict[str, list[Columns]] = {}
    n_pairs = n_matches = 0
    known = OutlineCache(batch)
    for opposite in pair_annotators(batch, names, categories, asked=asked, volumes=volumes, is_semantic=is_semantic):
        tables = _pair_columns(opposite, case, tolerance, cases, known)
        for name, columns in tables.items():
            for column, moved in (("pair", n_pairs), ("match", n_matches)):
                if column in columns:
                    columns[column] = np.where(columns[column] < 0, -1, columns[column] + moved)
            found.setdefault(name, []).append(columns)
        n_pairs += opposite.n_cases
        n_matches += len(tables["matches"]["pair"])
    portion.tables |= {name: _concatenate_columns(pieces) for name, pieces in found.items()}
    portion.tables |= vote_tables(batch, names, categories, case=case, asked=asked)
    portion.tables["members"] = member_table(
        batch, names, categories, case=case, asked=asked, volumes=volumes, is_semantic=is_semantic
    )
    return portion


def _case_columns(batch: Batch, volumes: frozenset[str], profile: Profile) -> tuple[Ints, Columns]:
    """(n_images,) the case of each image, and the columns of the cases."""
    _, first, case = np.unique(case_numbers(batch, volumes), return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    case, first = rank[case], first[order]
    height, width = batch.image_size
    spacing = {each.name: each.spacing for each in profile.sequences}
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
    opposite: AnnotatorPair, case: Ints, tolerance: Tolerance, cases: Columns, known: OutlineCache
) -> dict[str, Columns]:
    """The columns of all tables of two annotators; segments as rows of the batch."""
    batch = opposite.batch
    annotation = np.full((2, batch.images.num_rows), -1, np.int64)
    names = batch.annotations["annotator"].to_pylist()
    own = sorted(set(names))
    who = np.array([own.index(name) for name in names], np.int64)
    for side, annotator in enumerate(opposite.annotators):
        rows = np.flatnonzero(who == annotator)
        annotation[side, batch.annotation_image[rows]] = rows
    of_two = case[opposite.case]
    spacing = np.stack([cases[f"spacing_{axis}"][of_two] for axis in "xyz"], axis=1)
    found: dict[str, Columns] = {
        "pairs": {
            "case": of_two,
            "a": np.full(opposite.n_cases, opposite.annotators[0]),
            "b": np.full(opposite.n_cases, opposite.annotators[1]),
            "annotation_a": annotation[0, opposite.case],
            "annotation_b": annotation[1, opposite.case],
            "pixels": opposite.pixels,
            "void": opposite.void_pixels,
        }
    }
    found |= pixel_tables(opposite) | instance_tables(opposite)
    found["causes"] = cause_table(opposite, found["matches"])
    found |= surface_table(opposite, found["matches"], spacing=spacing, tolerance=tolerance, known=known)
    matches, groups = found["matches"], found["groups"]
    matches["a"], matches["b"] = (
        _segment_rows(opposite.a.segment, matches["a"]),
        _segment_rows(opposite.b.segment, matches["b"]),
    )
    of_a = groups["side"] == 0
    for name, first in (("segment", of_a), ("piece", ~of_a)):
        rows = groups[name]
        groups[name] = np.where(
            first, _segment_rows(opposite.a.segment, rows * first), _segment_rows(opposite.b.segment, rows * ~first)
        )
    return found


def _segment_rows(segment: Ints, at: Ints) -> Ints:
    """Rows of the batch's segments; -1 stays."""
    return np.where(at < 0, -1, np.append(segment, -1)[at])


def _concatenate_columns(pieces: list[Columns]) -> Columns:
    """All pieces as one; they lose their columns, so that nothing is held twice for long."""
    return {name: np.concatenate([piece.pop(name) for piece in pieces]) for name in list(pieces[0])}


def _join_chunks(portions: list[ChunkTables], profile: Profile, images: Table) -> AnnotatorPairs:
    """All portions as one: rows of later ones follow those of earlier ones, annotators are counted by name."""
    names = sorted({name for portion in portions for name in portion.names})
    at = {name: k for k, name in enumerate(names)}
    before = dict.fromkeys([*_ROWS_OF, "images", "annotations", "segments"], 0)
    collected: dict[str, list[Columns]] = {name: [] for name in _ROWS_OF}
    for portion in portions:
        own = np.array([at[name] for name in portion.names], np.int64)
        for name, columns in portion.tables.items():
            for column, of in _ROWS_OF[name].items():
                columns[column] = np.where(columns[column] < 0, -1, columns[column] + before[of])
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
    return AnnotatorPairs(
        tuple(names),
        _person_numbers(names),
        (*profile.taxonomy.categories, outside_category(profile.taxonomy)),
        profile.task,
        **tables,
    )


def _person_numbers(names: list[str]) -> tuple[int, ...]:
    """(n,) the same number for every pass of one annotator."""
    numbers: dict[str, int] = {}
    return tuple(numbers.setdefault(person_name(name), len(numbers)) for name in names)


def person_name(name: str) -> str:
    """The annotator of a further pass.

    >>> person_name("anna (2)")
    'anna'
    """
    head, opened, tail = name.rpartition(" (")
    return head if opened and tail[:-1].isdigit() and tail.endswith(")") else name


def _object_array(values: list[str]) -> np.ndarray:
    found = np.empty(len(values), object)
    found[:] = values
    return found
