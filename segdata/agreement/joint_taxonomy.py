"""Joint taxonomy: one taxonomy for the datasets of a panel, and which annotators were asked for which categories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from segdata.core.errors import SegdataError, list_names
from segdata.core.finding import Defect
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints
from segdata.core.taxonomy import Category, Taxonomy

TAXONOMY_CODE = "SEG412"
_LEFT_OUT = "left out of the comparison"


@dataclass(frozen=True, slots=True)
class JointTaxonomy:
    """One taxonomy for several datasets."""

    taxonomy: Taxonomy  # ids count from 1; what a person left out is void
    codes: tuple[Mapping[int, int], ...]  # for each dataset its category ids -> ids of the taxonomy
    asked: Flags  # (n_datasets, n_categories) whether the dataset's annotators were asked for the category
    defects: tuple[Defect, ...]  # differences between the datasets' taxonomies

    def to_panel(self, dataset: int, ids: Ints) -> Ints:
        """Map category ids (n,) of a dataset to ids (n,) of the joint taxonomy; SegdataError if one is unknown."""
        own_ids, inverse = np.unique(ids, return_inverse=True)
        codes = self.codes[dataset]
        for id_ in own_ids.tolist():
            if id_ not in codes:
                raise SegdataError(f"segments have the category id {id_}, which no category of the data has")
        return np.array([codes[id_] for id_ in own_ids.tolist()], np.int64)[inverse]

    def judged_categories(self, dataset: int, profile: Profile, names: set[str]) -> Flags:
        """(n_categories,) the categories that an annotation covers if it was asked for `names`; void always."""
        ids = {self.codes[dataset][id_] for id_, own in profile_categories(profile).items() if own.name in names}
        return np.array([category.id in ids or category.kind == "void" for category in self.taxonomy.categories], bool)


def join_taxonomies(profiles: Sequence[Profile], renamed: Mapping[str, str | None]) -> JointTaxonomy:
    """Join the categories of all profiles by name, by aliases, and by ids whose name only one side knows.

    `renamed`: old name -> the name under which it is compared; None: left out, as void.
    """
    names: dict[str, Category] = {}
    codes: list[dict[int, str]] = []
    for profile in profiles:
        mine: dict[int, str] = {}
        for id_, category in profile_categories(profile).items():
            target = renamed.get(category.name, category.name)
            name = _LEFT_OUT if target is None else _panel_name(target, category, names, profile)
            kind = "void" if target is None else category.kind
            names.setdefault(name, msgspec.structs.replace(category, name=name, kind=kind))
            mine[id_] = name
        codes.append(mine)
    number = {name: k + 1 for k, name in enumerate(names)}
    categories = tuple(msgspec.structs.replace(category, id=number[name]) for name, category in names.items())
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
        tuple({id_: number[name] for id_, name in mine.items()} for mine in codes),
        asked,
        tuple(_differences(profiles, codes, names)),
    )


def profile_categories(profile: Profile) -> dict[int, Category]:
    """The first category of each id, and categories of the source that the taxonomy lacks."""
    first = profile.taxonomy.by_id()
    unknown = {id_: Category(id=id_, name=name) for id_, name in profile.unknown_names.items()}
    return {category.id: first[category.id] for category in profile.taxonomy.categories} | unknown


def _panel_name(target: str, category: Category, names: Mapping[str, Category], profile: Profile) -> str:
    """The name of a category in the panel so far; its own name if it is new."""
    if target in names:
        return target
    for name, other in names.items():
        if target in other.aliases or name in category.aliases:
            return name
    own = {category.name for category in profile.taxonomy.categories}
    same_id = [name for name, other in names.items() if other.id == category.id and name not in own]
    return same_id[0] if same_id else target


def _is_task_category(profile: Profile, name: str, mine: set[str]) -> bool:
    """Whether a dataset's annotators were asked for a category.

    A taxonomy that is inferred from the data does not show that others were not asked for, unless files name its
    categories.
    """
    if name not in mine:
        return not _names_all(profile)
    coverage = profile.coverage.value
    return not isinstance(coverage, dict) or coverage.get(name) == "exhaustive"


def _names_all(profile: Profile) -> bool:
    """Whether a dataset's taxonomy names all categories that its annotators were asked for."""
    return profile.taxonomy_declared or profile.named_by_files


def _differences(
    profiles: Sequence[Profile], codes: Sequence[Mapping[int, str]], names: Mapping[str, Category]
) -> list[Defect]:
    """Defects about categories that a dataset lacks, or that have another name or meaning there."""
    defects = []
    for profile, mine in zip(profiles, codes, strict=True):
        missing = [name for name, category in names.items() if name not in mine.values() and category.kind != "void"]
        if missing:
            pronoun = "it" if len(missing) == 1 else "them"
            becomes = (
                f"its annotators were not asked for {pronoun}, and what others drew there is left out"
                if _names_all(profile)
                else "it is taken that its annotators saw none"
            )
            by_files = profile.named_by_files and not profile.taxonomy_declared
            entries = "files, or values in their tables, of" if by_files else "category"
            message = f"no {entries} {list_names(missing, 5)}: {becomes}"
            defects.append(Defect(TAXONOMY_CODE, message, file=profile.files))
        for id_, category in profile_categories(profile).items():
            name = mine[id_]
            if name not in (category.name, _LEFT_OUT) and name not in category.aliases:
                message = f"{category.name} (id {id_}) is compared as {name}"
                defects.append(Defect(TAXONOMY_CODE, message, file=profile.files, category=name))
            if name != _LEFT_OUT and names[name].kind != category.kind:
                message = f"{category.name} is {category.kind} here and {names[name].kind} in another dataset"
                defects.append(Defect(TAXONOMY_CODE, message, file=profile.files, category=name))
    return defects
