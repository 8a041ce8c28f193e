import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.core.errors import SegdataError
from segdata.core.runs import Floats
from segdata.noise.budget import Budget, ReviewSample, choose_sample, image_probabilities, review_seconds

probabilities = arrays(np.float64, st.integers(1, 60), elements=st.floats(0.001, 0.999))


def of_items(probability: Floats, n: int, **asked: float) -> ReviewSample:
    return choose_sample(probability, np.ones(len(probability)), Budget(items=n), **asked)  # type: ignore[arg-type]  # numbers


@given(probabilities, st.integers(1, 80), st.floats(0, 1), st.integers(0, 5))
def test_as_many_are_seen_as_there_is_room_for_each_once(p: Floats, n: int, random_share: float, seed: int) -> None:
    what = of_items(p, n, random_share=random_share, seed=seed)
    assert len(np.unique(what.rows)) == len(what.rows)
    room = min(n, len(p))
    assert len(what.rows) == room if random_share > 0 else len(what.rows) <= room
    assert what.n == len(p)
    drawn = what.stratum >= 0
    assert ((what.inclusion > 0) & (what.inclusion <= 1)).all()
    np.testing.assert_allclose(
        (1 / what.inclusion).sum(), len(p) if random_share > 0 and drawn.any() else len(what.rows)
    )


def test_the_most_probable_come_first_and_the_others_by_lot_among_them() -> None:
    p = np.linspace(0.01, 0.9, 1000)
    what = of_items(p, 100, random_share=0.2)
    sure = what.rows[what.stratum < 0]
    assert sure.tolist() == list(range(999, 919, -1))
    at = np.flatnonzero(what.stratum >= 0)
    assert len(at) == 20
    assert at.min() < 15  # whoever stops early has seen some
    assert at.max() > 85


@given(probabilities, st.integers(1, 80))
def test_rows_are_found_where_they_are(p: Floats, n: int) -> None:
    what = of_items(p, n)
    found = what.places(np.arange(len(p)))
    assert (what.rows[found[found >= 0]] == np.flatnonzero(found >= 0)).all()
    assert (found >= 0).sum() == len(what.rows)
    assert of_items(np.empty(0), 1).places(np.array([0])).tolist() == [-1]


def test_every_item_has_the_chance_that_is_told() -> None:
    p = np.concatenate([np.full(40, 0.02), np.full(10, 0.4), np.full(5, 0.9)])
    times, told = np.zeros(55), np.zeros(55)
    for seed in range(600):
        what = of_items(p, 20, random_share=0.75, seed=seed)
        times[what.rows] += 1
        told[what.rows] = what.inclusion
    assert np.abs(times / 600 - told).max() < 0.09  # 4.4 standard errors


def test_minutes_are_spent_where_most_is_found_in_them() -> None:
    p, cost = np.array([0.5, 0.4, 0.3, 0.2]), np.array([60.0, 20.0, 20.0, 20.0])
    what = choose_sample(p, cost, Budget(minutes=1), random_share=0)
    assert what.rows.tolist() == [1, 2, 3]
    assert cost[choose_sample(p, cost, Budget(minutes=2), random_share=0).rows].sum() <= 120


def test_quotas_keep_a_place_for_what_is_rare() -> None:
    p = np.append(np.full(500, 0.5), np.full(5, 0.1))
    kind = np.append(np.zeros(500, np.int64), np.ones(5, np.int64))
    none = choose_sample(p, np.ones(505), Budget(items=50), kind=kind, random_share=0, quota=0)
    some = choose_sample(p, np.ones(505), Budget(items=50), kind=kind, random_share=0, quota=0.2)
    assert (none.rows >= 500).sum() == 0
    assert (some.rows >= 500).sum() == 5
    assert len(some.rows) == len(none.rows) == 50


def test_images_have_an_error_where_any_label_has() -> None:
    probability, cost = image_probabilities(
        np.array([0.5, 0.5, 0.1]), np.array([8.0, 12.0, 8.0]), np.array([0, 0, 2]), 3
    )
    np.testing.assert_allclose(probability, [0.75, 0, 0.1])
    assert cost.tolist() == [20, 0, 8]


def test_an_empty_dataset_has_nothing_to_look_at() -> None:
    assert len(of_items(np.empty(0), 5).rows) == 0
    assert review_seconds([]).tolist() == []


@pytest.mark.parametrize("text", ["", "5 %%", "-3", "0", "0%", "120%", "1.5", "ten", "5 days"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(SegdataError):
        Budget.parse(text)


def test_budgets_as_people_write_them() -> None:
    assert Budget.parse(" 5 % ") == Budget(share=0.05)
    assert Budget.parse("200") == Budget(items=200)
    assert Budget.parse("90min") == Budget.parse("1.5h") == Budget(minutes=90)
    assert Budget.parse("1 image") == Budget(items=1, of_images=True)
