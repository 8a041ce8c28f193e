"""Reconcile: the taxonomies of several datasets as one, and what each category's id becomes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy

_ID_OFFSET = (
    2**40
)  # from ids that neither a taxonomy nor the data name, where another dataset has a category of that id


@dataclass(frozen=True, slots=True)
class CategoryIds(Mapping[int, int]):
    """What the category ids of one dataset become: those that are known, and any other, which stays if it is free."""

    known: Mapping[int, int]
    taken: frozenset[int]

    def __getitem__(self, id_: int) -> int:
        return self.known.get(id_, id_ if id_ not in self.taken else id_ + _ID_OFFSET)

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, int)

    def __iter__(self) -> Iterator[int]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


@dataclass(frozen=True, slots=True)
class MergedTaxonomy:
    """One taxonomy for several datasets.

    Attributes
    ----------
    taxonomy : the categories of all
    ids : what the ids of each dataset become
    unknown : id -> name of the categories that only the data name
    remarks : what became of categories, a line each
    """

    taxonomy: Taxonomy
    ids: tuple[CategoryIds, ...]
    unknown: Mapping[int, str]
    remarks: tuple[str, ...]


def merge_taxonomies(profiles: Sequence[Profile]) -> MergedTaxonomy:
    """One taxonomy for these datasets: categories of one name, or an alias of it, are one; others are added.

    What the first says of a category counts. An id or a colour that is taken becomes another, or none. Raises
    SegdataError where two datasets mean different things by one name: another kind, or two categories that the other
    has as one.
    """
    merged = _TaxonomyMerger(profiles[0])
    new_ids = [merged.add(profile) for profile in profiles]
    taxonomy = merged.taxonomy()
    taken = frozenset({*taxonomy.by_id(), *merged.unknown.values()})
    names = {id_: name for name, id_ in merged.unknown.items()}
    return MergedTaxonomy(taxonomy, tuple(CategoryIds(ids, taken) for ids in new_ids), names, tuple(merged.remarks))


@dataclass
class _TaxonomyMerger:
    """The categories so far, and where each is from."""

    first: Profile
    categories: dict[str, Category] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str | None] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def taxonomy(self) -> Taxonomy:
        """The categories of all, with what the first taxonomy says of the whole."""
        first = msgspec.structs.replace(self.first.taxonomy, groups=self.groups)
        return msgspec.structs.replace(first, categories=tuple(self.categories.values()))

    def add(self, profile: Profile) -> dict[int, int]:
        """Add the categories of a dataset; returns what its ids become."""
        joined: dict[str, str] = {}  # name here -> name there
        ids: dict[int, int] = {}
        for category in profile.taxonomy.categories:
            if category.id in ids:
                continue  # a broken taxonomy: the first of an id is the category
            name = self._same(category, profile)
            if name in joined:
                self._conflict(
                    name, profile, f"{joined[name]!r} and {category.name!r} are two categories in {profile.files}"
                )
            if name is None:
                name = self._new(category, profile)
            joined[name] = category.name
            ids[category.id] = self.categories[name].id
        for id_, name in profile.unknown_names.items():
            ids[id_] = self._named(id_, name)
        for group, parent in profile.taxonomy.groups.items():
            self.groups.setdefault(group, parent)
        return ids

    def _same(self, category: Category, profile: Profile) -> str | None:
        """The name of the category that this one is; None where there is none yet."""
        matches = [category.name] if category.name in self.categories else []
        matches = matches or [name for name, other in self.categories.items() if category.name in other.aliases]
        matches = matches or [name for name in category.aliases if name in self.categories]
        if len(matches) > 1:
            self._conflict(matches[0], profile, f"{category.name!r} in {profile.files} stands for both {matches}")
        if not matches:
            return None
        existing = self.categories[matches[0]]
        if existing.kind != category.kind:
            self._conflict(matches[0], profile, f"it is {existing.kind} there, {category.kind} in {profile.files}")
        if existing.name != category.name:
            more = (category.name,) if category.name not in existing.aliases else ()
            self.categories[existing.name] = msgspec.structs.replace(existing, aliases=(*existing.aliases, *more))
            self.remarks.append(f"{category.name!r} of {profile.name} is {existing.name!r}")
        return existing.name

    def _new(self, category: Category, profile: Profile) -> str:
        """Add a category; its id and colour are its own if they are free."""
        used = {other.id for other in self.categories.values()} | set(self.unknown.values())
        unlabelled = self.first.taxonomy.unlabelled_id
        if unlabelled is not None and profile is not self.first:
            used.add(unlabelled)
        id_ = category.id if category.id not in used else next(n for n in range(1, len(used) + 2) if n not in used)
        if id_ != category.id:
            self.remarks.append(f"{category.name!r} of {profile.name} has id {id_}, its own {category.id} is taken")
        colours = {other.rgb for other in self.categories.values()} - {None}
        taken = category.rgb in colours and profile is not self.first
        if taken:
            self.remarks.append(f"{category.name!r} of {profile.name} has no colour, its own is taken")
        colour = None if taken else category.color
        self.categories[category.name] = msgspec.structs.replace(category, id=id_, color=colour)
        self.origin[category.name] = profile.files
        return category.name

    def _named(self, id_: int, name: str) -> int:
        """The id of a category that only the data name."""
        if name in self.categories:
            return self.categories[name].id
        used = {other.id for other in self.categories.values()} | set(self.unknown.values())
        free = id_ if id_ not in used else max(used) + 1
        return self.unknown.setdefault(name, free)

    def _conflict(self, name: str | None, profile: Profile, what: str) -> NoReturn:
        """Raise the error that names both datasets."""
        raise SegdataError(
            f"category {name!r} of {self.origin.get(str(name), self.first.files)}: {what}; "
            f"give its categories other names: --taxonomy-map {profile.files}=MAP"
        )
