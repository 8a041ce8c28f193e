"""Taxonomies from YAML: what they hold, and errors with file and line."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.errors import SegdataError
from segdata.core.taxonomy import (
    Attribute,
    Category,
    ExpectedCategory,
    MaxVoid,
    SizeLimits,
    Taxonomy,
    as_rgb,
    dump_taxonomy,
    load_taxonomy,
    parse_taxonomy,
)

NAMES = st.text("abcäß :#'\"{}-,", min_size=1, max_size=6).filter(lambda name: name.strip() == name)
SHARES = st.none() | st.floats(0, 1)
RELATIONS = ("part_of", "may_overlap", "may_not_overlap", "may_not_touch", "also")
COLORS = st.none() | st.tuples(*[st.integers(0, 255)] * 3)


@st.composite
def taxonomies(draw: st.DrawFn) -> Taxonomy:
    ids = draw(st.lists(st.integers(-5, 2**40), min_size=1, max_size=5))
    return Taxonomy(
        unlabelled=draw(st.none() | st.integers(0, 255) | st.tuples(*[st.integers(0, 255)] * 3)),
        categories=tuple(
            Category(
                id=id_,
                name=draw(NAMES),
                kind=draw(st.sampled_from(["thing", "stuff", "void"])),
                color=draw(COLORS),
                parent=draw(st.none() | NAMES),
                aliases=tuple(draw(st.lists(NAMES, max_size=2))),
                attributes=tuple(Attribute(name, ("a", 1, True)) for name in draw(st.lists(NAMES, max_size=1))),
                definition=draw(st.none() | NAMES),
                examples=tuple(draw(st.lists(NAMES, max_size=1))),
                expected=draw(
                    st.none() | st.builds(ExpectedCategory, least_share=SHARES, whenever=st.lists(NAMES).map(tuple))
                ),
                size=draw(
                    st.none() | st.builds(SizeLimits, min_pixels=st.integers(0, 99), max_mm2=st.floats(0.1, 9.5))
                ),
                **{relation: tuple(draw(st.lists(NAMES, max_size=1))) for relation in RELATIONS},
            )
            for id_ in ids
        ),
        groups=draw(st.dictionaries(NAMES, st.none() | NAMES, max_size=2)),
        max_void=draw(st.none() | st.builds(MaxVoid, image=SHARES, dataset=SHARES)),
    )


@settings(max_examples=40)
@given(taxonomies())
def test_what_is_written_reads_back(taxonomy: Taxonomy) -> None:
    assert parse_taxonomy(dump_taxonomy(taxonomy)) == taxonomy


def test_yaml_1_2_booleans_so_a_category_may_be_called_no() -> None:
    found = parse_taxonomy("categories:\n  - {id: 1, name: no}\n  - {id: 2, name: on}\n")
    assert [category.name for category in found.categories] == ["no", "on"]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("categories:\n  - {id: 1, name: a, color: #00008e\n  }\n", 2, "color is empty; quote it"),
        ("categories:\n  - id: 1\n    name: a\n    color:\n", 4, "color is empty; quote it"),
        ('categories:\n  - {id: 1, name: "a", color: #00008e}\n', 2, 'quote the colour: "#00008e"'),
        ("categories:\n  - {id: 1, name: a, color: #00008e}\n  - {id: 2, name: b}\n", 2, "quote the colour"),
        ("categories:\n  - {id: 1, name: a} # {color: #00008e}\n  - {id: 2, name: b\n", 4, "expected"),
        ("categories:\n  - {id: 1, name: a, colr: red}\n", 2, "did you mean 'color'"),
        ("categories:\n  - {id: 1, name: a}\n  - {id: x, name: b}\n", 3, "expected `int`"),
        ("categories:\n  - {id: 1, name: a}\n  - {name: b}\n", 3, "missing required field `id`"),
        ("categories:\n  - {id: 1, name: a, kind: ting}\n", 2, "invalid enum value 'ting'"),
        ("categories:\n  - {id: 1, name: a, color: [0, 0, 300]}\n", 2, "not three values from 0 to 255"),
        ("categories:\n  - {id: 1, name: a, color: '#12'}\n", 2, "not \\[r, g, b\\]"),
        ("categories:\n  - {id: 1, id: 2, name: a}\n", 2, "repeated"),
        ("categories:\n  - {id: 1, name: a, may_not_tuch: [b]}\n", 2, "did you mean 'may_not_touch'"),
        ("categories:\n  - id: 1\n    name: a\n    size:\n      min_pixel: 4\n", 5, "did you mean 'min_pixels'"),
        ("categories:\n  - id: 1\n    name: a\n    size: {min_pixels: -4}\n", 4, "expected `int` >= 0"),
        ("categories:\n  - id: 1\n    name: a\n    expected: {least_share: 90}\n", 4, "expected `float` <= 1"),
        ("max_void: {picture: 0.1}\ncategories: [{id: 1, name: a}]\n", 1, "unknown key 'picture'"),
        ("categories:\n  - {id: 1, name: a}\nmax_void: 0.1\n", 3, "expected `object"),
        ("categories: [\n", 2, "expected"),
        ("name: x\n", 1, "no categories"),
        ("", 1, "no categories"),
        ("- a\n", 1, "expected `object`"),
    ],
)
def test_errors_name_file_and_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(SegdataError, match=problem) as error:
        parse_taxonomy(text, "t.yaml")
    assert str(error.value).startswith(f"t.yaml:{line}:")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match=r"no\.yaml: cannot be read: No such file"):
        load_taxonomy(tmp_path / "no.yaml")
    (tmp_path / "latin.yaml").write_bytes("categories: [{id: 1, name: gr\xfcn}]".encode("latin-1"))
    with pytest.raises(SegdataError, match="is not UTF-8"):
        load_taxonomy(tmp_path / "latin.yaml")


def test_lookups_take_the_first_and_names_go_before_aliases() -> None:
    a, b = Category(id=1, name="car", color="#010203", aliases=("auto",)), Category(id=1, name="auto")
    found = Taxonomy(categories=(a, b), unlabelled=(9, 9, 9))
    assert found.by_id() == {1: a}
    assert found.by_name() == {"car": a, "auto": b}
    assert found.by_color() == {(1, 2, 3): a}
    assert found.nearest("Cra") == ["car"]
    assert (found.unlabelled_color, found.unlabelled_id) == ((9, 9, 9), None)


def test_colours_in_either_notation() -> None:
    assert as_rgb("#FF000a") == as_rgb((255, 0, 10)) == (255, 0, 10)
