"""Borders against a walk down every column of the image, pixel by pixel."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.batch import Batch
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.measure.registry import BatchView
from segdata.measure.tables.rows import WIDEST_BAND, measure_borders
from segdata.testing.pictures import PictureDataset, draw_picture

VOID = "v: void (void)"
PICTURES = st.integers(1, 9).flatmap(
    lambda width: st.lists(st.text("aabc...v", min_size=width, max_size=width), min_size=1, max_size=12)
)


def measured(drawing: PictureDataset) -> Counter[tuple[str, str, str]]:
    """Places by pair of categories and way."""
    batch = drawing.batch
    table = Table.of(measure_borders(BatchView(batch, drawing.profile)))
    names = [drawing.profile.name_of(id_) for id_ in batch.segments["category_id"].to_pylist()]
    found: Counter[tuple[str, str, str]] = Counter()
    for a, b, touching, apart in table.lines("a", "b", "touching", "apart"):
        first, second = sorted((names[a], names[b]))
        found[first, second, "touching"] += touching
        found[first, second, "apart"] += apart
    return +found


def walked(rows: list[str]) -> Counter[tuple[str, str, str]]:
    """The same, found by going down each column."""
    found: Counter[tuple[str, str, str]] = Counter()
    for column in zip(*rows, strict=True):
        last, at = "", -1
        for y, pixel in enumerate(column):
            if pixel in ".v":
                continue
            if last and last != pixel and y - at - 1 <= WIDEST_BAND:
                first, second = sorted((last, pixel))
                found[first, second, "touching" if y == at + 1 else "apart"] += 1
            last, at = pixel, y
    return found


@given(PICTURES)
def test_every_place_is_found(rows: list[str]) -> None:
    assert measured(draw_picture("\n".join([*rows, VOID]))) == walked(rows)


@given(PICTURES)
def test_mirror_images_have_the_same(rows: list[str]) -> None:
    assert measured(draw_picture("\n".join([*rows[::-1], VOID]))) == walked(rows)
    assert measured(draw_picture("\n".join([*(row[::-1] for row in rows), VOID]))) == walked(rows)


@pytest.mark.parametrize("height", [1, 2, 5])
def test_columns_and_images_are_not_neighbours(height: int) -> None:
    """The lowest pixel of a column and the highest of the next, or of the next image, do not follow each other."""
    column = ["a."] * (height - 1) + ["a."] if height == 1 else [".b", *["a."] * (height - 1)]
    text = "\n".join(column) + "\n\n" + "\n".join(row[::-1] for row in column)
    assert measured(draw_picture(text)) == Counter()


def test_overlap_counts_as_touching() -> None:
    assert measured(draw_picture("a\nx\nb\n\nx = a + b"))["a", "b", "touching"] == 1


def test_no_images_have_no_borders() -> None:
    drawing = draw_picture("aa")
    empty = PictureDataset(drawing.profile, Batch.empty())
    assert len(measure_source(empty, frozenset({"borders"}), jobs=1).borders) == 0
    np.testing.assert_array_equal(measure_source(empty, frozenset({"borders"}), jobs=1).borders["apart"], [])
