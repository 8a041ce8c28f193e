"""Writes Datumaro documents: one a split, an item for each image, a batch at a time."""

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import IO, Any

import msgspec
import numpy as np

from segdata.core.batch import Batch, integer_column
from segdata.core.format import LossCounter
from segdata.core.profile import Profile
from segdata.formats.coco.attributes import raw_json
from segdata.formats.datumaro.annotations import annotations_of
from segdata.formats.datumaro.items import DEFAULT
from segdata.formats.datumaro.labels import label_items
from segdata.formats.shared.count_losses import count_losses, count_spatial_losses
from segdata.formats.shared.declared_losses import DATUMARO_LOSSES
from segdata.formats.shared.painting import in_first_annotation, segment_examples
from segdata.formats.shared.taxonomies import write_sidecars

_HELD = frozenset({"annotations.annotator", "annotations.source", "images.metadata", "images.split"})
_IMAGE = 2  # Datumaro's number for media that are images
_OURS = frozenset({"annotator", "source"})  # what an item's attributes say of its annotation
_Json = dict[str, Any]  # Any: JSON


class Documents:
    """The documents of a dataset, one a split, opened when the first item comes."""

    def __init__(self, folder: Path, profile: Profile, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        categories = label_items(profile.taxonomy)
        head = {"dm_format_version": "1.0", "media_type": _IMAGE, "infos": {}, "categories": categories}
        self._head = msgspec.json.encode(head)[:-1] + b',"items":['
        self._files: dict[str, IO[bytes]] = {}
        self._ids: set[tuple[str, str]] = set()
        folder.mkdir(parents=True)

    def add(self, subset: str, item: _Json) -> None:
        """Write an item; its id is the path of its image, without extension unless another has that."""
        path = item["image"]["path"]
        bare = PurePosixPath(path).with_suffix("").as_posix()
        item["id"] = path if (subset, bare) in self._ids else bare
        self._ids.add((subset, item["id"]))
        known = subset in self._files
        file = self._file(subset)
        file.write((b",\n" if known else b"\n") + msgspec.json.encode(item))

    def finish(self) -> None:
        """End all documents; there is one even without items."""
        if not self._files:
            self._file(DEFAULT)
        for file in self._files.values():
            file.write(b"\n]}\n")

    def _file(self, subset: str) -> IO[bytes]:
        if subset not in self._files:
            self._files[subset] = self._stack.enter_context((self._folder / f"{subset}.json").open("wb"))
            self._files[subset].write(self._head)
        return self._files[subset]


def write_documents(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write ``annotations/<split>.json`` and ``taxonomy.yaml`` into `target`."""
    count_spatial_losses(profile, losses)
    label_of = {category.id: k for k, category in reversed(list(enumerate(profile.taxonomy.categories)))}
    with ExitStack() as stack:
        documents = Documents(target / "annotations", profile, stack)
        for batch in batches:
            _count_unheld(batch, losses)
            for subset, item in _items(batch, label_of, losses):
                documents.add(subset, item)
        documents.finish()
    write_sidecars(target, profile, profile.taxonomy)


def _count_unheld(batch: Batch, losses: LossCounter) -> None:
    """Count what no document holds."""
    count_losses(batch, losses, DATUMARO_LOSSES - {"attributes", "rings"}, _HELD)
    names = batch.images["image_id"].to_pylist()
    bare = np.setdiff1d(np.arange(len(names)), batch.annotation_image)
    losses.add("empty-annotation", "images", len(bare), examples=[names[row] for row in bare[:3]])
    for name, split, said in zip(
        names, batch.images["split"].to_pylist(), batch.images["metadata"].to_pylist(), strict=True
    ):
        if _subset(split) != (split or DEFAULT) or split == DEFAULT or _OURS & dict(said or ()).keys():
            losses.add("image-details", "images", 1, examples=[name])


def _subset(split: str | None) -> str:
    """The document that a split's images are in."""
    return split if split and re.fullmatch(r"[^/\\.][^/\\]*", split) else DEFAULT


def _items(batch: Batch, label_of: dict[int, int], losses: LossCounter) -> Iterator[tuple[str, _Json]]:
    """The items of a batch, and the subset of each."""
    category = integer_column(batch.segments["category_id"])
    first = in_first_annotation(batch)
    known = np.isin(category, np.array(list(label_of), np.int64))
    strange = np.flatnonzero(first & ~known)
    areas = batch.runs.areas(batch.n_segments)
    losses.add("category", "segments", len(strange), int(areas[strange].sum()), segment_examples(batch, strange))
    rows = np.flatnonzero(first & known)
    annotations = annotations_of(batch, rows, label_of, losses)
    bounds = np.searchsorted(batch.segment_image[rows], np.arange(batch.images.num_rows + 1)).tolist()
    annotation = np.searchsorted(batch.annotation_image, np.arange(batch.images.num_rows)).tolist()
    annotated = set(batch.annotation_image.tolist())
    whose = batch.annotations.select(["annotator", "source"]).to_pylist()
    height, width = (side.tolist() for side in batch.image_size)
    images = batch.images.select(["image_id", "split", "metadata"]).to_pylist()
    for row, (image, (begin, end)) in enumerate(zip(images, pairwise(bounds), strict=True)):
        said = {key: raw_json(value) for key, value in image["metadata"] or () if key not in _OURS}
        said |= {key: value for key, value in (whose[annotation[row]] if row in annotated else {}).items() if value}
        media: _Json = {"path": image["image_id"]}
        if height[row] and width[row]:
            media["size"] = [height[row], width[row]]
        drawn = [part for parts in annotations[begin:end] for part in parts]
        item = {"id": "", "annotations": drawn, **({"attr": said} if said else {}), "image": media}
        yield _subset(image["split"]), item
