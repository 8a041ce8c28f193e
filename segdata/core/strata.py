"""Strata: the groups of images or annotations by a column, what is in each, and what comparable groups differ in."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.core.config import did_you_mean
from segdata.core.errors import SegdataError
from segdata.core.paths import split_from_path
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Floats, Ints, unique_inverse
from segdata.core.table import Table

StratumNames = NDArray[np.object_]  # texts, or None where unknown
IMAGE_COLUMNS = ("split", "camera", "sequence", "group", "folder", "size")
ANNOTATION_COLUMNS = ("annotator", "source", "stage", "month")
FeatureKind = Literal["presence", "count", "size", "void"]
_MIX = ("camera", "size", "split")  # images that agree in these are of one sort


def annotation_strata(tables: "Tables", column: str) -> StratumNames:
    """(n_annotations,) the stratum of each annotation, as text; None where nothing is known.

    `column` is one of `IMAGE_COLUMNS` and `ANNOTATION_COLUMNS`, or a key of the images' metadata. `folder` is the
    folder of the image, `size` its width and height, `month` that in which the annotation was made. Raises
    SegdataError, which names the columns that there are, where no image and no annotation has such a value.
    """
    strata = annotation_strata_if_any(tables, column)
    if len(strata) and all(name is None for name in strata):
        columns = _known_columns(tables)
        hint = did_you_mean(column, columns) or f"; available: {', '.join(columns) or 'none'}"
        raise SegdataError(f"no image has a value for {column!r}{hint}")
    return strata


def annotation_strata_if_any(tables: "Tables", column: str) -> StratumNames:
    """As `annotation_strata`, but None throughout where nothing is known."""
    if column in ANNOTATION_COLUMNS:
        return _annotation_values(tables.annotations, column)
    return image_strata(tables, column)[tables.annotations["image"]]


def image_strata(tables: "Tables", column: str) -> StratumNames:
    """(n_images,) as `annotation_strata`, of all images; None throughout for a column of the annotations."""
    images = tables.images
    if column == "split":
        return image_splits(tables)
    if column == "folder":
        return _texts([folder or "." for folder in _folders(tables)])
    if column == "size":
        sizes = images.lines("width", "height")
        return _texts([f"{width}x{height}" if width and height else None for width, height in sizes])
    if column in IMAGE_COLUMNS:
        return _texts(images["group" if column == "group" else column].tolist())
    return _texts([_metadata_value(metadata, column) for metadata in images["metadata"].tolist()])


def image_splits(tables: "Tables") -> StratumNames:
    """(n_images,) the split of each image: the declared one, or else that of its folder."""
    folders = _folders(tables)
    split_of = {folder: split_from_path(f"{folder}/image") for folder in set(folders)}
    splits = [split_of[folder] for folder in folders]
    if not tables.images.missing("split").all():
        splits = [split or of_folder for split, of_folder in zip(tables.images["split"].tolist(), splits, strict=True)]
    return _texts(splits)


def _folders(tables: "Tables") -> list[str]:
    """(n_images,) the folder of each image."""
    names = tables.images.texts("image_id")
    if not pc.any(pc.match_substring(names, "/")).as_py():
        return [""] * len(names)
    return [name.rpartition("/")[0] for name in names.to_pylist()]


def _annotation_values(annotations: "Table", column: str) -> StratumNames:
    if column == "month":
        return _texts([None if created is None else created[:7] for created in annotations["created"].tolist()])
    return _texts(annotations[column].tolist())


def _metadata_value(metadata: list[tuple[str, str | None]] | None, key: str) -> str | None:
    """One value of an image's metadata; values are JSON texts."""
    value = next((value for name, value in metadata or () if name == key), None)
    return None if value in (None, "null") else str(value).strip('"')


def _known_columns(tables: "Tables") -> list[str]:
    """The columns and keys that have a value somewhere."""
    columns = [name for name in IMAGE_COLUMNS if any(value is not None for value in image_strata(tables, name))]
    columns += [
        name
        for name in ANNOTATION_COLUMNS
        if any(value is not None for value in _annotation_values(tables.annotations, name))
    ]
    keys = {name for metadata in tables.images["metadata"].tolist() for name, _ in metadata or ()}
    return [*columns, *sorted(keys)]


def _texts(values: list[Any]) -> StratumNames:  # Any: texts and None
    texts: StratumNames = np.empty(len(values), object)
    texts[:] = values
    return texts


