"""Hugging Face datasets as Parquet: images and label maps as PNG files inside the tables.

Read: `data/<split>-00000-of-00001.parquet` (or beside the README), a column of label maps (label, labels, annotation,
mask, segmentation …: a struct of bytes and path, as `datasets.Image` stores it, palette, grey or RGB), the names of
categories from `id2label.json`, else from taxonomy.yaml. 0 is nothing where it is no category, and 255 is void: what
the image processors of `transformers` ignore. With a second map (instance, instances …) each of its values but 0 is a
segment, whose category the first map tells. Rows are called by image_id or the path in them, else by file and number.
Written: image (the file's bytes where it is there), label, instance (for instance and panoptic data), image_id, and
id2label.json, README.md and taxonomy.yaml beside; a label of null is an image that nobody annotated.
Layout: https://huggingface.co/docs/datasets/image_dataset, and files written by `datasets` 5.2.
"""

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Policy, Profile, Task
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.beyond import BY_CATEGORY
from segdata.formats.masks.legend import colour_legend
from segdata.formats.parquet.reader import Columns, columns_of, id2label, listed, look
from segdata.formats.parquet.writer import write_parquet
from segdata.formats.perimage.source import PerImageSource

LOSSES: frozenset[Kind] = BY_CATEGORY | {"category-details", "spatial"}
CHECKED = ("datasets 5.2 (reads what is written, and its files are read)",)
READ_OPTIONS = {
    "label": "the column of label maps; default: label, labels, annotation, mask, segmentation …",
    "instance": "the column of instance maps; default: instance, instances, instance_map, where there is one",
}
_SHARD = r"(^|/)[\w.]+-\d{5}-of-\d{5}(-\w+)?\.parquet$"


def detect(seen: Glance) -> Clue | None:
    """Parquet files named as shards of a split, with a column of images."""
    for name in seen.matching(_SHARD)[:1]:
        try:
            columns = columns_of(pq.read_schema(seen.path(name)), {})
        except (OSError, SegdataError, ValueError):
            return None
        return Clue(0.95, f"{name} has label maps in its column {columns.label}")
    return None


def read(request: Request) -> PerImageSource:
    """Open the tables; label maps are decoded when a batch asks for them."""
    shards = _shards(request.root)
    entries, columns, defects = listed(request.root, shards, request.options)
    root = request.root if request.root.is_dir() else request.root.parent
    taxonomy, declared = _taxonomy(request, root)
    profile = Profile(
        name=request.root.stem,
        format="hugging-face",
        task=_task(columns, taxonomy),
        taxonomy=taxonomy,
        taxonomy_declared=declared,
        coverage=Policy("sparse" if columns.instance else "exhaustive"),
        overlap=Policy("forbid"),
        files=str(request.root),
    )
    found = partial(look, root, columns, taxonomy, colour_legend(taxonomy))
    return PerImageSource(root, profile, entries, tuple(defects), found, request.annotator, what="label map")


def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write a table for each split; raises SegdataError where an id does not fit 16 bits."""
    write_parquet(profile, batches, target, losses, LOSSES)


def _shards(root: Path) -> list[Path]:
    """The tables of a dataset; raises UnreadableError where there are none."""
    if root.is_file():
        return [root]
    found = sorted(path for path in root.rglob("*.parquet") if not any(part.startswith(".") for part in path.parts))
    shards = [path for path in found if re.search(_SHARD, path.as_posix())] or found
    if not shards:
        raise UnreadableError(f"{root}: no Parquet files in it; expected is data/train-00000-of-00001.parquet")
    return shards


def _taxonomy(request: Request, root: Path) -> tuple[Taxonomy, bool]:
    """The user's taxonomy, else that of id2label.json; void is 255 where it is no category."""
    if request.taxonomy is not None:
        return request.taxonomy, True
    names = id2label(root)
    if names is None:
        raise UnreadableError(
            f'{root}: nothing says what the values of the label maps mean; write id2label.json ({{"0": "road", …}}), '
            "or give --taxonomy"
        )
    categories = [Category(id=id_, name=name, kind="stuff") for id_, name in sorted(names.items())]
    if 255 not in names:
        categories.append(Category(id=255, name="ignore", kind="void"))
    return Taxonomy(categories=tuple(categories), unlabelled=None if 0 in names else 0), False


def _task(columns: Columns, taxonomy: Taxonomy) -> Task:
    if columns.instance is None:
        return "semantic"
    kinds = {category.kind for category in taxonomy.categories}
    return "panoptic" if kinds >= {"thing", "stuff"} else "instance"
