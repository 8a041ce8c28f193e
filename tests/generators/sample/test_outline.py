import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco
from scipy import ndimage

from tests.generators.sample.writers import n_parts, rings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9))


@given(masks)
def test_every_ring_is_a_part_or_a_hole(mask: np.ndarray) -> None:
    """4-connected parts have one outer ring each; what 8-connected background they enclose has one each as well."""
    outside = np.pad(~mask, 1, constant_values=True)
    n_background = ndimage.label(outside, np.ones((3, 3)))[1]
    assert n_parts(mask) == ndimage.label(mask)[1]
    assert len(rings(mask)) == ndimage.label(mask)[1] + n_background - 1


@given(masks)
def test_outlines_without_holes_rasterise_to_the_mask(mask: np.ndarray) -> None:
    filled = ndimage.binary_fill_holes(mask, np.ones((3, 3)))
    outlines = rings(filled)
    if not outlines or len(outlines) != n_parts(filled):
        return
    height, width = mask.shape
    shapes = coco.frPyObjects([[float(value) for value in ring] for ring in outlines if len(ring) >= 6], height, width)
    np.testing.assert_array_equal(coco.decode(coco.merge(shapes)).astype(bool), filled)


@given(masks)
def test_rings_turn_at_every_corner(mask: np.ndarray) -> None:
    for ring in rings(mask):
        points = np.array(ring).reshape(-1, 2)
        steps = np.diff(np.concatenate([points, points[:1]]), axis=0)
        assert ((steps == 0).sum(axis=1) == 1).all(), "steps go along the pixel edges"
        assert (steps[:, 0] * np.roll(steps[:, 0], 1) == 0).all(), "no corner lies on a straight line"
