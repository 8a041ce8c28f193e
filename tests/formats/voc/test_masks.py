"""Joining: brute force over pixels says the same of two masks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.formats.shared.mask_files import UNKNOWN, UNLABELLED, ValueRuns
from segdata.formats.voc.classes import BORDER, join_masks
from segdata.testing.pictures import masks_of_runs

CLASSES = np.array([UNLABELLED, 7, 15, UNKNOWN, 255])  # the category of the values 0 to 4
NUMBERS = np.array([0, 1, 3, BORDER])  # the object of the values 0 to 3
SIZE = st.tuples(st.integers(1, 5), st.integers(1, 5))


def _values(size: tuple[int, int], highest: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.uint8, size, elements=st.integers(0, highest))


@given(SIZE.flatmap(lambda size: st.tuples(_values(size, 4), _values(size, 3))))
def test_each_pixel_goes_where_it_belongs(masks: tuple[np.ndarray, np.ndarray]) -> None:
    values, objects = masks
    classes, parts = ValueRuns.of(values), ValueRuns.of(objects)
    found = join_masks(classes, CLASSES[classes.value], parts, NUMBERS[parts.value], 255, np.array([7]))
    category, number = CLASSES[values], NUMBERS[objects]
    expected: dict[tuple[int, bool], set[int]] = {}
    of_object = {}
    for each in (1, 3):
        known = category[(number == each) & (category > UNKNOWN)]
        if len(known):
            ids, counts = np.unique(known, return_counts=True)
            of_object[each] = int(ids[counts.argmax()])
    for place, (one, what) in enumerate(zip(number.T.ravel().tolist(), category.T.ravel().tolist(), strict=True)):
        if one in of_object:
            expected.setdefault((one, True), set()).add(place)
        elif one == BORDER or (one == 0 and what > UNKNOWN):
            expected.setdefault((255 if one == BORDER else what, False), set()).add(place)
    n = len(found.segment_id)
    height, width = np.full(n, values.shape[0]), np.full(n, values.shape[1])
    found.runs.checked(height, width)
    drawn = [set(np.flatnonzero(mask.T).tolist()) for mask in masks_of_runs(found.runs, height, width)]
    keys = [
        (id_ if row < found.n_objects else what, row < found.n_objects)
        for row, (id_, what) in enumerate(zip(found.segment_id.tolist(), found.category_id.tolist(), strict=True))
    ]
    assert dict(zip(keys, drawn, strict=True)) == expected
    assert found.category_id[: found.n_objects].tolist() == [of_object[each] for each in sorted(of_object)]
    assert len(set(found.segment_id.tolist())) == n


@given(SIZE.flatmap(lambda size: _values(size, 3)))
def test_masks_that_agree_have_no_defects(objects: np.ndarray) -> None:
    """Object 1 is of category 7, object 3 of 15, the border is void."""
    values = np.array([0, 1, 2, 4])[objects].astype(np.uint8)
    classes, parts = ValueRuns.of(values), ValueRuns.of(objects)
    found = join_masks(classes, CLASSES[classes.value], parts, NUMBERS[parts.value], 255, np.array([7, 15]))
    assert found.defects == ()
    wrong = np.array([0, 2, 2, 4])[objects].astype(np.uint8)
    wrong[objects == 0] = 1
    classes = ValueRuns.of(wrong)
    found = join_masks(classes, CLASSES[classes.value], parts, NUMBERS[parts.value], 255, np.array([7, 15]))
    assert sum(each.pixels or 0 for each in found.defects) == int((objects == 0).sum())
