"""Taxonomies: what two datasets call their categories, and in what these differ."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.edit.diff.cells import said
from segdata.edit.diff.difference import Change

Naming = Callable[[int], str]


def namings(a: Profile, b: Profile) -> tuple[Naming, Naming]:
    """The names of A's and of B's categories, by id; where B calls one otherwise it has A's name."""
    renamed = {new.name: old.name for old, new in _renamed(a.taxonomy, b.taxonomy)}

    def name_in_b(id_: int) -> str:
        name = b.name_of(id_)
        return renamed.get(name, name)

    return a.name_of, name_in_b


def taxonomy_changes(a: Taxonomy, b: Taxonomy) -> Iterator[Change]:
    """What differs between two taxonomies. `unlabelled` is how masks are stored, and no category."""
    names_a, names_b = _by_name(a), _by_name(b)
    renamed = _renamed(a, b)
    for old, new in renamed:
        message = f"id {old.id} is {old.name} in A, {new.name} in B"
        yield Change(kind="category-renamed", message=message, category_a=old.name, category_b=new.name)
    olds, news = {old.name for old, _ in renamed}, {new.name for _, new in renamed}
    for name in names_a.keys() - names_b.keys() - olds:
        message = f"id {names_a[name].id} in A only"
        yield Change(kind="category-missing", message=message, category_a=name)
    for name in names_b.keys() - names_a.keys() - news:
        message = f"id {names_b[name].id} in B only"
        yield Change(kind="category-added", message=message, category_b=name)
    pairs = [(names_a[name], names_b[name]) for name in names_a.keys() & names_b.keys()]
    for one, other in [*renamed, *pairs]:
        message = _unlike(_details(one), _details(other))
        if message:
            yield Change(kind="category-details", message=message, category_a=one.name, category_b=other.name)
    message = _unlike(_heading(a), _heading(b))
    if message:
        yield Change(kind="category-details", message=f"the taxonomy's {message}")


def _renamed(a: Taxonomy, b: Taxonomy) -> list[tuple[Category, Category]]:
    """The categories that have one id and two names, each of which only one side knows."""
    names_a, names_b, by_id = _by_name(a), _by_name(b), b.by_id()
    same_id = [(one, by_id[id_]) for id_, one in sorted(a.by_id().items()) if id_ in by_id]
    return [(one, other) for one, other in same_id if one.name not in names_b and other.name not in names_a]


def _by_name(taxonomy: Taxonomy) -> dict[str, Category]:
    """The first category of each name, without aliases."""
    return {category.name: category for category in reversed(taxonomy.categories)}


def _details(category: Category) -> dict[str, Any]:  # Any: each field has its own type
    """Everything but the name, in plain values."""
    said_of: dict[str, Any] = msgspec.to_builtins(category)
    del said_of["name"]
    return said_of | {"kind": category.kind, "color": category.rgb}


def _heading(taxonomy: Taxonomy) -> dict[str, Any]:
    return {"name": taxonomy.name, "version": taxonomy.version, "groups": dict(taxonomy.groups)}


def _unlike(a: dict[str, Any], b: dict[str, Any]) -> str:
    """The fields that differ, as "kind thing in A, stuff in B"; empty where none does."""
    names = [name for name in {**a, **b} if (a.get(name) or None) != (b.get(name) or None)]
    return "; ".join(f"{name} {said(a.get(name) or None)} in A, {said(b.get(name) or None)} in B" for name in names)
