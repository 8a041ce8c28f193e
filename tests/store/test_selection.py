"""Expression: what pandas would say of each row, where unknown values are neither true nor false."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.core.profile import Profile
from segdata.store.selection import COLUMNS, ConditionFilter, Expression, FindingTally
from segdata.testing.pictures import draw_picture
from segdata.testing.round_trip import content
from segdata.testing.strategies import datasets

KNOWN = ["area", "category", "crowd", "seconds", "metadata", "attributes"]
EXPRESSION_COLUMNS: dict[str, list[Any]] = {
    "area": [1, 20, 300, None],
    "category": ["car", "bus", None, "car"],
    "crowd": [True, False, True, False],
    "seconds": [0.5, None, 2.0, 4.0],
    "attributes[hidden]": ["true", "false", None, "1.5"],
    "metadata[time]": ["day", "night", "12", None],
}
TYPES = {"area": pa.int64(), "crowd": pa.bool_(), "seconds": pa.float64()}


def holds(text: str) -> list[int]:
    """The rows of `EXPRESSION_COLUMNS` where it is true."""
    found = Expression.parse(text, KNOWN).holds(
        lambda name: pa.array(EXPRESSION_COLUMNS[name], TYPES.get(name, pa.string())), len(EXPRESSION_COLUMNS["area"])
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
        ("__import__('os').system('true')", "is not supported"),
        ("area.real > 1", "is not supported"),
        ("area ** 99999999", "is not supported"),
        ("[area for area in [1]]", "is not supported"),
        ("(lambda: 1)()", "is not supported"),
        ("category > 5", "cannot be evaluated"),
        ("not area", "cannot be evaluated"),
        ("area", "is not a condition"),
        ("5", "is not a condition"),
        ("metadata == 5", 'write metadata["key"]'),
        ("matches(category, category)", "regular expression"),
        ('matches(category, "a", "b")', 'write matches(text, "regular expression") or number(text)'),
        ("number(category, 1) > 0", "or number(text)"),
        ("number() > 0", "or number(text)"),
        ("matches(category)", "or number(text)"),
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
    expected = [
        row
        for row, area in enumerate(EXPRESSION_COLUMNS["area"])
        if area is not None and eval(f"{area} {sign} {limit}")
    ]
    assert holds(f"area {sign} {limit}") == expected


NOTHING = frozenset[str]()


def select(
    profile: Profile, *texts: str, flagged: FindingTally | None = None, keep_images: bool = False
) -> ConditionFilter:
    conditions = tuple(Expression.parse(text, list(COLUMNS)) for text in texts)
    return ConditionFilter(conditions, profile, flagged or FindingTally({}, {}), keep_images)


@settings(max_examples=25)
@given(datasets())
def test_no_condition_drops_nothing(made: tuple[Profile, list[Batch]]) -> None:
    batch = concatenate_batches(made[1])
    for texts in ((), ("True",), ("area >= 0 or area < 0",)):
        selection = select(made[0], *texts, keep_images=True)
        assert content(selection(batch), made[0], frozenset()) == content(batch, made[0], frozenset())
        assert selection.total == (0, 0, 0, 0)


@settings(max_examples=25)
@given(datasets(), st.integers(1, 12))
def test_segments_that_stay_are_those_of_the_condition(made: tuple[Profile, list[Batch]], limit: int) -> None:
    profile, batch = made[0], concatenate_batches(made[1])
    selection = select(profile, f"area >= {limit}")
    left = selection(batch)
    left.runs.checked(*left.segment_size)
    areas = batch.runs.areas(batch.n_segments)
    kept = areas >= limit
    assert left.runs.areas(left.n_segments).tolist() == areas[kept].tolist()
    assert left.segments["segment_id"].to_pylist() == batch.segments["segment_id"].filter(kept).to_pylist()
    assert left.images["image_id"].to_pylist() == [
        name for row, name in enumerate(batch.images["image_id"].to_pylist()) if row in batch.segment_image[kept]
    ]
    images, annotations, segments, pixels = selection.total
    assert (images + left.images.num_rows, annotations + left.annotations.num_rows) == (
        batch.images.num_rows,
        batch.annotations.num_rows,
    )
    assert (segments, pixels) == (int((~kept).sum()), int(areas[~kept].sum()))
    every = select(profile, f"area >= {limit}", keep_images=True)(batch)
    assert every.images.num_rows == batch.images.num_rows
    assert every.annotations.num_rows == batch.annotations.num_rows


PICTURE = (
    "aab.\n..b.\nsplit: train\n\nc...\nc...\nsplit: val\n\n....\n....\n\na: car (thing, crowd)\nb: bus\nc: road (stuff)"
)


def names(batch: Batch) -> tuple[list[str], list[int]]:
    return batch.images["image_id"].to_pylist(), batch.segments["segment_id"].to_pylist()


def test_each_depth_drops_its_own() -> None:
    drawing = draw_picture(PICTURE)
    ids = dict(zip("abc", drawing.batch.segments["segment_id"].to_pylist(), strict=True))
    for text, images, letters in (
        ("split == 'train'", ["1.png"], "ab"),
        ("width > 4", [], ""),
        ("n_segments == 1", ["2.png"], "c"),
        ("annotator == None", ["1.png", "2.png", "3.png"], "abc"),
        ("category in ['car', 'road']", ["1.png", "2.png"], "ac"),
        ("kind == 'stuff' or x == 2", ["1.png", "2.png"], "bc"),
        ("not crowd and box_height == 2", ["1.png", "2.png"], "bc"),
        ("crowd and split == 'val'", [], ""),
    ):
        left = select(drawing.profile, text)(drawing.batch)
        assert names(left) == (images, [ids[letter] for letter in letters]), text


def test_metadata_and_attributes_by_their_names() -> None:
    drawing = draw_picture(PICTURE)
    first = drawing.batch.segments["segment_id"].to_pylist()[0]
    batch = replace(
        drawing.batch,
        images=replace_column(drawing.batch.images, "metadata", [[("tim", '"no"'), ("time", '"day"')], [], []]),
        segments=replace_column(drawing.batch.segments, "attributes", [[("hidden", "true")], [], []]),
    )
    left = select(drawing.profile, 'metadata["time"] == "day" and attributes["hidden"] == True')(batch)
    assert names(left) == (["1.png"], [first])


def test_findings_count_for_the_segments_they_name() -> None:
    drawing = draw_picture(PICTURE)
    first = drawing.batch.segments["segment_id"].to_pylist()[0]
    found = Finding(code="SEG106", rule="speck", severity="info", message="", image="1.png", segments=(first,))
    whole = Finding(code="SEG101", rule="gap", severity="info", message="", image="2.png")
    flagged = FindingTally.from_findings([found, whole])
    left = select(drawing.profile, "findings > 0", flagged=flagged)(drawing.batch)
    assert names(left) == (["1.png"], [first])
    assert names(select(drawing.profile, "image_findings == 0", flagged=flagged)(drawing.batch))[0] == ["3.png"]
    assert np.array_equal(left.segment_annotation, [0])
