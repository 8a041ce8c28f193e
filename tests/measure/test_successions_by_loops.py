"""Sequences, their frames and tracks, and the windows in which they are loaded again, against loops over rows."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from segdata.core.batch import replace_column
from segdata.core.errors import SegdataError
from segdata.core.profile import ImageSequence, SequenceKind
from segdata.core.rule import Family, Tables
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.measure.sequences import (
    DatasetView,
    FrameWindow,
    SequenceIndex,
    changes_category,
    frame_sequences,
    image_successions,
    outside_volumes,
    touches_edge,
    tracked_segments,
)
from segdata.testing.pictures import masks_of_runs
from tests.measure.test_tables_by_loops import PROFILE, batch_of
from tests.memory import Memory

KINDS: dict[str, SequenceKind] = {"v": "video", "w": "volume", "u": "video"}
FILMS = replace(PROFILE, sequences=tuple(ImageSequence(name, kind) for name, kind in KINDS.items()))
SEEDS = range(15)


def random_source(rng: np.random.Generator, n: int = 14, size: int = 4) -> Memory:
    """Images of three sequences and of none, some without a number or with that of another; tracks, crowds and void."""
    names = rng.choice(["v", "v", "v", "w", "u", "x", None], n).tolist()
    images: list[dict[str, Any]] = [
        {"image_id": f"{k:02}.png", "width": 6, "height": 5, "sequence": name,
         "frame": None if rng.random() < 0.1 else int(rng.integers(0, 9)) * 2}
        for k, name in enumerate(names)
    ]  # fmt: skip
    annotations = [(k, who) for k in range(n) for who in (None, "ann") if rng.random() < 0.7]
    segments = [
        (row, int(rng.integers(1, 4)), rng.random((5, 6)) < rng.choice([0.1, 0.5]), bool(rng.random() < 0.1))
        for row in range(len(annotations)) for _ in range(int(rng.integers(0, 4)))
    ]  # fmt: skip
    batch = batch_of(images, annotations, segments)
    tracks = [None if rng.random() < 0.2 else int(rng.integers(0, 3)) for _ in segments]
    batch = replace(batch, segments=replace_column(batch.segments, "track_id", tracks))
    cameras = rng.choice(["left", "right", None], n).tolist()
    return Memory(FILMS, replace(batch, images=replace_column(batch.images, "camera", cameras)), size)


def measured(rng: np.random.Generator) -> Tables:
    return measure_source(random_source(rng), frozenset({"shapes", "parts", "holes"}), jobs=1)


def rows_of(table: Table, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].tolist() for name in names), strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_frames_of_one_annotator_in_order_and_once(seed: int) -> None:
    tables = measured(np.random.default_rng(seed))
    images = rows_of(tables.images, "sequence", "frame", "camera")
    annotations = rows_of(tables.annotations, "image", "annotator")
    all_of: list[tuple[Any, ...]] = []
    for kind in ("video", "volume"):
        members: dict[tuple[str, str | None], dict[int, int]] = defaultdict(dict)
        for row, (image, who) in enumerate(annotations):
            name, frame, _ = images[image]
            if KINDS.get(name) == kind and frame is not None:
                members[name, who].setdefault(int(frame), row)
        expected = []
        for (name, _), row_of in members.items():
            numbers = sorted({int(frame) for other, frame, _ in images if other == name and frame is not None})
            step = min((b - a for a, b in pairwise(numbers)), default=2**62)
            rows = [row_of[frame] for frame in sorted(row_of)]
            expected.append((name, step, sorted(row_of), rows, [annotations[row][0] for row in rows]))
        found = frame_sequences(tables.profile, tables.images, tables.annotations, kind)  # type: ignore[arg-type]  # a kind
        assert [
            (one.sequence, one.step, one.frame.tolist(), one.annotation.tolist(), one.image.tolist()) for one in found
        ] == expected
        all_of += expected
        cameras: dict[tuple[str, str | None], list[int]] = defaultdict(list)
        for row, (name, frame, camera) in enumerate(images):
            if KINDS.get(name) == kind and frame is not None:
                cameras[name, camera].append(row)
        successions = image_successions(tables.profile, tables.images, kind)  # type: ignore[arg-type]  # as above
        assert [rows.tolist() for rows in successions] == [
            sorted(rows, key=lambda row: (images[row][1], row)) for rows in cameras.values()
        ]
    index = SequenceIndex.from_tables(tables)
    place = {row: (number, k, frame) for number, one in enumerate(all_of)
             for k, (frame, row) in enumerate(zip(one[2], one[3], strict=True))}  # fmt: skip
    assert list(zip(index.sequence.tolist(), index.place.tolist(), index.frame.tolist(), strict=True)) == [
        place.get(row, (-1, -1, -1)) for row in range(len(annotations))
    ]
    plain = replace(tables.profile, sequences=())
    assert frame_sequences(plain, tables.images, tables.annotations, "video") == []
    assert image_successions(plain, tables.images, "video") == []


@pytest.mark.parametrize("kind", [None, "video", "volume"])
@pytest.mark.parametrize("seed", SEEDS)
def test_segments_that_have_a_track(seed: int, kind: SequenceKind | None) -> None:
    tables = measured(np.random.default_rng(seed))
    index = SequenceIndex.from_tables(tables)
    expected = []
    for row, (annotation, track, crowd, category) in enumerate(
        rows_of(tables.segments, "annotation", "track_id", "iscrowd", "category_id")
    ):
        number = int(index.sequence[annotation])
        known = number >= 0 and kind in (None, KINDS[index.sequences[number].sequence])
        if known and track == track and track is not None and not crowd and category != 3:
            expected.append((number, int(track), int(index.place[annotation]), row, int(index.frame[annotation])))
    found = tracked_segments(tables, kind)
    assert rows_of(found, "sequence", "track", "place", "segment", "frame") == sorted(expected)
    categories = defaultdict(set)
    for number, track, _, row, _ in expected:
        categories[number, track].add(int(tables.segments["category_id"][row]))
    assert changes_category(tables, found).tolist() == [
        len(categories[number, track]) > 1 for number, track, *_ in sorted(expected)
    ]


@pytest.mark.parametrize("seed", range(10))
def test_segments_at_the_edge_and_parts_outside_of_volumes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = random_source(rng)
    tables = measure_source(source, frozenset({"shapes", "parts", "holes"}), jobs=1)
    masks = masks_of_runs(source.batch.runs, *source.batch.segment_size)
    edge = touches_edge(tables).tolist()
    for mask, at_edge in zip(masks, edge, strict=True):
        if mask.any():
            assert at_edge == (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
    names, areas = tables.images["sequence"].tolist(), tables.segments["area"].tolist()
    image = tables.segments["image"].tolist()
    for things in (tables.parts, tables.holes):
        columns = ("segment", "area", "x", "y", "width", "height")
        outside = [row for row in rows_of(things, *columns) if names[image[row[0]]] != "w"]
        assert rows_of(outside_volumes(tables, things), *columns, "whole") == [(*row, areas[row[0]]) for row in outside]


@pytest.mark.parametrize("sizes", [[14], [3, 4, 7], [9, 5], []])
@pytest.mark.parametrize("seed", range(8))
def test_frames_are_loaded_in_portions_with_a_neighbour_on_either_side(seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    n = 30 if seed % 2 else 14
    source = random_source(rng, n)
    order = rng.permutation(n)  # the dataset's images are some of the source's, in another order
    chunks = np.split(order, np.cumsum(sizes)[:-1]) if sizes else []
    whole = source.load(np.concatenate([np.empty(0, np.int64), *chunks]))
    tables = measure_source(Memory(FILMS, whole), frozenset(), jobs=1)
    view_tables = {"images": tables.images, "annotations": tables.annotations, "segments": tables.segments}
    view = DatasetView(source, FILMS, view_tables, chunks, 1)
    assert view.source_row.tolist() == [row for rows in chunks for row in rows]
    at_once = max(8, int(np.median([len(rows) for rows in chunks]))) if chunks else 8
    sequences = view.sequences("video")
    windows = view.map_windows(sequences, lambda window: window)
    expected = []
    for first_of in {one.image.tobytes(): one for one in sequences}.values():
        several = [one for one in sequences if one.image.tolist() == first_of.image.tolist()]
        for first in range(0, len(first_of.frame), at_once):
            part = slice(max(first - 1, 0), first + at_once + 1)
            places = np.arange(len(first_of.frame))[part]
            own = [first <= place < first + at_once for place in places]
            expected += [(one.annotation[part].tolist(), one.frame[part].tolist(), one.step, own) for one in several]
    assert [(one.annotation.tolist(), one.frame.tolist(), one.step, one.own.tolist()) for one in windows] == expected
    for window in windows:
        _check_window(window, tables)


def _check_window(window: FrameWindow, tables: Tables) -> None:
    """Its images are those of its annotations; each segment knows its row, and its frame if it is the annotator's."""
    ids = tables.images["image_id"][tables.annotations["image"][window.annotation]].tolist()
    assert window.batch.images["image_id"].to_pylist() == ids
    owner = tables.segments["annotation"]
    assert window.batch.segments["category_id"].to_pylist() == tables.segments["category_id"][window.row].tolist()
    annotations = window.annotation.tolist()
    assert window.place.tolist() == [
        annotations.index(row) if row in annotations else -1 for row in owner[window.row].tolist()
    ]


