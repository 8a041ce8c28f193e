"""CIELAB against scikit-image."""

import numpy as np
from skimage.color import rgb2lab

from segdata.core.cielab import rgb_to_cielab


def test_lab_is_that_of_skimage() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (500, 3)).astype(np.float64)
    np.testing.assert_allclose(rgb_to_cielab(rgb), rgb2lab(rgb / 255), atol=0.02)
