"""View: what a rectangle of an image shows, against pixels looked up one by one."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segdata.core import kernels
from segdata.core.runs import Runs
from segdata.report.pictures.canvas import BackgroundImage, View

pictures = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1)).map(
    lambda given: np.random.default_rng(given[2]).integers(0, 4, given[:2])
)
views = st.builds(
    View,
    st.integers(-5, 12),
    st.integers(-5, 12),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([0.4, 1.0, 3.0]),
)


def runs_of(labels: np.ndarray) -> Runs:
    """The pixels of the labels 1, 2 and 3 as three segments."""
    pieces = []
    for value in (1, 2, 3):
        start, length, label = kernels.label_runs((labels == value).astype(np.uint8))
        pieces.append(Runs(start[label == 1], length[label == 1], np.zeros(int((label == 1).sum()), np.int32)))
    return Runs.concatenate(pieces, [1, 1, 1])


@given(pictures, views)
def test_labels_are_those_of_the_pixels_shown(labels: np.ndarray, view: View) -> None:
    seen = view.labels(runs_of(labels), labels.shape[0], 3)
    expected = view.sample(labels.astype(np.uint8), 0)
    np.testing.assert_array_equal(seen, expected)


def test_the_smallest_segment_is_on_top() -> None:
    runs = Runs(np.array([0, 1]), np.array([4, 1]), np.array([0, 1], np.int32))
    assert View(0, 0, 1, 4, 1.0).labels(runs, 4, 2).ravel().tolist() == [1, 2, 1, 1]


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_a_whole_image_fits_the_canvas(width: int, height: int) -> None:
    view = View.whole(width, height)
    assert max(len(view.columns), len(view.rows)) <= 1600
    assert view.columns[0] >= 0
    assert view.columns[-1] < width


def test_small_images_are_enlarged_by_whole_numbers() -> None:
    assert View.whole(320, 240).scale == 4.0
    assert View.whole(10, 10).scale == 8.0
    assert View.whole(3200, 100).scale == 0.5


@given(st.integers(-50, 150), st.integers(-50, 150), st.integers(1, 100), st.integers(30, 120), st.integers(30, 120))
def test_a_view_moved_inside_stays_inside(x: int, y: int, side: int, height: int, width: int) -> None:
    view = View.around(x, y, side, 200).inside(height, width)
    for first, length, room in ((view.x, view.width, width), (view.y, view.height, height)):
        assert (first >= 0 and first + length <= room) if length <= room else (first <= 0 and first + length >= room)


def test_rectangles_have_a_least_size() -> None:
    assert View(10, 0, 50, 50, 2.0).rectangle((20, 5, 1, 1), 0, 18) == (12.0, 2.0, 30.0, 20.0)


def test_a_picture_that_exif_turns_is_turned_for_labels_of_its_turned_size(tmp_path: Path) -> None:
    """Labels as a viewer shows the picture are not laid over a picture that lies on its side; others are as before."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:5, :5] = 255  # top left as stored, top right as viewers show it
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path, exif=exif)
    turned, stored, other = (
        BackgroundImage.from_uri(str(path), width, height) for width, height in ((20, 30), (30, 20), (40, 40))
    )
    assert (turned.note, stored.note) == ("", "")
    assert np.asarray(turned.image)[:5, -5:].min() == 255
    assert np.asarray(stored.image)[:5, :5].min() == 255
    assert other.note.endswith("stretched to fit the labels")
