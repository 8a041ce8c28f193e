"""Selection: nothing asked for drops nothing; what is dropped is counted; what stays is as it was."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.batch import Batch, concatenate
from segdata.core.finding import Finding
from segdata.core.profile import Profile
from segdata.edit.expression import Expression
from segdata.edit.selection import COLUMNS, Flagged, Selection
from segdata.testing.pictures import draw_picture
from segdata.testing.round_trip import content
from segdata.testing.strategies import datasets

NOTHING = frozenset[str]()


def select(profile: Profile, *texts: str, flagged: Flagged | None = None, keep_images: bool = False) -> Selection:
    conditions = tuple(Expression.parse(text, list(COLUMNS)) for text in texts)
    return Selection(conditions, profile, flagged or Flagged({}, {}), keep_images)


@settings(max_examples=25)
@given(datasets())
def test_no_condition_drops_nothing(made: tuple[Profile, list[Batch]]) -> None:
    batch = concatenate(made[1])
    for texts in ((), ("True",), ("area >= 0 or area < 0",)):
        selection = select(made[0], *texts, keep_images=True)
        assert content(selection(batch), made[0], frozenset()) == content(batch, made[0], frozenset())
        assert selection.total == (0, 0, 0, 0)


@settings(max_examples=25)
@given(datasets(), st.integers(1, 12))
def test_segments_that_stay_are_those_of_the_condition(made: tuple[Profile, list[Batch]], limit: int) -> None:
    profile, batch = made[0], concatenate(made[1])
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


def test_findings_count_for_the_segments_they_name() -> None:
    drawing = draw_picture(PICTURE)
    first = drawing.batch.segments["segment_id"].to_pylist()[0]
    found = Finding(code="SEG106", rule="speck", severity="info", message="", image="1.png", segments=(first,))
    whole = Finding(code="SEG101", rule="gap", severity="info", message="", image="2.png")
    flagged = Flagged.of([found, whole])
    left = select(drawing.profile, "findings > 0", flagged=flagged)(drawing.batch)
    assert names(left) == (["1.png"], [first])
    assert names(select(drawing.profile, "image_findings == 0", flagged=flagged)(drawing.batch))[0] == ["3.png"]
    assert np.array_equal(left.segment_annotation, [0])
