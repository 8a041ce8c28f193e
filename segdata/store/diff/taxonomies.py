"""Compare taxonomies: for the diff of two datasets, and to draft a map from an old taxonomy to a new one."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec

from segdata.core.guideline import chapter_text
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.store.diff.changes import DatasetChange, cell_text

TaxonomyChangeKind = Literal[
    "added",
    "removed",
    "renamed",
    "split",
    "merged",
    "unclear",
    "id",
    "kind",
    "color",
    "guideline",
    "details",
    "taxonomy",
]
TAXONOMY_CHANGE_KINDS: tuple[TaxonomyChangeKind, ...] = get_args(TaxonomyChangeKind)
_GUIDELINE = ("definition", "boundary_rule", "occlusion_rule", "examples")


@dataclass(frozen=True, slots=True)
class TaxonomyChange:
    """One change between two taxonomies.

    Attributes
    ----------
    kind : of change
    old, new : the names of the categories concerned; none where there is none
    message : one line
    """

    kind: TaxonomyChangeKind
    old: tuple[str, ...]
    new: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class TaxonomyDifference:
    """The changes from one taxonomy to another, and the new category of each old one."""

    changes: tuple[TaxonomyChange, ...]  # in the order of `TAXONOMY_CHANGE_KINDS`, then of the categories
    # old name -> new name; None: removed; several names: a person must choose
    migration: Mapping[str, str | tuple[str, ...] | None]

    @property
    def undecided(self) -> dict[str, tuple[str, ...]]:
        """The old names for which a person must choose a new one."""
        return {old: new for old, new in self.migration.items() if isinstance(new, tuple)}


def compare_taxonomies(old: Taxonomy, new: Taxonomy) -> TaxonomyDifference:
    """Compare two taxonomies: their changes, and the new category of each old one.

    Categories with equal names are the same. A removed name maps to the category that lists it as an alias (or whose
    name it listed); else to the new categories with it as parent; else to the new one with its id, or its colour. A
    person must decide between several candidates, if id and colour disagree, and if a category gets new children.
    """
    successors = {name: _find_successors(category, old, new) for name, category in _by_name(old).items()}
    migration = {name: successor.choice for name, successor in successors.items()}
    changes = [*_category_changes(successors, new), *_field_changes(successors, old, new)]
    order = {name: place for place, name in enumerate((*_by_name(old), *_by_name(new)))}
    changes.sort(
        key=lambda change: (TAXONOMY_CHANGE_KINDS.index(change.kind), order.get((*change.old, *change.new, "")[0], 0))
    )
    return TaxonomyDifference(tuple(changes), migration)


@dataclass(frozen=True, slots=True)
class _Successors:
    """The candidates for the new category of an old one, and the evidence."""

    names: tuple[str, ...]
    why: Literal["name", "alias", "parent", "id", "color", "id and color apart", "nothing"]

    @property
    def choice(self) -> str | tuple[str, ...] | None:
        if not self.names:
            return None
        return self.names[0] if len(self.names) == 1 and self.why != "id and color apart" else self.names


def _find_successors(category: Category, old: Taxonomy, new: Taxonomy) -> _Successors:
    """The successors of a category by its name, else by aliases, else by their parent, else by id and colour."""
    names_before = _by_name(old).keys()
    added = {entry.name: entry for entry in new.categories if entry.name not in names_before}
    children = tuple(entry.name for entry in added.values() if entry.parent == category.name)
    if category.name in _by_name(new):
        had_children = any(entry.parent == category.name for entry in old.categories)
        if children and not had_children:
            return _Successors((category.name, *children), "parent")
        return _Successors((category.name,), "name")
    aliases = [entry.name for entry in new.categories if category.name in entry.aliases]
    aliases = aliases or [alias for alias in category.aliases if alias in added]
    if aliases:
        return _Successors(tuple(dict.fromkeys(aliases)), "alias")
    if children:
        return _Successors(children, "parent")
    return _same_id_or_color(category, [entry for entry in added.values() if names_before.isdisjoint(entry.aliases)])


def _same_id_or_color(category: Category, added: Sequence[Category]) -> _Successors:
    """The first new category with the id of one that is gone, else with its colour; both if they contradict it."""
    by_id = next((entry for entry in added if entry.id == category.id), None)
    by_color = next((entry for entry in added if category.rgb is not None and entry.rgb == category.rgb), None)
    names = tuple(entry.name for entry in (by_id, by_color) if entry is not None)
    if by_id is None:
        return _Successors(names, "color" if names else "nothing")
    if by_color is not by_id and category.rgb is not None and by_id.rgb is not None:
        return _Successors(names, "id and color apart")
    return _Successors(names[:1], "id")


def _category_changes(successors: Mapping[str, _Successors], new: Taxonomy) -> Iterator[TaxonomyChange]:
    """The changes of categories: added, removed, renamed, split and merged."""
    sources: defaultdict[str, list[str]] = defaultdict(list)
    for name, successor in successors.items():
        if isinstance(successor.choice, str):
            sources[successor.choice].append(name)
    for name, successor in successors.items():
        match successor.choice:
            case None:
                yield TaxonomyChange("removed", (name,), (), f"{name!r} is gone")
            case str(now) if now != name and len(sources[now]) == 1:
                message = f"{name!r} is {now!r} now, by its {successor.why}"
                yield TaxonomyChange("renamed", (name,), (now,), message)
            case tuple(several) if successor.why == "id and color apart":
                message = (
                    f"{name!r} is gone; its id and its colour are not those of one category: {_quote_names(several)}?"
                )
                yield TaxonomyChange("unclear", (name,), several, message)
            case tuple(several):
                yield TaxonomyChange("split", (name,), several, f"{name!r} is divided into {_quote_names(several)}")
    for now, olds in sources.items():
        if len(olds) > 1:
            yield TaxonomyChange("merged", tuple(olds), (now,), f"{_quote_names(olds)} are {now!r} now")
    reached = {name for successor in successors.values() for name in successor.names}
    for name, category in _by_name(new).items():
        if name not in reached:
            yield TaxonomyChange("added", (), (name,), f"{name!r} (id {category.id}) is new")


def _field_changes(successors: Mapping[str, _Successors], old: Taxonomy, new: Taxonomy) -> Iterator[TaxonomyChange]:
    """The changed fields of categories that are in both taxonomies."""
    before, after = _by_name(old), _by_name(new)
    sources = Counter(successor.names[0] for successor in successors.values() if successor.names)
    for name, successor in successors.items():
        new_name = successor.names[0] if successor.names and successor.why != "id and color apart" else None
        if new_name is None or (new_name != name and (sources[new_name] > 1 or successor.why == "parent")):
            continue
        before_fields, after_fields = _category_fields(before[name]), _category_fields(after[new_name])
        for kind, fields in _FIELDS.items():
            changed = _changed_fields(before_fields, after_fields, fields(before_fields.keys() | after_fields.keys()))
            if changed:
                yield TaxonomyChange(kind, (name,), (new_name,), f"{new_name!r}: {changed}")
    before_fields, after_fields = _taxonomy_fields(old), _taxonomy_fields(new)
    changed = _changed_fields(before_fields, after_fields, before_fields)
    if changed:
        yield TaxonomyChange("taxonomy", (), (), f"the taxonomy's {changed}")


def _changed_fields(before: dict[str, Any], after: dict[str, Any], names: Iterable[str]) -> str:
    """The fields that changed among `names`, as "kind thing, now stuff"; empty where none did."""
    return _join_differences(before, after, names, lambda old, new: f"{_shorten(old)}, now {_shorten(new)}")


_WITH_OWN_KIND = ("name", "id", "kind", "color", *_GUIDELINE)
_FIELDS: dict[TaxonomyChangeKind, Callable[[set[str]], list[str]]] = {
    "id": lambda names: ["id"],
    "kind": lambda names: ["kind"],
    "color": lambda names: ["color"],
    "guideline": lambda names: list(_GUIDELINE),
    "details": lambda names: sorted(names - set(_WITH_OWN_KIND)),
}


def _category_fields(category: Category) -> dict[str, Any]:  # Any: each field has its own type
    """The fields with a value, as plain values."""
    fields: dict[str, Any] = msgspec.to_builtins(category)
    return fields | {"kind": category.kind, "color": category.rgb}


def _taxonomy_fields(taxonomy: Taxonomy) -> dict[str, Any]:  # Any: as above
    fields: dict[str, Any] = msgspec.to_builtins(taxonomy)
    names = [field for field in Taxonomy.__struct_fields__ if field != "categories"]
    return {name: fields.get(name) for name in names} | {
        "unlabelled": taxonomy.unlabelled_color or taxonomy.unlabelled_id
    }


def _quote_names(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(map(repr, names))


def _shorten(value: object) -> str:
    if isinstance(value, (tuple, list)) and value and not isinstance(value[0], int):
        value = ", ".join(map(str, value))
    text = "nothing" if value is None or value in ((), [], {}) else str(value)
    return text if len(text) <= 80 else text[:79] + "…"


CategoryNaming = Callable[[int], str]


def shared_names(a: Profile, b: Profile) -> tuple[CategoryNaming, CategoryNaming]:
    """The names of A's and of B's categories by id; categories that B renamed have A's name."""
    renamed = {new.name: old.name for old, new in _renamed_categories(a.taxonomy, b.taxonomy)}

    def name_in_b(id_: int) -> str:
        name = b.name_of(id_)
        return renamed.get(name, name)

    return a.name_of, name_in_b


