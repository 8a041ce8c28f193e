"""Label hashes: of a whole dataset, and of the labels that a finding or a decision is about."""

import hashlib
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import chain

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.finding import Box, Finding
from segdata.core.finding_location import Annotation, named_segments
from segdata.core.overlay import crop_to_box
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs
from segdata.core.schema import flat_bytes, runs_to_rle
from segdata.core.taxonomy import Taxonomy


def content_hash(batches: Iterable[Batch], taxonomy: Taxonomy) -> str:
    """A SHA-256 of the labels, as 64 hexadecimal digits, to log with a training run.

    Covers every image's id and size, who annotated it, and each segment's category (by name), id, crowd flag, track
    and pixels. It does not depend on the format, on paths, or on how batches are cut; the batches must come in
    ascending order of image_id. Annotations count in the order of their annotators' names, segments in that of their
    ids.
    """
    columns: dict[str, _ColumnHash] = {}
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
        category = [names.get(id_, str(id_)) for id_ in segments["category_id"].to_pylist()]
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
            "counts": runs_to_rle(batch.runs, height, width).take(rows),
        }.items():
            columns.setdefault(name, _ColumnHash()).add(values)
    whole = hashlib.sha256()
    for name in sorted(columns):
        whole.update(name.encode() + columns[name].digest())
    return whole.hexdigest()


def _annotation_order(batch: Batch) -> Ints:
    """(n_annotations,) rows in the order of their images, and of their annotators by name, none first."""
    return np.lexsort((batch.annotator_number, batch.annotation_image))


def run_digests(runs: Runs, n_owners: int) -> NDArray[np.uint64]:
    """(n_owners,) a hash of the pixels of each owner in its image; 0 without pixels."""
    mixed = mix(runs.start.astype(np.uint64)) ^ mix(runs.length.astype(np.uint64) + np.uint64(2**40))
    digest = np.zeros(n_owners, np.uint64)
    np.add.at(digest, runs.owner, mix(mixed))
    return digest


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(n,) hashes of integers, scattered over all 64 bits as in SplitMix64 (Steele, Lea and Flood, 2014)."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)


class _ColumnHash:
    """A running hash of one column that does not depend on how the column is cut into batches.

    Lengths, values and nulls are hashed separately, each in row order.
    """

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
        """The digest of everything added so far."""
        return b"".join(part.digest() for part in self._parts)


def hash_segments(annotation: Annotation, profile: Profile, rows: Ints, box: Box | None = None) -> str:
    """Hash the segments `rows` of an annotation, or all labels within a box, as 24 hexadecimal digits.

    The hash depends on categories (by name) and pixels, never on ids or the order of segments: renumbering changes
    nothing. Without rows and box it covers the whole annotation.
    """
    batch = annotation.batch
    segment_rows = rows if len(rows) else np.arange(batch.n_segments)
    runs = batch.runs.take(segment_rows, batch.n_segments)
    if not len(rows) and box is not None and annotation.size[0]:
        runs = crop_to_box(runs, box, annotation.size)
    start, length, owner = runs.start, runs.length, runs.owner
    names = [profile.name_of(id_) for id_ in batch.segment_category[segment_rows].tolist()]
    pieces = []
    for row in np.unique(owner).tolist():
        of_row = owner == row
        pixels = np.stack([start[of_row], length[of_row]]).astype("<i8").tobytes()
        pieces.append(names[row].encode() + b"\0" + pixels)
    if len(rows):  # an empty segment is one, too
        pieces += [names[row].encode() + b"\0" for row in np.setdiff1d(np.arange(len(rows)), owner).tolist()]
    return blake2b(b"\0\0".join(sorted(pieces)), digest_size=12).hexdigest()


def hash_each_segment(runs: Runs, names: Sequence[str]) -> list[str]:
    """Hash each segment of an annotation alone, as `hash_segments` does with its row.

    The owners of `runs` are positions in `names`, the names of the segments' categories.
    """
    offsets = runs.offsets(len(names)).tolist()
    pixels = np.stack([runs.start, runs.length]).astype("<i8")
    return [
        blake2b(name.encode() + b"\0" + pixels[:, begin:end].tobytes(), digest_size=12).hexdigest()
        for name, begin, end in zip(names, offsets, offsets[1:], strict=False)
    ]


def hash_finding_labels(finding: Finding, annotations: Sequence[Annotation], profile: Profile) -> str:
    """Hash the labels that a finding is about: the segments that it names, else the labels in its box.

    In a semantic dataset a segment is everything that an image has of a category, so the box comes before the
    segments: a change at the other end of the image must not matter. `annotations` are those of the finding's image; a
    finding without an annotator is about all of them. An annotation without a name matches every annotator, since the
    name may come from the command. Returns an empty string if there is no annotation.
    """
    named = [annotation for annotation in annotations if finding.annotator in (None, annotation.annotator)]
    matching = named or [annotation for annotation in annotations if annotation.annotator is None]
    if len(matching) > 1:
        hashes = sorted(hash_finding_labels(finding, [segment], profile) for segment in matching)
        return blake2b("\0".join(hashes).encode(), digest_size=12).hexdigest()
    if not matching:
        return ""
    is_local = profile.task == "semantic" and finding.bbox is not None
    rows = np.empty(0, np.int64) if is_local else named_segments(matching[0].batch, finding)
    return hash_segments(matching[0], profile, rows, finding.bbox)
