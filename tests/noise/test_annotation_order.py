import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.runs import Floats
from segdata.noise import pipeline
from segdata.noise.pipeline import annotation_order, mean_entropy, predicted_layout


def seen(seed: int, n: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.random((n, 5)), rng.random(n)


@given(st.integers(0, 100), st.integers(1, 20), st.integers(1, 25))
def test_each_image_comes_once_and_more_are_the_same_first_ones(seed: int, total: int, n: int) -> None:
    features, unsure = seen(seed, total)
    every = annotation_order(features, unsure)
    assert sorted(every.tolist()) == list(range(total))
    assert annotation_order(features, unsure, n).tolist() == every[:n].tolist()


@given(st.integers(0, 100), st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(seed: int, random: object) -> None:
    features, unsure = seen(seed, 12)
    turned = np.random.default_rng(seed + 1).permutation(12)
    assert (
        turned[annotation_order(features[turned], unsure[turned])].tolist()
        == annotation_order(features, unsure).tolist()
    )


def test_of_equal_doubt_the_first_ones_are_the_furthest_apart() -> None:
    features = np.array([[0.0], [0.1], [5.0], [9.0], [9.1]])
    first = annotation_order(features, np.ones(5), 3)
    assert {0, 2} <= set(first.tolist())
    assert len({3, 4} & set(first.tolist())) == 1


def test_the_most_doubtful_comes_first_and_copies_come_last() -> None:
    features = np.array([[0.0], [0.0], [0.0], [1.0]])
    assert annotation_order(features, np.array([0.3, 0.9, 0.5, 0.1])).tolist() == [1, 3, 2, 0]


def test_only_the_first_thousand_are_compared_with_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 4,000 images was compared with each other: 2.4 s."""
    features, unsure = seen(0, 40)
    every, compared = annotation_order(features, unsure), list[None]()
    distance = pipeline._layout_distance
    monkeypatch.setattr(pipeline, "_layout_distance", lambda a, b: (compared.append(None), distance(a, b))[1])
    monkeypatch.setattr(pipeline, "_N_APART", 10)
    found = annotation_order(features, unsure)
    assert len(compared) == 10
    assert sorted(found.tolist()) == list(range(40))
    assert found[:11].tolist() == every[:11].tolist()
    away = np.array([min(distance(features[found[:10]], features[row])) for row in found[10:]])
    score = away * (np.argsort(np.argsort(unsure)) + 1)[found[10:]]
    assert (np.diff(score) <= 0).all()


def test_what_is_known_already_can_wait() -> None:
    features = np.array([[0.0], [1.0]])
    assert annotation_order(features, np.array([0.9, 0.1])).tolist() == [0, 1]
    assert annotation_order(features, np.array([0.9, 0.1]), known=np.array([[0.0]])).tolist() == [1, 0]


def test_an_image_is_seen_in_cells() -> None:
    p = np.zeros((2, 8, 8))
    p[1, :2, :2] = 1
    p[0] = 1 - p[1]
    found = predicted_layout(p).reshape(2, 4, 4) * 4
    assert found[1, 0, 0] == 1
    assert found[1].sum() == 1
    np.testing.assert_allclose(found[0] ** 2 + found[1] ** 2, 1)
    assert np.linalg.norm(predicted_layout(p)) == pytest.approx(1)
    assert predicted_layout(np.ones((1, 2, 3))).shape == (16,)  # smaller than the grid


def test_doubt_is_in_the_share_of_pixels_that_are_torn() -> None:
    p = np.zeros((3, 1, 4))
    p[0, 0, :3], p[:, 0, 3] = 1, 1 / 3
    assert mean_entropy(p) == pytest.approx(0.25)


def test_no_images_have_no_order() -> None:
    assert annotation_order(np.empty((0, 3)), np.empty(0)).tolist() == []
