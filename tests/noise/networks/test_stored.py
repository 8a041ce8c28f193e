"""What is stored of a prediction: two bytes a pixel at most, and how far it is from what networks said."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segdata.core.runs import Runs
from segdata.noise.networks.prediction import encode_planes
from segdata.noise.networks.predictions import (
    PlaneLayout,
    StoredInstances,
    StoredPrediction,
    encode_prediction,
    enlarge,
    shares_of,
)

SHARES = st.tuples(st.integers(1, 6), st.integers(1, 40), st.integers(1, 40), st.floats(0.05, 5), st.integers(0, 99))


def said(n: int, height: int, width: int, spread: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.dirichlet([spread] * n, (height, width)).transpose(2, 0, 1).astype(np.float32)


def stored(p: np.ndarray, contours: np.ndarray | None = None) -> tuple[StoredPrediction, int]:
    layout = PlaneLayout(len(p), contours is not None)
    planes = encode_planes(
        torch.from_numpy(p[None]), None if contours is None else torch.from_numpy(contours[None]), layout
    )[0].numpy()
    content = encode_prediction(planes[: layout.n_planes], layout, p.shape[1:])
    return StoredPrediction.decode(content), len(content)


@settings(max_examples=60, deadline=None)
@given(SHARES)
@example((4, 37, 40, 1.6953125, 0))
def test_the_two_best_keep_their_probabilities(case: tuple[int, int, int, float, int]) -> None:
    p = said(*case)
    prediction = stored(p)[0]
    found = prediction.probabilities().transpose(0, 2, 1)
    error = max(0.01, 1.3 / prediction._image.levels)  # half a level, squared, and scaled to a sum of 1
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)
    assert found.min() >= 0
    top, order = np.sort(p, axis=0)[::-1], np.argsort(-p, axis=0)
    kept = np.take_along_axis(found, order[:2], 0)
    np.testing.assert_allclose(kept, top[:2], atol=error)
    clear = top[0] - (top[1] if len(top) > 1 else 0) > error
    np.testing.assert_array_equal(found.argmax(0)[clear], p.argmax(0)[clear])
    if len(p) > 2:  # the others share what is left
        np.testing.assert_allclose(found.sum(0) - kept.sum(0), 1 - top[:2].sum(0), atol=2 * error)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([2, 3, 7, 200, 300]), st.floats(0.02, 3), st.integers(0, 99))
def test_a_file_has_two_bytes_a_pixel_at_most_even_of_noise(n: int, spread: float, seed: int) -> None:
    p = said(n, 64, 70, spread, seed)
    contours = said(3, 64, 70, spread, seed + 1)
    found, n_bytes = stored(p, contours)
    assert n_bytes <= 2 * 64 * 70
    np.testing.assert_array_equal(found.probabilities().argmax(0).T, p.argmax(0)) if spread < 0.05 else None


def test_small_shares_keep_their_digits() -> None:
    small = np.array([1e-4, 1e-3, 2e-3, 0.01, 0.1, 0.3, 0.5], np.float32)
    p = np.stack([1 - small, small])[:, None]
    found = stored(p)[0].probabilities()[1, :, 0]
    np.testing.assert_allclose(found, small, rtol=0.3)
    np.testing.assert_allclose(found[2:], small[2:], rtol=0.1)


def test_edges_and_instances_come_back() -> None:
    p, contours = said(3, 20, 30, 0.3, 1), said(3, 20, 30, 0.3, 2)
    layout = PlaneLayout(3, edges=True)
    planes = encode_planes(torch.from_numpy(p[None]), torch.from_numpy(contours[None]), layout)[0].numpy()
    np.testing.assert_allclose(planes[-1] / 255, contours[1], atol=0.003)  # the insides come last
    runs = Runs(np.array([3, 40, 90]), np.array([5, 2, 1]), np.array([0, 0, 1], np.int32))
    given_ = StoredInstances(runs, np.array([7, 2**30]), np.array([0.25, 0.9], np.float32))
    found = StoredPrediction.decode(encode_prediction(planes[: layout.n_planes], layout, (20, 30), given_))
    edges, instances = found.edges(), found.instances()
    assert edges is not None
    assert instances is not None
    np.testing.assert_allclose(edges.T, contours[2], atol=0.003)
    for name in ("start", "length", "owner"):
        np.testing.assert_array_equal(getattr(instances.runs, name), getattr(runs, name))
    assert (instances.category.tolist(), instances.score.tolist()) == ([7, 2**30], given_.score.tolist())


@pytest.mark.parametrize("sides", [(7, 9), (20, 11), (64, 63)])
def test_enlarging_is_that_of_torch(sides: tuple[int, int]) -> None:
    small = np.random.default_rng(0).random((3, 7, 9)).astype(np.float32)
    wanted = torch.nn.functional.interpolate(torch.from_numpy(small)[None], sides, mode="bilinear")[0]
    np.testing.assert_allclose(enlarge(small, sides), wanted, atol=1e-5)


def test_the_device_and_numpy_agree_on_bytes() -> None:
    p = said(5, 12, 13, 0.4, 3)
    layout = PlaneLayout(5, edges=False)
    planes = encode_planes(torch.from_numpy(p[None]), None, layout)[0].numpy()
    assert planes.shape == (layout.n_planes, 12, 13) == (4, 12, 13)
    again = encode_planes(torch.from_numpy(shares_of(planes, layout)[None]), None, layout)[0].numpy()
    np.testing.assert_array_equal(planes[0], again[0])
    assert np.abs(planes.astype(int) - again.astype(int))[2:].max() <= 2