def taxonomy_changes(a: Taxonomy, b: Taxonomy) -> Iterator[DatasetChange]:
    """The differences between two taxonomies, except `unlabelled`, which concerns the storage of masks."""
    names_a, names_b = _by_name(a), _by_name(b)
    renamed = _renamed_categories(a, b)
    for old, new in renamed:
        message = f"id {old.id} is {old.name} in A, {new.name} in B"
        yield DatasetChange(kind="category-renamed", message=message, category_a=old.name, category_b=new.name)
    olds, news = {old.name for old, _ in renamed}, {new.name for _, new in renamed}
    for name in names_a.keys() - names_b.keys() - olds:
        message = f"id {names_a[name].id} in A only"
        yield DatasetChange(kind="category-missing", message=message, category_a=name)
    for name in names_b.keys() - names_a.keys() - news:
        message = f"id {names_b[name].id} in B only"
        yield DatasetChange(kind="category-added", message=message, category_b=name)
    pairs = [(names_a[name], names_b[name]) for name in names_a.keys() & names_b.keys()]
    for before, after in [*renamed, *pairs]:
        message = _differing_fields(*map(_compared_fields, (before, after)))
        if message:
            yield DatasetChange(kind="category-details", message=message, category_a=before.name, category_b=after.name)
    message = _differing_fields(
        *({"name": side.name, "version": side.version, "groups": dict(side.groups)} for side in (a, b))
    )
    if message:
        yield DatasetChange(kind="category-details", message=f"the taxonomy's {message}")


