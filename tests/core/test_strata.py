"""Strata: what a column tells apart, wherever it is written, and what is said of a column that is not there."""

from dataclasses import replace

import numpy as np
import pytest

from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.core.strata import (
    CategoryTally,
    annotation_strata,
    image_splits,
    image_strata,
    independent_units,
    number_names,
)
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture


@pytest.fixture
def tables() -> Tables:
    """Three images; the first has two annotations, the last none."""

    def column(*values: object) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
        found = np.empty(len(values), object)
        found[:] = values
        return found

    return replace(
        measure_source(draw_picture("aa"), frozenset(), jobs=1),
        images=Table(
            {
                "image_id": column("train/a.png", "val/b.png", "c.png"),
                "split": column(None, "test", None),
                "camera": column("left", None, "right"),
                "sequence": column("drive 1", "drive 1", None),
                "group": column(None, None, None),
                "width": np.array([4, 4, 0]),
                "height": np.array([3, 3, 0]),
                "metadata": column([("site", '"B"'), ("year", "2024")], [("site", "null")], None),
            }
        ),
        annotations=Table(
            {
                "image": np.array([0, 0, 1]),
                "annotator": column("anna", "ben", None),
                "source": column("human", "model", None),
                "stage": column(None, None, None),
                "created": column("2024-05-03T10:00:00", "2024-06-01", None),
            }
        ),
    )


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("camera", ["left", "left", None]),
        ("folder", ["train", "train", "val"]),
        ("size", ["4x3", "4x3", "4x3"]),
        ("annotator", ["anna", "ben", None]),
        ("month", ["2024-05", "2024-06", None]),
        ("site", ["B", "B", None]),
        ("year", ["2024", "2024", None]),
        ("split", ["train", "train", "test"]),
    ],
)
def test_a_column_tells_annotations_apart(tables: Tables, column: str, expected: list[str | None]) -> None:
    assert annotation_strata(tables, column).tolist() == expected


def test_what_is_said_of_a_split_goes_before_the_folder(tables: Tables) -> None:
    assert image_splits(tables).tolist() == ["train", "test", None]


def test_a_column_that_nobody_has_is_refused_with_those_there_are(tables: Tables) -> None:
    with pytest.raises(SegdataError, match="no image has a value for 'sites'; did you mean 'site'"):
        annotation_strata(tables, "sites")
    with pytest.raises(SegdataError, match="available: split, camera, sequence, folder, size, annotator"):
        annotation_strata(tables, "group")


def test_images_without_annotation_have_strata_too(tables: Tables) -> None:
    assert image_strata(tables, "camera").tolist() == ["left", None, "right"]


def test_frames_of_a_sequence_are_one_unit(tables: Tables) -> None:
    one, two, three = independent_units(tables).tolist()
    assert one == two != three


def test_names_are_numbered_in_their_order(tables: Tables) -> None:
    names, number = number_names(annotation_strata(tables, "annotator"))
    assert (names, number.tolist()) == (["anna", "ben"], [0, 1, -1])


def test_tallies_count_by_owner_and_category() -> None:
    tables = measure_source(draw_picture("aab.d\n\n..c\n\na, b, d: car\nc: bus"), frozenset(), jobs=1)
    tally = CategoryTally.count(tables.segments, tables.segments["image"])
    assert list(zip(tally.owner, tally.category, tally.segments, tally.pixels, strict=True)) == [
        (0, 1, 3, 4),
        (1, 2, 1, 1),
    ]
    np.testing.assert_allclose(tally.log_area, [np.log(2) / 3, 0])