class CategoryTally(msgspec.Struct, frozen=True):
    """One row for each (owner, category) that occurs, in ascending order.

    Attributes
    ----------
    owner, category : (n,) the owner's number, the category's id
    segments, pixels, log_area : (n,) how many, the sum of their areas, and the mean of the logarithms of these
    """

    owner: Ints
    category: Ints
    segments: Ints
    pixels: Ints
    log_area: NDArray[np.float64]

    @staticmethod
    def count(segments: Table, owner: Ints) -> "CategoryTally":
        """The tally of segments whose owners (n_segments,) are given."""
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
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        low, high = int(column.min(initial=0)), int(column.max(initial=0))
        if (high - low + 1) * (int(code.max(initial=0)) + 1) >= 2**62:
            column, low, high = unique_inverse(column)[1], 0, len(column)
            code = unique_inverse(code)[1]
        code = code * (high - low + 1) + (column - low)
    codes, inverse = unique_inverse(code)
    first = np.empty(len(codes), np.int64)
    first[inverse[::-1]] = np.arange(len(code) - 1, -1, -1)  # of several rows the last that is written stays
    return inverse, first


def is_example(tables: Tables, *, crowds: bool = True) -> Flags:
    """(n_segments,) those that count as examples of their category: with pixels, not void; `crowds`: those too."""
    segments = tables.segments
    flags = (segments["area"] > 0) & ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    return flags if crowds else flags & ~segments["iscrowd"]


def example_segments(tables: Tables, *, crowds: bool = True) -> Table:
    """The columns annotation, image, category_id, area and iscrowd of the segments that are `is_example`."""
    rows = np.flatnonzero(is_example(tables, crowds=crowds))
    names = ("annotation", "image", "category_id", "area", "iscrowd")
    return Table({name: tables.segments[name][rows] for name in names})


