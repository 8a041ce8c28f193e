"""Content: a hash of what a dataset says."""

import hashlib
from collections.abc import Iterable
from itertools import chain

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.columns import flat_bytes
from segdata.core.counts import counts_of_runs
from segdata.core.taxonomy import Taxonomy


def content_hash(batches: Iterable[Batch], taxonomy: Taxonomy) -> str:
    """A SHA-256 of the labels, as 64 hexadecimal digits, to log with a training run.

    Covers every image's id and size, who annotated it, and each segment's category (by name), id, crowd flag, track
    and pixels. It does not depend on the format, on paths, or on how batches are cut; the batches must come in
    ascending order of image_id. Annotations count in the order of their
    annotators' names, segments in that of their ids.
    """
    columns: dict[str, _Column] = {}
    names = {category.id: category.name for category in reversed(taxonomy.categories)}
    for batch in chain([Batch.empty()], batches):  # so that every column is there, without images too
        by_annotator = _annotation_order(batch)
        rank = np.argsort(by_annotator)
        order = np.lexsort((batch.segments["segment_id"].to_numpy(), rank[batch.segment_annotation]))
        height, width = batch.segment_size
        rows = pa.array(order)
        segments = batch.segments.take(rows)
        per_annotation = np.bincount(batch.segment_annotation, minlength=len(rank))[by_annotator]
        per_image = np.bincount(batch.annotation_image, minlength=batch.images.num_rows)
        category = [names.get(each, str(each)) for each in segments["category_id"].to_pylist()]
        for name, values in {
            "image_id": batch.images["image_id"],
            "width": batch.images["width"],
            "height": batch.images["height"],
            "annotations": pa.array(per_image),
            "annotator": batch.annotations["annotator"].take(pa.array(by_annotator)),
            "segments": pa.array(per_annotation),
            "segment_id": segments["segment_id"],
            "category": pa.array(category, pa.string()),
            "iscrowd": segments["iscrowd"],
            "track_id": segments["track_id"],
            "counts": counts_of_runs(batch.runs, height, width).take(rows),
        }.items():
            columns.setdefault(name, _Column()).add(values)
    whole = hashlib.sha256()
    for name in sorted(columns):
        whole.update(name.encode() + columns[name].digest())
    return whole.hexdigest()


def _annotation_order(batch: Batch) -> NDArray[np.int64]:
    """(n_annotations,) rows in the order of their images, and of their annotators by name, none first."""
    names = batch.annotations["annotator"].to_pylist()
    code = {name: place for place, name in enumerate(sorted(set(names), key=lambda name: (name is not None, name)))}
    return np.lexsort((np.array([code[name] for name in names], np.int64), batch.annotation_image))


class _Column:
    """A running hash of one column, the same however the column is cut: lengths, values and nulls each in a row."""

    def __init__(self) -> None:
        self._parts = [hashlib.sha256(), hashlib.sha256(), hashlib.sha256()]

    def add(self, values: pa.Array | pa.ChunkedArray) -> None:
        """The next values."""
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        lengths, data, nulls = self._parts
        nulls.update(array.is_null().to_numpy(zero_copy_only=False).tobytes())
        if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
            text, offset = flat_bytes(array)
            lengths.update(np.diff(offset).tobytes())
            data.update(text[offset[0] : offset[-1]].tobytes())
        else:
            data.update(array.cast(pa.int64()).fill_null(0).to_numpy().tobytes())

    def digest(self) -> bytes:
        """Of everything added so far."""
        return b"".join(part.digest() for part in self._parts)
