"""Merged, cut, nested and unseparated instances: the same whichever way a picture is turned, and quiet on real data."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.api.validate import validate
from segdata.core.config import Config, InstanceIds
from segdata.core.rule import find_rule
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture

CODES = ("SEG108", "SEG109", "SEG110", "SEG120")
LETTERS = "abcdefghijklmnopqrstuvwx"


def cells() -> NDArray[np.int64]:
    """Ovals of one size; the second row has one in two parts (9), one with two lobes (10), one cut in two (11, 12)."""
    y, x = np.mgrid[:80, :140]
    picture = np.zeros((80, 140), np.int64)
    places = [(12 + 16 * (n % 8), 16, n) for n in range(1, 9)] + [(20, 50, 9), (40, 50, 9), (62, 50, 10), (73, 50, 10)]
    for left, top, value in places:
        picture[((x - left) / 6) ** 2 + ((y - top) / 9) ** 2 <= 1] = value
    picture[((x - 110) / 7) ** 2 + ((y - 50) / 10) ** 2 <= 1] = 11
    picture[(picture == 11) & (y > 49)] = 12
    return picture


def found_in(picture: NDArray[np.int64], order: list[int]) -> set[tuple[str, frozenset[int]]]:
    """Codes and values of the findings; value v is drawn with the letter order[v - 1]."""
    rows = ["".join("." if value == 0 else LETTERS[order[value - 1]] for value in row) for row in picture.tolist()]
    values = sorted(set(picture.ravel().tolist()) - {0}, key=lambda value: order[value - 1])
    drawing = draw_picture("\n".join(rows) + f"\n\n{', '.join(LETTERS[order[value - 1]] for value in values)}: cell")
    rules = [find_rule(code) for code in CODES]
    tables = measure_source(drawing, frozenset().union(*(rule.needs for rule in rules)), jobs=1)
    return {
        (rule.code, frozenset(values[row] for row in each.segments))
        for rule in rules
        for each in rule.check(tables, **({"max_neck": 0.7} if rule.code == "SEG108" else {}))
    }


EXPECTED = {("SEG108", frozenset({9})), ("SEG109", frozenset({11, 12})), ("SEG120", frozenset({10}))}


@settings(max_examples=12)
@given(st.integers(0, 3), st.booleans(), st.permutations(range(12)))
def test_the_same_is_found_whichever_way_and_in_whatever_order(turns: int, mirrored: bool, order: list[int]) -> None:
    picture = np.rot90(cells(), turns)
    assert found_in(np.fliplr(picture) if mirrored else picture, order) == EXPECTED


def test_a_part_that_is_a_hole_s_filling_is_nested() -> None:
    picture = np.zeros((30, 30), np.int64)
    picture[5:25, 5:25] = 1
    picture[10:14, 10:16] = 2
    assert found_in(picture, [0, 1]) == {("SEG110", frozenset({1, 2}))}
    picture[10:14, 13:16] = 0  # half of the hole only
    assert found_in(picture, [0, 1]) == set()


@pytest.mark.parametrize(
    ("path", "config", "expected"),
    [
        ("coco_tiny/annotations/instances_train2017.json", None, {}),
        ("taco/annotations.json", None, {"SEG110": 2}),
        ("gbm40_nuclei/instances.json", None, {"SEG108": 6, "SEG120": 4}),
        ("stardist_nuclei", Config(instance_ids=InstanceIds(category="nucleus")), {}),
        ("supervisely_lemons", None, {}),
        ("yolo_seg_crop", None, {"SEG110": 1}),
        ("coco_panoptic_sample/panoptic_examples.json", None, {}),
    ],
)
def test_real_data(real_data: Path, path: str, config: Config | None, expected: dict[str, int]) -> None:
    necks = msgspec.structs.replace(config or Config(), rules={"merged-instances": {"max_neck": 0.7}})
    result = validate(real_data / path, config=necks, select=CODES, jobs=1)
    assert {code: n for code, n in result.by_code.items() if n} == expected
