"""The coverage of an annotation, for all categories or some."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.config import Coverage
from segdata.core.coverage import coverage_of, coverage_text
from segdata.core.errors import SegdataError

SOME: st.SearchStrategy[Coverage] = st.sampled_from(["exhaustive", "sparse"])


@given(st.dictionaries(st.text(), SOME, min_size=1))
def test_what_is_said_of_categories_comes_back(said: dict[str, Coverage]) -> None:
    text = coverage_text(said)
    assert coverage_of(text) == said
    assert text == coverage_text(dict(reversed(said.items()))), "the order in which it is said does not matter"


def test_of_all_categories_or_none() -> None:
    assert (coverage_of("exhaustive"), coverage_of("sparse"), coverage_of(None)) == ("exhaustive", "sparse", None)
    assert coverage_text({}) is None


@pytest.mark.parametrize("text", ["", "full", "[]", '{"cat": "all"}', '{"cat": 1}', "{"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(SegdataError, match="not exhaustive, sparse, or a JSON object"):
        coverage_of(text)
