"""Numbering: values are taken apart as they were made, and no number is given that would be another label's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.errors import SegdataError
from segdata.formats.street.scenes import CITYSCAPES, KITTI, NO_NUMBER, VISTAS, InstanceEncoding

ALL = pytest.mark.parametrize("numbering", [CITYSCAPES, KITTI, VISTAS], ids=lambda each: each.what)
SEGMENTS = st.lists(
    st.tuples(st.sampled_from([7, 24, 26]), st.sampled_from([0, 1]), st.integers(-1, 30_000) | st.just(26_001)),
    max_size=12,
)


@ALL
@given(segments=SEGMENTS)
def test_values_say_label_and_whether_they_are_numbered(
    numbering: InstanceEncoding, segments: list[tuple[int, int, int]]
) -> None:
    label, numbered, ids = (np.array([each[k] for each in segments], np.int64) for k in range(3))
    values = numbering.values(label, numbered, ids)
    back, number = numbering.split(values)
    np.testing.assert_array_equal(back, label)
    counted = numbered == 1
    assert (number[counted] != NO_NUMBER).all()
    assert len(set(values[counted].tolist())) == counted.sum(), "each instance has a value of its own"
    np.testing.assert_array_equal(values[~counted], numbering.region(label[~counted]))


@ALL
def test_values_that_are_right_already_are_kept(numbering: InstanceEncoding) -> None:
    number = np.array([5, 200, 7], np.int64)
    label = np.array([26, 26, 24], np.int64)
    ids = label * numbering.divisor + number
    assert numbering.values(label, np.ones(3, np.int64), ids).tolist() == ids.tolist()
    twice = np.array([ids[0], ids[0], ids[2]])
    values = numbering.values(label, np.ones(3, np.int64), twice)
    assert len(set(values.tolist())) == 3
    assert values[2] == ids[2]


@pytest.mark.parametrize(("numbering", "most"), [(CITYSCAPES, 1000), (KITTI, 255), (VISTAS, 256)])
def test_the_next_instance_would_be_of_another_label(numbering: InstanceEncoding, most: int) -> None:
    def values(count: int) -> np.ndarray:
        return numbering.values(np.full(count, 26), np.ones(count, np.int64), np.full(count, -1))

    label, _ = numbering.split(values(most))
    assert (label == 26).all()
    with pytest.raises(SegdataError, match=rf"{most + 1:,} instances of label 26: {numbering.what} counts"):
        values(most + 1)
