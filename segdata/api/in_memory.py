"""Datasets in memory: arrays and pandas tables, checked and converted like files."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from segdata.core.batch import integer_column
from segdata.core.config import Config
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.profile import Policy, Profile, Task
from segdata.core.runs import Flags, Ints, Runs, mask_to_runs
from segdata.core.schema import ANNOTATIONS, IMAGES, SEGMENTS, make_table, runs_to_rle
from segdata.core.taxonomy import Category, Taxonomy
from segdata.dataset import Dataset
from segdata.formats.coco.segments import read_segmentations
from segdata.formats.shared.derived_sources import with_image_files
from segdata.formats.shared.images import image_limits, read_header
from segdata.formats.shared.mask_files import ValueRuns, Values
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource
from segdata.store.revision_reader import MAX_SIDE, CanonicalSource, SegmentPart

if TYPE_CHECKING:
    import pandas as pd


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
        - a list of ``(mask, category)``: a segment for each mask (height, width); masks may overlap. An empty list is
          an image without segments, of the size of its file
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
    if folder is not None and not folder.is_dir():
        raise SegdataError(f"{folder}: no such folder of images")
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
    read_image = partial(_read_entry, categories, {} if source is None else {"source": source})
    opened = PerImageSource(folder or Path(), profile, entries, (), read_image, annotator, labels_name="label array")
    with image_limits():
        return Dataset(opened, profile, Config())


def _taxonomy_of_names(names: Iterable[str]) -> Taxonomy:
    return Taxonomy(categories=tuple(Category(id=id_, name=name) for id_, name in enumerate(names, 1)))


def _image_file(folder: Path | None, image_id: str) -> Path | None:
    path = None if folder is None else folder / image_id
    return path if path is not None and path.is_file() else None


def _task(labels: Iterable[Labels], taxonomy: Taxonomy) -> Task:
    """The task of the labels: semantic if all are arrays of categories; else by whether the taxonomy has stuff."""
    if all(not isinstance(value, (tuple, list)) for value in labels):
        return "semantic"
    return _instance_task(taxonomy)


def _instance_task(taxonomy: Taxonomy) -> Task:
    kinds = {category.kind for category in taxonomy.categories}
    return "panoptic" if kinds >= {"thing", "stuff"} else "instance"


def _read_entry(taxonomy: Taxonomy, details: Mapping[str, object], entry: ImageEntry) -> list[ImageAnnotation]:
    labels: Labels = entry.record
    if isinstance(labels, tuple):
        segments = _segments_of_ids(entry.image_id, labels[0], labels[1], taxonomy)
    elif isinstance(labels, list):
        segments = _segments_of_masks(entry.image_id, labels, taxonomy)
    else:
        segments = _segments_of_categories(_check_array(entry.image_id, labels), taxonomy)
    size, ids, categories, runs, defects = segments
    if 0 in size:  # an empty list of masks does not give the image's size
        size = _file_size(entry.image)
    return [ImageAnnotation(size, ids, categories, runs, annotation=details, defects=defects)]


def _file_size(image: Path | None) -> tuple[int, int]:
    """Height and width in pixels of an image file; 0 if it cannot be read."""
    try:
        header = None if image is None else read_header(image)
    except OSError:
        header = None
    return (0, 0) if header is None else (header.height, header.width)


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
        pieces.append(mask_to_runs(array))
    of_segment = np.array([_category(image_id, category, taxonomy) for _, category in masks], np.int64)
    ids = np.arange(1, len(masks) + 1, dtype=np.int64)
    return size, ids, of_segment, Runs.concatenate(pieces, [1] * len(pieces)), []


def _check_array(image_id: str, labels: object) -> Values:
    """Check that the labels are an array (height, width) of integers, and return it."""
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


def _owned_runs(runs: ValueRuns, known: Flags) -> Runs:
    """The runs of the known values, each value an owner."""
    owner = np.where(known, np.cumsum(known) - 1, -1).astype(np.int32)
    return runs.assign_owners(owner, int(known.sum()))


def _unknown_value(runs: ValueRuns, row: int) -> Defect:
    x, y = runs.first_pixel(row)
    message = f"value {int(runs.value[row])} has no category; its pixels are unlabelled"
    return Defect("SEG009", message, place=f"x={x}, y={y}", pixels=int(runs.area[row]))


_PIXEL_COLUMNS = ("counts", "mask", "segmentation", "rings")
_SEGMENTS_PER_PART = 10_000


def from_frames(
    images: "pd.DataFrame",
    segments: "pd.DataFrame",
    annotations: "pd.DataFrame | None" = None,
    *,
    taxonomy: Taxonomy | Iterable[str] | None = None,
    task: Task | None = None,
    name: str = "frames",
) -> Dataset:
    """Make a dataset of pandas tables, such as `Dataset.images`, `.segments` and `.annotations`.

    Parameters
    ----------
    images : one row per image: image_id, height and width in pixels, and any other columns of
        `segdata.core.schema.IMAGES`
    segments : one row per segment: image_id, category_id or category (its name), its pixels, and any other columns of
        `segdata.core.schema.SEGMENTS`. The pixels are in the first of these columns that exists:

        - counts: COCO's compressed RLE
        - mask: an array (height, width)
        - segmentation: as in COCO, polygons or an RLE
        - rings: polygons, drawn by COCO's rule
    annotations : one row per annotation: image_id, and any columns of `segdata.core.schema.ANNOTATIONS`. None: whoever
        drew a segment annotated its image; an image without segments is annotated and empty, unless the segments have
        several annotators: then it is not annotated
    taxonomy : the categories, or their names: these get the ids 1, 2, …; None: those that the segments name
    task : None: panoptic if the taxonomy has things and stuff, otherwise instance
    name : of the dataset

    Other columns are ignored, as are area and bbox, which follow from the pixels. Raises SegdataError if a column is
    missing or has the wrong type; `validate` reports wrong pixels and references as findings.
    """
    pictures = _known_columns(images, IMAGES, "images", ("image_id", "height", "width"))
    segment_rows = _known_columns(segments, SEGMENTS, "segments", ("image_id",))
    categories = taxonomy if isinstance(taxonomy, Taxonomy) else _taxonomy(segments, taxonomy)
    size = _image_sizes(segment_rows["image_id"], pictures)
    counts, rings, kept, defects = _pixels(segments, segment_rows, *size)
    columns = {
        "category_id": _category_ids(segments, categories),
        "counts": counts,
        "segment_id": _segment_ids(segments, segment_rows),
    }
    if rings is not None:
        columns["rings"] = rings
    for column, values in columns.items():
        segment_rows = segment_rows.set_column(
            segment_rows.schema.get_field_index(column), SEGMENTS.field(column), values
        )
    segment_rows = segment_rows.filter(pa.array(kept))
    annotation_rows = (
        _implied_annotations(pictures, segment_rows)
        if annotations is None
        else _known_columns(annotations, ANNOTATIONS, "annotations")
    )
    profile = Profile(
        name=name,
        format="frames",
        task=task or _instance_task(categories),
        taxonomy=categories,
        taxonomy_declared=taxonomy is not None,
        coverage=Policy("sparse"),
        overlap=Policy("allow"),
        raster_rule="mask-native" if rings is None else "coco",
        files=name,
    )
    with image_limits():
        files = ("the table of images", "the table of annotations")
        opened = CanonicalSource(
            profile, pictures, annotation_rows, _segment_parts(segment_rows), files=files, root=Path(), defects=defects
        )
        return Dataset(with_image_files(opened, Path(), opened.uris), profile, Config())


def _known_columns(
    frame: "pd.DataFrame", schema: pa.Schema, table: str, needed: Sequence[str] = ("image_id",)
) -> pa.Table:
    """The columns of a table that are in the schema, without pixels."""
    for name in needed:
        if name not in frame:
            raise SegdataError(f"{table}: there is no column {name!r}, only {', '.join(map(str, frame)) or 'none'}")
    skipped = {*_PIXEL_COLUMNS, "area", "bbox", "category_id", "segment_id"} - (
        {"rings"} if "counts" in frame else set()
    )
    columns = {field.name: _column(frame, field, table) for field in schema if field.name in set(frame) - skipped}
    return make_table(schema, len(frame), **columns).combine_chunks()


def _column(frame: "pd.DataFrame", field: pa.Field, table: str) -> pa.Array:
    """Convert a column to Arrow; image ids may be numbers."""
    values = frame[field.name]
    if field.name == "image_id" and values.dtype.kind in "iu":
        values = values.astype(str)
    try:
        return pa.array(values, type=field.type, from_pandas=True)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SegdataError(f"{table}: the column {field.name!r} is not {field.type}: {reason}") from error


def _taxonomy(segments: "pd.DataFrame", names: Iterable[str] | None) -> Taxonomy:
    """The taxonomy of these names, else of those in the segments."""
    if names is not None:
        return _taxonomy_of_names(names)
    if "category_id" not in segments and "category" not in segments:
        raise SegdataError("segments: there is no column 'category_id' and none 'category'")
    if "category_id" not in segments:
        return _taxonomy(segments, sorted(set(segments["category"].astype(str))))
    ids = segments["category_id"].astype("int64")
    named = zip(ids, segments["category"] if "category" in segments else ids.astype(str), strict=True)
    pairs = sorted(set(named))
    twice = next((a for a, b in itertools.pairwise(pairs) if a[0] == b[0]), None)
    if twice is not None:
        raise SegdataError(f"segments: the category {twice[0]} has several names, {twice[1]!r} is one; give a taxonomy")
    return Taxonomy(categories=tuple(Category(id=int(id_), name=str(name)) for id_, name in pairs))


def _category_ids(segments: "pd.DataFrame", taxonomy: Taxonomy) -> pa.Array:
    """(n,) the category id of each segment."""
    if "category_id" in segments:
        return _column(segments, SEGMENTS.field("category_id"), "segments")
    if "category" not in segments:
        raise SegdataError("segments: there is no column 'category_id' and none 'category'")
    by_name = taxonomy.by_name()
    for named in segments["category"].unique():
        if named not in by_name:
            near = taxonomy.nearest(str(named)) or [category.name for category in taxonomy.categories[:5]]
            raise SegdataError(f"segments: the category {named!r} is not in the taxonomy; it has {', '.join(near)}")
    return pa.array([by_name[named].id for named in segments["category"]], pa.int64())


def _segment_ids(segments: "pd.DataFrame", keys: pa.Table) -> pa.Array:
    """(n,) the ids of the segments; 1, 2, … on each image if there are none."""
    if "segment_id" in segments:
        return _column(segments, SEGMENTS.field("segment_id"), "segments")
    return pa.array(keys["image_id"].to_pandas().groupby(keys["image_id"].to_pandas()).cumcount() + 1, pa.int64())


def _image_sizes(image_id: pa.ChunkedArray, images: pa.Table) -> tuple[Ints, Ints]:
    """Height and width (n,) in pixels of the images of n segments; 0 if unknown."""
    row = pc.index_in(image_id, value_set=images["image_id"].combine_chunks())
    height, width = integer_column(images["height"].take(row)), integer_column(images["width"].take(row))
    for side in (height, width):
        side[(side < 1) | (side > MAX_SIDE)] = 0
    return height, width


Pixels = tuple[pa.Array, pa.Array | None, np.ndarray[tuple[int], np.dtype[np.bool_]], list[Defect]]


def _pixels(segments: "pd.DataFrame", keys: pa.Table, height: Ints, width: Ints) -> Pixels:
    """Decode n segments: their counts, their rings if given, which are valid, and the faults of the others."""
    column = next((name for name in _PIXEL_COLUMNS if name in segments), None)
    all_rows = np.ones(len(segments), bool)
    if column is None:
        raise SegdataError(f"segments: no column has the pixels: {', '.join(_PIXEL_COLUMNS)}")
    if column == "counts":
        return _column(segments, SEGMENTS.field("counts"), "segments"), None, all_rows, []
    if column == "mask":
        return _mask_counts(segments["mask"], keys, height, width), None, all_rows, []
    shapes = read_segmentations([_as_json(value) for value in segments[column]], height, width)
    image, ids = keys["image_id"], segments.get("segment_id")
    defects = [
        Defect(
            fault.code,
            fault.message,
            "the table of segments",
            f"row {fault.row}{fault.place}",
            image=image[fault.row].as_py(),
            segments=() if ids is None else (int(ids.iloc[fault.row]),),
        )
        for fault in shapes.faults
    ]
    return runs_to_rle(shapes.runs, height, width), shapes.rings, shapes.sound, defects


def _mask_counts(masks: Iterable[Any], keys: pa.Table, height: Ints, width: Ints) -> pa.Array:  # Any: the user's values
    """The counts of masks, each of the size of its image."""
    pieces: list[Runs] = []
    for row, drawn_mask in enumerate(masks):
        mask = np.ascontiguousarray(drawn_mask, bool)
        if mask.ndim != 2 or (height[row] and mask.shape != (height[row], width[row])):
            problem = f"a mask has the shape {mask.shape}, the image ({height[row]}, {width[row]})"
            raise SegdataError(f"image {keys['image_id'][row].as_py()!r}: {problem}")
        height[row], width[row] = mask.shape
        pieces.append(mask_to_runs(mask))
    return runs_to_rle(Runs.concatenate(pieces, [1] * len(pieces)), height, width)


def _as_json(value: object) -> msgspec.Raw:
    """A segmentation as COCO's JSON; empty if it is none."""
    if isinstance(value, dict) and isinstance(value.get("counts"), bytes):  # as in pycocotools
        value = {**value, "counts": value["counts"].decode("ascii", "replace")}
    try:
        return msgspec.Raw(b"" if value is None else msgspec.json.encode(value, enc_hook=_json_value))
    except (TypeError, ValueError):
        return msgspec.Raw(msgspec.json.encode(str(value)))


