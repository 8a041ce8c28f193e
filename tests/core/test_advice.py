"""Advice on taxonomies: what is named, and what is left alone."""

from segdata.core.advice import advice
from segdata.core.taxonomy import Category, Taxonomy


def said(*categories: Category) -> list[str]:
    return list(advice(Taxonomy(categories=categories)))


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
        "'sign' and 'Signs' are names that are easily mistaken for each other",
        "'car' and 'Car' are names that are easily mistaken for each other",
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