def _compared_fields(category: Category) -> dict[str, Any]:
    """The fields of a category that may differ, without its name, and a drafted definition, which counts masks."""
    return {**_category_fields(category), "name": None, "definition": chapter_text(category, "definition")}


def _renamed_categories(a: Taxonomy, b: Taxonomy) -> list[tuple[Category, Category]]:
    """The categories with one id and two names, each of which only one side has."""
    names_a, names_b, by_id = _by_name(a), _by_name(b), b.by_id()
    same_id = [(before, by_id[id_]) for id_, before in sorted(a.by_id().items()) if id_ in by_id]
    return [(before, after) for before, after in same_id if before.name not in names_b and after.name not in names_a]


def _differing_fields(a: dict[str, Any], b: dict[str, Any]) -> str:
    """The different fields, as "kind thing in A, stuff in B"; empty if there are none."""
    a, b = ({name: value or None for name, value in side.items()} for side in (a, b))
    return _join_differences(a, b, {**a, **b}, lambda in_a, in_b: f"{cell_text(in_a)} in A, {cell_text(in_b)} in B")


def _join_differences(
    a: dict[str, Any], b: dict[str, Any], names: Iterable[str], describe: Callable[[object, object], str]
) -> str:
    """The fields among `names` whose values differ, each with what `describe` says of both values."""
    return "; ".join(f"{name} {describe(a.get(name), b.get(name))}" for name in names if a.get(name) != b.get(name))


def _by_name(taxonomy: Taxonomy) -> dict[str, Category]:
    """The first category of each name, without aliases, in the order of the taxonomy."""
    categories: dict[str, Category] = {}
    for category in taxonomy.categories:
        categories.setdefault(category.name, category)
    return categories
