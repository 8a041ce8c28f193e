"""Counted: the noun in the right form."""

from segdata.core.errors import count_noun


def test_numbers_and_nouns() -> None:
    assert [count_noun(n, "category") for n in (0, 1, 1000)] == ["0 categories", "1 category", "1,000 categories"]
    assert [count_noun(n, "vertex", "vertices") for n in (1, 2)] == ["1 vertex", "2 vertices"]
