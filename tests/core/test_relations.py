"""Relations between categories: a name stands for all below it, and cycles end."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.relations import declares, ids_by_name, related, related_either_way
from segdata.core.taxonomy import Category, Taxonomy

FLEET = Taxonomy(
    groups={"vehicle": "traffic", "traffic": None},
    categories=(
        Category(id=7, name="car", parent="vehicle", aliases=("auto",)),
        Category(id=3, name="bus", parent="vehicle"),
        Category(id=5, name="van", parent="car"),
        Category(id=9, name="wheel", part_of=("vehicle",), may_overlap=("auto",)),
        Category(id=2, name="road"),
    ),
)


def test_a_name_stands_for_all_below_it() -> None:
    assert ids_by_name(FLEET) == {
        "car": {7, 5}, "auto": {7, 5}, "bus": {3}, "van": {5}, "vehicle": {7, 3, 5}, "traffic": {7, 3, 5},
        "wheel": {9}, "road": {2},
    }  # fmt: skip


def test_parents_in_a_circle_end() -> None:
    circle = Taxonomy(categories=(Category(id=1, name="egg", parent="hen"), Category(id=2, name="hen", parent="egg")))
    assert ids_by_name(circle) == {"egg": {1, 2}, "hen": {1, 2}}


def test_relations_have_a_direction() -> None:
    a, b = np.array([9, 7, 9, 9, 5]), np.array([7, 9, 2, 5, 9])
    assert related(FLEET, "part_of", a, b).tolist() == [True, False, False, True, False]
    assert related_either_way(FLEET, "part_of", a, b).tolist() == [True, True, False, True, True]
    assert related(FLEET, "may_overlap", a, b).tolist() == [True, False, False, True, False]
    assert declares(FLEET, "part_of")
    assert not declares(FLEET, "also", "may_not_touch")


@given(st.lists(st.tuples(st.integers(-3, 12), st.integers(-3, 12)), max_size=20))
def test_ids_that_nobody_has_are_in_no_relation(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, np.int64).reshape(-1, 2).T
    wholes = {7, 3, 5}
    assert related(FLEET, "part_of", a, b).tolist() == [x == 9 and y in wholes for x, y in pairs]
