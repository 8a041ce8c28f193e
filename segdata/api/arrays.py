"""Arrays in memory as a dataset: what a notebook or a model has, checked and converted like files."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segdata.core import kernels
from segdata.core.config import Config
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.profile import Policy, Profile, Task
from segdata.core.runs import Ints, Runs
from segdata.core.taxonomy import Category, Taxonomy
from segdata.dataset import Dataset
from segdata.formats.shared.images import image_limits
from segdata.formats.shared.mask_files import ValueRuns, Values
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource

CategoryRef = str | int  # a category: its name or its id
Labels = ArrayLike | tuple[ArrayLike, Mapping[int, CategoryRef]] | Sequence[tuple[ArrayLike, CategoryRef]]
SourceName = Literal["human", "model", "consensus"]


def from_arrays(
    labels: Mapping[str, Labels],
    taxonomy: Taxonomy | Iterable[str],
    *,
    images: str | Path | None = None,
    annotator: str | None = None,
    source: SourceName | None = None,
    name: str = "arrays",
) -> Dataset:
    """Make a dataset of arrays in memory.

    Parameters
    ----------
    labels : image_id -> the labels of the image, one of

        - an array (height, width) of category ids: one segment for each category
        - ``(ids, categories)``: an array (height, width) of segment ids, and the category of each; 0 is nothing
        - a list of ``(mask, category)``: a segment for each mask (height, width); masks may overlap
    taxonomy : the categories, or their names: these get the ids 1, 2, …
    images : the folder of the image files, named as in `labels`
    annotator : the annotator's name
    source : ``human``, ``model`` or ``consensus``
    name : of the dataset

    Categories are names or ids. In an array of category ids, `taxonomy.unlabelled` (0 if that is no category) is empty;
    `validate` reports other values that are no category (SEG009). Raises SegdataError for arrays of another shape or
    type, and for unknown categories.

    >>> import numpy as np
    >>> from_arrays({"a.png": np.array([[1, 1, 2]])}, ["grass", "road"])
    Dataset('arrays': arrays, semantic, 1 image, 2 categories)
    """
    categories = taxonomy if isinstance(taxonomy, Taxonomy) else _taxonomy_of_names(taxonomy)
    folder = None if images is None else Path(images)
    entries = [
        ImageEntry(image_id, _image_file(folder, image_id), record=value) for image_id, value in sorted(labels.items())
    ]
    profile = Profile(
        name=name,
        format="arrays",
        task=_task(labels.values(), categories),
        taxonomy=categories,
        taxonomy_declared=True,
        coverage=Policy("sparse"),
        overlap=Policy("allow"),
        files=name,
    )
    look = partial(_read_entry, categories, {} if source is None else {"source": source})
    opened = PerImageSource(folder or Path(), profile, entries, (), look, annotator, labels_name="label array")
    with image_limits():
        return Dataset(opened, profile, Config())


def _taxonomy_of_names(names: Iterable[str]) -> Taxonomy:
    return Taxonomy(categories=tuple(Category(id=id_, name=name) for id_, name in enumerate(names, 1)))


def _image_file(folder: Path | None, image_id: str) -> Path | None:
    path = None if folder is None else folder / image_id
    return path if path is not None and path.is_file() else None


def _task(labels: Iterable[Labels], taxonomy: Taxonomy) -> Task:
    """Semantic where all are arrays of categories; with segments it depends on whether the taxonomy has stuff."""
    if all(not isinstance(value, (tuple, list)) for value in labels):
        return "semantic"
    kinds = {category.kind for category in taxonomy.categories}
    return "panoptic" if kinds >= {"thing", "stuff"} else "instance"


def _read_entry(taxonomy: Taxonomy, said: Mapping[str, object], entry: ImageEntry) -> list[ImageAnnotation]:
    labels: Labels = entry.record
    if isinstance(labels, tuple):
        segments = _segments_of_ids(entry.image_id, labels[0], labels[1], taxonomy)
    elif isinstance(labels, list):
        segments = _segments_of_masks(entry.image_id, labels, taxonomy)
    else:
        segments = _segments_of_categories(_check_array(entry.image_id, labels), taxonomy)
    size, ids, categories, runs, defects = segments
    return [ImageAnnotation(size, ids, categories, runs, annotation=said, defects=defects)]


ImageSegments = tuple[tuple[int, int], Ints, Ints, Runs, list[Defect]]


def _segments_of_categories(array: Values, taxonomy: Taxonomy) -> ImageSegments:
    """One segment for each category that occurs."""
    runs = ValueRuns.of(array)
    ids = set(taxonomy.by_id())
    nothing = taxonomy.unlabelled_id if taxonomy.unlabelled_id is not None else 0
    is_category = np.array([value in ids for value in runs.value.tolist()], bool)
    strange = [row for row in np.flatnonzero(~is_category).tolist() if runs.value[row] != nothing or nothing in ids]
    defects = [_unknown_value(runs, row) for row in strange]
    return (
        (runs.height, runs.width),
        runs.value[is_category],
        runs.value[is_category],
        _owned_runs(runs, is_category),
        defects,
    )


def _segments_of_ids(
    image_id: str, array: ArrayLike, categories: Mapping[int, CategoryRef], taxonomy: Taxonomy
) -> ImageSegments:
    """One segment for each value with a category."""
    runs = ValueRuns.of(_check_array(image_id, array))
    named = {id_: _category(image_id, category, taxonomy) for id_, category in categories.items()}
    has_category = np.array([value in named for value in runs.value.tolist()], bool)
    defects = [_unknown_value(runs, row) for row in np.flatnonzero(~has_category & (runs.value != 0)).tolist()]
    ids = runs.value[has_category]
    of_segment = np.array([named[id_] for id_ in ids.tolist()], np.int64)
    return (runs.height, runs.width), ids, of_segment, _owned_runs(runs, has_category), defects


def _segments_of_masks(
    image_id: str, masks: Sequence[tuple[ArrayLike, CategoryRef]], taxonomy: Taxonomy
) -> ImageSegments:
    """One segment for each mask."""
    pieces: list[Runs] = []
    size: tuple[int, int] = (0, 0)
    for mask, _ in masks:
        array = np.asarray(mask, bool)
        if array.ndim != 2 or (pieces and array.shape != size):
            raise SegdataError(
                f"image {image_id!r}: a mask has the shape {array.shape}, not {size or '(height, width)'}"
            )
        size = (array.shape[0], array.shape[1])
        start, length, value = kernels.label_runs(array.view(np.uint8))
        inside = value > 0
        pieces.append(Runs(start[inside], length[inside], np.zeros(int(inside.sum()), np.int32)))
    of_segment = np.array([_category(image_id, category, taxonomy) for _, category in masks], np.int64)
    ids = np.arange(1, len(masks) + 1, dtype=np.int64)
    return size, ids, of_segment, Runs.concatenate(pieces, [1] * len(pieces)), []


def _check_array(image_id: str, labels: object) -> Values:
    """The labels as an array of whole numbers (height, width)."""
    array = np.asarray(labels)
    if array.ndim != 2 or not (np.issubdtype(array.dtype, np.integer) or array.dtype == bool):
        raise SegdataError(
            f"image {image_id!r}: expected an array of whole numbers (height, width), got {array.dtype} with "
            f"shape {array.shape}; pass a stack of masks as a list of (mask, category)"
        )
    if array.dtype.itemsize == 8 and array.size and (array.min() < -(2**31) or array.max() >= 2**31):
        raise SegdataError(
            f"image {image_id!r}: values range from {array.min()} to {array.max()}; they must fit into 32 bits"
        )
    values: Values = array if array.dtype in (np.uint8, np.uint16, np.uint32, np.int32) else array.astype(np.int32)
    return values


def _category(image_id: str, named: CategoryRef, taxonomy: Taxonomy) -> int:
    category = taxonomy.by_id().get(named) if isinstance(named, int) else taxonomy.by_name().get(named)
    if category is None:
        near = taxonomy.nearest(str(named)) or [known_category.name for known_category in taxonomy.categories[:5]]
        raise SegdataError(f"image {image_id!r}: category {named!r} is not in the taxonomy; it has {', '.join(near)}")
    return category.id


def _owned_runs(runs: ValueRuns, known: NDArray[np.bool_]) -> Runs:
    """The runs of the known values, each value an owner."""
    owner = np.where(known, np.cumsum(known) - 1, -1).astype(np.int32)
    return runs.assign_owners(owner, int(known.sum()))


def _unknown_value(runs: ValueRuns, row: int) -> Defect:
    x, y = runs.first_pixel(row)
    message = f"value {int(runs.value[row])} has no category; its pixels are unlabelled"
    return Defect("SEG009", message, place=f"x={x}, y={y}", pixels=int(runs.area[row]))
