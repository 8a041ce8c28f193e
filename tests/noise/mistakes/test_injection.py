"""Mistakes made on purpose: each does what it says, and says what it did."""

import numpy as np
import pytest

from segdata.core.runs import Runs
from segdata.noise.evidence.drawn import VOID, Drawn, Pixels, shared
from segdata.noise.mistakes.injection import Rates, overlapping, spoiled
from segdata.noise.types import KINDS, Kind
from segdata.testing.blobs import blobs, patches

THINGS = np.array([False, True, True])
STUFF = np.zeros(4, bool)


def made(kind: Kind, seed: int = 0) -> tuple[Drawn, Drawn, object]:
    clean = blobs(np.random.default_rng(seed), n=40, n_categories=3)
    return clean, *spoiled(clean, THINGS, Rates(0.3, (kind,)), np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_the_rest_stays_as_it_was(kind: Kind) -> None:
    clean, new, truth = made(kind)
    assert len(truth) >= 3
    new.runs.checked(new.heights, new.widths)
    assert not overlapping(new)
    same = np.flatnonzero(truth.after < 0)
    before, after = clean.take(truth.origin[same]), new.take(same)
    np.testing.assert_array_equal(before.category, after.category)
    assert (after.areas <= before.areas).all()  # what is on top may take some of it
    met = shared(before, after)
    np.testing.assert_array_equal(met.pixels[met.a == met.b], after.areas[np.unique(met.b[met.a == met.b])])


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_makes_the_same_mistakes(kind: Kind) -> None:
    one, other = made(kind, 3), made(kind, 3)
    for name in ("start", "length", "owner"):
        np.testing.assert_array_equal(getattr(one[1].runs, name), getattr(other[1].runs, name))
    assert one[2].kinds == other[2].kinds


@pytest.mark.parametrize(
    ("kind", "more"), [("missing", -1), ("extra", 1), ("category", 0), ("merge", -1), ("split", 1), ("shift", 0)]
)
def test_numbers_of_segments(kind: Kind, more: int) -> None:
    clean, new, truth = made(kind)
    assert len(new) == len(clean) + more * len(truth)


def test_sizes_go_the_way_they_should() -> None:
    for kind, sign in (("dilate", 1), ("erode", -1)):
        _, _, truth = made(kind)
        change = truth.new.areas(len(truth)) - truth.old.areas(len(truth))
        assert (np.sign(change) == sign).all()
        assert (truth.severity >= 2).all()


def test_categories_are_others_at_the_same_place() -> None:
    clean, new, truth = made("category")
    rows = np.flatnonzero(truth.after >= 0)
    assert (new.category[rows] != clean.category[truth.origin[rows]]).all()
    np.testing.assert_array_equal(truth.old.start, truth.new.start)


def test_severity_makes_it_worse() -> None:
    clean = blobs(np.random.default_rng(1))
    sizes = [
        spoiled(clean, THINGS[:2], Rates(0.3, ("shift",), severity=s), np.random.default_rng(1))[1].severity.mean()
        for s in (1.0, 2.0)
    ]
    assert sizes[1] > sizes[0]


@pytest.mark.parametrize("kind", ["missing", "extra", "category", "erode", "shift"])
def test_a_full_map_stays_full(kind: Kind) -> None:
    clean = patches(np.random.default_rng(5))
    new, truth = spoiled(clean, STUFF, Rates(0.2, (kind,)), np.random.default_rng(5))
    assert len(truth)
    assert (new.categories() > 0).all()
    assert (new.categories() != clean.categories()).any()


def test_void_is_left_alone() -> None:
    clean = blobs(np.random.default_rng(6), n=40)
    clean.category[:5] = VOID
    for kind in KINDS:
        new, truth = spoiled(clean, THINGS[:2], Rates(0.5, (kind,)), np.random.default_rng(6))
        rows = np.flatnonzero(new.category == VOID)
        assert (truth.after[rows] < 0).all()
        before = Pixels.of_runs(clean.take(np.arange(5)).runs, 5)
        np.testing.assert_array_equal(np.sort(Pixels.of_runs(new.take(rows).runs, len(rows)).at), np.sort(before.at))


@pytest.mark.parametrize("things", [THINGS[:2], STUFF])
def test_where_nothing_is_drawn_nothing_is_spoiled(things: np.ndarray) -> None:
    empty = Drawn.of(Runs.empty(), np.empty(0, np.int64), 20, 30)
    for kind in KINDS:
        new, truth = spoiled(empty, things, Rates(1.0, (kind,)), np.random.default_rng(0))
        assert (len(new), len(truth)) == (0, 0)
