"""Strata: groups of images or annotations with the same value of a column, and how often categories occur in each."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.core.config import did_you_mean
from segdata.core.errors import SegdataError
from segdata.core.paths import split_from_path
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Floats, Ints, first_rows, unique_inverse
from segdata.core.table import Table

StratumNames = NDArray[np.object_]  # texts, or None where unknown
IMAGE_COLUMNS = ("split", "camera", "sequence", "group", "folder", "size")
ANNOTATION_COLUMNS = ("annotator", "source", "stage", "month")
_TYPE_COLUMNS = ("camera", "size", "split")  # images with equal values have the same type


def annotation_strata(tables: Tables, column: str) -> StratumNames:
    """(n_annotations,) the stratum of each annotation, as text; None if its value is unknown.

    `column` is one of `IMAGE_COLUMNS` and `ANNOTATION_COLUMNS`, or a key of the images' metadata. `folder` is the
    folder of the image, `size` its width and height, `month` the month in which the annotation was made. Raises
    SegdataError, which lists the available columns, if no image and no annotation has such a value.
    """
    strata = annotation_strata_if_any(tables, column)
    if len(strata) and all(name is None for name in strata):
        columns = _known_columns(tables)
        hint = did_you_mean(column, columns) or f"; available: {', '.join(columns) or 'none'}"
        raise SegdataError(f"no image has a value for {column!r}{hint}")
    return strata


def annotation_strata_if_any(tables: Tables, column: str) -> StratumNames:
    """Like `annotation_strata`; None throughout if nothing is known."""
    if column in ANNOTATION_COLUMNS:
        return _annotation_values(tables.annotations, column)
    return image_strata(tables, column)[tables.annotations["image"]]


def image_strata(tables: Tables, column: str) -> StratumNames:
    """(n_images,) the stratum of each image, as in `annotation_strata`; all None for a column of the annotations."""
    images = tables.images
    if column == "split":
        return image_splits(tables)
    if column == "folder":
        return _texts([folder or "." for folder in _folders(tables)])
    if column == "size":
        sizes = images.lines("width", "height")
        return _texts([f"{width}x{height}" if width and height else None for width, height in sizes])
    if column in IMAGE_COLUMNS:
        return _column_texts(images, column)
    return _texts([_metadata_value(metadata, column) for metadata in images["metadata"].tolist()])


def image_splits(tables: Tables) -> StratumNames:
    """(n_images,) the split of each image: the declared split, or else that of its folder."""
    folders = _folders(tables)
    split_of = {folder: split_from_path(f"{folder}/image") for folder in set(folders)}
    splits = [split_of[folder] for folder in folders]
    if not tables.images.missing("split").all():
        splits = [split or of_folder for split, of_folder in zip(tables.images["split"].tolist(), splits, strict=True)]
    return _texts(splits)


def _folders(tables: Tables) -> list[str]:
    """(n_images,) the folder of each image."""
    names = tables.images.texts("image_id")
    if not pc.any(pc.match_substring(names, "/")).as_py():
        return [""] * len(names)
    return [name.rpartition("/")[0] for name in names.to_pylist()]


def _annotation_values(annotations: Table, column: str) -> StratumNames:
    if column == "month":
        return _texts([None if created is None else created[:7] for created in annotations["created"].tolist()])
    return _column_texts(annotations, column)


def _metadata_value(metadata: list[tuple[str, str | None]] | None, key: str) -> str | None:
    """One value of an image's metadata; values are JSON texts."""
    value = next((value for name, value in metadata or () if name == key), None)
    return None if value in (None, "null") else str(value).strip('"')


def _known_columns(tables: Tables) -> list[str]:
    """The columns and keys of metadata that have any value."""
    columns = [name for name in IMAGE_COLUMNS if any(value is not None for value in image_strata(tables, name))]
    columns += [
        name
        for name in ANNOTATION_COLUMNS
        if any(value is not None for value in _annotation_values(tables.annotations, name))
    ]
    keys = {name for metadata in tables.images["metadata"].tolist() for name, _ in metadata or ()}
    return [*columns, *sorted(keys)]


def _texts(values: list[Any]) -> StratumNames:  # Any: texts and None
    return np.fromiter(values, object, len(values))


def _column_texts(table: Table, column: str) -> StratumNames:
    """A column of texts; one without any values is not converted."""
    if table.missing(column).all():
        return np.full(len(table), None, object)
    return _texts(table[column].tolist())


