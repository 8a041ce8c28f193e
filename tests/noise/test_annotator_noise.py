import numpy as np
import pytest

from segdata.core.runs import Floats
from segdata.noise.annotator_noise import excess_error_probability, find_noisy_groups


def doubts(seed: int, n: int, n_groups: int) -> tuple[Floats, np.ndarray, np.ndarray]:  # type: ignore[type-arg]  # rows
    """Values, groups and sorts of images; the second sort is doubted more, whoever drew it."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, n_groups, n)
    sort = (rng.random(n) < 0.2 + 0.6 * (group == 0)).astype(np.int64)
    return rng.gamma(0.5, 0.1, n) + 0.3 * sort, group, sort


@pytest.mark.parametrize("n_groups", [2, 5])
def test_who_was_given_the_hard_images_does_not_lose(n_groups: int) -> None:
    told = sum(bool(find_noisy_groups(*doubts(seed, 80, n_groups), n_groups)) for seed in range(40))
    assert told <= 6  # 5 % are 2


def test_who_is_doubted_everywhere_loses() -> None:
    for seed in range(5):
        value, group, sort = doubts(seed, 160, 4)
        found = find_noisy_groups(value + 0.15 * (group == 2), group, sort, 4)
        assert [each.group for each in found] == [2]
        assert found[0].difference == pytest.approx(0.15, abs=0.06)
        assert found[0].p <= 0.05


def test_two_who_lose_are_both_told() -> None:
    value, group, sort = doubts(7, 400, 6)
    found = find_noisy_groups(value + 0.3 * (group == 2) + 0.2 * (group == 4), group, sort, 6)
    assert {each.group for each in found} == {2, 4}


def test_who_is_better_than_others_is_not_told() -> None:
    value, group, sort = doubts(3, 300, 5)
    assert all(each.group != 1 for each in find_noisy_groups(value - 0.2 * (group == 1), group, sort, 5))


def test_nobody_is_compared_with_nobody() -> None:
    value, group, _ = doubts(4, 60, 3)
    assert find_noisy_groups(value + (group == 1), group, group, 3) == ()
    assert find_noisy_groups(np.full(60, np.nan), group, np.zeros(60, np.int64), 3) == ()
    none = np.empty(0, np.int64)
    assert find_noisy_groups(np.empty(0), none, none, 0) == ()


def test_what_is_hard_for_all_is_no_excess() -> None:
    probability = np.array([0.1, 0.1, 0.5, 0.5, 0.7])
    category = np.array([1, 1, 2, 2, 2])
    found = excess_error_probability(probability, category, np.array([0, 0, 1, 1, 3]), 4)
    usual = (0.5 + 0.5 + 0.7) / 3
    assert found[[0, 1, 3]] == pytest.approx([0, 0.5 - usual, 0.7 - usual])
    assert np.isnan(found[2])
