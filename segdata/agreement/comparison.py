"""Comparison: the only pass over a panel's pixels. Chunks of images become columns, and these become tables."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from segdata.agreement.annotator_pairs import (
    AnnotatorPair,
    Flags,
    PanelBatch,
    annotator_names,
    category_positions,
    pair_annotators,
    void_category,
)
from segdata.agreement.boundaries import OutlineCache
from segdata.agreement.contingency import count_hidden, overlapping_layers, pixel_tables
from segdata.agreement.copying import telling_parts
from segdata.agreement.instance_clusters import member_table
from segdata.agreement.instance_matching import cause_table, instance_tables
from segdata.agreement.panel import Panel, PanelReader
from segdata.agreement.surface_distances import Tolerance, surface_table
from segdata.agreement.votes import vote_tables
from segdata.core import kernels
from segdata.core.annotator_pairs import AnnotatorPairs, MirroredAnnotator
from segdata.core.batch import Batch, clip_to_roi, integer_column, replace_column
from segdata.core.executor import run_ordered
from segdata.core.overlay import SweepRuns, complement
from segdata.core.profile import Profile
from segdata.core.rule import Tables
from segdata.core.runs import Ints, NumberLine, Runs
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.core.table import Table
from segdata.core.taxonomy import Category
from segdata.measure.measure import MeasuredTables, complete_tables, gather_measured, measure_batch

if TYPE_CHECKING:
    from segdata.core.cluster import Cluster, Portion, RemoteDataset

OUTSIDE_NAME = "outside the region of interest"


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
    "partitions": {"pair": "pairs"},
    "parts": {"case": "cases", "segment": "segments"},
    "hidden": {"case": "cases"},
}
_OF_NAMES = {"pairs": ("a", "b")} | dict.fromkeys(("votes", "members", "parts", "hidden"), ("annotator",))


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
    on: "tuple[Cluster, RemoteDataset, Callable[[Ints], Portion]] | None" = None,
    jobs: int = 0,
    progress: Callable[[int], None] = lambda n_images: None,
) -> Tables:
    """The tables of images, annotations and segments, and in `Tables.annotator_pairs` what annotators have in common.

    Parameters
    ----------
    tolerance : of boundaries; None: the default
    on : a cluster whose workers compare, how they open the panel, and what they need of its images; None: threads of
        this process do
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
    every = gather_measured((portion.measured for portion in portions), panel.defects, frozenset(), panel.profile)
    tables = complete_tables(every, panel, frozenset(), panel.profile, [], jobs)
    return replace(tables, annotator_pairs=_join_chunks(portions, panel.profile, tables.images))


def load_images(panel: Panel, rows: Ints) -> PanelBatch:
    """Images of a panel; what lies outside their regions is a void category of its own, the last."""
    return mark_outside(panel, *panel.loaded(rows))


def mark_outside(panel: Panel, batch: Batch, asked: Flags) -> PanelBatch:
    """The same, of what `panel.loaded` gave."""
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


