"""Colours: whether the image itself says that stuff is something else."""

import numpy as np
import pytest

from segdata.core.image_files import ChannelArray
from segdata.noise.appearance import CoarseColours, colour_evidence
from segdata.noise.segments import SegmentPixels, segments_of_map

SIDE = 40


def scene(colours: dict[int, tuple[int, int, int]], wide: int = 3) -> tuple[ChannelArray, np.ndarray]:
    """Stripes of soil (0), grass (1) and a path (2), an image (3, height, width), and the map (height, width)."""
    true = np.zeros((SIDE, SIDE), np.int64)
    true[:, 14:28], true[:, 28:] = 1, 2
    rng = np.random.default_rng(0)
    pixels = np.array([[[colours[each][channel] for each in row] for row in true] for channel in range(wide)], float)
    return pixels + rng.normal(0, 4, pixels.shape), true


def evidence(image: ChannelArray, drawn: np.ndarray, part: np.ndarray, given: int, seen: int) -> float:
    parts = segments_of_map(part.T.ravel().astype(np.int64), SIDE, SIDE)
    pixels = SegmentPixels.of_runs(parts.runs, 1)
    return float(
        colour_evidence(CoarseColours.from_pixels(image), pixels, np.array([given]), np.array([seen]), drawn.T.ravel())[
            0
        ]
    )


@pytest.mark.parametrize(
    "colours",
    [
        {0: (120, 80, 40), 1: (40, 130, 40), 2: (160, 160, 160)},
        {0: (60, 60, 60), 1: (130, 130, 130), 2: (200, 200, 200)},
        {0: (120, 60, 120), 1: (60, 120, 60), 2: (60, 60, 120)},  # two are equally bright
    ],
)
@pytest.mark.parametrize("seen", [0, -1])
def test_soil_that_is_labelled_as_grass_speaks_against_its_label(
    colours: dict[int, tuple[int, int, int]], seen: int
) -> None:
    image, true = scene(colours)
    part = np.zeros((SIDE, SIDE), bool)
    part[10:20, 3:10] = True
    wrong = np.where(part, 1, true)
    assert evidence(image, wrong, part, 1, seen) > 1
    assert evidence(image, true, part, 0, 1 if seen == 0 else -1) < -1  # and as it should be, for it


def test_a_category_without_other_pixels_is_like_the_whole_image() -> None:
    """Grass where the model sees a pond, which nobody has labelled: the colours of the image say that it is grass."""
    image, true = scene({0: (120, 80, 40), 1: (40, 130, 40), 2: (160, 160, 160)})
    part = np.zeros((SIDE, SIDE), bool)
    part[10:20, 16:26] = True
    assert -2 <= evidence(image, true, part, 1, 3) < 0


def test_colours_that_all_categories_share_say_nothing() -> None:
    image, true = scene({0: (90, 90, 90), 1: (90, 90, 90), 2: (90, 90, 90)})
    part = np.zeros((SIDE, SIDE), bool)
    part[10:20, 16:26] = True
    assert abs(evidence(image, true, part, 1, 0)) < 0.3


def test_void_and_segments_without_pixels_are_no_examples() -> None:
    image, true = scene({0: (120, 80, 40), 1: (40, 130, 40), 2: (160, 160, 160)})
    part = np.zeros((SIDE, SIDE), bool)
    part[10:20, 3:10] = True
    drawn = np.where(part, 1, np.where(true == 2, -1, true))
    assert evidence(image, drawn, part, 1, 0) > 1
    nothing = SegmentPixels(np.empty(0, np.int64), np.empty(0, np.int64), 1)
    colours = CoarseColours.from_pixels(image[:1])
    assert colour_evidence(colours, nothing, np.ones(1, np.int64), np.zeros(1, np.int64), drawn.T.ravel()).tolist() == [
        0
    ]
