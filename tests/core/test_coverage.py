"""The coverage of an annotation, for all categories or some."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.config import Coverage, encode_coverage, parse_coverage
from segdata.core.errors import SegdataError

SOME: st.SearchStrategy[Coverage] = st.sampled_from(["exhaustive", "sparse"])


@given(st.dictionaries(st.text(), SOME, min_size=1))
def test_what_is_said_of_categories_comes_back(said: dict[str, Coverage]) -> None:
    text = encode_coverage(said)
    assert parse_coverage(text) == said
    assert text == encode_coverage(dict(reversed(said.items()))), "the order in which it is said does not matter"


def test_of_all_categories_or_none() -> None:
    assert (parse_coverage("exhaustive"), parse_coverage("sparse"), parse_coverage(None)) == (
        "exhaustive",
        "sparse",
        None,
    )
    assert encode_coverage({}) is None


@pytest.mark.parametrize("text", ["", "full", "[]", '{"cat": "all"}', '{"cat": 1}', "{"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(SegdataError, match="must be exhaustive, sparse or a JSON object"):
        parse_coverage(text)
