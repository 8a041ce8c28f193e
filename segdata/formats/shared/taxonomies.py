"""Taxonomies of datasets: made from the names in a source, and written beside the labels."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from segdata.core import yaml_files
from segdata.core.config import Config, Coverage, InstanceIds, Option, Overlap
from segdata.core.errors import SegdataError
from segdata.core.profile import ImageSequence, Policy, Profile, RasterRule, Task
from segdata.core.taxonomy import STAND_IN, Category, CategoryKind, Taxonomy, dump_taxonomy

# Names of annotation tools and datasets for regions to ignore.
VOID_NAMES = frozenset(
    {
        *("void", "ignore", "ignored", "unlabeled", "unlabelled", "__ignore__", "out of roi"),
        *("dontcare", "don't care", "dont care", "ignored regions", "ignore region"),  # KITTI, VisDrone, MOTS
    }
)


class CategoryNames(msgspec.Struct, frozen=True):
    """The categories of the names in a source.

    Attributes
    ----------
    taxonomy : the user's, or one made from the names
    declared : whether the taxonomy is the user's
    to : name in the source -> category id; a name that the taxonomy lacks has an unused id
    unknown : unused id -> name that the taxonomy lacks
    aliases : names in the source that are aliases in the taxonomy -> category id
    """

    taxonomy: Taxonomy
    declared: bool
    to: Mapping[str, int]
    unknown: Mapping[int, str] = {}
    aliases: Mapping[str, int] = {}

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata for the profile, as JSON: names that the taxonomy lacks, and aliases in use."""
        return name_metadata(self.unknown, self.aliases)

    def with_stand_in(self, name: str) -> "CategoryNames":
        """The same names; unless the user declared it, the category `name` is for labels without a name."""
        categories = tuple(
            msgspec.structs.replace(category, definition=STAND_IN) if category.name == name else category
            for category in self.taxonomy.categories
        )
        taxonomy = msgspec.structs.replace(self.taxonomy, categories=categories)
        return self if self.declared else msgspec.structs.replace(self, taxonomy=taxonomy)

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
        """The profile of the dataset at `root`; `coverage` and `overlap` are undeclared defaults of the format.

        `name` is the dataset's name, by default that of `root` without extension; the other parameters are as in
        `Profile`.
        """
        return Profile(
            name=name or (root.name if root.is_dir() else root.stem),
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


def resolve_names(names: Iterable[str], user_taxonomy: Taxonomy | None, own: Taxonomy | None = None) -> CategoryNames:
    """The categories of the names in a source.

    Parameters
    ----------
    names : every name that occurs, in any order
    user_taxonomy : the user's taxonomy, whose names and then aliases are searched
    own : the source's categories (ids, colours, kinds), used if the user gives no taxonomy

    Without either, the taxonomy has the names in alphabetical order with ids from 1, all of them things except names
    that mean void.
    """
    occurring = sorted(set(names))
    base = user_taxonomy or own or Taxonomy()
    categories = base.by_name()
    to = {name: categories[name].id for name in occurring if name in categories}
    next_id = max([0, *base.by_id()]) + 1
    lacking = {name: next_id + row for row, name in enumerate(name for name in occurring if name not in categories)}
    if user_taxonomy is not None:
        unknown = {id_: name for name, id_ in lacking.items()}
        return CategoryNames(user_taxonomy, True, to | lacking, unknown, aliases_used(occurring, user_taxonomy))
    new_categories = tuple(Category(id=id_, name=name, kind=kind_from_name(name)) for name, id_ in lacking.items())
    taxonomy = Taxonomy(categories=base.categories + new_categories, unlabelled=base.unlabelled)
    return CategoryNames(taxonomy, False, to | lacking)


def aliases_used(names: Iterable[str], taxonomy: Taxonomy) -> dict[str, int]:
    """Name -> category id, for the names that are aliases in the taxonomy."""
    categories = taxonomy.by_name()
    return {name: categories[name].id for name in names if name in categories and categories[name].name != name}


def name_metadata(unknown: Mapping[int, str], aliases: Mapping[str, int]) -> dict[str, str]:
    """Profile metadata, as JSON: names that the taxonomy lacks, by id, and aliases with their ids."""
    metadata: dict[str, str] = {}
    if unknown:
        names = {str(id_): name for id_, name in sorted(unknown.items())}
        metadata["unknown_categories"] = json.dumps(names, ensure_ascii=False)
    if aliases:
        metadata["aliases_used"] = json.dumps(dict(sorted(aliases.items())), ensure_ascii=False)
    return metadata


def kind_from_name(name: str, usual: CategoryKind = "thing") -> CategoryKind:
    """The kind that a name implies: void for names such as "ignore", else the `usual` one."""
    return "void" if name.strip().lower() in VOID_NAMES else usual


def names_by_id(taxonomy: Taxonomy) -> dict[int, str]:
    """Category id -> name, in order, without categories whose id or name an earlier one has."""
    by_id, by_name = taxonomy.by_id(), taxonomy.by_name()
    return {
        category.id: category.name
        for category in taxonomy.categories
        if by_id[category.id] is category is by_name[category.name]
    }


def table_names(taxonomy: Taxonomy) -> dict[int, str]:
    """Category id -> name in tables: the category's name, or its id if an earlier category has that name.

    Raises SegdataError if that id is the name of a third category.
    """
    named = taxonomy.by_name()
    names = {}
    for identity, category in taxonomy.by_id().items():
        name = category.name if named[category.name].id == identity else str(identity)
        if name != category.name and name in named:
            raise SegdataError(f"categories {named[name].name!r} and {identity} cannot be told apart; rename one")
        names[identity] = name
    return names


def write_sidecars(
    target: Path,
    profile: Profile,
    taxonomy: Taxonomy,
    instance_ids: InstanceIds | None = None,
    options: Mapping[str, Option] | None = None,
) -> None:
    """Write `taxonomy.yaml`, and `segdata.yaml` if anything is declared, so that reading needs no options.

    `instance_ids` and `options` are the settings of the format's reader.
    """
    (target / "taxonomy.yaml").write_text(dump_taxonomy(taxonomy), encoding="utf-8")
    config = Config(
        coverage=profile.coverage.value if profile.coverage.declared else None,
        overlap=profile.overlap.value if profile.overlap.declared else None,
        instance_ids=instance_ids,
        options=dict(options or {}),
    )
    settings = msgspec.to_builtins(config, str_keys=True)
    if settings:
        lines = [yaml_files.dump_yaml_line({key: value})[1:-1] + "\n" for key, value in settings.items()]
        (target / "segdata.yaml").write_text("".join(lines), encoding="utf-8")


def write_data_yaml(target: Path, entries: Mapping[str, str], names: Sequence[str]) -> None:
    """Write Ultralytics' data.yaml: the folders of splits, and the class names by number."""
    lines = [yaml_files.dump_yaml_line({key: value})[1:-1] + "\n" for key, value in entries.items()]
    lines.append("names:\n" if names else "names: []\n")
    lines += [f"  {yaml_files.dump_yaml_line({number: name})[1:-1]}\n" for number, name in enumerate(names)]
    (target / "data.yaml").write_text("".join(lines), encoding="utf-8")


def train_and_val(places: Mapping[str, str], stand_in: str) -> dict[str, str]:
    """The folders of train and val, which Ultralytics requires; a missing one is replaced by another split."""
    train = places.get("train", next(iter(places.values()), stand_in))
    return {"train": train, "val": places.get("val", train)}
