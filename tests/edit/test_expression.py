"""Expression: what pandas would say of each row, where unknown values are neither true nor false."""

from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.errors import SegdataError
from segdata.edit.expression import Expression

KNOWN = ["area", "category", "crowd", "seconds", "metadata", "attributes"]
COLUMNS: dict[str, list[Any]] = {
    "area": [1, 20, 300, None],
    "category": ["car", "bus", None, "car"],
    "crowd": [True, False, True, False],
    "seconds": [0.5, None, 2.0, 4.0],
    "attributes[hidden]": ["true", "false", None, "1.5"],
    "metadata[time]": ["day", "night", "12", None],
}
TYPES = {"area": pa.int64(), "crowd": pa.bool_(), "seconds": pa.float64()}


def holds(text: str) -> list[int]:
    """The rows of `COLUMNS` where it is true."""
    found = Expression.parse(text, KNOWN).holds(
        lambda name: pa.array(COLUMNS[name], TYPES.get(name, pa.string())), len(COLUMNS["area"])
    )
    return [row for row, each in enumerate(found.to_pylist()) if each]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("area > 5", [1, 2]),
        ("5 < area <= 20", [1]),
        ("not area > 5", [0]),
        ("area == None", [3]),
        ("None != area", [0, 1, 2]),
        ("category in ['car', 'van']", [0, 3]),
        ("category not in ('car',)", [1]),
        ("category in []", []),
        ("category in ['car', 5.5, None]", [0, 2, 3]),
        ("1 < 2 <= 2", [0, 1, 2, 3]),
        ("area in [1, 300] or category == 'bus'", [0, 1, 2]),
        ("crowd and seconds >= 0.5", [0, 2]),
        ("not crowd", [1, 3]),
        ("crowd == False", [1, 3]),
        ("area / seconds > 100", [2]),
        ("area * 2 - 1 == -1 + area + area", [0, 1, 2]),
        ("area > -5", [0, 1, 2]),
        ("True", [0, 1, 2, 3]),
        ('attributes["hidden"] == True', [0]),
        ('attributes["hidden"] != 1.5', [0, 1]),
        ('number(attributes["hidden"]) > 1', [3]),
        ('number(metadata["time"]) == 12', [2]),
        ('matches(category, "^b")', [1]),
        ('metadata["time"] in ["day", 12]', [0, 2]),
    ],
)
def test_what_holds(text: str, rows: list[int]) -> None:
    assert holds(text) == rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("area >", "invalid syntax"),
        ("aera > 5", "did you mean 'area'"),
        ("__import__('os').system('true')", "is not of this language"),
        ("area.real > 1", "is not of this language"),
        ("area ** 99999999", "is not of this language"),
        ("[area for area in [1]]", "is not of this language"),
        ("(lambda: 1)()", "is not of this language"),
        ("category > 5", "cannot be evaluated"),
        ("not area", "cannot be evaluated"),
        ("area", "is no condition"),
        ("5", "is no condition"),
        ("metadata == 5", 'write metadata["key"]'),
        ("matches(category, category)", "regular expression"),
        ("matches(category, '(')", "cannot be evaluated"),
        ("area in ['car']", "cannot be evaluated"),
        ("(" * 5000 + ")" * 5000, "where"),
        ("1 < 2 < 'a'", "cannot be evaluated"),
    ],
)
def test_what_is_no_condition_is_said(text: str, said: str) -> None:
    with pytest.raises(SegdataError) as caught:
        holds(text)
    assert said in str(caught.value)


@given(st.text(max_size=20))
def test_any_text_is_a_condition_or_an_error_in_words(text: str) -> None:
    with suppress(SegdataError):
        assert set(holds(text)) <= set(range(4))


@given(st.integers(-3, 400), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
def test_comparisons_are_those_of_python(limit: int, sign: str) -> None:
    expected = [row for row, area in enumerate(COLUMNS["area"]) if area is not None and eval(f"{area} {sign} {limit}")]
    assert holds(f"area {sign} {limit}") == expected
