"""Relations: what a taxonomy says of pairs of categories, each name standing for all below it."""

from collections import defaultdict
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy

Relation = Literal["part_of", "may_overlap", "may_not_overlap", "may_not_touch", "also"]


def ids_by_name(taxonomy: Taxonomy) -> dict[str, frozenset[int]]:
    """The ids that a name stands for: of a category its own and those of all below it, of a group those below it."""
    parents = taxonomy.groups | {each.name: each.parent for each in reversed(taxonomy.categories)}
    found: defaultdict[str, set[int]] = defaultdict(set)
    for category in taxonomy.categories:
        name: str | None = category.name
        seen: set[str] = set()
        while name is not None and name not in seen:  # a broken taxonomy has parents that go in a circle
            seen.add(name)
            found[name].add(category.id)
            name = parents.get(name)
    for category in taxonomy.categories:
        for alias in category.aliases:
            found.setdefault(alias, found[category.name])
    return {name: frozenset(ids) for name, ids in found.items()}


def declares(taxonomy: Taxonomy, *relations: Relation) -> bool:
    """Whether any category says something of one of these relations."""
    return any(getattr(category, relation) for category in taxonomy.categories for relation in relations)


def related(taxonomy: Taxonomy, relation: Relation, a: Ints, b: Ints) -> NDArray[np.bool_]:
    """(n,) whether the category `a` names the category `b` in a relation; both are ids (n,)."""
    if not declares(taxonomy, relation):
        return np.zeros(len(a), bool)
    meant = ids_by_name(taxonomy)
    ids = np.array(sorted(taxonomy.by_id()), np.int64)
    keys = [
        int(np.searchsorted(ids, category.id)) * len(ids) + int(np.searchsorted(ids, other))
        for category in taxonomy.categories
        for name in getattr(category, relation)
        for other in meant.get(name, ())
    ]
    known = np.isin(a, ids) & np.isin(b, ids)
    return known & np.isin(np.searchsorted(ids, a) * len(ids) + np.searchsorted(ids, b), keys)


def related_either_way(taxonomy: Taxonomy, relation: Relation, a: Ints, b: Ints) -> NDArray[np.bool_]:
    """(n,) whether one of the two categories names the other; which of them does not matter."""
    return related(taxonomy, relation, a, b) | related(taxonomy, relation, b, a)
