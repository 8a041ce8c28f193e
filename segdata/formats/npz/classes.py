"""Classes: what the numbers of classes mean, and which of them is nobody's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segdata.core.errors import UnreadableError
from segdata.core.format import Request
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.nnunet.datasetjson import BACKGROUND, IGNORE, NAME, DatasetJson, read_dataset_json
from segdata.formats.shared.taxonomies import CategoryNames, kind_from_name, resolve_names

UNLABELLED = -1  # in place of a category id


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes along an axis.

    Attributes
    ----------
    naming : their names in the taxonomy
    category : (n_classes,) the category id of each; `UNLABELLED` for the one that is nobody's
    regions : they are regions that may overlap, so that a threshold belongs to them
    """

    naming: CategoryNames
    category: tuple[int, ...]
    regions: bool = False


def classes(request: Request, names: Sequence[str] | None, n_classes: int) -> Classes:
    """What the classes are called: as the files say, as a dataset.json beside them says, as the taxonomy has ids.

    Raises UnreadableError where there are not as many.
    """
    told = _dataset_json(request.root) if names is None else None
    if told is not None and told.has_regions:
        regions = [name for name in told.labels if name != IGNORE]
        return _named(request, _as_many(regions, n_classes, NAME), None, regions=True)
    if told is not None:
        by_value = {values[0]: name for name, values in told.labels.items() if name != IGNORE}
        listed = [by_value.get(value, str(value) if value else BACKGROUND) for value in range(max([0, *by_value]) + 1)]
        return _named(request, _as_many(listed, n_classes, NAME), 0)
    if names is not None:
        return _named(request, _as_many(list(names), n_classes, "the list of classes"), None)
    given = request.taxonomy
    if given is not None:
        by_id = given.by_id()
        listed = [by_id[value].name if value in by_id else str(value) for value in range(n_classes)]
        return _named(request, listed, given.unlabelled_id)
    return _named(request, [str(value) for value in range(n_classes)], None)


def _dataset_json(root: Path) -> DatasetJson | None:
    """What nnU-Net's dataset.json says, beside the files or above them."""
    folder = root if root.is_dir() else root.parent
    path = next((each for each in (folder / NAME, folder.parent / NAME) if each.is_file()), None)
    return None if path is None else read_dataset_json(path)


def _as_many(names: list[str], n_classes: int, what: str) -> list[str]:
    if len(names) != n_classes:
        raise UnreadableError(
            f"the arrays have {n_classes} classes and {what} has {len(names)}: {', '.join(names[:5])}"
        )
    return names


def _named(request: Request, names: list[str], unlabelled: int | None, regions: bool = False) -> Classes:
    """The classes under their names, of which one (a position) is unlabelled."""
    option = request.options.get("unlabelled")
    if option is not None:
        if not str(option).isdecimal() or int(option) >= len(names):
            raise UnreadableError(f"unlabelled is {option!r}; the classes are 0 to {len(names) - 1}")
        unlabelled = int(option)
    named = [name for position, name in enumerate(names) if position != unlabelled]
    own = Taxonomy(
        categories=tuple(
            Category(id=k, name=name, kind=kind_from_name(name)) for k, name in enumerate(names) if k != unlabelled
        )
    )
    meaning = resolve_names(named, request.taxonomy, own)
    category = [UNLABELLED if k == unlabelled else meaning.to[name] for k, name in enumerate(names)]
    return Classes(meaning, tuple(category), regions)
