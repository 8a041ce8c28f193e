"""Hugging Face tables: read and write rows as images, and their label maps as segments."""

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.config import Option
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import dataset_folder, is_unsafe_path
from segdata.core.profile import Profile, Task
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy
from segdata.core.yaml_files import read_utf8
from segdata.formats.masks.colour_mask_files import read_mask
from segdata.formats.parquet import LOSSES, find_shards
from segdata.formats.shared import writing
from segdata.formats.shared.derived_sources import local_path
from segdata.formats.shared.mask_files import (
    UNKNOWN,
    Legend,
    MaskFile,
    ValueRuns,
    colour_legend,
    decode_mask_bytes,
    index_legend,
)
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames, write_sidecars

# Raised by pyarrow for damaged files: ValueError for names that are not UTF-8, KeyError for lost columns.
_DECODER_ERRORS = (OSError, ValueError, KeyError, IndexError, TypeError, OverflowError, pa.ArrowException)
_LABEL_COLUMNS = ("label", "labels", "annotation", "annotations", "mask", "masks", "segmentation", "segmentation_mask",
           "seg_mask", "semantic", "semantic_segmentation", "label_map")  # fmt: skip
_INSTANCE_COLUMNS = ("instance", "instances", "instance_map", "instance_mask", "instance_segmentation")
_IMAGE_COLUMNS = ("image", "img", "writing.pixel_values", "images")
_SHARD_NAME = re.compile(r"([A-Za-z][\w.]*?)-\d{5}-of-\d{5}")


@dataclass(frozen=True, slots=True)
class TableColumns:
    """The names of the columns; None if a table lacks one."""

    label: str
    instance: str | None = None
    image: str | None = None
    image_id: str | None = None


@dataclass(frozen=True, slots=True)
class TableRow:
    """The place of an image's label map: file, row group, row, and the file's modification time in ns."""

    path: Path
    group: int
    row: int
    written: int


def label_column(path: Path) -> str | None:
    """The column of label maps in a table; None if there is none."""
    try:
        return find_columns(pq.read_schema(path), {}).label
    except (OSError, SegdataError, ValueError):
        return None


def find_columns(schema: pa.Schema, options: Mapping[str, Option]) -> TableColumns:
    """The columns of a table; raises SegdataError if none holds label maps, ArrowInvalid if a name occurs twice."""
    duplicates = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if duplicates:
        raise pa.ArrowInvalid(f"column {', '.join(duplicates)} occurs twice")
    pictures = [field.name for field in schema if _is_picture(field.type)]
    label = str(options["label"]) if "label" in options else _first_present(_LABEL_COLUMNS, pictures)
    instance = str(options["instance"]) if "instance" in options else _first_present(_INSTANCE_COLUMNS, pictures)
    for name in (label, instance):
        if name is not None and name not in pictures:
            raise SegdataError(f"no column {name!r} of images; there are {', '.join(pictures) or 'none'}")
    if label is None:
        names = ", ".join(schema.names)
        raise SegdataError(f"no column of label maps among {names}; give --read-option label=COLUMN")
    return TableColumns(
        label, instance, _first_present(_IMAGE_COLUMNS, pictures), _first_present(("image_id", "id"), schema.names)
    )


def _is_picture(type_: pa.DataType) -> bool:
    return pa.types.is_struct(type_) and {"bytes", "path"} <= {type_.field(i).name for i in range(type_.num_fields)}


def _first_present(names: tuple[str, ...], present: list[str]) -> str | None:
    return next((name for name in names if name in present), None)


