"""Maps: what is written reads back, and what is not decided is refused with names."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core import yamlfile
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy
from segdata.edit.taxonomy_map import Target, TaxonomyMap, decided, load_map, map_text, renamed

NAMES = st.text("abcä: #'\"{}-,0", min_size=1, max_size=5).filter(lambda name: name.strip() == name)
TARGETS = st.none() | NAMES | st.lists(NAMES, min_size=1, max_size=3).map(tuple)


@given(st.dictionaries(NAMES, TARGETS, max_size=5), st.none() | NAMES)
def test_what_is_written_reads_back(migration: dict[str, Target], taxonomy: str | None) -> None:
    read = yamlfile.parse(map_text(migration, taxonomy), TaxonomyMap, "map.yaml")
    assert read == TaxonomyMap(taxonomy=taxonomy, categories=migration)


def test_a_name_that_the_new_taxonomy_lacks_is_an_error_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text("categories: [{id: 1, name: car}]")
    path = tmp_path / "map.yaml"
    path.write_text("taxonomy: new.yaml\ncategories:\n  auto: car\n  bus: cra\n")
    with pytest.raises(SegdataError, match=r"map\.yaml:4: new\.yaml has no category 'cra'; did you mean 'car'"):
        load_map(path)
    path.write_text("taxonomy: new.yaml\ncategories:\n  auto: car\n  bus: null\n")
    found, new = load_map(path)
    assert found.categories == {"auto": "car", "bus": None}
    assert new == Taxonomy(categories=(Category(id=1, name="car"),))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("categories: {a: 3}\n", "map.yaml:1: expected"),
        ("categorys: {a: b}\n", "did you mean 'categories'"),
        ("", "missing required field"),
        ("taxonomy: nowhere.yaml\ncategories: {}\n", "nowhere.yaml: cannot be read"),
    ],
)
def test_broken_maps(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(SegdataError, match=problem):
        load_map(tmp_path / "map.yaml")


def test_what_is_open_is_refused_with_names() -> None:
    given_ = TaxonomyMap(categories={"a": ("x", "y"), "b": "x"})
    with pytest.raises(SegdataError, match=r"leaves open what becomes of: a \(x or y\)"):
        decided(given_, ["a", "b"], whole=False)
    with pytest.raises(SegdataError, match="does not say what becomes of: c, d;"):
        decided(TaxonomyMap(categories={"b": "x"}), ["b", "c", "d"], whole=True)
    with pytest.raises(SegdataError, match=r"do not have: bb; did you mean 'b'"):
        decided(TaxonomyMap(categories={"bb": "x"}), ["b"], whole=False)
    assert decided(TaxonomyMap(categories={"b": "x", "c": None}), ["b", "c", "d"], whole=False) == {
        "b": "x", "c": None, "d": "d",
    }  # fmt: skip


def test_categories_keep_what_they_say_under_new_names() -> None:
    taxonomy = Taxonomy(
        unlabelled=0,
        categories=(
            Category(id=4, name="auto", color=(1, 2, 3), parent="traffic"),
            Category(id=5, name="wheel", part_of=("auto", "lorry"), may_overlap=("mud",)),
            Category(id=6, name="lorry", aliases=("car",)),
            Category(id=7, name="mud"),
            Category(id=8, name="traffic"),
        ),
    )
    found = renamed(taxonomy, {"auto": "car", "wheel": "wheel", "lorry": "car", "mud": None, "traffic": "vehicle"})
    assert found == Taxonomy(
        unlabelled=0,
        categories=(
            Category(id=4, name="car", color=(1, 2, 3), parent="vehicle"),
            Category(id=5, name="wheel", part_of=("car",)),
            Category(id=8, name="vehicle"),
        ),
    )


def test_of_joined_categories_the_one_of_that_name_stays() -> None:
    taxonomy = Taxonomy(categories=(Category(id=1, name="van"), Category(id=2, name="car", definition="Cars.")))
    assert renamed(taxonomy, {"van": "car", "car": "car"}).categories == (taxonomy.categories[1],)
