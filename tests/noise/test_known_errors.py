"""Truth: what clean labels show to be wrong, and what a list of errors says."""

import msgspec
import numpy as np
import pytest

from segdata.core.runs import Flags
from segdata.noise.corruptions import CorruptionRates, corrupt_labels
from segdata.noise.error_types import CorruptionKind
from segdata.noise.known_errors import compare_labels
from segdata.noise.segments import SegmentSet, runs_of_pixels
from tests.generators.oracle import blobs, patches

Box = tuple[int, int, int, int, int]  # x, y, width, height, category
ONE, TWO = np.array([False, True]), np.array([False, True, True])


def things(*boxes: Box) -> SegmentSet:
    at, of = [], []
    for number, (x, y, width, height, _) in enumerate(boxes):
        columns, rows = np.meshgrid(np.arange(x, x + width), np.arange(y, y + height))
        at.append((columns * 50 + rows).ravel())
        of.append(np.full(width * height, number))
    empty = np.empty(0, np.int64)
    runs = runs_of_pixels(np.concatenate([empty, *at]), np.concatenate([empty, *of]), 50)
    return SegmentSet.from_runs(runs, np.array([box[4] for box in boxes], np.int64), 50, 60)


A, B, C = (2, 2, 10, 10, 1), (12, 2, 10, 10, 1), (30, 20, 10, 10, 1)


@pytest.mark.parametrize(
    ("given", "clean", "kinds", "after"),
    [
        ([A, B, C], [A, B, C], (), [-1, -1, -1]),
        ([A], [A, C], ("missing",), [-1]),
        ([A, C], [A], ("extra",), [-1, 0]),
        ([(2, 2, 20, 10, 1), C], [A, B, C], ("merge",), [0, -1]),
        ([A, B], [(2, 2, 20, 10, 1)], ("split",), [0, 0]),
        ([(2, 2, 10, 10, 2)], [A], ("category",), [0]),
        ([(2, 2, 13, 10, 1)], [A], ("dilate",), [0]),
        ([(2, 2, 10, 7, 1)], [A], ("erode",), [0]),
        ([(7, 7, 10, 10, 1)], [A], ("shift",), [0]),
        ([(2, 2, 10, 11, 1)], [A], (), [-1]),  # a row more: nobody draws twice the same pixels
    ],
)
def test_things_are_compared_one_by_one(
    given: list[Box], clean: list[Box], kinds: tuple[CorruptionKind, ...], after: list[int]
) -> None:
    found = compare_labels(things(*given), things(*clean), TWO)
    assert (found.kinds, found.after.tolist()) == (kinds, after)


def test_parts_of_what_is_not_countable_are_compared_by_their_pixels() -> None:
    none: Flags = np.zeros(3, bool)
    clean = things((0, 0, 60, 25, 1), (0, 25, 60, 25, 2))
    given = things((0, 0, 60, 25, 1), (0, 25, 60, 12, 2), (0, 37, 60, 13, 1))
    found = compare_labels(given, clean, none)
    assert found.kinds == ("category",)
    assert found.new.areas(1).tolist() == [60 * 13]
    thin = things((0, 0, 60, 26, 1), (0, 26, 60, 24, 2))
    assert len(compare_labels(thin, clean, none)) == 0


@pytest.mark.parametrize("stuff", [False, True])
def test_labels_are_no_different_from_themselves_and_spoiled_ones_are(stuff: bool) -> None:
    rng = np.random.default_rng(5)
    clean, flags = (patches(rng), np.zeros(4, bool)) if stuff else (blobs(rng), ONE)
    assert len(compare_labels(clean, clean, flags)) == 0
    given, truth = corrupt_labels(clean, flags, CorruptionRates(0.1, ("missing", "extra")), rng)
    assert len(truth)
    assert set(compare_labels(given, clean, flags).kinds) & {"missing", "extra", "category"}


def test_a_known_error_needs_its_pixels() -> None:
    from segdata.noise.known_errors import KnownError

    with pytest.raises(msgspec.ValidationError, match="counts"):
        msgspec.convert({"kind": "extra", "image": "1.png"}, KnownError)