def read_id2label(root: Path) -> dict[int, str] | None:
    """The categories in id2label.json; None if there is no such file. Raises UnreadableError if it is malformed."""
    path = root / "id2label.json"
    if not path.is_file():
        return None
    try:
        named = json.loads(read_utf8(path))
        return {int(id_): str(name) for id_, name in named.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise UnreadableError(f'{path}: is not a JSON object of ids and names, {{"0": "road"}}: {error}') from error


def _list_entries(
    root: Path, shards: list[Path], options: Mapping[str, Option]
) -> tuple[list[ImageEntry], TableColumns, list[Defect]]:
    """The images of some tables in order; raises UnreadableError if none of the tables can be read."""
    entries: list[ImageEntry] = []
    defects: list[Defect] = []
    columns: TableColumns | None = None
    image_ids: set[str] = set()
    for path in shards:
        file_name = relative_path(root, path)
        try:
            file = pq.ParquetFile(path)
            columns = find_columns(file.schema_arrow, options)
            rows = list(_image_rows(file, path, columns))
        except _DECODER_ERRORS as error:
            defects.append(Defect("SEG001", f"the table cannot be read: {str(error).splitlines()[0][:200]}", file_name))
            continue
        for number, entry in enumerate(rows):
            image_id = entry.image_id or f"{path.stem}/{number:06d}"
            if is_unsafe_path(image_id):
                message = f"path {image_id!r} leaves the dataset's root; left out"
                defects.append(Defect("SEG015", message, file_name, f"row {number}"))
            elif image_id in image_ids:
                message = f"the same image twice: {image_id!r}; the first counts"
                defects.append(Defect("SEG008", message, file_name, f"row {number}", image=image_id))
            else:
                image_ids.add(image_id)
                entries.append(replace(entry, image_id=image_id))
    if columns is None:
        first = f": {defects[0].file}: {defects[0].message}" if defects else ""
        raise UnreadableError(f"{root}: none of {len(shards)} tables can be read{first}")
    return sorted(entries, key=lambda entry: entry.image_id), columns, defects


def _image_rows(file: pq.ParquetFile, path: Path, columns: TableColumns) -> Iterator[ImageEntry]:
    """The images of a table with their names, "" if it has none; images with a label map have a record."""
    match, written = _SHARD_NAME.match(path.name), path.stat().st_mtime_ns
    split_of_file = match[1] if match else None
    pictures = [f"{name}.path" for name in (columns.image, columns.label) if name]
    plain = [name for name in ("width", "height", "split", columns.image_id) if name in file.schema_arrow.names]
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=[*pictures, *plain])
        columns_of_group = {name: table[name].to_pylist() for name in table.column_names}
        has_label = table[columns.label].combine_chunks().is_valid().to_pylist()
        for row in range(table.num_rows):
            line = {name: values[row] for name, values in columns_of_group.items()}
            picture = line.get(columns.image or "")
            name = line[columns.image_id] if columns.image_id else picture["path"] if picture else None
            sides = [line.get(side) for side in ("height", "width")]
            height, width = (side if isinstance(side, int) and side > 0 else 0 for side in sides)
            split = line.get("split", split_of_file)
            yield ImageEntry(
                "" if name is None else str(name),
                record=TableRow(path, group, row, written) if has_label[row] else None,
                size=(height, width),
                split=split if isinstance(split, str) else None,
            )


@lru_cache(maxsize=8)
def _read_files(path: Path, group: int, column: str, written: int) -> list[bytes | None]:
    """The files in a column of a row group; `written` is part of the cache key, as a file may be replaced."""
    table = pq.ParquetFile(path).read_row_group(group, columns=[f"{column}.bytes"])
    return [None if picture is None else picture["bytes"] for picture in table[column].to_pylist()]


def read_image(
    root: Path, columns: TableColumns, taxonomy: Taxonomy, colours: Legend, entry: ImageEntry
) -> list[ImageAnnotation]:
    """The segments in the label map, or maps, of one image; raises BrokenLabelsError if they are not of one size."""
    row: TableRow = entry.record
    file, place = relative_path(root, row.path), f"row group {row.group}, row {row.row}"
    label = _decode_map(row, columns.label, file, place)
    if columns.instance is None:
        annotation = read_mask(label, taxonomy, colours, file)
    else:
        instance = _decode_map(row, columns.instance, file, place)
        if instance.values.shape != label.values.shape:
            sizes = " and ".join(f"{map_.values.shape[1]}x{map_.values.shape[0]}" for map_ in (label, instance))
            message = f"the label map and the instance map are {sizes}"
            raise BrokenLabelsError(Defect("SEG003", message, file, place, lost=True))
        legend = colours if label.coloured else index_legend(taxonomy, label.palette)
        annotation = _panoptic_segments(label, instance, legend, file)
    return [
        replace(
            annotation,
            defects=[replace(defect, file=file, place=defect.place or place) for defect in annotation.defects],
        )
    ]


