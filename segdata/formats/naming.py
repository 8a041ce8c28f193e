"""Naming: what a source's names of categories are in the dataset's taxonomy."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from segdata.core.config import Coverage, Overlap
from segdata.core.profile import Policy, Profile, RasterRule, Task
from segdata.core.sequence import ImageSequence
from segdata.core.taxonomy import Category, Kind, Taxonomy

# What annotation tools and datasets call regions that are to be ignored.
VOID_NAMES = frozenset({"void", "ignore", "ignored", "unlabeled", "unlabelled", "__ignore__", "out of roi"})


@dataclass(frozen=True, slots=True)
class Naming:
    """Categories by the names that a source has for them.

    Attributes
    ----------
    taxonomy : the user's, or made of the names
    declared : the taxonomy is the user's
    to : name in the source -> category id; for a name that the taxonomy lacks an id that nobody has
    unknown : those ids -> the source's names
    aliases : names in the source that are old ones in the taxonomy -> category id
    """

    taxonomy: Taxonomy
    declared: bool
    to: Mapping[str, int]
    unknown: Mapping[int, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)

    @property
    def metadata(self) -> dict[str, str]:
        """For the profile: the names of categories that the taxonomy lacks or calls otherwise, as JSON."""
        return said_of_names(self.unknown, self.aliases)

    def profile(
        self,
        format: str,
        root: Path,
        task: Task,
        coverage: Coverage,
        overlap: Overlap,
        *,
        name: str | None = None,
        raster_rule: RasterRule = "mask-native",
        places: Mapping[str, str] | None = None,
        sequences: tuple[ImageSequence, ...] = (),
    ) -> Profile:
        """The profile of the dataset at `root`: `coverage` and `overlap` are habits of its format, nothing declared.

        `name` is that of the dataset, for want of which `root` tells; the others are as in `Profile`.
        """
        return Profile(
            name=root.stem if name is None else name,
            format=format,
            task=task,
            taxonomy=self.taxonomy,
            taxonomy_declared=self.declared,
            coverage=Policy(coverage),
            overlap=Policy(overlap),
            raster_rule=raster_rule,
            files=root.as_posix(),
            metadata=self.metadata,
            places=dict(places or {}),
            sequences=sequences,
        )


def naming(names: Iterable[str], given: Taxonomy | None, own: Taxonomy | None = None) -> Naming:
    """The categories of a source's names.

    Parameters
    ----------
    names : every name that occurs, in any order
    given : the user's taxonomy: a name is looked up in it, then among its aliases
    own : what the source itself says of its categories (ids, colours, kinds), for want of a user's taxonomy

    A taxonomy that has to be made up has the names in alphabetical order with ids from 1, things all of them except
    those that mean void.
    """
    occurring = sorted(set(names))
    base = given or own or Taxonomy()
    known = base.by_name()
    to = {name: known[name].id for name in occurring if name in known}
    next_id = max([0, *base.by_id()]) + 1
    lacking = {name: next_id + row for row, name in enumerate(name for name in occurring if name not in known)}
    if given is not None:
        unknown = {id_: name for name, id_ in lacking.items()}
        return Naming(given, True, to | lacking, unknown, aliases_among(occurring, given))
    made = tuple(Category(id=id_, name=name, kind=kind_of(name)) for name, id_ in lacking.items())
    taxonomy = Taxonomy(categories=base.categories + made, unlabelled=base.unlabelled)
    return Naming(taxonomy, False, to | lacking)


def aliases_among(names: Iterable[str], taxonomy: Taxonomy) -> dict[str, int]:
    """The names that are old ones in the taxonomy, and the ids of what they mean."""
    known = taxonomy.by_name()
    return {name: known[name].id for name in names if name in known and known[name].name != name}


def said_of_names(unknown: Mapping[int, str], aliases: Mapping[str, int]) -> dict[str, str]:
    """For the metadata of a profile, as JSON: names that the taxonomy lacks by id, and old names that it has."""
    said: dict[str, str] = {}
    if unknown:
        names = {str(id_): name for id_, name in sorted(unknown.items())}
        said["unknown_categories"] = json.dumps(names, ensure_ascii=False)
    if aliases:
        said["aliases_used"] = json.dumps(dict(sorted(aliases.items())), ensure_ascii=False)
    return said


def kind_of(name: str) -> Kind:
    """Void where the name says so, else thing."""
    return "void" if name.strip().lower() in VOID_NAMES else "thing"


def names_by_id(taxonomy: Taxonomy) -> dict[int, str]:
    """The names of categories by id, in order; without those whose id or name an earlier one has already."""
    by_id, by_name = taxonomy.by_id(), taxonomy.by_name()
    return {each.id: each.name for each in taxonomy.categories if by_id[each.id] is each is by_name[each.name]}