def independent_units(tables: Tables) -> Ints:
    """(n_images,) what is drawn as a whole when a dataset is divided: the image's group, else sequence, else itself.

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
    """(n_images,) images of about the same size have the same number: areas within a factor of 4; unknown ones 0."""
    area = tables.images["width"].astype(np.float64) * tables.images["height"]
    return np.round(np.log2(np.maximum(area, 1)) / 2).astype(np.int64)


def number_names(names: StratumNames | pa.Array) -> tuple[list[str], Ints]:
    """The names that occur, sorted, and (n,) the number of each; -1 where there is none.

    Takes texts and None, or Arrow's texts, as `Table.texts` gives them, which is faster.
    """
    coded = (names if isinstance(names, pa.Array) else pa.array(names, pa.string())).dictionary_encode()
    known_names: list[str] = coded.dictionary.to_pylist()
    place = np.empty(len(known_names) + 1, np.int64)
    order = sorted(range(len(known_names)), key=known_names.__getitem__)
    place[order], place[-1] = np.arange(len(known_names)), -1  # the last for what has none
    return [known_names[position] for position in order], place[coded.indices.fill_null(len(known_names)).to_numpy()]


class GroupFeature(msgspec.Struct, frozen=True):
    """One thing that groups may differ in.

    Attributes
    ----------
    kind : presence (share of images with the category), count and size (mean logarithms, where it is present), void
        (share of the image's pixels)
    category : the category's id; None: of no single one
    values : (n_observations,)
    among : (n_observations,) which of them have a value
    """

    kind: FeatureKind
    category: int | None
    values: Floats
    among: Flags


class GroupedAnnotations(msgspec.Struct, frozen=True):
    """Annotations by group, averaged over what is one piece of evidence: an image, or a sequence or group of images.

    Where several groups annotated the same images, only these count, and the stratum is the piece: all saw the same.
    Else the stratum is the sort of image: camera, size and split. If images differ so much in size that most could not
    be compared, those of about the same size (areas within a factor of 4) are of one sort.

    Attributes
    ----------
    names : of the groups, sorted
    group, stratum : (n,) of each observation
    n_images : (n,) how many annotations it is the mean of
    of : (n_annotations,) the observation that an annotation belongs to; -1: none
    is_paired : whether the strata are the same images
    """

    names: list[str]
    group: Ints
    stratum: Ints
    n_images: Ints
    of: Ints
    is_paired: bool

    @staticmethod
    def from_column(tables: Tables, column: str) -> "GroupedAnnotations":
        """The observations of a column's groups; none where it names fewer than two."""
        names, group = number_names(annotation_strata_if_any(tables, column))
        if len(names) < 2:
            none = np.zeros(0, np.int64)
            return GroupedAnnotations(names, none, none, none, np.full(len(group), -1, np.int64), False)
        image = tables.annotations["image"].astype(np.int64)
        rows = np.flatnonzero(group >= 0)
        pairs = rows[joint_codes(image[rows], group[rows])[1]]
        shared = np.bincount(image[pairs], minlength=len(tables.images)) > 1
        is_paired = bool(shared.any())
        if is_paired:
            rows = rows[shared[image[rows]]]
        unit = independent_units(tables)[image]
        which, place = joint_codes(unit[rows], group[rows])
        observation = np.full(len(group), -1, np.int64)
        observation[rows] = which
        first = rows[place]
        stratum = unit[first] if is_paired else _comparable_types(tables, column, image[first], group[first])
        return GroupedAnnotations(names, group[first], stratum, np.bincount(which), observation, is_paired)

    def features(self, tables: Tables, amounts: Table) -> Iterator[GroupFeature]:
        """What the groups can differ in, category by category, then the use of void; see `drawn_amounts`."""
        frame = np.maximum(tables.images["width"].astype(np.float64) * tables.images["height"], 1)
        frame = frame[tables.annotations["image"]]
        owner, drawn, amount = (amounts[name] for name in ("annotation", "category", "amount"))
        void = np.isin(drawn, tables.profile.taxonomy.void_ids)
        things = tables.profile.taxonomy.thing_ids
        for category in np.unique(drawn[~void]).tolist():
            rows = np.flatnonzero((drawn == category) & (self.of[owner] >= 0))
            observation = self.of[owner[rows]]
            having = np.bincount(observation, minlength=len(self.group)).astype(np.float64)
            yield GroupFeature("presence", category, having / self.n_images, np.ones(len(self.group), bool))
            some = having > 0
            if tables.profile.task != "semantic" and category in things:
                logs = np.bincount(observation, weights=np.log(amount[rows]), minlength=len(having))
                yield GroupFeature("count", category, logs / np.maximum(having, 1), some)
            # As a share of the image: within images of one size this is a constant, which changes no comparison.
            shares = amounts["log_area"][rows] - np.log(frame[owner[rows]])
            logs = np.bincount(observation, weights=shares, minlength=len(having))
            yield GroupFeature("size", category, logs / np.maximum(having, 1), some)
        if void.any():
            rows = np.flatnonzero(void & (self.of[owner] >= 0))
            share = amount[rows] / frame[owner[rows]]
            total = np.bincount(self.of[owner[rows]], weights=share, minlength=len(self.group))
            yield GroupFeature("void", None, total / self.n_images, np.ones(len(self.group), bool))


def drawn_amounts(tables: Tables) -> Table:
    """One row for each annotation (row) and category: annotation, category, amount, log_area.

    amount: how many segments have pixels, of void how many pixels; log_area: the mean logarithm of these segments.
    """
    segments, void_ids = tables.segments, tables.profile.taxonomy.void_ids
    void_segments = segments.take(np.isin(segments["category_id"], void_ids)).select(
        ("annotation", "category_id", "area")
    )
    real, void = (CategoryTally.count(some, some["annotation"]) for some in (example_segments(tables), void_segments))
    return Table(
        {
            "annotation": np.concatenate([real.owner, void.owner]),
            "category": np.concatenate([real.category, void.category]),
            "amount": np.concatenate([real.segments, void.pixels]),
            "log_area": np.concatenate([real.log_area, void.log_area]),
        }
    )


def image_types(tables: Tables, column: str, *, exact: bool = True) -> Ints:
    """(n_images,) images of the same number are of one sort: camera, size and split, `column` left out.

    Not `exact`: sizes are the same if their areas are within a factor of 4.
    """
    numbers = [
        size_class(tables) if name == "size" and not exact else number_names(image_strata(tables, name))[1]
        for name in _MIX
        if name != column
    ]
    return joint_codes(*numbers)[0]


def _comparable_types(tables: Tables, column: str, image: Ints, group: Ints) -> Ints:
    """(n,) the types of images (n,) of groups (n,): by exact sizes, unless most have no other group beside them."""
    types = image_types(tables, column)[image]
    _, first = joint_codes(types, group)
    several = np.bincount(types[first], minlength=int(types.max(initial=0)) + 1)[types] > 1
    return types if several.mean() >= 0.5 else image_types(tables, column, exact=False)[image]