def _decode_map(row: TableRow, column: str, file: str, place: str) -> MaskFile:
    try:
        data = _read_files(row.path, row.group, column, row.written)[row.row]
        if data is None:
            raise OSError("it has no bytes, only a path")
        return decode_mask_bytes(data)
    except _DECODER_ERRORS as error:
        raise BrokenLabelsError(Defect("SEG001", f"{column} cannot be read: {error}", file, place)) from error


def _panoptic_segments(label: MaskFile, instance: MaskFile, legend: Legend, file: str) -> ImageAnnotation:
    """A segment for each instance, and one for each category outside of all instances."""
    of_label, of_instance = ValueRuns.of(label.values), ValueRuns.of(instance.values)
    label_row, instance_row = (
        np.searchsorted(runs.value, mask.values).astype(np.uint32)
        for runs, mask in ((of_label, label), (of_instance, instance))
    )
    runs = ValueRuns.of((label_row * np.uint32(len(of_instance.value)) + instance_row).astype(np.uint32))
    value, number = np.divmod(runs.value, len(of_instance.value))
    meaning, ids = legend.read(of_label.value[value]), of_instance.value[number]
    is_known = meaning > UNKNOWN
    defects = [
        Defect("SEG009", f"value {int(of_label.value[value[k]])} has no category", pixels=int(runs.area[k]))
        for k in np.flatnonzero(meaning == UNKNOWN).tolist()
    ]
    several, count = np.unique(ids[is_known & (ids > 0)], return_counts=True)
    defects += [
        Defect("SEG014", f"instance {id_} has pixels of several categories in the label map", segments=(id_,))
        for id_ in several[count > 1].tolist()
    ]
    segment = _segment_ids(ids[is_known], meaning[is_known])
    columns = {"file": [file] * len(segment), "place": [f"instance {id_}" for id_ in ids[is_known].tolist()]}
    return ImageAnnotation(
        (runs.height, runs.width), segment, meaning[is_known], runs.select(np.flatnonzero(is_known)), columns,
        f"{label.encoding}; {instance.encoding}", defects=defects,
    )  # fmt: skip


def _segment_ids(instance: Ints, category: Ints) -> Ints:
    """(n,) segment ids: the instance's id; outside of instances the category's id if free, else another free id."""
    taken = set(instance[instance > 0].tolist())
    ids = instance.copy()
    for k in np.flatnonzero(instance == 0).tolist():
        id_ = int(category[k])
        while id_ in taken or id_ < 1:
            id_ = max(taken, default=0) + 1
        taken.add(id_)
        ids[k] = id_
    return ids


def open_tables(request: ReadRequest) -> PerImageSource:
    """Open the tables; label maps are decoded when a batch asks for them. Raises UnreadableError if there is none."""
    shards = find_shards(request.root)
    entries, columns, defects = _list_entries(request.root, shards, request.options)
    root = dataset_folder(request.root)
    taxonomy, declared = _taxonomy(request, root)
    kinds = {category.kind for category in taxonomy.categories}
    task: Task = "panoptic" if kinds >= {"thing", "stuff"} else "instance"
    profile = CategoryNames(taxonomy, declared, {}).profile(
        "hugging-face",
        request.root,
        task if columns.instance else "semantic",
        "sparse" if columns.instance else "exhaustive",
        "forbid",
    )
    read = partial(read_image, root, columns, taxonomy, colour_legend(taxonomy))
    return PerImageSource(root, profile, entries, tuple(defects), read, request.annotator, labels_name="label map")