def _json_value(value: object) -> object:
    """An array or number of numpy as a JSON value."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(type(value).__name__)


def _implied_annotations(images: pa.Table, segments: pa.Table) -> pa.Table:
    """The annotations implied by segments, and empty ones for images without segments if there is one annotator."""
    pairs = segments.select(["image_id", "annotator"]).group_by(["image_id", "annotator"]).aggregate([])
    names = pc.unique(pairs["annotator"])
    if len(names) <= 1:
        name = names[0].as_py() if len(names) else None
        image_ids = pc.unique(images["image_id"])
        pairs = pa.table({"image_id": image_ids, "annotator": pa.array([name] * len(image_ids), pa.string())})
    return make_table(ANNOTATIONS, pairs.num_rows, image_id=pairs["image_id"], annotator=pairs["annotator"])


def _segment_parts(segments: pa.Table) -> list[SegmentPart]:
    """The segments in portions of whole images."""
    code = segments["image_id"].combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy()
    order = np.argsort(code, kind="stable")
    first = np.append(np.flatnonzero(np.diff(code[order], prepend=-2)), len(code))
    cuts = np.unique(
        first[
            np.searchsorted(first, np.arange(0, len(code) + _SEGMENTS_PER_PART, _SEGMENTS_PER_PART).clip(max=len(code)))
        ]
    )
    ordered = segments.take(pa.array(order))
    pieces = [ordered.slice(a, b - a) for a, b in itertools.pairwise(cuts.tolist())]
    return [
        SegmentPart(
            "the table of segments",
            f"part {number}",
            pc.unique(piece["image_id"]),
            piece.num_rows,
            partial(_identity, piece),
        )
        for number, piece in enumerate(pieces)
    ]


def _identity(rows: pa.Table) -> pa.Table:
    return rows
