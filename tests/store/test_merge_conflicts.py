"""Reconcile: categories keep their names, ids do not clash, and what cannot be one is said with both files."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.errors import SegdataError
from segdata.core.profile import Policy, Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.store.merge_conflicts import merge_taxonomies
from segdata.testing.strategies import taxonomies


def profile(name: str, *categories: Category, unlabelled: int | None = None) -> Profile:
    taxonomy = Taxonomy(categories=categories, unlabelled=unlabelled)
    return Profile(name, "made", "instance", taxonomy, True, Policy("sparse"), Policy("allow"), files=f"/data/{name}")


def things(*names: str) -> list[Category]:
    return [Category(id=at + 1, name=name) for at, name in enumerate(names)]


@given(taxonomies(), taxonomies(), st.booleans())
def test_every_category_is_there_under_its_name(a: Taxonomy, b: Taxonomy, same: bool) -> None:
    kinds = {each.name: each.kind for each in a.categories}
    b = Taxonomy(
        categories=tuple(
            Category(id=each.id, name=each.name, kind=kinds.get(each.name, each.kind), color=each.color)
            for each in (a if same else b).categories
        )
    )
    profiles = [replace(profile(name), taxonomy=taxonomy) for name, taxonomy in (("a", a), ("b", b))]
    found = merge_taxonomies(profiles)
    ids = [each.id for each in found.taxonomy.categories]
    assert len(set(ids)) == len(ids)
    for taxonomy, mapped in zip((a, b), found.ids, strict=True):
        for each in taxonomy.categories:
            assert found.taxonomy.name_of(mapped[each.id]) == each.name
    if same:
        assert [each.name for each in found.taxonomy.categories] == [each.name for each in a.categories]
        assert found.ids[0].known == found.ids[1].known


def test_ids_and_colours_that_are_taken_become_others() -> None:
    a = profile("a", Category(id=1, name="car", color=(1, 2, 3)), unlabelled=2)
    b = profile(
        "b", Category(id=1, name="bus", color="#010203"), Category(id=2, name="van"), Category(id=5, name="car")
    )
    found = merge_taxonomies([a, b])
    assert [(each.id, each.name, each.rgb) for each in found.taxonomy.categories] == [
        (1, "car", (1, 2, 3)),
        (3, "bus", None),
        (4, "van", None),
    ]
    assert dict(found.ids[1]) == {1: 3, 2: 4, 5: 1}
    assert found.remarks == (
        "'bus' of b has no colour, since its own is taken",
        "2 categories of b have new ids, since theirs are in use: 'bus' 3 (was 1), 'van' 4 (was 2)",
    )


def test_an_alias_is_the_category() -> None:
    a = profile("a", Category(id=1, name="car", aliases=("auto",)), Category(id=2, name="lorry"))
    b = profile("b", Category(id=7, name="auto"), Category(id=8, name="truck", aliases=("lorry",)))
    found = merge_taxonomies([a, b])
    assert [each.name for each in found.taxonomy.categories] == ["car", "lorry"]
    assert found.taxonomy.categories[1].aliases == ("truck",)
    assert dict(found.ids[1]) == {7: 1, 8: 2}


def test_names_that_only_the_data_have_meet_those_of_taxonomies() -> None:
    a = profile("a", *things("car"))
    b = replace(profile("b", *things("bus")), metadata={"unknown_categories": '{"-1": "car", "-2": "sled"}'})
    found = merge_taxonomies([a, b])
    assert found.ids[1][-1] == 1
    assert found.unknown == {found.ids[1][-2]: "sled"}
    assert found.ids[1][99] == 99  # nobody's
    assert found.ids[0][2] != 2  # nobody's in a, the bus of b in the whole


@pytest.mark.parametrize(
    "b",
    [
        profile("b", Category(id=1, name="car", kind="stuff")),
        profile("b", Category(id=1, name="car"), Category(id=2, name="auto")),
        profile("b", Category(id=1, name="x", aliases=("car", "bus"))),
    ],
)
def test_what_cannot_be_one_names_both_files(b: Profile) -> None:
    a = profile("a", Category(id=1, name="car", aliases=("auto",)), Category(id=2, name="bus"))
    with pytest.raises(SegdataError) as caught:
        merge_taxonomies([a, b])
    for said in ("/data/a", "/data/b", "--taxonomy-map /data/b=MAP"):
        assert said in str(caught.value)