def _taxonomy(request: ReadRequest, root: Path) -> tuple[Taxonomy, bool]:
    """The user's taxonomy, else id2label.json's, with 255 as void unless it is a category."""
    if request.taxonomy is not None:
        return request.taxonomy, True
    names = read_id2label(root)
    if names is None:
        raise UnreadableError(
            f'{root}: no file gives the values of the label maps a meaning; write id2label.json ({{"0": "road", …}}), '
            "or give --taxonomy"
        )
    categories = [Category(id=id_, name=name, kind="stuff") for id_, name in sorted(names.items())]
    if 255 not in names:
        categories.append(Category(id=255, name="ignore", kind="void"))
    return Taxonomy(categories=tuple(categories), unlabelled=None if 0 in names else 0), False


_ROWS_PER_GROUP = 100  # as in `datasets`
_MAX_VALUE = 2**16 - 1
_PLAIN_COLUMNS = {"image_id": "string", "width": "int32", "height": "int32", "split": "string"}
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_README = """---
task_categories:
- image-segmentation
configs:
- config_name: default
  data_files:
{files}---

# {name}

Label maps are in the column `label`{instances}; `id2label.json` says what their values mean, and {blank} is nothing.
"""


def write_parquet(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write `data/<split>-00000-of-00001.parquet` for each split, README.md, id2label.json and taxonomy.yaml.

    Raises SegdataError if a category id does not fit 16 bits.
    """
    taxonomy = profile.taxonomy
    over = [id_ for id_ in taxonomy.by_id() if not 0 <= id_ <= _MAX_VALUE]
    if over:
        raise SegdataError(f"category id {over[0]} does not fit a label map of 16 bits (0 to 65 535)")
    writing.count_spatial_losses(profile, losses)
    blank = _blank(taxonomy)
    with_instances = profile.task != "semantic"
    (target / "data").mkdir(parents=True)
    with ExitStack() as open_files:
        splits: dict[str, _SplitTable] = {}
        for batch in batches:
            names = batch.images["split"].to_pylist()
            for row, line in enumerate(_rows(batch, taxonomy, blank, with_instances, losses)):
                split = names[row] or "train"
                if split not in splits:
                    splits[split] = open_files.enter_context(_SplitTable(target, split, with_instances))
                splits[split].add(line | {"split": names[row]})
        if not splits:
            splits["train"] = open_files.enter_context(_SplitTable(target, "train", with_instances))
    files = "".join(f"  - split: {split}\n    path: data/{split}-*\n" for split in sorted(splits))
    instances = ", instances in `instance`" if with_instances else ""
    readme = _README.format(files=files, name=profile.name, instances=instances, blank=blank)
    (target / "README.md").write_text(readme, encoding="utf-8")
    id2label = {str(id_): category.name for id_, category in sorted(taxonomy.by_id().items())}
    text = json.dumps(id2label, ensure_ascii=False, indent=1)
    (target / "id2label.json").write_text(text + "\n", encoding="utf-8")
    write_sidecars(target, profile, msgspec.structs.replace(taxonomy, unlabelled=blank))


class _SplitTable:
    """Writes the table of one split, one row group at a time."""

    def __init__(self, target: Path, split: str, with_instances: bool) -> None:
        if "/" in split or "\\" in split:
            raise SegdataError(f"split {split!r} is no part of a file name")
        pictures = ["image", "label", *(["instance"] if with_instances else [])]
        features: dict[str, dict[str, str]] = {name: {"_type": "Image"} for name in pictures}
        features |= {name: {"dtype": type_, "_type": "Value"} for name, type_ in _PLAIN_COLUMNS.items()}
        plain_fields = [(name, pa.type_for_alias(type_)) for name, type_ in _PLAIN_COLUMNS.items()]
        schema = pa.schema([*((name, _PICTURE) for name in pictures), *plain_fields])
        self._schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        self._path = target / "data" / f"{split}-00000-of-00001.parquet"
        self._rows: list[dict[str, Any]] = []  # Any: pictures and texts

    def __enter__(self) -> "_SplitTable":
        self._file = pq.ParquetWriter(self._path, self._schema)
        return self

    def add(self, line: dict[str, Any]) -> None:
        self._rows.append(line)
        if len(self._rows) == _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []

    def __exit__(self, *error: object) -> None:
        self._flush()
        self._file.close()


def _rows(
    batch: Batch, taxonomy: Taxonomy, blank: int, with_instances: bool, losses: LossCounter
) -> Iterator[dict[str, Any]]:
    """The images of a batch as rows of the table: files, label maps and what describes them."""
    writing.count_losses(batch, losses, LOSSES, frozenset({"images.split"}))
    category = batch.segment_category
    is_known = np.isin(category, np.array(list(taxonomy.by_id()), np.int64))
    values = np.where(is_known, category, -1)
    ids = batch.segments["segment_id"].fill_null(0).to_numpy()
    if with_instances:
        writing.count_segment_mask_losses(batch, is_known, losses)
    else:
        writing.count_category_mask_losses(batch, values, losses, blank)
    for image in writing.segments_by_image(batch):
        line: dict[str, Any] = {"image_id": image.image_id, "image": None}
        line |= {"width": image.width or None, "height": image.height or None}
        path = local_path(image.uri)
        if path is not None and path.is_file():  # `datasets` would search for a missing file
            line["image"] = {"bytes": path.read_bytes(), "path": image.image_id}
        if image.annotated:
            values_of_image = values[image.segments]
            label = writing.paint(image, values_of_image, blank, np.uint16)
            line["label"] = _png(label, image.image_id)
            if with_instances:
                numbers = _instance_values(batch, image, ids, values_of_image, losses)
                instance = writing.paint(image, numbers, 0, np.uint16)
                writing.count_hidden_segments(batch, image, numbers, instance, losses)
                line["instance"] = _png(instance, image.image_id)
            else:
                writing.count_hidden_segments(batch, image, values_of_image, label, losses)
        yield line


def _instance_values(batch: Batch, image: writing.ImageSegments, ids: Ints, values: Ints, losses: LossCounter) -> Ints:
    """(n,) the value of each segment in the instance map; -1 if it is not painted."""
    painted_ones = np.flatnonzero((values >= 0) & (image.runs.areas(len(values)) > 0))
    rows = image.segments[painted_ones]
    new_values = writing.pixel_values(ids[rows])
    if len(new_values) and new_values.max() > _MAX_VALUE:
        raise SegdataError(
            f"image {image.image_id!r}: {len(new_values):,} segments do not fit an instance map of 16 bits"
        )
    changed = rows[new_values != ids[rows]]
    writing.count_segments(batch, changed, "segment-id", losses)
    numbers = np.full(len(values), -1, np.int64)
    numbers[painted_ones] = new_values
    return numbers


def _png(values: NDArray[np.uint16], name: str) -> dict[str, object]:
    small = values.astype(np.uint8) if values.size and values.max() <= 255 else values
    file = io.BytesIO()
    Image.fromarray(small).save(file, "png")
    return {"bytes": file.getvalue(), "path": f"{Path(name).stem}.png"}


def _blank(taxonomy: Taxonomy) -> int:
    """The value of unlabelled pixels: the taxonomy's, else 0, else the highest free one.

    Raises SegdataError if all values are categories.
    """
    own, ids = taxonomy.unlabelled_id, taxonomy.by_id()
    first = [] if own is None or not 0 <= own <= _MAX_VALUE else [own]
    for value in chain(first, [0], range(255, 0, -1), range(256, _MAX_VALUE + 1)):
        if value not in ids:
            return value
    raise SegdataError("all values of 16 bits are categories, none is left for unlabelled")
