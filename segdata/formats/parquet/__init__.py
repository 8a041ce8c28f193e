"""Hugging Face datasets as Parquet: images and label maps as PNG files inside the tables.

Read: `data/<split>-00000-of-00001.parquet` (or tables beside the README), with a column of label maps (label, labels,
annotation, mask, segmentation …: a struct of bytes and path, as `datasets.Image` stores it, palette, grey or RGB). You
give the names of categories in `id2label.json`, else in taxonomy.yaml. 0 is unlabelled unless it is a category, and 255
is void, which the image processors of `transformers` ignore. With a second map (instance, instances …), each of its
values but 0 is a segment, whose category is in the first map. An image's name is the image_id or the path in its row,
else file and number.

Written: image (the bytes of the file if it exists), label, instance (for instance and panoptic data), image_id, with
id2label.json, README.md and taxonomy.yaml beside them; a label of null is an image without an annotation.

Layout: https://huggingface.co/docs/datasets/image_dataset, and files written by `datasets` 5.2.
"""

import re
from pathlib import Path

from segdata.core.errors import UnreadableError
from segdata.core.format import DOCUMENT_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import CATEGORY_MASK_LOSSES

ALIASES = ("hf", "datasets", "hugging-face-datasets")
NAMES = DOCUMENT_NAMES
LOSSES: frozenset[LossKind] = CATEGORY_MASK_LOSSES | {"category-details", "spatial"}
CHECKED = ("datasets 5.2 (reads what is written, and its files are read)",)
READ_OPTIONS = {
    "label": "column of label maps; default: label, labels, annotation, mask, segmentation …",
    "instance": "column of instance maps; default: instance, instances or instance_map, if there is one",
}
_SHARD = r"(^|/)[\w.]+-\d{5}-of-\d{5}(-\w+)?\.parquet$"


def detect(files: FileProbe) -> FormatMatch | None:
    """Parquet files named as shards of a split, with a column of images."""
    shards = files.matching(_SHARD)
    label = _label_column(files.path(shards[0])) if shards else None
    return None if label is None else FormatMatch(0.95, f"{shards[0]} has label maps in its column {label}")


_label_column = ImportedOnCall("segdata.formats.parquet.tables:label_column")


read = ImportedOnCall("segdata.formats.parquet.tables:open_tables")


write = ImportedOnCall("segdata.formats.parquet.tables:write_parquet")


def find_shards(root: Path) -> list[Path]:
    """The tables of a dataset; raises UnreadableError if there are none."""
    if root.is_file():
        return [root]
    paths = sorted(path for path in root.rglob("*.parquet") if not any(part.startswith(".") for part in path.parts))
    shards = [path for path in paths if re.search(_SHARD, path.as_posix())] or paths
    if not shards:
        raise UnreadableError(f"{root}: no Parquet files in it; expected is data/train-00000-of-00001.parquet")
    return shards
