"""What became of each category, and where its labels belong."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.taxonomy import Category, CategoryKind, Taxonomy
from segdata.store.diff.taxonomies import TaxonomyDifference, compare_taxonomies, taxonomy_changes


def compared(old: list[Category], new: list[Category], **more: Any) -> TaxonomyDifference:
    return compare_taxonomies(Taxonomy(categories=tuple(old)), Taxonomy(categories=tuple(new), **more))


def kinds(found: TaxonomyDifference) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    return [(each.kind, each.old, each.new) for each in found.changes]


CAR, BUS = Category(id=1, name="car", color=(0, 0, 142)), Category(id=2, name="bus", color=(0, 60, 100))


def test_the_same_twice_is_no_difference_in_any_order() -> None:
    found = compared([CAR, BUS], [BUS, CAR])
    assert not found.changes
    assert found.migration == {"car": "car", "bus": "bus"}


def test_added_and_removed() -> None:
    found = compared([CAR, BUS], [CAR, Category(id=3, name="tram")])
    assert kinds(found) == [("added", (), ("tram",)), ("removed", ("bus",), ())]
    assert found.migration == {"car": "car", "bus": None}


def test_an_alias_goes_before_id_and_colour() -> None:
    new = [Category(id=7, name="motorcar", aliases=("car",)), Category(id=1, name="tree", color=(0, 0, 142))]
    found = compared([CAR], new)
    assert found.migration == {"car": "motorcar"}
    assert ("renamed", ("car",), ("motorcar",)) in kinds(found)
    assert ("added", (), ("tree",)) in kinds(found)


def test_the_name_may_have_been_an_alias() -> None:
    found = compared([Category(id=1, name="automobile", aliases=("car",))], [Category(id=9, name="car")])
    assert found.migration == {"automobile": "car"}


def test_an_id_or_a_colour_tells_of_a_new_name() -> None:
    found = compared([CAR, BUS], [Category(id=1, name="motorcar"), Category(id=8, name="coach", color="#003c64")])
    assert found.migration == {"car": "motorcar", "bus": "coach"}
    assert [each.message for each in found.changes if each.kind == "renamed"] == [
        "'car' is 'motorcar' now, by its id",
        "'bus' is 'coach' now, by its color",
    ]


def test_an_id_that_says_otherwise_than_the_colour_is_for_a_person() -> None:
    new = [Category(id=1, name="tree", color=(0, 200, 0)), Category(id=5, name="motorcar", color=(0, 0, 142))]
    found = compared([CAR], new)
    assert found.undecided == {"car": ("tree", "motorcar")}
    assert kinds(found)[0][0] == "unclear"
    assert compared([CAR], new[:1]).undecided == {"car": ("tree",)}


def test_a_category_with_new_children_is_split() -> None:
    children = [Category(id=5, name="van", parent="car"), Category(id=6, name="saloon", parent="car")]
    gone, stays = compared([CAR], children), compared([CAR], [CAR, *children])
    assert gone.undecided == {"car": ("van", "saloon")}
    assert stays.undecided == {"car": ("car", "van", "saloon")}
    assert kinds(gone) == [("split", ("car",), ("van", "saloon"))]


def test_a_category_that_had_children_gets_another_one() -> None:
    van, saloon = Category(id=5, name="van", parent="car"), Category(id=6, name="saloon", parent="car")
    found = compared([CAR, van], [CAR, van, saloon])
    assert found.migration == {"car": "car", "van": "van"}
    assert kinds(found) == [("added", (), ("saloon",))]


def test_merged() -> None:
    found = compared([CAR, BUS], [Category(id=1, name="vehicle", aliases=("car", "bus"))])
    assert found.migration == {"car": "vehicle", "bus": "vehicle"}
    assert kinds(found) == [("merged", ("car", "bus"), ("vehicle",))]
    into = compared([CAR, BUS], [Category(id=1, name="car", color=(0, 0, 142), aliases=("bus",))])
    assert into.migration == {"car": "car", "bus": "car"}
    assert ("merged", ("car", "bus"), ("car",)) in kinds(into)


def test_an_alias_of_two_is_split() -> None:
    new = [Category(id=4, name="van", aliases=("car",)), Category(id=5, name="saloon", aliases=("car",))]
    assert compared([CAR], new).undecided == {"car": ("van", "saloon")}


def test_what_categories_that_stay_say_otherwise() -> None:
    new = Category(id=3, name="car", kind="stuff", color=(1, 1, 1), definition="Cars.", thin=True, part_of=("bus",))
    found = compared([CAR, BUS], [new, BUS], name="street", max_void=None)
    assert [each.kind for each in found.changes] == ["id", "kind", "color", "guideline", "details", "taxonomy"]
    assert [each.message for each in found.changes] == [
        "'car': id 1, now 3",
        "'car': kind thing, now stuff",
        "'car': color (0, 0, 142), now (1, 1, 1)",
        "'car': definition nothing, now Cars.",
        "'car': part_of nothing, now bus; thin nothing, now True",
        "the taxonomy's name nothing, now street",
    ]


@st.composite
def taxonomies(draw: st.DrawFn) -> Taxonomy:
    names = draw(st.lists(st.sampled_from("abcdef"), max_size=4, unique=True))
    kinds_: st.SearchStrategy[CategoryKind] = st.sampled_from(("thing", "stuff", "void"))
    return Taxonomy(
        categories=tuple(
            Category(
                id=draw(st.integers(1, 5)),
                name=name,
                kind=draw(kinds_),
                color=draw(st.none() | st.sampled_from([(1, 2, 3), (9, 9, 9)])),
                parent=draw(st.none() | st.sampled_from("abcdefg")),
                aliases=tuple(draw(st.lists(st.sampled_from("abcdef"), max_size=2))),
            )
            for name in names
        )
    )


@settings(max_examples=80)
@given(taxonomies(), taxonomies())
def test_every_category_is_accounted_for(old: Taxonomy, new: Taxonomy) -> None:
    found = compare_taxonomies(old, new)
    before, after = {each.name for each in old.categories}, {each.name for each in new.categories}
    assert found.migration.keys() == before
    reached: set[str] = set()
    for to in found.migration.values():
        reached |= {to} if isinstance(to, str) else set(to or ())
    added = {name for each in found.changes if each.kind == "added" for name in each.new}
    assert reached | added == after
    assert not reached & added
    removed = {name for each in found.changes if each.kind == "removed" for name in each.old}
    assert removed == {name for name, to in found.migration.items() if to is None}
    split = {name for each in found.changes if each.kind in ("split", "unclear") for name in each.old}
    assert split == found.undecided.keys()


@settings(max_examples=30)
@given(taxonomies())
def test_a_taxonomy_does_not_differ_from_itself(taxonomy: Taxonomy) -> None:
    found = compare_taxonomies(taxonomy, taxonomy)
    assert not found.changes
    assert found.migration == {each.name: each.name for each in taxonomy.categories}


def test_drafted_definitions_do_not_differ() -> None:
    """They count the values in the masks of either side."""
    few, many = (
        Taxonomy(categories=(Category(id=1, name="car", definition=f"drafted: in {n} of 9 masks"),)) for n in (2, 8)
    )
    assert list(taxonomy_changes(few, many)) == []
    written = Taxonomy(categories=(Category(id=1, name="car", definition="A motor car."),))
    assert [change.kind for change in taxonomy_changes(few, written)] == ["category-details"]


def test_values_of_more_than_80_letters_are_cut_short() -> None:
    for n, shown in ((80, "x" * 80), (81, "x" * 79 + "…")):
        old, new = (Taxonomy(categories=(Category(id=1, name="car", definition=text),)) for text in ("-", "x" * n))
        (change,) = compare_taxonomies(old, new).changes
        assert change.message == f"'car': definition -, now {shown}"
