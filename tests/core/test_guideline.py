"""Quotes of the guideline: one line, not too long, and nothing where nothing is said."""

from segdata.core.guideline import quote, quoted
from segdata.core.taxonomy import Category, Taxonomy

TAXONOMY = Taxonomy(
    categories=(
        Category(id=1, name="car", definition="Passenger\n  cars.", occlusion_rule=" ".join(["word"] * 100)),
        Category(id=2, name="bus"),
    )
)


def test_a_quote_is_one_line() -> None:
    assert (
        quoted(TAXONOMY, "car", "definition") == quoted(TAXONOMY, 1, "definition") == '; guideline: "Passenger cars."'
    )
    long = quoted(TAXONOMY, "car", "occlusion_rule")
    assert len(long) < 180
    assert long.endswith('word …"')


def test_who_says_nothing_is_not_quoted() -> None:
    assert quoted(TAXONOMY, "bus", "definition") == quoted(TAXONOMY, "tram", "definition") == ""
    assert quoted(TAXONOMY, None, "definition") == quote(None) == quote(" \n") == ""
