"""Comparing: one change is found, and exactly that; and the laws of every difference."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.errors import SegdataError
from segdata.core.losses import LOSS_KINDS as LOSS_KINDS
from segdata.core.losses import Loss
from segdata.core.profile import ImageSequence, Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.store.diff.changes import (
    DIFFERENCE_KINDS,
    KIND_SUMMARIES,
    QUIET_KINDS,
    DatasetChange,
    DatasetSide,
    Difference,
    DifferenceKind,
    KindCount,
    kind_unit,
)
from segdata.store.diff.compare import EXPLAINS, check_losses, compare_datasets
from segdata.testing.pictures import Mask, draw_picture, masks_of_runs, runs_of_masks
from segdata.testing.strategies import datasets
from tests.memory import SMALL, TAXONOMY, dataset, memberships, profile_of, small, with_cell, with_masks

Data = tuple[Profile, list[Batch]]


def counts(found: Difference) -> dict[DifferenceKind, int]:
    return {kind: count.n for kind, count in found.counts.items()}


def only(batch: Batch) -> DatasetChange:
    """The one difference between the small dataset and what a test made of it."""
    found = compare_datasets(small(), small(batch), strict=True)
    (change,) = found.changes
    assert counts(found) == {change.kind: 1}
    return change


@pytest.mark.parametrize(
    ("kind", "column", "row", "value"),
    [
        ("crowd", "iscrowd", 3, False),
        ("track", "track_id", 1, 6),
        ("track", "track_id", 1, None),
        ("track", "track_id", 0, 0),
        ("score", "score", 1, 0.25),
        ("source", "source", 1, "human"),
        ("attributes", "attributes", 1, [("occluded", "true")]),
        ("attributes", "attributes", 0, [("occluded", "false")]),
        ("secondary-categories", "also", 1, [1]),
        ("secondary-categories", "also", 1, None),
        ("segment-id", "segment_id", 2, 3),
        ("segment-id", "source_id", 2, "x"),
        ("rings", "rings", 1, [[3.0, 2, 7, 2, 7, 6, 3, 5.5]]),
        ("rings-missing", "rings", 1, None),
        ("rings-added", "rings", 0, [[0.0, 0, 8, 0, 8, 4, 0, 4]]),
    ],
)
def test_what_is_said_of_a_segment(kind: DifferenceKind, column: str, row: int, value: Any) -> None:
    change = only(with_cell("segments", column, row, value))
    assert change.kind == kind
    assert (change.image, change.annotator) == (
        ["a.png", "a.png", "a.png", "b.png"][row],
        "bob" if row == 2 else "anna",
    )
    assert change.segment_a == [1, 2, 1, 7][row]
    assert change.bbox == [(0, 0, 8, 4), (3, 2, 4, 4), (0, 0, 5, 6), (1, 1, 4, 4)][row]


@pytest.mark.parametrize(
    ("kind", "name", "column", "row", "value", "said"),
    [
        ("annotation-attributes", "annotations", "stage", 0, None, "stage reviewed in A, nothing in B"),
        ("annotation-attributes", "annotations", "source", 2, "model", "source nothing in A, model in B"),
        ("annotation-attributes", "annotations", "seconds", 3, 1.5, "seconds nothing in A, 1.5 in B"),
        ("annotator", "annotations", "annotator", 1, "carl", "annotator bob in A, carl in B"),
        ("annotator", "annotations", "annotator", 2, None, "annotator anna in A, nothing in B"),
        ("image-details", "images", "split", 0, "val", "split train in A, val in B"),
        ("image-details", "images", "metadata", 0, [], 'metadata weather "rain" in A, nothing in B'),
        ("image-details", "images", "roi", 1, b"04", "roi nothing in A, some in B"),
    ],
)
def test_what_is_said_of_images_and_annotations(
    kind: DifferenceKind, name: str, column: str, row: int, value: Any, said: str
) -> None:
    change = only(with_cell(name, column, row, value))
    assert (change.kind, change.message) == (kind, said)


@pytest.mark.parametrize(
    ("name", "column", "row", "value"),
    [
        ("segments", "attributes", 1, [("colour", ' "red"'), ("occluded", "true")]),  # another order and spacing
        ("segments", "attributes", 0, []),
        ("segments", "also", 0, []),
        ("segments", "iscrowd", 0, None),
        ("segments", "place", 0, "/annotations/0"),
        ("segments", "declared_area", 0, 3.5),
        ("images", "uri", 0, "/elsewhere/a.png"),
        ("images", "source_id", 0, "17"),
        ("annotations", "encoding", 0, "palette 8 bit"),
    ],
)
def test_what_says_the_same_is_no_difference(name: str, column: str, row: int, value: Any) -> None:
    assert compare_datasets(small(), small(with_cell(name, column, row, value)), strict=True).same


def set_pixel(row: int, y: int, x: int, value: bool) -> Any:
    def change(masks: list[Mask]) -> None:
        assert masks[row][y, x] != value
        masks[row][y, x] = value

    return change


def test_one_pixel() -> None:
    found = compare_datasets(small(), small(with_masks(set_pixel(1, 3, 4, False))))
    assert counts(found) == {"pixels": 1, "category-pixels": 1}
    pixels, moved = found.changes
    assert (pixels.segment_a, pixels.pixels, pixels.bbox) == (2, 1, (4, 3, 1, 1))
    assert pixels.message == "1 px in A only, 0 px in B only; IoU 0.937"
    assert (moved.pixels, moved.bbox, moved.message) == (1, (4, 3, 1, 1), "1 px: car -> nothing 1")
    assert found.moves == {("car", None): 1}
    assert (found.n_kept, found.n_same) == (3, 3)


def test_another_category_moves_its_pixels() -> None:
    found = compare_datasets(small(), small(with_cell("segments", "category_id", 3, 3)))
    assert counts(found) == {"category": 1, "category-pixels": 1}
    category, moved = found.changes
    assert (category.category_a, category.category_b, category.message) == ("car", "tree", "car in A, tree in B")
    assert (moved.image, moved.pixels, moved.bbox) == ("b.png", 16, (1, 1, 4, 4))
    assert found.moves == {("car", "tree"): 16}
    assert (found.n_kept, compare_datasets(small(with_cell("segments", "category_id", 3, 3)), small()).n_kept) == (3, 3)


def test_most_moved_pixels_come_first() -> None:
    other = with_masks(set_pixel(1, 3, 4, False))
    other = replace(other, segments=replace_column(other.segments, "category_id", [1, 1, 3, 3]))
    plain = compare_datasets(small(), small(other)).moves
    assert list(plain.values()) == sorted(plain.values(), reverse=True)
    assert len(set(plain.values())) > 1


def test_pixels_that_another_segment_of_the_category_keeps_do_not_move() -> None:
    """Two roads that share a border exchange a column: segments change, the picture of categories does not."""
    rows = [1, 1, 1, 2]
    one = replace(SMALL, segments=replace_column(SMALL.segments, "category_id", rows))
    other = with_masks(lambda masks: (set_pixel(0, 2, 4, False)(masks), set_pixel(1, 1, 4, True)(masks)))
    other = replace(other, segments=replace_column(other.segments, "category_id", rows))
    assert counts(compare_datasets(small(one), small(other))) == {"pixels": 2}


@pytest.mark.parametrize("row", range(4))
def test_a_segment_that_is_gone(row: int) -> None:
    found = compare_datasets(small(), small(SMALL.take_segments(np.delete(np.arange(4), row))))
    assert counts(found)["segment-missing"] == 1
    assert set(found.counts) <= {"segment-missing", "category-pixels"}
    change = found.changes[0]
    area = int(SMALL.runs.areas(4)[row])
    assert (change.segment_a, change.segment_b, change.pixels) == ([1, 2, 1, 7][row], None, area)
    assert change.message == f"{area} px in A only"
    assert (found.n_same, found.n_kept) == (3, 3)


def test_segments_without_pixels_are_segments_too() -> None:
    empty = with_masks(lambda masks: masks[3].fill(False))
    assert compare_datasets(small(empty), small(empty)).n_same == 4
    found = compare_datasets(small(empty), small(empty.take_segments(np.arange(3))))
    assert counts(found) == {"segment-missing": 1}
    assert found.changes[0].pixels == 0


def test_images_of_one_side_only() -> None:
    found = compare_datasets(small(), small(SMALL.take_images(np.array([0, 2]))))
    assert counts(found) == {"image-missing": 1}
    assert (found.changes[0].image, found.changes[0].message) == ("b.png", "in A only, with 1 segment")
    assert ((found.a.n_images, found.b.n_images), found.n_images) == ((3, 2), 2)
    found = compare_datasets(small(SMALL.take_images(np.array([1, 2]))), small())
    assert counts(found) == {"image-added": 1}
    assert (found.changes[0].image, found.changes[0].message) == ("a.png", "in B only, with 3 segments")
    assert ((found.a.n_images, found.b.n_images), found.n_images) == ((2, 3), 2)


def test_images_of_another_size_are_not_compared() -> None:
    found = compare_datasets(small(), small(with_cell("images", "width", 1, 9)))
    assert counts(found) == {"image-size": 1}
    assert found.changes[0].message == "8 x 6 px in A (1 segment), 9 x 6 px in B (1 segment)"
    unknown = compare_datasets(small(), small(with_cell("images", "height", 2, None)))
    assert unknown.changes[0].message == "8 x 6 px in A (0 segments), unknown in B (0 segments)"


def without_annotation(row: int) -> Batch:
    """The small batch without an annotation and its segments."""
    kept = np.delete(np.arange(4), row)
    segments = np.flatnonzero(SMALL.segment_annotation != row)
    less = SMALL.take_segments(segments)
    annotation = np.searchsorted(kept, less.segment_annotation)
    return replace(
        less, annotations=SMALL.annotations.take(kept), segments=replace_column(less.segments, "annotation", annotation)
    )


def test_annotations_of_one_side_only() -> None:
    assert only(without_annotation(1)).message == "annotated in A only, with 1 segment"
    assert only(without_annotation(1)).kind == "annotation-missing"
    change = only(without_annotation(3))
    assert (change.kind, change.image) == ("empty-annotation", "c.png")


def test_one_nameless_annotation_is_the_first_of_several() -> None:
    nameless = replace(
        without_annotation(1), annotations=replace_column(without_annotation(1).annotations, "annotator", [None] * 3)
    )
    found = compare_datasets(small(), small(nameless))
    assert counts(found) == {"annotation-missing": 1, "annotator": 3}
    assert found.n_same == 3


def test_strangers_are_not_matched() -> None:
    both = ["carl", "dora", "anna", "anna"]
    found = compare_datasets(
        small(), small(replace(SMALL, annotations=replace_column(SMALL.annotations, "annotator", both)))
    )
    assert counts(found) == {"annotation-missing": 2, "annotation-added": 2}


def described(**changed: Any) -> Taxonomy:
    """The taxonomy with another first category."""
    first, *others = TAXONOMY.categories
    return msgspec.structs.replace(TAXONOMY, categories=(msgspec.structs.replace(first, **changed), *others))


SKY = msgspec.structs.replace(TAXONOMY, categories=(*TAXONOMY.categories, Category(id=9, name="sky")))
VERSION = msgspec.structs.replace(TAXONOMY, version=2)


@pytest.mark.parametrize(
    ("taxonomy", "kind", "message"),
    [
        (described(name="street"), "category-renamed", "id 1 is road in A, street in B"),
        (described(kind="thing"), "category-details", "kind stuff in A, thing in B"),
        (described(color="#010203"), "category-details", "color nothing in A, (1, 2, 3) in B"),
        (described(thin=True), "category-details", "thin nothing in A, true in B"),
        (VERSION, "category-details", "the taxonomy's version nothing in A, 2 in B"),
        (SKY, "category-added", "id 9 in B only"),
    ],
)
def test_taxonomies(taxonomy: Taxonomy, kind: DifferenceKind, message: str) -> None:
    found = compare_datasets(small(), small(taxonomy=taxonomy))
    assert counts(found) == {kind: 1}, "segments of a renamed category are what they were"
    assert found.changes[0].message == message
    assert compare_datasets(small(taxonomy=taxonomy), small()).counts.keys() == {
        "category-missing" if kind == "category-added" else kind
    }


def test_how_nobody_labelled_a_pixel_is_stored_is_no_category() -> None:
    assert compare_datasets(small(), small(taxonomy=msgspec.structs.replace(TAXONOMY, unlabelled=255))).same


def test_where_a_volume_lies() -> None:
    placed = replace(profile_of(TAXONOMY), sequences=(ImageSequence("v", "volume", spacing=(1.0, 1.0, 2.0)),))
    found = compare_datasets(small(), dataset(placed, [SMALL]))
    assert counts(found) == {"spatial": 1}
    assert found.changes[0].message == "v: spacing unknown in A, (1.0, 1.0, 2.0) in B"


def test_quiet_kinds_are_counted_only() -> None:
    other = small(with_cell("segments", "segment_id", 2, 3))
    found = compare_datasets(small(), other)
    assert (found.same, found.changes, found.n_same) == (True, (), 4)
    assert {kind: count.n for kind, count in found.quiet.items()} == {"segment-id": 1}
    assert not compare_datasets(small(), other, strict=True).same
    assert compare_datasets(small(), other, strict=True, ignore=["segment-id"]).counts == {}


def test_misuse_is_named() -> None:
    with pytest.raises(SegdataError, match="ignore is 'pixel', it must be one of: image-missing, "):
        compare_datasets(small(), small(), ignore=["pixel"])
    with pytest.raises(SegdataError, match=r"no image 'a\.pgn' in either dataset.*a\.png"):
        compare_datasets(small(), small(), only=["a.pgn"])


def test_only_some_images() -> None:
    changed = small(with_masks(set_pixel(1, 3, 4, False)))
    assert compare_datasets(small(), changed, only=["b.png", "c.png"]).same
    assert compare_datasets(small(), changed, only=["a.png"]).n_images == 1


@settings(max_examples=50)
@given(datasets())
def test_everything_is_the_same_as_itself(data: Data) -> None:
    found = compare_datasets(dataset(*data), dataset(*data), strict=True, jobs=1)
    n_segments = sum(batch.n_segments for batch in data[1])
    assert found.same
    assert (found.n_same, found.n_kept, found.moves) == (n_segments, n_segments, {})


@st.composite
def versions(draw: Any) -> tuple[Data, Data]:
    """A dataset, and the same with some segments dropped, moved by a pixel or called otherwise."""
    profile, batches = draw(datasets())
    changed = []
    for batch in batches:
        masks = masks_of_runs(batch.runs, *batch.segment_size)
        shifts = [draw(st.sampled_from([0, 0, 1])) for _ in masks]
        masks = [np.roll(mask, shift, axis=1) for mask, shift in zip(masks, shifts, strict=True)]
        ids = [category.id for category in profile.taxonomy.categories]
        columns = {
            "category_id": [
                draw(st.sampled_from([id_, id_, *ids])) for id_ in batch.segments["category_id"].to_pylist()
            ],
            "score": [draw(st.sampled_from([score, 0.5])) for score in batch.segments["score"].to_pylist()],
        }
        segments = batch.segments
        for name, values in columns.items():
            segments = replace_column(segments, name, values)
        kept = [row for row in range(len(masks)) if draw(st.sampled_from([True, True, False]))]
        new = replace(batch, segments=segments, runs=runs_of_masks(masks)).take_segments(np.array(kept, np.int64))
        changed.append(new)
    return (profile, batches), (profile, changed)


def mirrored(found: Difference) -> tuple[Any, ...]:
    """What a difference says with A and B exchanged."""

    def other(kind: DifferenceKind) -> str:
        ends = {"-missing": "-added", "-added": "-missing"}
        end = next((end for end in ends if kind.endswith(end)), "")
        return kind.removesuffix(end) + ends.get(end, "")

    counted = {other(kind): (count.n, count.images, count.pixels) for kind, count in found.counts.items()}
    listed = Counter(
        (other(each.kind), each.image, each.annotator, each.segment_b, each.segment_a, each.category_b, each.category_a,
         each.pixels, each.bbox if each.kind in ("pixels", "category-pixels") else None)
        for each in found.changes
    )  # fmt: skip
    return counted, listed, {(b, a): n for (a, b), n in found.moves.items()}, (found.n_same, found.n_kept)


@settings(max_examples=40)
@given(versions())
def test_the_reverse_is_the_mirror_image(both: tuple[Data, Data]) -> None:
    there = compare_datasets(dataset(*both[0]), dataset(*both[1]), limit=None, jobs=1)
    back = compare_datasets(dataset(*both[1]), dataset(*both[0]), limit=None, jobs=1)
    once = mirrored(replace(there, changes=()))[0], mirrored(there)[1:]
    twice = {kind: (count.n, count.images, count.pixels) for kind, count in back.counts.items()}
    assert once[0] == twice
    plain = Counter(
        (each.kind, each.image, each.annotator, each.segment_a, each.segment_b, each.category_a, each.category_b,
         each.pixels, each.bbox if each.kind in ("pixels", "category-pixels") else None)
        for each in back.changes
    )  # fmt: skip
    assert once[1] == (plain, back.moves, (back.n_same, back.n_kept))


@settings(max_examples=50)
@given(versions())
def test_category_pixels_are_those_that_counting_finds(both: tuple[Data, Data]) -> None:
    (profile, before), (_, after) = both
    found = compare_datasets(dataset(profile, before), dataset(profile, after), limit=None, jobs=1)
    name_of = profile.name_of
    one, other = (memberships(concatenate_batches(list(batches)), name_of) for batches in (before, after))
    expected = {key: {place for _, place in one[key] ^ other[key]} for key in one}
    told = [change.pixels for change in found.changes if change.kind == "category-pixels"]
    assert sorted(told) == sorted(len(places) for places in expected.values() if places)


@settings(max_examples=30)
@given(versions(), st.integers(1, 3))
def test_how_it_is_cut_and_by_how_many_threads_does_not_matter(both: tuple[Data, Data], size: int) -> None:
    (profile, before), (_, after) = both
    whole = compare_datasets(dataset(profile, before, 100), dataset(profile, after, 100), limit=None, jobs=1)
    cut = compare_datasets(dataset(profile, before, 1), dataset(profile, after, size), limit=None, jobs=2)
    assert replace(whole, changes=()) == replace(cut, changes=())
    assert Counter(whole.changes) == Counter(cut.changes)


@pytest.mark.parametrize(("n_moves", "more"), [(2, ""), (3, ""), (4, ", and 1 more"), (6, ", and 3 more")])
def test_three_moves_of_an_image_are_listed_and_the_others_counted(n_moves: int, more: str) -> None:
    """Of the first category a pixel goes to each of the others, of the last one most."""
    legend = "\ntask: semantic\n" + "\n".join(f"category: {name}" for name in "abcdefg")
    others = "bcdefg"[:n_moves]
    drawings = [
        draw_picture("a" * 40 + f"\n{legend}"),
        draw_picture("".join(name * (k + 1) for k, name in enumerate(others)).ljust(40, "a") + f"\n{legend}"),
    ]
    found = compare_datasets(*(dataset(drawing.profile, [drawing.batch], 1) for drawing in drawings))
    (moved,) = (change for change in found.changes if change.kind == "category-pixels")
    most = ", ".join(f"a -> {name} {k}" for k, name in list(enumerate(others, start=1))[:-4:-1])
    assert moved.message == f"{sum(range(1, n_moves + 1))} px: {most}{more}"


def test_no_more_than_the_limit_is_listed_of_each_kind() -> None:
    found = compare_datasets(small(), small(with_masks(lambda masks: [mask.fill(False) for mask in masks])), limit=1)
    assert [change.kind for change in found.changes] == ["segment-missing", "segment-added", "category-pixels"]
    assert found.counts["segment-missing"].n == 4


PAGE = Path(__file__).parents[3] / "docs" / "diff.md"


def test_every_kind_is_on_its_page() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert rows == [f"| `{kind}` | {KIND_SUMMARIES[kind]} |" for kind in DIFFERENCE_KINDS]
    assert set(DIFFERENCE_KINDS[-4:]) == QUIET_KINDS


def difference(**counts: tuple[int, int]) -> Difference:
    """A difference with these counts and pixels, by kind with underscores, each in as many images."""
    told: dict[DifferenceKind, KindCount] = {}
    for name, (n, pixels) in counts.items():
        kind = next(kind for kind in DIFFERENCE_KINDS if kind == name.replace("_", "-"))
        told[kind] = KindCount(n, n, pixels)
    changes = tuple(DatasetChange(kind=kind, message="") for kind in told)
    half = DatasetSide("a", "memory")
    return Difference(half, half, "id", 3, 0, 0, told, changes, {}, strict=True)


def loss(kind: str, of: str, count: int, pixels: int = 0) -> Loss:
    (known,) = (each for each in LOSS_KINDS if each == kind)
    return Loss(known, of, count, pixels)


VOID, UNTOLD = loss("void", "segments", 1, 30), loss("void", "categories", 1)
OVERLAP, MERGED = loss("overlap", "pairs of segments", 1, 5), loss("instance", "segments", 3, 80)
HOLE = loss("hole", "segments", 1)
EMPTY, BARE = loss("empty-segment", "segments", 1), loss("empty-annotation", "images", 2)
SOURCE, STAGE = loss("source", "annotations", 1), loss("annotation-attributes", "annotations", 1)
SCORE, TRACK, RINGS = loss("score", "segments", 2), loss("track", "segments", 9), loss("rings", "segments", 3)


@pytest.mark.parametrize(
    ("found", "losses", "unexplained"),
    [
        (difference(), [], []),
        (difference(score=(2, 0)), [SCORE], []),
        (difference(score=(3, 0)), [SCORE], ["score: 3 segments differ, and losses of 2 were counted"]),
        (difference(score=(1, 0)), [TRACK], ["score: 1 segment differs, and no such loss was counted"]),
        (difference(segment_missing=(1, 30), category_pixels=(1, 30)), [VOID], []),
        (difference(segment_missing=(1, 30)), [UNTOLD], ["segment-missing", "pixels"]),
        (difference(segment_missing=(1, 30), pixels=(1, 30)), [VOID], []),  # another void segment got them
        (difference(segment_missing=(1, 30), pixels=(1, 31)), [VOID], ["pixels: 61 px of segments differ"]),
        (difference(category_missing=(1, 0)), [UNTOLD], []),
        (difference(category_missing=(1, 0)), [VOID], ["category-missing"]),
        (difference(pixels=(1, 5), category_pixels=(1, 5)), [OVERLAP], []),
        (difference(pixels=(1, 6)), [OVERLAP], ["pixels: 6 px of segments differ, and losses of 5 were counted"]),
        (difference(category_pixels=(1, 6)), [OVERLAP], ["category-pixels: 6 px differ, and losses of 5"]),
        (difference(pixels=(2, 5)), [OVERLAP], ["pixels: 2 segments differ"]),
        (
            difference(category_pixels=(1, 6)),
            [HOLE],
            ["category-pixels: 6 px differ, and the losses of kind hole were counted without their"],
        ),
        (difference(pixels=(1, 40), segment_missing=(2, 60)), [MERGED], []),
        (difference(pixels=(1, 40), segment_missing=(4, 60)), [MERGED], ["segment-missing"]),
        (difference(segment_missing=(2, 60), category_pixels=(1, 1)), [MERGED], ["category-pixels"]),
        (difference(segment_missing=(1, 0)), [EMPTY], []),
        (difference(segment_missing=(1, 1)), [EMPTY], ["pixels"]),
        (difference(empty_annotation=(2, 0)), [BARE], []),
        (difference(annotation_missing=(1, 0)), [loss("annotator", "annotations", 5)], ["annotation-missing"]),
        (difference(annotation_attributes=(2, 0)), [SOURCE, STAGE], []),
        (difference(rings_missing=(3, 0)), [RINGS], []),
        (difference(rings_added=(3, 0)), [], []),
        (difference(image_missing=(1, 0)), [loss("unreadable", "defects", 1)], ["image-missing"]),
        (difference(spatial=(1, 0)), [loss("spatial", "sequences", 1)], []),
        (difference(pixels=(1, 15)), [OVERLAP, loss("segment-id", "segments", 1)], []),
        (
            difference(pixels=(1, 16)),
            [OVERLAP, loss("segment-id", "segments", 1)],
            ["pixels: 16 px of segments differ"],
        ),
        (difference(track=(1, 0)), [OVERLAP], ["track"]),
        (difference(track=(1, 0)), [OVERLAP, loss("segment-id", "segments", 1)], []),
    ],
)
def test_what_is_left_unexplained(found: Difference, losses: Sequence[Loss], unexplained: list[str]) -> None:
    shown = check_losses(found, losses)
    assert [line[: len(said)] for line, said in zip(shown.unexplained, unexplained, strict=True)] == unexplained
    assert shown.holds == (not unexplained)
    assert bool(shown.changes) == (not shown.holds)


@pytest.mark.parametrize(("images", "holds"), [(1, True), (2, False)])
def test_what_an_annotation_loses_all_its_segments_may_lose(images: int, holds: bool) -> None:
    """Of an annotation by a model every segment may come back as a model's."""
    found = replace(difference(), counts={"source": KindCount(3, images, 0)})
    assert check_losses(found, [SOURCE]).holds == holds


def test_every_kind_of_loss_explains_something_that_can_differ() -> None:
    assert EXPLAINS.keys() <= LOSS_KINDS
    same_name = LOSS_KINDS - EXPLAINS.keys()
    assert same_name <= set(DIFFERENCE_KINDS), "say in EXPLAINS what these may change"


def test_every_kind_has_a_unit() -> None:
    assert {kind_unit(kind) for kind in DIFFERENCE_KINDS} == {"image", "annotation", "segment", "category", "volume"}
    assert get_args(DifferenceKind) == DIFFERENCE_KINDS
