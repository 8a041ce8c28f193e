"""Annotators: what is put into a simulated annotator can be counted in what they draw."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.batch import Batch
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.profile import Policy
from segdata.testing.pictures import draw_picture
from tests.generators.annotators import ErrorRates, SimulatedAnnotator, simulate_annotator

SCENE = """
aaaaaa......bbbbbb......
aaaaaa......bbbbbb......
aaaaaa......bbbbbb......
aaaaaacccc..bbbbbb......
......cccc..............
......cccc..............
......cccc......dddddd..
................dddddd..
................dddddd..
................dddddd..

a, c: car
b, d: bus
category: void (void)
"""


def scene(times: int = 1, *, overlap: str = "allow") -> OpenDataset:
    """The scene as several images."""
    drawing = draw_picture("\n\n".join([SCENE.split("\n\n")[0]] * times) + "\n\n" + SCENE.split("\n\n")[1])
    profile = replace(drawing.profile, overlap=Policy(overlap))  # type: ignore[arg-type]  # one of three words
    return OpenDataset(replace(drawing, profile=profile), profile, Config())


def batch_of(data: OpenDataset) -> Batch:
    (batch,) = data.batches(1)
    batch.runs.checked(*batch.segment_size)
    return batch


def by(habits: ErrorRates, times: int = 100, seed: int = 0) -> tuple[Batch, Batch]:
    """What is there, and what somebody with these habits draws."""
    data = scene(times)
    return batch_of(data), batch_of(simulate_annotator(data, SimulatedAnnotator(habits), seed))


def test_who_does_nothing_wrong_draws_what_is_there() -> None:
    truth, found = by(ErrorRates(), times=2)
    assert found.runs.start.tolist() == truth.runs.start.tolist()
    assert found.runs.owner.tolist() == truth.runs.owner.tolist()
    assert found.segments["category_id"].to_pylist() == truth.segments["category_id"].to_pylist()


@pytest.mark.parametrize(
    ("habits", "expected"),
    [(ErrorRates(misses=0.3), 0.7), (ErrorRates(adds=0.2), 1.2), (ErrorRates(splits=0.25), 1.25)],
)
def test_rates_are_shares_of_segments(habits: ErrorRates, expected: float) -> None:
    truth, found = by(habits)
    assert abs(found.n_segments / truth.n_segments - expected) < 0.07  # 400 segments, three standard deviations


def test_touching_segments_of_a_category_are_merged() -> None:
    data = draw_picture("aabb\naabb\n\na, b: car")
    every = OpenDataset(data, data.profile, Config())
    found = batch_of(simulate_annotator(every, SimulatedAnnotator(ErrorRates(merges=1.0)), 0))
    assert found.runs.areas(found.n_segments).tolist() == [8]


def test_names_and_void() -> None:
    data = scene(100)
    ids = {each.name: each.id for each in data.taxonomy.categories}
    who = SimulatedAnnotator(
        ErrorRates(), {"car": ErrorRates(calls={"bus": 0.25, "void": 0.25}), "bus": ErrorRates(void=1.0)}
    )
    found = batch_of(simulate_annotator(data, who, 0)).segments["category_id"].to_pylist()
    assert abs(found.count(ids["car"]) - 100) < 25
    assert abs(found.count(ids["bus"]) - 50) < 25
    with pytest.raises(ValueError, match="lorry"):
        simulate_annotator(data, SimulatedAnnotator(ErrorRates(calls={"lorry": 1.0})), 0)


def test_outlines_move_by_whole_pixels_whose_mean_is_as_said() -> None:
    data = draw_picture("\n".join(["." * 13] * 5 + ["....." + "aaa" + "....."] * 3 + ["." * 13] * 5))
    every = OpenDataset(data, data.profile, Config())
    areas = {
        int(batch_of(simulate_annotator(every, SimulatedAnnotator(ErrorRates(larger=0.5)), k)).runs.length.sum())
        for k in range(20)
    }
    assert areas == {9, 21}  # a square of 3, and with the 12 pixels at its sides
    (area,) = {
        int(batch_of(simulate_annotator(every, SimulatedAnnotator(ErrorRates(larger=-1)), k)).runs.length.sum())
        for k in range(3)
    }
    assert area == 1


def test_who_skips_an_image_has_no_annotation_of_it() -> None:
    found = batch_of(simulate_annotator(scene(200), SimulatedAnnotator(skips=0.5), 0))
    assert 70 <= found.annotations.num_rows <= 130
    assert found.images.num_rows == 200


HABITS = ErrorRates(
    misses=0.1, adds=0.5, larger=1.0, uneven=1.0, jitter=1.0, shift=2.0, splits=0.3, merges=0.3, void=0.1
)


@given(st.integers(0, 99))
def test_the_seed_says_all(seed: int) -> None:
    one, other = (batch_of(simulate_annotator(scene(2), SimulatedAnnotator(HABITS), seed)) for _ in range(2))
    assert one.runs.start.tolist() == other.runs.start.tolist()
    assert one.segments.equals(other.segments)


@given(st.integers(0, 99))
def test_segments_share_no_pixels_where_that_is_forbidden(seed: int) -> None:
    found = batch_of(simulate_annotator(scene(2, overlap="forbid"), SimulatedAnnotator(HABITS), seed))
    height, width = found.image_size
    claimed = np.zeros((2, int(height[0] * width[0])), np.int64)
    for start, length, owner in zip(found.runs.start, found.runs.length, found.runs.owner, strict=True):
        claimed[found.segment_image[owner], start : start + length] += 1
    assert claimed.max(initial=0) <= 1
