"""Join: batches of several datasets as one, in which an image that several have is one image."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.finding import Defect
from segdata.core.format import Source
from segdata.core.profile import Profile
from segdata.core.runs import Ints


def merge_batches(batches: Sequence[Batch], image_ids: Sequence[str]) -> Batch:
    """The images `image_ids`, in this order, with the annotations of all batches.

    What the first batch says of an image counts, then what the next one does. Of two annotations of one image by one
    annotator the first stays. Annotations of an image are in the order of their annotators, none first.
    """
    whole = concatenate_batches(list(batches))
    place = {name: row for row, name in enumerate(image_ids)}
    of = np.array([place[name] for name in whole.images["image_id"].to_pylist()], np.int64)
    people = whole.annotations["annotator"].to_pylist()
    code = {name: at for at, name in enumerate(sorted(set(people), key=lambda name: (name is not None, name)))}
    key = of[whole.annotation_image] * max(len(code), 1) + np.array([code[name] for name in people], np.int64)
    kept = np.unique(key, return_index=True)[1]  # in the order of images, and of their annotators
    position = np.full(len(key), -1, np.int64)
    position[kept] = np.arange(len(kept))
    annotation = position[whole.segment_annotation]
    rows = np.argsort(annotation, kind="stable")[int((annotation < 0).sum()) :]
    annotations = whole.annotations.take(pa.array(kept))
    segments = whole.segments.take(pa.array(rows))
    return Batch(
        _images(whole.images, of, len(image_ids)),
        replace_column(annotations, "image", of[whole.annotation_image[kept]].astype(np.int32)),
        replace_column(segments, "annotation", annotation[rows].astype(np.int32)),
        whole.runs.take(rows, whole.n_segments),
        whole.defects,
    )


def _images(images: pa.Table, of: Ints, n: int) -> pa.Table:
    """(n,) rows; of images that are there several times what the first says, or the next where it says nothing."""
    order = np.argsort(of, kind="stable")
    nth = np.arange(len(of)) - np.searchsorted(of[order], of[order])
    rows = order[nth == 0]
    assert len(rows) == n, "every image comes from somewhere"
    found = images.take(pa.array(rows))
    for again in range(1, int(nth.max(initial=0)) + 1):
        row = np.full(n, -1, np.int64)
        row[of[order[nth == again]]] = order[nth == again]
        other = images.take(pa.array(row, mask=row < 0))
        columns = [pc.coalesce(found[name], other[name]) for name in images.column_names]
        found = pa.Table.from_arrays(columns, schema=images.schema)
    return found


@dataclass(frozen=True, slots=True)
class MergePart:
    """One of the datasets that are joined.

    Attributes
    ----------
    source : the dataset
    row_of : image_id in the whole -> row of the source
    image_of : image_id of the source -> in the whole, of those that have another name there
    annotator_of : annotator (None: unnamed) -> in the whole, of those who have another name there
    sequence_of : sequence -> in the whole, of those that have another name there
    """

    source: Source
    row_of: dict[str, int]
    image_of: dict[str, str]
    annotator_of: dict[str | None, str]
    sequence_of: dict[str, str]

    def load(self, image_ids: Sequence[str]) -> Batch:
        """Those of the images that the dataset has, with their names in the whole."""
        rows = [row for name in image_ids if (row := self.row_of.get(name)) is not None]
        batch = self.source.load(np.array(rows, np.int64)) if rows else Batch.empty()
        images, annotations = batch.images, batch.annotations
        if self.image_of:
            before = images["image_id"].to_pylist()
            names = [self.image_of.get(name, name) for name in before]
            said = zip(before, names, images["metadata"].to_pylist(), strict=True)
            metadata = [each if old == new else _renamed_from(each, old) for old, new, each in said]
            images = replace_column(replace_column(images, "image_id", names), "metadata", metadata)
        if self.sequence_of:
            sequences = images["sequence"].to_pylist()
            images = replace_column(images, "sequence", [self.sequence_of.get(name, name) for name in sequences])
        if self.annotator_of:
            people = annotations["annotator"].to_pylist()
            annotations = replace_column(
                annotations, "annotator", [self.annotator_of.get(name, name) for name in people]
            )
        defects = tuple(replace(each, image=self.image_of.get(str(each.image), each.image)) for each in batch.defects)
        return replace(batch, images=images, annotations=annotations, defects=defects)


def _renamed_from(metadata: list[tuple[str, str]] | None, name: str) -> list[tuple[str, str]]:
    """Metadata with the name that an image had."""
    kept = [(key, value) for key, value in metadata or () if key != "merged_from"]
    return [*kept, ("merged_from", json.dumps(name, ensure_ascii=False))]


@dataclass(frozen=True, slots=True)
class MergedSource:
    """Several datasets as one.

    Attributes
    ----------
    profile : of the whole
    parts : the datasets; what an earlier one says of an image goes before
    image_ids : of all of them, in ascending order
    defects : what was met while they were opened
    n_chunks : in how many portions to load it
    """

    profile: Profile
    parts: tuple[MergePart, ...]
    image_ids: Sequence[str]
    defects: Sequence[Defect]
    n_chunks: int

    def chunks(self) -> list[Ints]:
        """Images in portions."""
        portions = np.array_split(np.arange(len(self.image_ids)), max(self.n_chunks, 1))
        return [each for each in portions if len(each)]

    def load(self, rows: Ints) -> Batch:
        """Some images with what all datasets say of them."""
        names = [self.image_ids[row] for row in rows.tolist()]
        return merge_batches([part.load(names) for part in self.parts], names)
