"""Taxonomies: what became of one, and a dataset under another."""

from dataclasses import replace
from pathlib import Path

from segdata.api.opening import Data, read
from segdata.core.dataset import Dataset
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Taxonomy, load_taxonomy
from segdata.edit.remap import Remap
from segdata.edit.taxonomy_diff import TaxonomyDifference, taxonomy_diff
from segdata.edit.taxonomy_map import TaxonomyMap, decided, load_map, renamed
from segdata.formats.shared.derived_sources import AlteredSource

_BY_ID = ("unknown_categories", "aliases_used", "category_keys")  # metadata that speaks of the old categories


def diff_taxonomies(old: str | Path | Taxonomy, new: str | Path | Taxonomy) -> TaxonomyDifference:
    """What differs between two taxonomies, or their files, and where the labels of each old category belong."""
    before, after = (each if isinstance(each, Taxonomy) else load_taxonomy(file_of(Path(each))) for each in (old, new))
    return taxonomy_diff(before, after)


def file_of(path: Path) -> Path:
    """A taxonomy file: `path` itself, or taxonomy.yaml in that folder; raises SegdataError where there is none."""
    file = path / "taxonomy.yaml" if path.is_dir() else path
    if not file.exists():
        raise SegdataError(f"{file}: does not exist; draft one with: segdata taxonomy init DATA --output {file}")
    return file


def with_taxonomy_map(data: Data, given: str | Path | TaxonomyMap) -> tuple[Dataset, Remap]:
    """The dataset with its categories renamed, joined and dropped as a map says, and what counts the losses of that.

    Raises SegdataError where the map leaves open what becomes of a category, with the names.
    """
    dataset = read(data)
    profile = dataset.profile
    old = profile.taxonomy
    if isinstance(given, TaxonomyMap):
        wanted, target = given, None if given.taxonomy is None else load_taxonomy(Path(given.taxonomy))
    else:
        wanted, target = load_map(Path(given))
    names = {id_: each.name for id_, each in old.by_id().items()} | profile.unknown_names
    try:
        to = decided(wanted, list(dict.fromkeys(names.values())), target is not None)
    except SegdataError as error:
        raise SegdataError(f"{given if isinstance(given, (str, Path)) else 'the map'}: {error}") from error
    new = target if target is not None else renamed(old, to)
    ids = {each.name: each.id for each in reversed(new.categories)}
    remap = Remap({id_: _id_of(to[name], ids) for id_, name in names.items()}, old, new, profile.task)
    mapped = replace(
        profile,
        taxonomy=new,
        taxonomy_declared=profile.taxonomy_declared or target is not None,
        metadata={key: text for key, text in profile.metadata.items() if key not in _BY_ID},
    )
    return replace(dataset, source=AlteredSource(dataset.source, remap), profile=mapped), remap


def _id_of(name: str | None, ids: dict[str, int]) -> int | None:
    return None if name is None else ids[name]
