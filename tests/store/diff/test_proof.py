"""What losses explain, and how often."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import pytest

from segdata.core.format import LOSS_KINDS as LOSS_KINDS
from segdata.core.format import Loss
from segdata.store.diff.difference import (
    DIFFERENCE_KINDS,
    DatasetChange,
    DatasetSide,
    Difference,
    DifferenceKind,
    KindCount,
    kind_unit,
)
from segdata.store.diff.proof import EXPLAINS, check_losses


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
