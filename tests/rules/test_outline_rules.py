"""Coarse outlines, seams, frames that are filled, stairs and broken lines: whichever way they are turned; real data."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.api.validate import validate
from segdata.core.rule import find_rule
from segdata.core.taxonomy import Category, Taxonomy
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture

CODES = ("SEG116", "SEG117", "SEG118")
LETTERS = "abcdefghijklmnop"
CAMVID = Taxonomy(
    categories=(
        *(Category(id=id_, name=name, thin=name == "c") for id_, name in enumerate("abcdefghijk")),
        Category(id=11, name="void", kind="void"),
    )
)


def cut_discs() -> NDArray[np.int64]:
    """Discs of which four (1 to 4) end at row 20, and one (5) that was enlarged three times."""
    y, x = np.mgrid[:60, :110]
    picture = np.zeros((60, 110), np.int64)
    for value in range(1, 5):
        picture[((x - 24 * value + 8) ** 2 + (y - 18) ** 2 <= 81) & (y < 20)] = value
    small = (np.mgrid[:10, :10][0] - 4.6) ** 2 + (np.mgrid[:10, :10][1] - 4.6) ** 2 <= 22
    picture[27:57, 40:70][small.repeat(3, axis=0).repeat(3, axis=1)] = 5
    return picture


def found_in(picture: NDArray[np.int64], order: list[int]) -> set[tuple[str, frozenset[int]]]:
    """Codes and values of the findings; value v is drawn with the letter order[v - 1]."""
    rows = ["".join("." if value == 0 else LETTERS[order[value - 1]] for value in row) for row in picture.tolist()]
    values = sorted(set(picture.ravel().tolist()) - {0}, key=lambda value: order[value - 1])
    rules = [find_rule(code) for code in CODES]
    tables = measure_source(draw_picture("\n".join(rows)), frozenset().union(*(rule.needs for rule in rules)), jobs=1)
    return {
        (rule.code, frozenset(values[row] for row in each.segments)) for rule in rules for each in rule.check(tables)
    }


@settings(max_examples=12)
@given(st.integers(0, 3), st.booleans(), st.permutations(range(5)))
def test_the_same_is_found_whichever_way_and_in_whatever_order(turns: int, mirrored: bool, order: list[int]) -> None:
    picture = np.rot90(cut_discs(), turns)
    found = found_in(np.fliplr(picture) if mirrored else picture, order)
    assert found == {("SEG116", frozenset({1, 2, 3, 4})), ("SEG118", frozenset())}


def test_one_thing_labelled_four_times_is_no_seam() -> None:
    """Layers of one organ, by people and by tools, end where it ends."""
    y, x = np.mgrid[:40, :40]
    disc = ((x - 20) ** 2 + (y - 20) ** 2 <= 200) & (y < 24)
    picture = (
        "\n".join("".join(row) for row in np.where(disc, "x", ".").tolist()) + "\n\nx = a + b + c + d\na, b, c, d: cord"
    )
    rule = find_rule("SEG116")
    assert list(rule.check(measure_source(draw_picture(picture), rule.needs, jobs=1))) == []


def test_a_band_along_the_border_of_a_full_picture_is_no_seam() -> None:
    """Two columns without labels at one side are SEG130, however many segments end there; with gaps it is a seam."""
    y, x = np.mgrid[:56, :40]
    bulge = (y % 14 - 6.5) ** 2 / 49 + ((x - 2) / 20) ** 2 <= 1
    full = np.where(x < 2, 0, np.where(bulge, 1 + y // 14, 5 + y // 28))
    assert found_in(full, list(range(6))) == found_in(full[:, ::-1], list(range(6))) == set()
    assert found_in(np.where(bulge, full, 0), list(range(6))) == {("SEG116", frozenset({1, 2, 3, 4}))}
    near = np.where(x == 1, full[:, 2:3], full)
    assert found_in(near, list(range(6))) == {("SEG116", frozenset({1, 2, 3, 4}))}


def test_a_seam_far_from_the_frame_is_an_info() -> None:
    """There a pole may end what it covers: one whose edge moves by a pixel on its way has no flat end of its own."""
    rule = find_rule("SEG116")

    def severities(picture: NDArray[np.int64]) -> list[str | None]:
        rows = ["".join(".abcdefgh"[value] for value in row) for row in picture.tolist()]
        return [one.severity for one in rule.check(measure_source(draw_picture("\n".join(rows)), rule.needs, jobs=1))]

    y, x = np.mgrid[:160, :60]
    behind = np.where((y >= 100) & ((x - 20) ** 2 / 400 + (y % 15 - 7) ** 2 / 49 <= 1), y // 15 - 5, 0)
    pole = (x >= 10) & (x < np.where(y < 100, 21, 20))
    assert severities(np.where(pole, 7, behind)) == ["info"]
    discs = cut_discs()
    assert severities(discs) == ["info"]
    assert severities(discs[:28]) == ["info"]  # 8 px above the frame
    assert severities(discs[:27]) == severities(discs[:21]) == [None]


def test_discs_that_end_at_the_frame_are_fine() -> None:
    assert found_in(cut_discs()[:20], list(range(5))) == set()


def test_pictures_taken_from_close_by_may_be_filled() -> None:
    full, half = "aaaa\naaaa", "aaaa\n...."
    rule = find_rule("SEG117")

    def found(images: list[str]) -> int:
        return len(list(rule.check(measure_source(draw_picture("\n\n".join(images)), rule.needs, jobs=1))))

    assert found([full] * 4 + [half] * 4) == 4
    assert found([full] * 5 + [half] * 4) == 0
    assert found([full] * 9 + [half] * 4) == 0  # and more than the least number
    assert found([full] * 5 + [half] * 45) == 5  # a tenth is not more than a tenth
    assert found([full] * 6 + [half] * 45) == 0


@pytest.mark.parametrize(
    ("path", "taxonomy", "expected"),
    [
        ("coco_tiny/annotations/instances_train2017.json", None, {}),
        ("taco/annotations.json", None, {"SEG113": 5}),
        ("gbm40_nuclei/instances.json", None, {"SEG116": 9}),
        ("coco_panoptic_sample/panoptic_examples.json", None, {}),
        ("camseq32", None, {}),
        ("camvid11", CAMVID, {"SEG119": 15}),
        ("davis2017_results/osvos", None, {}),
        ("davis2017_results/rvos", None, {"SEG118": 48}),
        ("via_kudzu", None, {}),
        ("yolo_seg_crop", None, {}),
    ],
)
def test_real_data(real_data: Path, path: str, taxonomy: Taxonomy | None, expected: dict[str, int]) -> None:
    """Nuclei end one pixel short of the frame; RVOS was enlarged twice; CamVid's poles were broken by shrinking."""
    codes = ("SEG113", *CODES, "SEG119")
    assert Counter(each.code for each in validate(real_data / path, taxonomy=taxonomy, select=codes).single) == expected
