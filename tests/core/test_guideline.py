"""Guideline: quotes, names and relations of categories, and colours, against scikit-image's CIELAB."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab

from segdata.core.guideline import (
    declares_relation,
    ids_by_name,
    is_related,
    is_related_either_way,
    quote_guideline,
    quote_text,
    rgb_to_cielab,
    taxonomy_advice,
)
from segdata.core.taxonomy import Category, Taxonomy

TAXONOMY = Taxonomy(
    categories=(
        Category(id=1, name="car", definition="Passenger\n  cars.", occlusion_rule=" ".join(["word"] * 100)),
        Category(id=2, name="bus"),
    )
)


def test_a_quote_is_one_line() -> None:
    assert (
        quote_guideline(TAXONOMY, "car", "definition")
        == quote_guideline(TAXONOMY, 1, "definition")
        == '; guideline: "Passenger cars."'
    )
    long = quote_guideline(TAXONOMY, "car", "occlusion_rule")
    assert len(long) < 180
    assert long.endswith('word …"')


def test_a_drafted_definition_is_no_guideline() -> None:
    """`segdata init` counts the values in masks; until somebody writes a definition, there is none to quote."""
    drafted = Category(id=3, name="tram", definition="drafted: in 10 of 10 masks, 9.15 % of their pixels")
    assert quote_guideline(Taxonomy(categories=(drafted,)), "tram", "definition") == ""
    assert list(taxonomy_advice(Taxonomy(categories=(drafted,)))) == ["1 category without definition: tram"]


def test_who_says_nothing_is_not_quoted() -> None:
    assert quote_guideline(TAXONOMY, "bus", "definition") == quote_guideline(TAXONOMY, "tram", "definition") == ""
    assert quote_guideline(TAXONOMY, None, "definition") == quote_text(None) == quote_text(" \n") == ""


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
    assert is_related(FLEET, "part_of", a, b).tolist() == [True, False, False, True, False]
    assert is_related_either_way(FLEET, "part_of", a, b).tolist() == [True, True, False, True, True]
    assert is_related(FLEET, "may_overlap", a, b).tolist() == [True, False, False, True, False]
    assert declares_relation(FLEET, "part_of")
    assert not declares_relation(FLEET, "also", "may_not_touch")


@given(st.lists(st.tuples(st.integers(-3, 12), st.integers(-3, 12)), max_size=20))
def test_ids_that_nobody_has_are_in_no_relation(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, np.int64).reshape(-1, 2).T
    wholes = {7, 3, 5}
    assert is_related(FLEET, "part_of", a, b).tolist() == [x == 9 and y in wholes for x, y in pairs]


def said(*categories: Category) -> list[str]:
    return list(taxonomy_advice(Taxonomy(categories=categories)))


def test_a_complete_taxonomy_needs_no_advice() -> None:
    assert not said(
        Category(id=1, name="car", definition="Cars.", color=(0, 0, 142), boundary_rule="a", occlusion_rule="b"),
        Category(id=2, name="road", definition="Roads.", color=(128, 64, 128), boundary_rule="a", occlusion_rule="b"),
        Category(id=3, name="void", definition="Haze.", color=(9, 9, 9), kind="void"),
    )


def test_rules_for_borders_are_missed_where_others_have_them() -> None:
    definition = {"definition": "x"}
    assert not said(Category(id=1, name="car", **definition), Category(id=2, name="road", **definition))
    (line,) = said(
        Category(id=1, name="car", boundary_rule="a", **definition), Category(id=2, name="road", **definition)
    )
    assert line == "1 category without boundary_rule: road"


def test_missing_definitions_are_counted_and_the_first_named() -> None:
    (line,) = said(*(Category(id=id_, name=name) for id_, name in enumerate("abcdefgh")))
    assert line == "8 categories without definition: a, b, c, d, e, f and 2 more"


def test_names_that_are_easily_mistaken() -> None:
    lines = said(
        *(Category(id=id_, name=name, definition="x") for id_, name in enumerate(["sign", "Signs", "car", "Car"]))
    )
    assert lines == [
        "the names 'sign' and 'Signs' are easily confused",
        "the names 'car' and 'Car' are easily confused",
    ]


def test_colours_that_are_hard_to_tell_apart_but_not_wrong() -> None:
    lines = said(
        Category(id=1, name="a", definition="x", color=(100, 100, 100)),
        Category(id=2, name="b", definition="x", color=(110, 110, 110)),
        Category(id=3, name="c", definition="x", color=(111, 110, 110)),
        Category(id=4, name="d", definition="x"),
    )
    assert lines[0] == "1 category without color: d"
    assert [line[:11] for line in lines[1:]] == ["'a' and 'b'", "'a' and 'c'"]


def test_lab_is_that_of_skimage() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (500, 3)).astype(np.float64)
    np.testing.assert_allclose(rgb_to_cielab(rgb), rgb2lab(rgb / 255), atol=0.02)