class CategoryTally(msgspec.Struct, frozen=True):
    """One row for each (owner, category) that occurs, in ascending order."""

    owner: Ints  # (n,) the owner's number
    category: Ints  # (n,) the category's id
    segments: Ints  # (n,) how many
    pixels: Ints  # (n,) the sum of their areas
    log_area: Floats  # (n,) the mean of the logarithms of their areas

    @staticmethod
    def count(segments: Table, owner: Ints) -> "CategoryTally":
        """Count the categories of segments by their owners (n_segments,)."""
        row, first = joint_codes(owner, segments["category_id"])
        n = np.bincount(row, minlength=len(first))
        pixels = np.bincount(row, weights=segments["area"], minlength=len(first)).astype(np.int64)
        logs = np.bincount(row, weights=np.log(np.maximum(segments["area"], 1)), minlength=len(first))
        return CategoryTally(
            owner[first].astype(np.int64), segments["category_id"][first], n, pixels, logs / np.maximum(n, 1)
        )


def joint_codes(*columns: Ints) -> tuple[Ints, Ints]:
    """Each distinct combination of columns (n,) as a number, in ascending order of the combinations.

    Returns the numbers (n,), and the first row of each combination (k,).
    """
    code, most = np.zeros(len(columns[0]), np.int64), 0  # all codes are from 0 to `most`
    for column in columns:
        low, high = int(column.min(initial=0)), int(column.max(initial=0))
        if (high - low + 1) * (most + 1) >= 2**62:
            column, low, high = unique_inverse(column)[1], 0, len(column)
            code, most = unique_inverse(code)[1], len(code)
        if most:
            code *= high - low + 1  # in place: datasets have millions of segments
        code += column
        code -= low
        most = most * (high - low + 1) + high - low
    first, number = first_rows(code)
    return number, first


def is_example(tables: Tables, *, crowds: bool = True) -> Flags:
    """(n_segments,) whether a segment has pixels and is not void; with `crowds`, crowds are examples too."""
    segments = tables.segments
    flags = (segments["area"] > 0) & ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    return flags if crowds else flags & ~segments["iscrowd"]


def example_segments(tables: Tables, *, crowds: bool = True) -> Table:
    """The columns annotation, image, category_id, area and iscrowd of the segments that are `is_example`."""
    rows = np.flatnonzero(is_example(tables, crowds=crowds))
    names = ("annotation", "image", "category_id", "area", "iscrowd")
    return Table({name: tables.segments[name][rows] for name in names})


def independent_units(tables: Tables) -> Ints:
    """(n_images,) the number of the independent unit of each image: its group, else its sequence, else itself.

    Frames of one video resemble each other, and so do images of one patient: they count as one observation.
    """
    images = tables.images
    if images.missing("group").all() and images.missing("sequence").all():
        return np.arange(len(images))
    named: dict[tuple[str, str], int] = {}
    lines = enumerate(images.lines("group", "sequence"))
    units = [
        named.setdefault(("group", group) if group is not None else ("sequence", sequence), row)
        if group is not None or sequence is not None
        else row
        for row, (group, sequence) in lines
    ]
    return np.unique(np.array(units, np.int64), return_inverse=True)[1]


def size_class(tables: Tables) -> Ints:
    """(n_images,) a class of sizes as a number: areas within a factor of 4; 0 for unknown sizes."""
    area = tables.images["width"].astype(np.float64) * tables.images["height"]
    return np.round(np.log2(np.maximum(area, 1)) / 2).astype(np.int64)


def number_names(names: StratumNames | pa.Array) -> tuple[list[str], Ints]:
    """The distinct names, sorted, and (n,) the position of each name among them; -1 for None.

    Takes texts and None, or Arrow's texts, as `Table.texts` returns them, which is faster.
    """
    coded = (names if isinstance(names, pa.Array) else pa.array(names, pa.string())).dictionary_encode()
    known_names: list[str] = coded.dictionary.to_pylist()
    place = np.empty(len(known_names) + 1, np.int64)
    order = sorted(range(len(known_names)), key=known_names.__getitem__)
    place[order], place[-1] = np.arange(len(known_names)), -1  # the last for what has none
    return [known_names[position] for position in order], place[coded.indices.fill_null(len(known_names)).to_numpy()]


def image_types(tables: Tables, column: str, *, exact: bool = True) -> Ints:
    """(n_images,) the number of the combination of camera, size and split of each image, without `column`.

    If not `exact`, sizes are equal if their areas are within a factor of 4.
    """
    numbers = [
        size_class(tables) if name == "size" and not exact else number_names(image_strata(tables, name))[1]
        for name in _TYPE_COLUMNS
        if name != column
    ]
    return joint_codes(*numbers)[0]
