"""Strata: the portions of a dataset that a column tells apart: splits, cameras, sites, annotators."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.config import nearest
from segdata.core.errors import SegdataError
from segdata.core.splits import split_of

if TYPE_CHECKING:
    from segdata.core.rule import Tables
    from segdata.core.table import Table

Names = NDArray[np.object_]  # texts, or None where nothing is known
OF_IMAGES = ("split", "camera", "sequence", "group", "folder", "size")
OF_ANNOTATIONS = ("annotator", "source", "stage", "month")


def strata(tables: "Tables", column: str) -> Names:
    """(n_annotations,) the stratum of each annotation, as text; None where nothing is known.

    `column` is one of `OF_IMAGES` and `OF_ANNOTATIONS`, or a key of the images' metadata. `folder` is the folder of
    the image, `size` its width and height, `month` that in which the annotation was made. Raises SegdataError, which
    names the columns that there are, where no image and no annotation has such a value.
    """
    found = strata_if_any(tables, column)
    if len(found) and all(name is None for name in found):
        known = _known(tables)
        hint = nearest(column, known) or f"; there are: {', '.join(known) or 'none'}"
        raise SegdataError(f"by {column!r}: no image has such a value{hint}")
    return found


def strata_if_any(tables: "Tables", column: str) -> Names:
    """As `strata`, but None throughout where nothing is known."""
    if column in OF_ANNOTATIONS:
        return _of_annotations(tables.annotations, column)
    return image_strata(tables, column)[tables.annotations["image"]]


def image_strata(tables: "Tables", column: str) -> Names:
    """(n_images,) as `strata`, of the images, annotated or not; None throughout for a column of the annotations."""
    images = tables.images
    if column == "split":
        return splits(tables)
    if column == "folder":
        return _texts([folder or "." for folder in _folders(tables)])
    if column == "size":
        sizes = images.lines("width", "height")
        return _texts([f"{width}x{height}" if width and height else None for width, height in sizes])
    if column in OF_IMAGES:
        return _texts(images["group" if column == "group" else column].tolist())
    return _texts([_entry(each, column) for each in images["metadata"].tolist()])


def splits(tables: "Tables") -> Names:
    """(n_images,) the split of each image: what is said of it, or else what its folder is called."""
    folders = _folders(tables)
    told = {folder: split_of(f"{folder}/image") for folder in set(folders)}
    found = [told[folder] for folder in folders]
    if not tables.images.missing("split").all():
        found = [said or of_folder for said, of_folder in zip(tables.images["split"].tolist(), found, strict=True)]
    return _texts(found)


def _folders(tables: "Tables") -> list[str]:
    """(n_images,) the folder of each image."""
    names = tables.images["image_id"].tolist()
    return [name.rpartition("/")[0] for name in names] if any("/" in name for name in names) else [""] * len(names)


def _of_annotations(annotations: "Table", column: str) -> Names:
    if column == "month":
        return _texts([None if each is None else each[:7] for each in annotations["created"].tolist()])
    return _texts(annotations[column].tolist())


def _entry(metadata: list[tuple[str, str | None]] | None, key: str) -> str | None:
    """One value of an image's metadata; values are JSON texts."""
    value = next((value for name, value in metadata or () if name == key), None)
    return None if value in (None, "null") else str(value).strip('"')


def _known(tables: "Tables") -> list[str]:
    """The columns and keys that have a value somewhere."""
    columns = [name for name in OF_IMAGES if any(each is not None for each in image_strata(tables, name))]
    columns += [
        name for name in OF_ANNOTATIONS if any(each is not None for each in _of_annotations(tables.annotations, name))
    ]
    keys = {name for each in tables.images["metadata"].tolist() for name, _ in each or ()}
    return [*columns, *sorted(keys)]


def _texts(values: list[Any]) -> Names:  # Any: texts and None
    found: Names = np.empty(len(values), object)
    found[:] = values
    return found