@pytest.mark.parametrize("lost", ["annotation", "segment"])
def test_a_dataset_that_changes_while_it_is_read(lost: str) -> None:
    source = random_source(np.random.default_rng(1))
    tables = measure_source(source, frozenset(), jobs=1)
    batch, in_sequence = source.batch, SequenceIndex.from_tables(tables).sequence >= 0
    if lost == "segment":
        first = int(np.flatnonzero(in_sequence[batch.segment_annotation])[0])
        batch = batch.take_segments(np.delete(np.arange(batch.n_segments), first))
    else:
        is_empty = np.bincount(batch.segment_annotation, minlength=batch.annotations.num_rows) == 0
        kept = np.delete(np.arange(batch.annotations.num_rows), np.flatnonzero(is_empty & in_sequence)[0])
        number = np.searchsorted(kept, batch.segment_annotation).astype(np.int32)
        segments = replace_column(batch.segments, "annotation", number)
        batch = replace(batch, annotations=batch.annotations.take(kept), segments=segments)
    named = {"images": tables.images, "annotations": tables.annotations, "segments": tables.segments}
    view = DatasetView(Memory(FILMS, batch), FILMS, named, [np.arange(14)], 1)
    with pytest.raises(SegdataError, match="the dataset changed while it was read; run the command again"):
        view.map_windows([*view.sequences("video"), *view.sequences("volume")], lambda window: window)


