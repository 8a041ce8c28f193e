"""Channels: means and deviations over all pixels of all files, whatever their sizes and depths."""

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.core.batch import Batch, replace_column
from segdata.core.table import Table
from segdata.measure.training_statistics import (
    AcceptedSegments,
    channel_statistics,
    count_accepted,
    effective_weights,
    inverse_frequency,
    median_frequency,
)
from segdata.testing.pictures import draw_picture


def files(folder: Path, pictures: dict[str, np.ndarray]) -> Table:
    """The pictures as files, and a table of them with one more that does not exist."""
    for name, pixels in pictures.items():
        cv2.imwrite(str(folder / name), pixels)
    uris = [*(str(folder / name) for name in pictures), str(folder / "none.png"), None]
    heights = [*(pixels.shape[0] for pixels in pictures.values()), 1, 1]
    widths = [*(pixels.shape[1] for pixels in pictures.values()), 1, 1]
    return Table({"uri": np.array(uris, object), "height": np.array(heights), "width": np.array(widths)})


@pytest.mark.parametrize("jobs", [1, 3])
def test_they_are_those_of_all_pixels_at_once(tmp_path: Path, jobs: int) -> None:
    rng = np.random.default_rng(0)
    colour = [rng.integers(0, 256, (high, 5, 3), dtype=np.uint8) for high in (3, 8, 13)]
    deep = rng.integers(60_000, 60_010, (9, 9), dtype=np.uint16)
    named = {f"{at}.png": pixels for at, pixels in enumerate(colour)}
    found, unread = channel_statistics(files(tmp_path, {**named, "deep.png": deep}), jobs)
    assert unread == 2
    assert [(each.dtype, len(each.mean), each.n_images, each.top) for each in found] == [
        ("uint8", 3, 3, 255),
        ("uint16", 1, 1, 65535),
    ]
    every = np.concatenate([pixels.reshape(-1, 3) for pixels in colour])[:, ::-1]  # OpenCV wrote blue first
    assert found[0].n_pixels == len(every)
    np.testing.assert_allclose(found[0].mean, every.mean(axis=0))
    np.testing.assert_allclose(found[0].std, every.std(axis=0))
    np.testing.assert_allclose((found[1].mean[0], found[1].std[0]), (deep.mean(), deep.std()))


COUNTS = arrays(np.int64, st.integers(1, 6), elements=st.integers(0, 10**9))


@given(COUNTS)
def test_by_inverse_frequency_all_that_occur_count_the_same(count: np.ndarray) -> None:
    weighted = inverse_frequency(count) * count
    some = count > 0
    assert (weighted[~some] == 0).all()
    if some.any():
        np.testing.assert_allclose(weighted[some], count.sum() / some.sum())


@given(COUNTS, st.integers(1, 5))
def test_the_median_category_weighs_one(pixels: np.ndarray, times: int) -> None:
    found = median_frequency(pixels, pixels * times)
    np.testing.assert_allclose(found, (pixels > 0).astype(float))  # all are as frequent where they occur
    odd = median_frequency(np.array([1, 10, 100]), np.array([1000, 1000, 1000]))
    np.testing.assert_allclose(odd, [10, 1, 0.1])


@given(COUNTS)
def test_effective_numbers_are_the_geometric_sum(count: np.ndarray) -> None:
    count = count % 2000
    found, beta = effective_weights(count), 0.999
    sums = np.array([sum(beta**k for k in range(n)) for n in count.tolist()])
    some = count > 0
    assert (found[~some] == 0).all()
    if some.any():
        np.testing.assert_allclose(found[some], (1 / sums[some]) / (1 / sums[some]).mean())


def _batch(*pictures: str) -> Batch:
    """One image, annotated first by a model, then by people."""
    batches = [draw_picture(each).load(np.array([0])) for each in pictures]
    annotations = pa.concat_tables([each.annotations for each in batches])
    source = ["model"] + ["human"] * (len(pictures) - 1)
    shift = np.cumsum([0] + [each.n_segments for each in batches])
    segments = pa.concat_tables(
        [
            replace_column(each.segments, "annotation", np.full(each.n_segments, row, np.int32))
            for row, each in enumerate(batches)
        ]
    )
    runs = type(batches[0].runs).concatenate([each.runs for each in batches], np.diff(shift).tolist())
    return Batch(batches[0].images, replace_column(annotations, "source", source), segments, runs)


def test_the_same_pixels_are_accepted_whatever_they_are_called() -> None:
    model = "aab.\na.b."
    assert count_accepted([_batch(model, model)]) == AcceptedSegments(2, 2)
    assert count_accepted([_batch(model, "ccd.\nc.d.")]) == AcceptedSegments(2, 2)
    assert count_accepted([_batch(model, "aab.\naab.")]) == AcceptedSegments(2, 1)
    assert count_accepted([_batch(model, "aa..\na.b.")]) == AcceptedSegments(2, 1)


def test_each_person_accepts_for_themselves() -> None:
    model, other = "aab.\na.b.", "aa.b\na..b"
    assert count_accepted([_batch(model, model, other)]) == AcceptedSegments(4, 3)


def test_two_alike_accept_one_of_the_models_once() -> None:
    assert count_accepted([_batch("aa", "xx\n\nx = a + b\na, b: car")]) == AcceptedSegments(2, 1)


def test_where_no_model_drew_nothing_is_counted() -> None:
    batch = draw_picture("aab.").load(np.array([0]))
    assert count_accepted([batch]) == AcceptedSegments(0, 0)
