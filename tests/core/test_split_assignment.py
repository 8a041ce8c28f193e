"""Deal: parts are disjoint and cover, groups stay together, and the order of images changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.batch import concatenate_batches
from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.core.runs import Floats
from segdata.core.split_assignment import UnitAmounts, assign_splits, group_images, stratify
from segdata.measure.measure import measure_source
from segdata.testing.pictures import PictureDataset, draw_picture
from segdata.testing.strategies import Details, datasets

PARTS = {"train": 0.5, "val": 0.3, "test": 0.2}


def tables_of(drawing: PictureDataset) -> Tables:
    return measure_source(drawing, frozenset(), jobs=1)


@settings(max_examples=25)
@given(datasets(Details(several=False)), st.integers(0, 3), st.randoms(use_true_random=False))
def test_parts_are_disjoint_cover_and_follow_names_alone(made: object, seed: int, random: object) -> None:
    profile, batches = made  # type: ignore[misc]  # a tuple
    together = concatenate_batches(batches)
    order = list(range(together.images.num_rows))
    random.shuffle(order)  # type: ignore[attr-defined]  # hypothesis' random
    moved = concatenate_batches([together.take_images(np.array([row])) for row in order])
    found = []
    for batch in (together, moved):
        tables = tables_of(PictureDataset(profile, batch))
        found.append(assign_splits(tables, PARTS, group_images(tables, ()), seed))
    first, second = found
    assert dict(first.part_of) == dict(second.part_of)
    assert set(first.part_of) == set(together.images["image_id"].to_pylist())
    assert first.n_images.sum() == together.images.num_rows
    np.testing.assert_array_equal(first.counts, second.counts)


def test_groups_and_pairs_stay_together() -> None:
    picture = "\n\n".join(["ab\n.."] * 6)
    tables = tables_of(draw_picture(picture))
    unit = group_images(tables, (), [(0, 3), (3, 5)])
    assert unit[0] == unit[3] == unit[5]
    assert len(set(unit.tolist())) == 4
    found = assign_splits(tables, {"a": 0.5, "b": 0.5}, unit, 0)
    assert found.part_of["1.png"] == found.part_of["4.png"] == found.part_of["6.png"]
    assert (found.n_units, found.largest, found.n_images.tolist()) == (4, 3, [3, 3])


def test_counts_are_those_of_the_parts() -> None:
    tables = tables_of(draw_picture("aab\n..b\n\na..\n...\n\nb..\nb..\n\n...\n..a"))
    found = assign_splits(tables, {"x": 0.5, "y": 0.5}, group_images(tables, ()), 1)
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
            assign_splits(tables, parts, np.zeros(1, np.int64), 0)
    with pytest.raises(SegdataError, match="'camera'"):
        group_images(tables, ("camera",))


def amounts_of(table: Floats) -> UnitAmounts:
    """The amounts in a dense table (n_units, n_quantities)."""
    unit, quantity = np.nonzero(table)
    return UnitAmounts.from_entries(unit, quantity, table[unit, quantity], *table.shape)


def cost(table: Floats, part: np.ndarray[tuple[int], np.dtype[np.int64]], shares: Floats) -> float:
    """The sum of squared deviations over the shares, counted one by one."""
    total = 0.0
    for column in table.T:
        for at, share in enumerate(shares):
            total += (column[part == at].sum() / column.sum() - share) ** 2 / share
    return total


@st.composite
def tables(draw: st.DrawFn) -> Floats:
    n, k = draw(st.integers(1, 12)), draw(st.integers(0, 4))
    rows = draw(st.lists(st.lists(st.integers(0, 3), min_size=k, max_size=k), min_size=n, max_size=n))
    return np.array(rows, np.float64).reshape(n, k)


@given(tables(), st.sampled_from([(0.5, 0.5), (0.7, 0.2, 0.1)]), st.data())
def test_every_unit_has_one_part_and_some_stay_in_theirs(
    table: Floats, shares: tuple[float, ...], data: st.DataObject
) -> None:
    kept = np.array([data.draw(st.integers(-1, len(shares) - 1)) for _ in table], np.int64)
    part = stratify(amounts_of(table), np.ones(len(table)), np.array(shares), kept)
    assert part.shape == (len(table),)
    assert set(part.tolist()) <= set(range(len(shares)))
    np.testing.assert_array_equal(part[kept >= 0], kept[kept >= 0])


def test_better_than_any_of_a_hundred_random_divisions() -> None:
    rng = np.random.default_rng(3)
    table = rng.poisson(0.4, (120, 8)) * rng.lognormal(0, 1, (120, 1))
    shares = np.array([0.7, 0.15, 0.15])
    part = stratify(amounts_of(table), np.ones(120), shares)
    assert np.bincount(part).tolist() == [84, 18, 18]
    drawn = [rng.permutation(np.repeat([0, 1, 2], [84, 18, 18])) for _ in range(100)]
    assert cost(table, part, shares) < min(cost(table, each, shares) for each in drawn) / 10


@pytest.mark.parametrize("n_rare", [1, 2, 3])
def test_the_rare_are_dealt_before_the_frequent(n_rare: int) -> None:
    """Half of the units to each part: of a category in n units no part has more than one above its half."""
    table = np.zeros((20, 2))
    table[:, 0] = 1
    table[:n_rare, 1] = 1
    part = stratify(amounts_of(table), np.ones(20), np.array([0.5, 0.5]))
    assert np.bincount(part).tolist() == [10, 10]
    assert abs(int((part[:n_rare] == 0).sum()) - int((part[:n_rare] == 1).sum())) <= n_rare % 2


@pytest.mark.parametrize("n_units", [1, 2, 3, 4])
def test_no_part_is_empty_while_there_are_units(n_units: int) -> None:
    part = stratify(amounts_of(np.ones((n_units, 1))), np.arange(1.0, n_units + 1), np.array([0.8, 0.1, 0.1]))
    assert len(set(part.tolist())) == min(n_units, 3)


def test_amounts_of_one_unit_are_added_and_shares_sum_to_one() -> None:
    found = UnitAmounts.from_entries(np.array([1, 0, 1]), np.array([1, 0, 1]), np.array([2.0, 5.0, 6.0]), 3, 2)
    assert (found.first.tolist(), found.quantity.tolist(), found.share.tolist()) == ([0, 1, 2, 2], [0, 1], [1.0, 1.0])