@pytest.mark.parametrize("seed", range(8))
def test_annotators_of_the_same_frames_are_measured_apart(seed: int) -> None:
    """What is measured of sequences that two annotators drew is what is measured of each alone."""
    rng = np.random.default_rng(seed)
    names = ["v"] * 6 + ["w"] * 6
    images = [
        {"image_id": f"{k:02}.png", "width": 9, "height": 8, "sequence": name, "frame": k}
        for k, name in enumerate(names)
    ]
    blobs = ndimage.gaussian_filter(rng.normal(size=(2, 2, 12, 8, 9)), (0, 0, 1, 1, 1)) > 0
    found = []
    for people in ([None, "ann"], [None], ["ann"]):
        annotations = [(k, who) for k in range(12) for who in people]
        segments = [
            (row, category, blobs[int(who is None), category - 1, image], False)
            for row, (image, who) in enumerate(annotations) for category in (1, 2)
        ]  # fmt: skip
        source = Memory(FILMS, batch_of(images, annotations, segments), 5)
        families: frozenset[Family] = frozenset({"shapes", "volumes", "frames", "succession"})
        tables = measure_source(source, families, jobs=1)
        count: Counter[tuple[Any, ...]] = Counter()
        for name in ("solids", "cavities", "skips", "turns", "flickers", "succession"):
            links = {"segment", "thing", "before", "after", "annotation", "of", "part"}
            table = getattr(tables, name)
            columns = [column for column in table.names if column not in links]
            count.update((name, *row) for row in table.lines(*columns))
        found.append(count)
    assert found[0] == found[1] + found[2]
    assert {name for name, *_ in found[0]} >= {"solids", "succession"}
