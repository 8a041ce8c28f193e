"""Hugging Face writer: images and label maps as PNG files in Parquet tables that `datasets` loads as images."""

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
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
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy
from segdata.formats.shared.count_losses import (
    count_category_mask_losses,
    count_hidden_segments,
    count_losses,
    count_segment_mask_losses,
    count_spatial_losses,
)
from segdata.formats.shared.derived_sources import local_path
from segdata.formats.shared.painting import ImageSegments, paint, pixel_values, segment_examples, segments_by_image
from segdata.formats.shared.taxonomies import write_sidecars

_ROWS = 100  # images a row group, as `datasets` writes them
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


def write_parquet(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, lost: frozenset[LossKind]
) -> None:
    """Write `data/<split>-00000-of-00001.parquet` for each split, README.md, id2label.json and taxonomy.yaml."""
    taxonomy = profile.taxonomy
    over = [each for each in taxonomy.by_id() if not 0 <= each <= _MAX_VALUE]
    if over:
        raise SegdataError(f"category id {over[0]} does not fit a label map of 16 bits (0 to 65 535)")
    count_spatial_losses(profile, losses)
    blank = _blank(taxonomy)
    with_instances = profile.task != "semantic"
    (target / "data").mkdir(parents=True)
    with ExitStack() as open_files:
        splits: dict[str, _SplitTable] = {}
        for batch in batches:
            names = batch.images["split"].to_pylist()
            for row, line in enumerate(_rows(batch, taxonomy, blank, with_instances, losses, lost)):
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
    """The table of one split, written a row group at a time."""

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
        if len(self._rows) == _ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []

    def __exit__(self, *error: object) -> None:
        self._flush()
        self._file.close()


def _rows(
    batch: Batch, taxonomy: Taxonomy, blank: int, with_instances: bool, losses: LossCounter, lost: frozenset[LossKind]
) -> Iterator[dict[str, Any]]:
    """The row of each image."""
    count_losses(batch, losses, lost, frozenset({"images.split"}))
    category = batch.segments["category_id"].to_numpy()
    is_known = np.isin(category, np.array(list(taxonomy.by_id()), np.int64))
    values = np.where(is_known, category, -1)
    ids = batch.segments["segment_id"].fill_null(0).to_numpy()
    if with_instances:
        count_segment_mask_losses(batch, is_known, losses)
    else:
        count_category_mask_losses(batch, values, losses, blank)
    for image in segments_by_image(batch):
        line: dict[str, Any] = {"image_id": image.image_id, "image": _image_file(image)}
        line |= {"width": image.width or None, "height": image.height or None}
        if image.annotated:
            of_sheet = values[image.segments]
            label = paint(image, of_sheet, blank, np.uint16)
            line["label"] = _png(label, image.image_id)
            if with_instances:
                numbers = _instance_values(batch, image, ids, of_sheet, losses)
                instance = paint(image, numbers, 0, np.uint16)
                count_hidden_segments(batch, image, numbers, instance, losses)
                line["instance"] = _png(instance, image.image_id)
            else:
                count_hidden_segments(batch, image, of_sheet, label, losses)
        yield line


def _instance_values(batch: Batch, image: ImageSegments, ids: Ints, values: Ints, losses: LossCounter) -> Ints:
    """(n,) the value of each segment in the instance map; -1 if it is not painted."""
    painted_ones = np.flatnonzero((values >= 0) & (image.runs.areas(len(values)) > 0))
    rows = image.segments[painted_ones]
    new_values = pixel_values(ids[rows])
    if len(new_values) and new_values.max() > _MAX_VALUE:
        raise SegdataError(
            f"image {image.image_id!r}: {len(new_values):,} segments do not fit an instance map of 16 bits"
        )
    changed = rows[new_values != ids[rows]]
    losses.add("segment-id", "segments", len(changed), examples=segment_examples(batch, changed))
    numbers = np.full(len(values), -1, np.int64)
    numbers[painted_ones] = new_values
    return numbers


def _png(values: NDArray[np.uint16], name: str) -> dict[str, object]:
    small = values.astype(np.uint8) if values.size and values.max() <= 255 else values
    file = io.BytesIO()
    Image.fromarray(small).save(file, "png")
    return {"bytes": file.getvalue(), "path": f"{Path(name).stem}.png"}


def _image_file(image: ImageSegments) -> dict[str, object] | None:
    """The image file; None if it is missing, as `datasets` would look for it."""
    path = local_path(image.uri)
    return {"bytes": path.read_bytes(), "path": image.image_id} if path is not None and path.is_file() else None


def _blank(taxonomy: Taxonomy) -> int:
    """The value of unlabelled pixels: the taxonomy's, else 0, else the highest free one.

    Raises SegdataError if all values are categories.
    """
    own = taxonomy.unlabelled_id
    ids = taxonomy.by_id()
    if own is not None and 0 <= own <= _MAX_VALUE and own not in ids:
        return own
    for value in chain([0], range(255, 0, -1), range(256, _MAX_VALUE + 1)):
        if value not in ids:
            return value
    raise SegdataError("all values of 16 bits are categories, none is left for unlabelled")
