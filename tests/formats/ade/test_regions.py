"""Which region is which object: by place, and by number where blue is spread."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.runs import Runs
from segdata.formats.ade.documents import AdeObject
from segdata.formats.ade.regions import LevelRegions, ObjectMask, match_objects, match_wholes
from segdata.testing.pictures import runs_of_masks


def regions(mask: np.ndarray, category: int = 401) -> LevelRegions:
    """The regions of a mask of blue values, of one class."""
    keys = np.unique(mask[mask > 0])
    runs = runs_of_masks([mask == key for key in keys])
    return LevelRegions(
        0, np.full(len(keys), category), keys.astype(np.int64), runs, mask.shape, "RGB 8 bit", "a_seg.png"
    )


@given(st.integers(1, 255).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(1, n), min_size=1))))
def test_numbers_come_back_from_spread_blue_though_some_are_hidden(scene: tuple[int, set[int]]) -> None:
    n, shown = scene
    numbers = np.array(sorted(shown))
    blue = np.floor(255 * numbers / n + 0.5)
    assert regions(blue[None].astype(np.uint8)).numbers(n).tolist() == numbers.tolist()


def test_ranks_count_where_blue_is_not_spread() -> None:
    """As Datumaro writes 1, 2, 3; with an object too many nothing tells."""
    found = regions(np.array([[1, 2, 3]], np.uint8))
    assert found.numbers(3).tolist() == [1, 2, 3]
    assert found.numbers(4) is None


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_places_link_whatever_the_order(order: list[int], keys: list[int]) -> None:
    """Four cars side by side: region k covers column k of the picture, note i is drawn in column order[i]."""
    mask = np.repeat(np.array([[60 * (key + 1) for key in keys]], np.uint8), 3, axis=0)
    notes = [AdeObject("car", 0, "", id=i, category=401) for i in range(4)]
    drawn = [ObjectMask(runs_of_masks([np.arange(4)[None].repeat(3, 0) == column])) for column in order]
    rows = match_objects(regions(mask), notes, drawn)
    by_key = {key: column for column, key in enumerate(keys)}
    assert [order[row] for row in rows.tolist()] == [by_key[key] for key in range(4)]


def test_the_larger_share_wins_and_the_last_pair_of_a_class_is_one() -> None:
    """Two polygons cover the first region; of two notes that lie nowhere the one of the class that is left is taken."""
    mask = np.array([[100, 100, 0, 200]], np.uint8)
    wide, exact = (runs_of_masks([np.array([[True, True, each, False]])]) for each in (True, False))
    notes = [
        AdeObject("car", 0, "", id=1, category=401),
        AdeObject("car", 0, "", id=2, category=401),
        AdeObject("car", 0, "", id=3, category=401),
    ]
    assert match_objects(
        regions(mask), notes, [ObjectMask(wide), ObjectMask(exact), ObjectMask(Runs.empty())]
    ).tolist() == [1, -1]
    notes[0] = AdeObject("tree", 0, "", id=1, category=7)
    assert match_objects(
        regions(mask), notes, [ObjectMask(wide), ObjectMask(exact), ObjectMask(Runs.empty())]
    ).tolist() == [1, 2]


def test_a_part_belongs_to_the_object_that_covers_most_of_it() -> None:
    objects = regions(np.array([[10, 10, 20, 20, 0]], np.uint8))
    parts = regions(np.array([[0, 1, 1, 1, 2]], np.uint8))
    assert match_wholes(parts, objects).tolist() == [1, -1]
