import numpy as np
import pytest

from segdata.core.runs import Ints
from segdata.noise.annotator_noise import CategoryConfusion, find_confusions
from segdata.noise.features import predicted_category
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import SegmentSet, runs_of_pixels

Mixed = tuple[Ints, Ints, Ints]


def mixed(seed: int, n_categories: int, n: int, times: float = 1.0, preference: float = 0.7) -> Mixed:
    """Given and seen categories in 50 images: a model that prefers some; (1, 2) occurs so many times as often."""
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(1, n_categories + 1) for j in range(1, n_categories + 1) if i != j]
    like = rng.normal(0, preference, n_categories + 1)
    weight = np.array([np.exp((like[j] - like[i]) / 2) * (times if (i, j) == (1, 2) else 1) for i, j in pairs])
    row = rng.choice(len(pairs), n, p=weight / weight.sum())
    given, seen = np.array(pairs)[row].T
    return given, seen, rng.integers(0, 50, n)


@pytest.mark.parametrize("n_categories", [2, 3, 6])
def test_a_model_that_prefers_categories_confuses_none(n_categories: int) -> None:
    told = sum(bool(find_confusions(*mixed(seed, n_categories, 400))) for seed in range(60))
    assert told <= 6  # 5 % are 3


def test_what_labels_confuse_in_one_direction_is_told() -> None:
    hits = [find_confusions(*mixed(seed, 6, 900, times=8, preference=0.3)) for seed in range(10)]
    first = [each[0] for each in hits if each]
    assert len(first) == 10
    assert {(each.given, each.seen) for each in first} == {(1, 2)}
    assert all(each.n > each.expected > each.reverse for each in first)
    assert sum(len(each) for each in hits) <= 12  # others are not told for it


def test_two_categories_must_be_very_one_sided() -> None:
    def of(n: int, reverse: int) -> tuple[CategoryConfusion, ...]:
        given = np.repeat([1, 2], [n, reverse])
        return find_confusions(given, 3 - given, np.arange(n + reverse))

    assert of(60, 30) == ()
    (found,) = of(200, 2)
    assert (found.given, found.seen, found.n, found.reverse, found.images) == (1, 2, 200, 2, 200)


def test_one_image_is_one_witness() -> None:
    given, seen, unit = mixed(1, 4, 600, times=8)
    assert find_confusions(given, seen, unit)
    assert not find_confusions(given, seen, np.zeros_like(unit))


def test_numbers_of_categories_do_not_matter() -> None:
    given, seen, unit = mixed(2, 4, 600, times=8)
    name = np.array([0, 9, 2, 7, 4])
    ours, theirs = find_confusions(given, seen, unit), find_confusions(name[given], name[seen], unit)
    assert [(name[each.given], name[each.seen], each.n) for each in ours] == [
        (each.given, each.seen, each.n) for each in theirs
    ]


def test_nothing_is_confused_in_nothing() -> None:
    none = np.empty(0, np.int64)
    assert find_confusions(none, none, none) == ()
    same = np.ones(20, np.int64)
    assert find_confusions(same, same, np.arange(20)) == ()


def test_a_model_believes_in_the_category_of_most_of_the_pixels() -> None:
    owner = np.repeat([0, 1, 2], 4)
    drawn = SegmentSet.from_runs(runs_of_pixels(np.arange(12), owner, 4), np.array([1, 1, 2]), 4, 3)
    p = np.zeros((3, 4, 3))
    p[1, :, 0], p[2, :, 1], p[1, :, 2], p[2, :, 2] = 1.0, 0.8, 0.4, 0.3
    p[0] = 1 - p.sum(axis=0)
    assert predicted_category(drawn, ImagePrediction.from_probabilities(p)).tolist() == [
        1,
        2,
        2,
    ]  # the last: nothing is believed, so its own
