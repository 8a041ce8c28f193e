"""Joint taxonomy: one list of categories for several datasets, and which of them each dataset's annotators drew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy

TAXONOMY_CODE = "SEG412"
_LEFT_OUT = "left out of the comparison"


@dataclass(frozen=True, slots=True)
class JointTaxonomy:
    """One taxonomy for several datasets.

    Attributes
    ----------
    taxonomy : ids count from 1; what a person left out is void
    codes : for each dataset its category ids -> ids of the taxonomy
    asked : (n_datasets, n_categories) whether the dataset's annotators were asked for the category
    defects : what the datasets' taxonomies do not have in common
    """

    taxonomy: Taxonomy
    codes: tuple[Mapping[int, int], ...]
    asked: NDArray[np.bool_]
    defects: tuple[Defect, ...]

    def to_panel(self, dataset: int, ids: Ints) -> Ints:
        """(n,) category ids of a dataset as ids of the taxonomy."""
        known, which = np.unique(ids, return_inverse=True)
        codes = self.codes[dataset]
        for id_ in known.tolist():
            if id_ not in codes:
                raise SegdataError(f"segments have the category id {id_}, which no category of the data has")
        return np.array([codes[id_] for id_ in known.tolist()], np.int64)[which.reshape(-1)]


def join_taxonomies(profiles: Sequence[Profile], renamed: Mapping[str, str | None]) -> JointTaxonomy:
    """The categories of all profiles by name; aliases count, and so does an id whose name only one side knows.

    `renamed`: old name -> the one that it is compared under; None: left out, which is to say void.
    """
    names: dict[str, Category] = {}
    codes: list[dict[int, str]] = []
    for profile in profiles:
        mine: dict[int, str] = {}
        for id_, category in _profile_categories(profile).items():
            target = renamed.get(category.name, category.name)
            name = _LEFT_OUT if target is None else _panel_name(target, category, names, profile)
            kind = "void" if target is None else category.kind
            names.setdefault(name, msgspec.structs.replace(category, name=name, kind=kind))
            mine[id_] = name
        codes.append(mine)
    at = {name: k + 1 for k, name in enumerate(names)}
    categories = tuple(msgspec.structs.replace(each, id=at[name]) for name, each in names.items())
    groups = {name: parent for profile in reversed(profiles) for name, parent in profile.taxonomy.groups.items()}
    asked = np.array(
        [
            [_is_task_category(profile, name, set(mine.values())) or names[name].kind == "void" for name in names]
            for profile, mine in zip(profiles, codes, strict=True)
        ],
        bool,
    ).reshape(len(profiles), len(names))
    return JointTaxonomy(
        Taxonomy(categories=categories, groups=groups),
        tuple({id_: at[name] for id_, name in mine.items()} for mine in codes),
        asked,
        tuple(_differences(profiles, codes, names)),
    )


def _profile_categories(profile: Profile) -> dict[int, Category]:
    """The first category of each id, and those that the source names and the taxonomy lacks."""
    first = profile.taxonomy.by_id()
    unknown = {id_: Category(id=id_, name=name) for id_, name in profile.unknown_names.items()}
    return {each.id: first[each.id] for each in profile.taxonomy.categories} | unknown


def _panel_name(target: str, category: Category, names: Mapping[str, Category], profile: Profile) -> str:
    """The name that a category has in the panel so far; its own where it has none."""
    if target in names:
        return target
    for name, other in names.items():
        if target in other.aliases or name in category.aliases:
            return name
    own = {each.name for each in profile.taxonomy.categories}
    same_id = [name for name, other in names.items() if other.id == category.id and name not in own]
    return same_id[0] if same_id else target


def _is_task_category(profile: Profile, name: str, mine: set[str]) -> bool:
    """Whether a dataset's annotators were to draw a category. A taxonomy made up from the data says nothing."""
    if name not in mine:
        return not profile.taxonomy_declared
    coverage = profile.coverage.value
    return not isinstance(coverage, dict) or coverage.get(name) == "exhaustive"


def _differences(
    profiles: Sequence[Profile], codes: Sequence[Mapping[int, str]], names: Mapping[str, Category]
) -> "list[Defect]":
    """Categories that a dataset lacks, and those that it calls otherwise or takes for something else."""
    found = []
    for profile, mine in zip(profiles, codes, strict=True):
        missing = [name for name, each in names.items() if name not in mine.values() and each.kind != "void"]
        if missing:
            becomes = (
                "its annotators were not asked for them, and what others drew there is left out"
                if profile.taxonomy_declared
                else "it is taken that its annotators saw none"
            )
            message = f"no category {', '.join(missing[:5])}{_count_rest(missing[5:])}: {becomes}"
            found.append(Defect(TAXONOMY_CODE, message, file=profile.files))
        for id_, category in _profile_categories(profile).items():
            name = mine[id_]
            if name not in (category.name, _LEFT_OUT) and name not in category.aliases:
                message = f"{category.name} (id {id_}) is compared as {name}"
                found.append(Defect(TAXONOMY_CODE, message, file=profile.files, category=name))
            if name != _LEFT_OUT and names[name].kind != category.kind:
                message = f"{category.name} is {category.kind} here and {names[name].kind} in another dataset"
                found.append(Defect(TAXONOMY_CODE, message, file=profile.files, category=name))
    return found


def _count_rest(names: Sequence[str]) -> str:
    return f" and {len(names)} more" if names else ""
