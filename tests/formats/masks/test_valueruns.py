"""Value runs hold every pixel of a mask once, and give it to whoever owns its value."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segdata.formats.masks.valueruns import ValueRuns
from segdata.testing.dense import masks_of_runs

SIDES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)
WIDE = st.sampled_from([0, 1, 255, 300, 65535])
IMAGES = st.one_of(
    hnp.arrays(np.uint8, SIDES, elements=st.integers(0, 3)),
    hnp.arrays(np.uint16, SIDES, elements=WIDE),
    hnp.arrays(np.uint32, SIDES, elements=st.sampled_from([0, 7, 2**32 - 1])),
    hnp.arrays(np.int32, SIDES, elements=st.sampled_from([-4, 0, 2**31 - 1])),
)


@given(IMAGES)
def test_values_and_areas_are_those_of_the_pixels(image: np.ndarray) -> None:
    runs = ValueRuns.of(image)
    value, area = np.unique(image, return_counts=True)
    np.testing.assert_array_equal(runs.value, value)
    np.testing.assert_array_equal(runs.area, area)
    for row in range(len(value)):
        x, y = runs.first_pixel(row)
        assert x * image.shape[0] + y == int((image.T.reshape(-1) == value[row]).argmax())


@given(IMAGES, st.data())
def test_each_owner_gets_the_pixels_of_its_values(image: np.ndarray, data: st.DataObject) -> None:
    """Also where several values have one owner: then their runs join, as `Runs` promises."""
    runs = ValueRuns.of(image)
    n_owners = 2
    owner = np.array(data.draw(st.lists(st.integers(-1, 1), min_size=len(runs.value), max_size=len(runs.value))))
    owned = runs.owned(owner.astype(np.int32), n_owners)
    height, width = (np.full(n_owners, side) for side in image.shape)
    owned.checked(height, width)
    again = (owned.owner[1:] == owned.owner[:-1]) & (owned.start[1:] == owned.start[:-1] + owned.length[:-1])
    assert (owned.start[1:][again] % image.shape[0] == 0).all()
    for each, mask in enumerate(masks_of_runs(owned, height, width)):
        np.testing.assert_array_equal(mask, np.isin(image, runs.value[owner == each]))
