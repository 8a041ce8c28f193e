"""Remap: pixels of each new category are those of its old ones, whatever is joined; and what goes is counted."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.batch import Batch, concatenate
from segdata.core.errors import SegdataError
from segdata.core.loss import Losses
from segdata.core.profile import Profile, Task
from segdata.core.taxonomy import Category, Kind, Taxonomy
from segdata.edit.remap import Remap
from segdata.testing.pictures import draw_picture, masks_of_runs
from segdata.testing.strategies import datasets

TASKS: Sequence[Task] = ("semantic", "instance", "panoptic")
KINDS: Sequence[Kind] = ("thing", "stuff", "void")


def pixels_by_category(batch: Batch, to: dict[int, int | None]) -> Counter[tuple[int, int, int]]:
    """(annotation, new category, pixel) -> 1 for every pixel that a segment of it claims."""
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    found: Counter[tuple[int, int, int]] = Counter()
    for annotation, category, mask in zip(
        batch.segment_annotation.tolist(), batch.segments["category_id"].to_pylist(), masks, strict=True
    ):
        new = to[category]
        if new is not None:
            found |= Counter({(annotation, new, int(pixel)): 1 for pixel in np.flatnonzero(mask)})
    return found


@settings(max_examples=25)
@given(datasets(), st.data())
def test_pixels_of_categories_stay(made: tuple[Profile, list[Batch]], data: st.DataObject) -> None:
    batch = concatenate(made[1])
    old, task = made[0].taxonomy, data.draw(st.sampled_from(TASKS))
    new = Taxonomy(
        categories=tuple(Category(id=id_, name=str(id_), kind=data.draw(st.sampled_from(KINDS))) for id_ in (7, 8))
    )
    occurring = {*old.by_id(), *batch.segments["category_id"].to_pylist()}
    to: dict[int, int | None] = {id_: data.draw(st.sampled_from([None, 7, 8])) for id_ in sorted(occurring)}
    remap = Remap(to, old, new, task)
    found = remap(batch)
    found.runs.checked(*found.segment_size)
    assert pixels_by_category(found, {7: 7, 8: 8}) == pixels_by_category(batch, to)
    assert np.array_equal(found.annotation_image, batch.annotation_image)
    assert (np.diff(found.segment_annotation) >= 0).all()
    areas = batch.runs.areas(batch.n_segments)
    gone = [to[id_] is None for id_ in batch.segments["category_id"].to_pylist()]
    losses = Losses()
    remap(batch)  # loading an image again counts it once
    remap.count(losses)
    dropped = {loss.of: (loss.count, loss.pixels) for loss in losses.listed()}
    assert dropped.get("dropped segments", (0, 0)) == (sum(gone), int(areas[gone].sum()))
    assert {loss.kind for loss in losses.listed()} <= {"mapped"}


def remapped(text: str, to: dict[str, str | None], kinds: dict[str, Kind], task: Task) -> tuple[Batch, Losses]:
    drawing = draw_picture(text)
    old = drawing.profile.taxonomy
    new = Taxonomy(
        categories=tuple(Category(id=10 + n, name=name, kind=kind) for n, (name, kind) in enumerate(kinds.items()))
    )
    ids = {each.name: each.id for each in new.categories}
    of: dict[int, int | None] = {
        each.id: None if (name := to[each.name]) is None else ids[name] for each in old.categories
    }
    remap, losses = Remap(of, old, new, task), Losses()
    found = remap(drawing.batch)
    remap.count(losses)
    return found, losses


STREET = "aabb.\nccdd.\n\na: road (stuff)\nb: mark (stuff)\nc: car\nd: bus"


def test_things_stay_apart_and_stuff_is_joined() -> None:
    to = {"road": "ground", "mark": "ground", "car": "vehicle", "bus": "vehicle"}
    found, losses = remapped(STREET, to, {"ground": "stuff", "vehicle": "thing"}, "panoptic")
    assert found.segments["category_id"].to_pylist() == [10, 11, 11]
    assert found.segments["segment_id"].to_pylist() == [1, 3, 4]
    assert found.runs.areas(3).tolist() == [4, 2, 2]
    assert not losses.listed()


def test_in_semantic_data_all_of_a_category_is_one_segment() -> None:
    to = {"road": "ground", "mark": "ground", "car": "vehicle", "bus": "vehicle"}
    found, _ = remapped(STREET, to, {"ground": "stuff", "vehicle": "thing"}, "semantic")
    assert found.runs.areas(2).tolist() == [4, 4]


def test_things_that_become_stuff_are_joined_and_counted() -> None:
    to = {"road": "ground", "mark": None, "car": "ground", "bus": "ground"}
    found, losses = remapped(STREET, to, {"ground": "stuff"}, "panoptic")
    assert found.runs.areas(1).tolist() == [6]
    assert [str(loss) for loss in losses.listed()] == [
        "mapped: 1 dropped segment in 1 image, 2 px (e.g. 1.png)",
        "mapped: 2 joined things in 1 image, 4 px (e.g. 1.png)",
    ]


def test_overlaps_of_what_is_joined_count_once_and_its_polygon_is_forgotten() -> None:
    picture = "........\n........\n\na: road (stuff, polygon 0 0 4 0 4 2 0 2)\nb: mark (stuff, polygon 2 0 6 0 6 2 2 2)"
    found, _ = remapped(picture, {"road": "x", "mark": "x"}, {"x": "stuff"}, "instance")
    assert found.runs.areas(1).tolist() == [12]
    assert found.segments["rings"].to_pylist() == [None]
    alone, _ = remapped(picture, {"road": "x", "mark": "y"}, {"x": "stuff", "y": "stuff"}, "instance")
    assert None not in alone.segments["rings"].to_pylist()


def test_secondary_categories_follow() -> None:
    picture = "a.b\n\na: sofa (also bed)\nb: bed (also sofa car)\ncategory: sofa\ncategory: bed\ncategory: car"
    to = {"sofa": "sofa", "bed": "bed", "car": None}
    found, _ = remapped(picture, to, {"bed": "thing", "sofa": "thing"}, "instance")
    assert found.segments["also"].to_pylist() == [[10], [11]]


def test_a_category_that_the_map_does_not_know_is_refused() -> None:
    drawing = draw_picture("a.b\n\na: car\nb: cra (unknown)")
    remap = Remap({1: 1}, drawing.profile.taxonomy, drawing.profile.taxonomy, "instance")
    with pytest.raises(SegdataError, match="category id -1"):
        remap(drawing.batch)
