"""What pixels only suggest is an info; only evidence beyond one look at them makes it a warning."""

import numpy as np
import pytest

from segdata.core.rule import find_rule
from tests.rules.campaigns import with_tables
from tests.rules.conftest import Judged
from tests.rules.scenes import labels_beside_their_pictures


def drawn(labels: np.ndarray, legend: str) -> str:
    return "\n".join("".join(".abcdefgh"[value] for value in row) for row in labels.tolist()) + "\n\n" + legend


def cut_things(n: int, edges: tuple[int, ...]) -> np.ndarray:
    """Things of ten rows, cut at the column of an edge each: unequal halves, values 1 and 2, 3 and 4 and so on."""
    labels = np.zeros((14 * n + 2, 40), np.int64)
    for k in range(n):
        top, edge = 14 * k + 2, edges[k % len(edges)]
        labels[top : top + 10, edge - 6 - k : edge] = 2 * k + 1
        labels[top : top + 10, edge : edge + 11] = 2 * k + 2
    return labels


@pytest.mark.parametrize(
    ("n", "edges", "severity"),
    [(1, (16,), "info"), (2, (16,), "info"), (3, (16,), "warning"), (3, (16, 17, 18), "info")],
)
def test_the_border_of_a_tile_cuts_several_things(
    judged: Judged, n: int, edges: tuple[int, ...], severity: str
) -> None:
    found = judged("SEG109", drawn(cut_things(n, edges), f"{', '.join('abcdefgh'[: 2 * n])}: car"))
    assert [one.severity for one in found] == [severity] * n
    assert all(one.message.endswith("is it one object, cut in two?") for one in found)


def test_things_beside_their_mirror_images_are_no_cut_things(judged: Judged) -> None:
    """As where a picture was padded by reflection; the third is cut off at the frame on one side of the line."""
    labels = np.zeros((44, 30), np.int64)
    for k in range(3):
        for y in range(10):
            reach = 4 + k + (y * (9 - y)) // 4
            labels[14 * k + 2 + y, 15 - reach : 15] = 2 * k + 1
            labels[14 * k + 2 + y, 15 : 15 + reach] = 2 * k + 2
    cut_off = labels[:, :24]
    for picture in (labels, cut_off):
        found = judged("SEG109", drawn(picture, "a, b, c, d, e, f: car"))
        assert [one.severity for one in found] == ["info"] * 3
        assert all("was the picture padded by reflection?" in one.message for one in found)


@pytest.mark.parametrize(("others", "severity"), [("", "warning"), ("c", "info")])
def test_boxes_beside_outlines_may_be_meant(judged: Judged, others: str, severity: str) -> None:
    """Plates are rectangles; where nothing has an outline, boxes were saved as masks."""
    row = "aaaaaa.bbbbbb." + (".cccc." if others else "......")
    wide = "aaaaaa.bbbbbb." + ("cccccc" if others else "......")
    text = (
        "\n".join([row, wide, wide, wide, wide, wide, row, "." * 20])
        + "\n\na, b: plate\n"
        + ("c: car" if others else "")
    )
    (found,) = judged("SEG112", text, min_segments=2)
    assert found.severity == severity


def test_one_thing_under_two_categories_is_an_info(judged: Judged) -> None:
    text = ".xxxx.\n.xxxx.\n\nx = a + b\na: {}\nb: {}"
    assert [one.severity for one in judged("SEG104", text.format("car", "car"))] == ["warning"]
    assert [one.severity for one in judged("SEG104", text.format("car", "damage"))] == ["info"]


def test_an_image_without_a_segment_is_an_info(judged: Judged) -> None:
    (found,) = judged("SEG312", "aa..\n\n....\n\nbb..")
    assert found.severity == "info"


def test_values_of_an_attribute_are_an_info_and_names_a_warning(judged: Judged) -> None:
    (values,) = judged("SEG215", "ab\n\na: car (side = left)\nb: car (side = Left)")
    (names,) = judged("SEG215", "ab\n\na: car\nb: Car")
    assert (values.severity, names.severity) == ("info", "warning")


@pytest.mark.parametrize(("scale", "severity"), [(0.99, "info"), (1.25, None)])
def test_labels_that_are_drawn_a_little_too_large_are_an_info(scale: float, severity: str | None) -> None:
    """The scene has a part of a group of images whose labels are scaled."""
    tables = labels_beside_their_pictures()
    groups = tables.measured["group_placements"]
    is_part = groups["is_part"] == 1
    changed = {name: np.where(is_part, scale, groups[name]) for name in ("x", "y")}
    found = find_rule("SEG314").check(with_tables(tables, group_placements=groups.beside(**changed)))
    assert [one.severity for one in found if "the labels of 6 of 9 images" in one.message] == [severity or "warning"]
