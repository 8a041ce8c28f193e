"""Taxonomy diff: what became of each category from one taxonomy to the next, and what labels need to follow."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec

from segdata.core.taxonomy import Category, Taxonomy

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
    """One thing that is not as it was.

    Attributes
    ----------
    kind : what happened
    old, new : the names of the categories concerned; none where there is none
    message : in one line
    """

    kind: TaxonomyChangeKind
    old: tuple[str, ...]
    new: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class TaxonomyDifference:
    """What became of a taxonomy.

    Attributes
    ----------
    changes : in the order of `TAXONOMY_CHANGE_KINDS`, then of the categories
    migration : each old name -> its new name; None: it is gone; several names: a person must choose
    """

    changes: tuple[TaxonomyChange, ...]
    migration: Mapping[str, str | tuple[str, ...] | None]

    @property
    def undecided(self) -> dict[str, tuple[str, ...]]:
        """The old names for which a person must choose among new ones."""
        return {old: new for old, new in self.migration.items() if isinstance(new, tuple)}


def compare_taxonomies(old: Taxonomy, new: Taxonomy) -> TaxonomyDifference:
    """What differs between two taxonomies, and where the segments of each old category belong.

    A category is the same where it has the same name. One whose name is gone has become the one that lists this name
    as an alias (or whose name it listed as one); else those new ones that have it as their parent; else the new one
    with its id, or with its colour. Several answers, or an id that says otherwise than the colour, are for a person to
    decide. So is a category that stays and gets new children: its segments may belong to one of these.
    """
    heirs = {name: _find_successors(category, old, new) for name, category in _first_by_name(old).items()}
    migration = {name: heir.decided for name, heir in heirs.items()}
    changes = [*_category_changes(heirs, new), *_field_changes(heirs, old, new)]
    order = {name: place for place, name in enumerate((*_first_by_name(old), *_first_by_name(new)))}
    changes.sort(
        key=lambda change: (TAXONOMY_CHANGE_KINDS.index(change.kind), order.get((*change.old, *change.new, "")[0], 0))
    )
    return TaxonomyDifference(tuple(changes), migration)


@dataclass(frozen=True, slots=True)
class _Successors:
    """What an old category may have become, and what says so."""

    names: tuple[str, ...]
    why: Literal["name", "alias", "parent", "id", "color", "id and color apart", "nothing"]

    @property
    def decided(self) -> str | tuple[str, ...] | None:
        if not self.names:
            return None
        return self.names[0] if len(self.names) == 1 and self.why != "id and color apart" else self.names


def _find_successors(category: Category, old: Taxonomy, new: Taxonomy) -> _Successors:
    name, names_before, names_after = category.name, _first_by_name(old), _first_by_name(new)
    fresh = {entry.name: entry for entry in new.categories if entry.name not in names_before}
    children = tuple(entry.name for entry in fresh.values() if entry.parent == name)
    if name in names_after:
        had = any(entry.parent == name for entry in old.categories)
        return _Successors((name, *children), "parent") if children and not had else _Successors((name,), "name")
    by_alias = tuple(entry.name for entry in new.categories if name in entry.aliases)
    by_alias = by_alias or tuple(other for other in category.aliases if other in fresh)
    if by_alias or children:
        return _Successors(tuple(dict.fromkeys(by_alias or children)), "alias" if by_alias else "parent")
    free = [entry for entry in fresh.values() if not set(entry.aliases) & names_before.keys()]
    by_id = next((entry for entry in free if entry.id == category.id), None)
    by_color = next((entry for entry in free if category.rgb is not None and entry.rgb == category.rgb), None)
    if by_id is not None and by_color is not by_id and category.rgb is not None and by_id.rgb is not None:
        names = [entry.name for entry in (by_id, by_color) if entry is not None]
        return _Successors(tuple(names), "id and color apart")
    heir = by_id or by_color
    return _Successors(() if heir is None else (heir.name,), "nothing" if heir is None else "id" if by_id else "color")


def _category_changes(heirs: Mapping[str, _Successors], new: Taxonomy) -> Iterator[TaxonomyChange]:
    """Categories that were added, removed, renamed, split and merged."""
    sources: defaultdict[str, list[str]] = defaultdict(list)
    for name, heir in heirs.items():
        if isinstance(heir.decided, str):
            sources[heir.decided].append(name)
    for name, heir in heirs.items():
        match heir.decided:
            case None:
                yield TaxonomyChange("removed", (name,), (), f"{name!r} is gone")
            case str(now) if now != name and len(sources[now]) == 1:
                message = f"{name!r} is {now!r} now, by its {heir.why}"
                yield TaxonomyChange("renamed", (name,), (now,), message)
            case tuple(several) if heir.why == "id and color apart":
                message = (
                    f"{name!r} is gone; its id and its colour are not those of one category: {_quote_names(several)}?"
                )
                yield TaxonomyChange("unclear", (name,), several, message)
            case tuple(several):
                yield TaxonomyChange("split", (name,), several, f"{name!r} is divided into {_quote_names(several)}")
    for now, olds in sources.items():
        if len(olds) > 1:
            yield TaxonomyChange("merged", tuple(olds), (now,), f"{_quote_names(olds)} are {now!r} now")
    reached = {name for heir in heirs.values() for name in heir.names}
    for name, category in _first_by_name(new).items():
        if name not in reached:
            yield TaxonomyChange("added", (), (name,), f"{name!r} (id {category.id}) is new")


def _field_changes(heirs: Mapping[str, _Successors], old: Taxonomy, new: Taxonomy) -> Iterator[TaxonomyChange]:
    """What the two say otherwise of categories that are the same."""
    before, after = _first_by_name(old), _first_by_name(new)
    sources = Counter(heir.names[0] for heir in heirs.values() if heir.names)
    for name, heir in heirs.items():
        same = heir.names[0] if heir.names and heir.why != "id and color apart" else None
        if same is None or (same != name and (sources[same] > 1 or heir.why == "parent")):
            continue
        before_fields, after_fields = _category_fields(before[name]), _category_fields(after[same])
        for kind, fields in _FIELDS.items():
            unlike = [
                field
                for field in fields(before_fields.keys() | after_fields.keys())
                if before_fields.get(field) != after_fields.get(field)
            ]
            if unlike:
                changed = "; ".join(
                    f"{field} {_shorten(before_fields.get(field))}, now {_shorten(after_fields.get(field))}"
                    for field in unlike
                )
                yield TaxonomyChange(kind, (name,), (same,), f"{same!r}: {changed}")
    before_fields, after_fields = _taxonomy_fields(old), _taxonomy_fields(new)
    unlike = [field for field in before_fields if before_fields[field] != after_fields[field]]
    if unlike:
        changed = "; ".join(
            f"{field} {_shorten(before_fields[field])}, now {_shorten(after_fields[field])}" for field in unlike
        )
        yield TaxonomyChange("taxonomy", (), (), f"the taxonomy's {changed}")


_OTHERS = ("name", "id", "kind", "color", *_GUIDELINE)
_FIELDS: dict[TaxonomyChangeKind, Callable[[set[str]], list[str]]] = {
    "id": lambda names: ["id"],
    "kind": lambda names: ["kind"],
    "color": lambda names: ["color"],
    "guideline": lambda names: list(_GUIDELINE),
    "details": lambda names: sorted(names - set(_OTHERS)),
}


def _first_by_name(taxonomy: Taxonomy) -> dict[str, Category]:
    """The first category of each name, in the order of the taxonomy."""
    categories: dict[str, Category] = {}
    for category in taxonomy.categories:
        categories.setdefault(category.name, category)
    return categories


def _category_fields(category: Category) -> dict[str, Any]:  # Any: each field has its own type
    """The fields that say something, in plain values."""
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