def _compare_remote(images: "Portion", remote: "RemoteDataset", tolerance: Tolerance) -> ChunkTables:
    """What `_compare_images` says, in a worker."""
    if isinstance(remote.reader, PanelReader):
        panel, loaded = remote.reader.panel, remote.load_part(images)
    else:
        source = remote.source()
        assert isinstance(source, Panel)
        panel, loaded = source, source.loaded(images.rows)
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
    for opposite in pair_annotators(images):
        tables = _pair_columns(opposite, images, case, layer, tolerance, portion.tables["cases"], outlines)
        for name, columns in tables.items():
            for column, moved in (("pair", n_pairs), ("match", n_matches)):
                if column in columns:
                    columns[column] = np.where(columns[column] < 0, -1, columns[column] + moved)
            pieces.setdefault(name, []).append(columns)
        n_pairs += opposite.n_cases
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
    """The parts of class masks that say something about who drew, of the cases of images."""
    batch = images.batch
    segment, digest = telling_parts(batch, connected=True)
    code = category_positions(integer_column(batch.segments["category_id"]), images.categories)
    drawn = np.array([category.kind != "void" for category in images.categories])[code[segment]]
    segment, digest = segment[drawn], digest[drawn]
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
    _, first, case = np.unique(images.image_or_volume, return_index=True, return_inverse=True)
    order = np.argsort(first)
    case, first = np.argsort(order)[case], first[order]
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
    opposite: AnnotatorPair,
    images: PanelBatch,
    case: Ints,
    layer: Ints,
    tolerance: Tolerance,
    cases: Columns,
    outlines: OutlineCache,
) -> dict[str, Columns]:
    """The columns of all tables of two annotators; segments as rows of the batch."""
    annotation = images.annotation[list(opposite.annotators)]
    of_two = case[opposite.case]
    spacing = np.stack([cases[f"spacing_{axis}"][of_two] for axis in "xyz"], axis=1)
    tables: dict[str, Columns] = {
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
    tables |= pixel_tables(opposite, layer, is_counted=not images.is_semantic)
    tables |= instance_tables(opposite, is_counted=not images.is_semantic)
    tables["causes"] = cause_table(opposite, tables["matches"])
    tables |= surface_table(
        opposite, tables["matches"], spacing=spacing, tolerance=tolerance, outlines_of_batch=outlines
    )
    matches, groups = tables["matches"], tables["groups"]
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
    return tables


def _segment_rows(segment: Ints, row: Ints) -> Ints:
    """Rows of the batch's segments; -1 stays."""
    return np.where(row < 0, -1, np.append(segment, -1)[row])


def _concatenate_columns(pieces: list[Columns]) -> Columns:
    """All pieces as one; they lose their columns, so that nothing is held twice for long."""
    return {name: np.concatenate([piece.pop(name) for piece in pieces]) for name in list(pieces[0])}


def _join_chunks(portions: list[ChunkTables], profile: Profile, images: Table) -> AnnotatorPairs:
    """All portions as one: rows of later ones follow those of earlier ones, annotators are counted by name."""
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
    """The annotator of a further pass.

    >>> person_name("anna (2)")
    'anna'
    """
    head, opened, tail = name.rpartition(" (")
    return head if opened and tail[:-1].isdigit() and tail.endswith(")") else name


def _object_array(values: list[str]) -> np.ndarray:
    column = np.empty(len(values), object)
    column[:] = values
    return column


MIRRORED_CODE = "SEG413"
_POOR, _GOOD = 0.3, 0.5  # the IoU of what is labelled at all: as it is, and mirrored
_AXES = ("left to right", "top to bottom", "first to last slice")


def find_mirrored(panel: Panel, comparison: AnnotatorPairs) -> tuple[MirroredAnnotator, ...]:
    """Each two annotators whose labels hardly meet, and meet well once one side is mirrored.

    Only pairs with an IoU of all that is labelled below 0.3 are looked at, in the portion of images that begins with
    the first one of theirs. Mirrored it must be 0.5 or more, and twice as much as any other way. It is told of the one
    of the two who is mirrored against more others, of equals of the second.
    """
    pairs, overlaps = comparison.pairs, comparison.overlaps
    if not len(overlaps):
        return ()
    n = len(comparison.annotators)
    key = (pairs["a"] * n + pairs["b"])[overlaps["pair"]]
    both, any_ = (
        np.bincount(key, weights, n * n)
        for weights in (overlaps["both"], overlaps["area_a"] + overlaps["area_b"] - overlaps["both"])
    )
    poor = [divmod(code, n) for code in np.flatnonzero((any_ > 0) & (both < _POOR * any_)).tolist()]
    mirrored: list[tuple[int, int, str]] = []
    for a, b in poor:
        image = int(comparison.cases["image"][pairs["case"][(pairs["a"] == a) & (pairs["b"] == b)]].min())
        mirrored += [
            (a, b, message)
            for message in _mirrored_messages(panel, image, comparison.annotators[a], comparison.annotators[b])
        ]
    often = Counter(who for a, b, _ in mirrored for who in (a, b))  # who is turned over is so against everybody
    sides = [((a, b) if often[a] > often[b] else (b, a), how) for a, b, how in mirrored]
    names = comparison.annotators
    return tuple(
        MirroredAnnotator(who, other, f"{names[who]} agrees with {names[other]} {how}") for (who, other), how in sides
    )


def _mirrored_messages(panel: Panel, image: int, a: str, b: str) -> Iterator[str]:
    """How well the labels of two annotators fit as they are, and mirrored, where that is to be told."""
    rows = next(chunk for chunk in panel.chunks() if image in chunk)
    batch, _ = clip_to_roi(panel.load(rows))
    names = annotator_names(batch)
    images = PanelBatch(batch, names, panel.profile.taxonomy.categories, volumes=panel.volumes)
    for opposite in pair_annotators(images):
        if opposite.annotators != (names.index(a), names.index(b)):
            continue
        ways = _iou_by_flip(opposite)
        best = max(ways, key=lambda way: ways[way])
        others = [value for way, value in ways.items() if way != best]
        if any(best) and ways[best] >= _GOOD and ways[best] >= 2 * max(others):
            how = " and ".join(axis for axis, turned in zip(_AXES, best, strict=True) if turned)
            plain = ways[False, False, False]
            yield f"at IoU {plain:.2f}, mirrored {how} at {ways[best]:.2f}"


def _iou_by_flip(opposite: AnnotatorPair) -> dict[tuple[bool, bool, bool], float]:
    """The IoU of what both label, for each way to mirror B's frames and their order."""
    line = opposite.line
    alike = len(set(zip(line.height.tolist(), line.width.tolist(), strict=True))) == 1
    a, b = (_labelled_runs(segments.side) for segments in (opposite.a, opposite.b))
    result = {}
    for x, y, z in product((False, True), repeat=3):
        if z and (opposite.is_flat or not alike):
            continue
        start, end = _flip_runs(*b, line, x, y, z)
        _, _, _, length = kernels.strips(a[0], a[1], _zeros(a[0]), start, end, _zeros(start))
        both = int(length.sum())
        either = int((a[1] - a[0]).sum() + (end - start).sum()) - both
        result[x, y, z] = both / either if either else 0.0
    return result


def _labelled_runs(side: SweepRuns) -> tuple[Ints, Ints]:
    start, length, _ = kernels.cover(side.start, side.end)
    return start, start + length


def _flip_runs(start: Ints, end: Ints, line: NumberLine, x: bool, y: bool, z: bool) -> tuple[Ints, Ints]:
    """Strips of a line, mirrored within their frames, and these in reverse order; all frames have one size for that."""
    frame, column, row = line.lower(start)
    length = end - start
    column = line.width[frame] - 1 - column if x else column
    row = line.height[frame] - row - length if y else row
    frame = len(line.base) - 1 - frame if z else frame
    moved = line.base[frame] + column * (line.height[frame] + 1) + row
    order = np.argsort(moved)
    return moved[order], (moved + length)[order]


def _zeros(like: Ints) -> "np.ndarray[tuple[int, ...], np.dtype[np.int32]]":
    return np.zeros(len(like), np.int32)
