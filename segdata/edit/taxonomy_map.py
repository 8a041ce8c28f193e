"""Taxonomy map: where the segments of each category go, as a file that a person reads and completes."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from segdata.core import yamlfile
from segdata.core.config import nearest
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy, load_taxonomy

Target = str | tuple[str, ...] | None


class TaxonomyMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A map from old names of categories to new ones.

    `categories`: old name -> new name; null: its segments are dropped; a list: undecided, a person must choose.
    `taxonomy`: the file of the new taxonomy, relative to the map's folder. Without it the categories keep what they
    say under their new names, and those that the map does not name stay as they are.
    """

    taxonomy: str | None = None
    categories: dict[str, Target]


def load_map(path: Path) -> tuple[TaxonomyMap, Taxonomy | None]:
    """A map and the taxonomy that it names; raises SegdataError with file, line and the nearest known name."""
    found, lines = yamlfile.parse_with_lines(yamlfile.read_text(path), TaxonomyMap, str(path))
    if found.taxonomy is None:
        return found, None
    new = load_taxonomy(path.absolute().parent / found.taxonomy)
    names = [each.name for each in new.categories]
    for old, target in found.categories.items():
        for name in (target,) if isinstance(target, str) else target or ():
            if name not in names:
                at = lines.of("categories", old) or 1
                raise SegdataError(f"{path}:{at}: {found.taxonomy} has no category {name!r}{nearest(name, names)}")
    return found, new


def map_text(migration: Mapping[str, Target], taxonomy: str | None) -> str:
    """A map as YAML, what a person must decide first."""
    undecided = {old: list(new) for old, new in migration.items() if isinstance(new, tuple)}
    lines = ["# old category: new category; null drops its segments (they are counted)."]
    lines += [] if taxonomy is None else [yamlfile.flow({"taxonomy": taxonomy})[1:-1]]
    lines.append("categories:" if migration else "categories: {}")
    if undecided:
        lines.append("  # Undecided: put one name in place of each list. Where segments differ, divide them first.")
    decided = {old: new for old, new in migration.items() if not isinstance(new, tuple)}
    lines += ["  " + yamlfile.flow({old: new})[1:-1] for old, new in (*undecided.items(), *decided.items())]
    return "\n".join(lines) + "\n"


def decided(given: TaxonomyMap, known: list[str], whole: bool) -> dict[str, str | None]:
    """Every category in `known` (names) with its new name, None: dropped.

    `whole`: the map must name them all; else those that it does not name keep theirs. Raises SegdataError with the
    names for those it does not know, that are undecided, or are missing.
    """
    strangers = [name for name in given.categories if name not in known]
    if strangers:
        hint = nearest(strangers[0], known) if len(strangers) == 1 else ""
        raise SegdataError(f"the map names categories that the data do not have: {_some(strangers)}{hint}")
    open_ = [f"{old} ({' or '.join(new)})" for old, new in given.categories.items() if isinstance(new, tuple)]
    if open_:
        raise SegdataError(f"the map leaves open what becomes of: {', '.join(open_)}; write one name for each")
    missing = [name for name in known if name not in given.categories]
    if whole and missing:
        raise SegdataError(
            f"the map does not say what becomes of: {_some(missing)}; write a name, or null to drop its segments"
        )
    return {name: _one(given.categories.get(name, name)) for name in known}


def renamed(taxonomy: Taxonomy, to: Mapping[str, str | None]) -> Taxonomy:
    """The taxonomy with its categories, and what they say of each other, under their new names.

    Of several with the same new name the first stays, or the one that had the name before.
    """
    first: dict[str, Category] = {}
    for category in sorted(taxonomy.categories, key=lambda each: to.get(each.name) != each.name):
        name = to.get(category.name)
        if name is not None and name not in first:
            first[name] = msgspec.structs.replace(category, name=name, **_relations(category, to))
    kept = [each for each in taxonomy.categories if each.id in {one.id for one in first.values()}]
    by_id = {one.id: one for one in first.values()}
    return msgspec.structs.replace(taxonomy, categories=tuple(by_id[each.id] for each in kept))


def _relations(category: Category, to: Mapping[str, str | None]) -> dict[str, object]:
    """What a category says of others, by their new names; groups keep theirs."""
    changed: dict[str, object] = {
        field: tuple(dict.fromkeys(name for old in getattr(category, field) if (name := to.get(old, old)) is not None))
        for field in ("part_of", "may_overlap", "may_not_overlap", "may_not_touch", "also")
    }
    parent = to.get(category.parent, category.parent) if category.parent else None
    name = to[category.name]
    return changed | {
        "parent": None if parent == name else parent,
        "aliases": tuple(each for each in category.aliases if each != name),
    }


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _one(target: Target) -> str | None:
    assert not isinstance(target, tuple)
    return target
