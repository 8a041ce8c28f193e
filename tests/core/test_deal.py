"""Deal: parts are disjoint and cover, groups stay together, and the order of images changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.batch import concatenate
from segdata.core.deal import deal, grouped
from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.measure.measure import measure
from segdata.testing.pictures import PictureDataset, draw_picture
from segdata.testing.strategies import Details, datasets

PARTS = {"train": 0.5, "val": 0.3, "test": 0.2}


def tables_of(drawing: PictureDataset) -> Tables:
    return measure(drawing, frozenset(), jobs=1)


@settings(max_examples=25)
@given(datasets(Details(several=False)), st.integers(0, 3), st.randoms(use_true_random=False))
def test_parts_are_disjoint_cover_and_follow_names_alone(made: object, seed: int, random: object) -> None:
    profile, batches = made  # type: ignore[misc]  # a tuple
    together = concatenate(batches)
    order = list(range(together.images.num_rows))
    random.shuffle(order)  # type: ignore[attr-defined]  # hypothesis' random
    moved = concatenate([together.take_images(np.array([row])) for row in order])
    found = []
    for batch in (together, moved):
        tables = tables_of(PictureDataset(profile, batch))
        found.append(deal(tables, PARTS, grouped(tables, ()), seed))
    first, second = found
    assert dict(first.part_of) == dict(second.part_of)
    assert set(first.part_of) == set(together.images["image_id"].to_pylist())
    assert first.n_images.sum() == together.images.num_rows
    np.testing.assert_array_equal(first.counts, second.counts)


def test_groups_and_pairs_stay_together() -> None:
    picture = "\n\n".join(["ab\n.."] * 6)
    tables = tables_of(draw_picture(picture))
    unit = grouped(tables, (), [(0, 3), (3, 5)])
    assert unit[0] == unit[3] == unit[5]
    assert len(set(unit.tolist())) == 4
    found = deal(tables, {"a": 0.5, "b": 0.5}, unit, 0)
    assert found.part_of["1.png"] == found.part_of["4.png"] == found.part_of["6.png"]
    assert (found.n_units, found.largest, found.n_images.tolist()) == (4, 3, [3, 3])


def test_counts_are_those_of_the_parts() -> None:
    tables = tables_of(draw_picture("aab\n..b\n\na..\n...\n\nb..\nb..\n\n...\n..a"))
    found = deal(tables, {"x": 0.5, "y": 0.5}, grouped(tables, ()), 1)
    for at, category in enumerate(found.categories):
        for place, part in enumerate(found.parts):
            mine = [name in {k for k, v in found.part_of.items() if v == part} for name in tables.images["image_id"]]
            rows = np.array(mine)[tables.segments["image"]]
            rows &= np.array([tables.profile.name_of(int(id_)) == category for id_ in tables.segments["category_id"]])
            images = len(set(tables.segments["image"][rows].tolist()))
            expected = [images, int(rows.sum()), int(tables.segments["area"][rows].sum())]
            assert found.counts[at, :, place].tolist() == expected
    np.testing.assert_allclose(found.shares.sum(axis=2), 1)


def test_what_cannot_be_is_said() -> None:
    tables = tables_of(draw_picture("a"))
    for parts in ({"train": 1.0}, {"train": 0.7, "val": 0.2}, {"train": 1.2, "val": -0.2}, {"a": float("nan"), "b": 1}):
        with pytest.raises(SegdataError, match="sum to 1"):
            deal(tables, parts, np.zeros(1, np.int64), 0)
    with pytest.raises(SegdataError, match="'camera'"):
        grouped(tables, ("camera",))
