"""Instances writer: a JSON of exact polygons or RLE, or a list of results, written a batch at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError, check_choice
from segdata.core.format import LossCounter, LossKind
from segdata.core.parts import segment_shapes
from segdata.core.polygons import Rings, has_bridges, keyhole, trace_outlines
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs, expand_ranges
from segdata.core.taxonomy import Taxonomy
from segdata.formats.coco.categories import category_items, count_category_losses
from segdata.formats.coco.document import raw_json
from segdata.formats.coco.probe import POLYGON_CHOICES
from segdata.formats.coco.segmentations import Polygons, malformed_rings, write_rles
from segdata.formats.coco.written_items import (
    ImageIds,
    SegmentIds,
    WrittenSegment,
    are_listable,
    image_items,
    write_document,
    written_segments,
)
from segdata.formats.shared.count_losses import count_losses, count_spatial_losses, count_unannotated_images
from segdata.formats.shared.declared_losses import COCO_RESULTS_LOSSES
from segdata.formats.shared.painting import annotation_examples, segment_examples

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class EncodedSegments:
    """The written segmentations of n segments.

    Attributes
    ----------
    shapes : (n,) lists of rings, and RLEs
    keyhole : (n,) whether its one ring also goes around holes (`segdata.core.polygons`)
    lost : (n,) whether the source has rings that are not written
    """

    shapes: list[object]
    keyhole: Flags
    lost: Flags


def encode_segments(batch: Batch, rows: Ints, polygons: str) -> EncodedSegments:
    """Encode the segments at these rows; `polygons` is one of `POLYGON_CHOICES`.

    A polygon is written only if it rasterises to exactly the segment's pixels.
    """
    n = len(rows)
    height, width = (side[rows] for side in batch.segment_size)
    runs, rings = batch.runs.take(rows, batch.n_segments), batch.segments["rings"].combine_chunks().take(pa.array(rows))
    from_rings = np.zeros(n, bool) if polygons == "never" else _still_exact(runs, rings, height, width)
    shapes: list[object] = rings.filter(pa.array(from_rings)).to_pylist()
    encoded_rows, marked = np.flatnonzero(from_rings), np.zeros(n, bool)
    if polygons == "exact":
        marked[encoded_rows] = _are_keyholes(
            runs.take(encoded_rows, n), rings.filter(pa.array(from_rings)), height[encoded_rows]
        )
        crowd = batch.segments["iscrowd"].fill_null(False).to_numpy().astype(bool)[rows]
        rest = np.flatnonzero(~from_rings & ~crowd)
        outlined, place, keyholes = _outline_polygons(runs.take(rest, n), height[rest], width[rest])
        shapes, encoded_rows = shapes + outlined, np.concatenate([encoded_rows, rest[place]])
        marked[rest[place]] = keyholes
    as_rle = np.setdiff1d(np.arange(n), encoded_rows)
    shapes, encoded_rows = (
        shapes + list[object](write_rles(runs, as_rle, height, width)),
        np.concatenate([encoded_rows, as_rle]),
    )
    lost = np.asarray(rings.is_valid().to_numpy(zero_copy_only=False), bool) & ~from_rings
    return EncodedSegments([shapes[k] for k in np.argsort(encoded_rows).tolist()], marked, lost)


def _still_exact(runs: Runs, rings: pa.Array, height: Ints, width: Ints) -> Flags:
    """(n,) whether the source's rings rasterise to the segment's pixels."""
    polygons = Polygons.of_lists(rings)
    exact: Flags = np.asarray(rings.is_valid().to_numpy(zero_copy_only=False), bool).copy()
    owner = np.repeat(np.arange(len(exact)), np.diff(polygons.segment))
    exact[owner[malformed_rings(polygons)]] = False
    rasterised = polygons.take_rings(np.flatnonzero(exact[owner])).rasterise(height, width)
    return exact & _same_pixels(runs, rasterised, len(exact))


def _are_keyholes(runs: Runs, rings: pa.Array, height: Ints) -> Flags:
    """(n,) whether the segment has holes and the source's rings are one ring with bridges."""
    n = len(rings)
    polygons = Polygons.of_lists(rings)
    is_keyhole: Flags = (np.diff(polygons.segment) == 1) & (segment_shapes(runs, height, n).n_holes > 0)
    single = polygons.take_rings(polygons.segment[:-1][is_keyhole])
    is_keyhole[is_keyhole] = has_bridges(Rings.alone(single.xy, single.ring))
    return is_keyhole


def _outline_polygons(runs: Runs, height: Ints, width: Ints) -> tuple[list[object], Ints, Flags]:
    """Polygons along pixel edges that are exact, the segments (m,) they belong to, and which are keyholes."""
    n = len(height)
    all_outlines = trace_outlines(runs, height)
    has_holes = np.zeros(n, bool)
    has_holes[all_outlines.owner[all_outlines.hole]] = True
    chosen = has_holes[all_outlines.owner]
    rings = all_outlines.take(np.flatnonzero(~chosen)).merged(keyhole(all_outlines.take(np.flatnonzero(chosen))))
    offset = rings.offsets(n)
    rasterised = Polygons(rings.xy.astype(np.float64), rings.ring, offset).rasterise(height, width)
    exact = np.flatnonzero(_same_pixels(runs, rasterised, n) & (np.diff(offset) > 0))
    lists, begin, end = rings.as_lists(), offset[exact].tolist(), offset[exact + 1].tolist()
    return [lists[first:last] for first, last in zip(begin, end, strict=True)], exact, has_holes[exact]


def _same_pixels(a: Runs, b: Runs, n_owners: int) -> Flags:
    """(n_owners,) whether the runs of an owner are the same on both sides."""
    first_a, first_b = a.offsets(n_owners), b.offsets(n_owners)
    same: Flags = np.diff(first_a) == np.diff(first_b)
    rows = np.flatnonzero(same)
    count = np.diff(first_a)[rows]
    at_a, at_b = expand_ranges(first_a[rows], count), expand_ranges(first_b[rows], count)
    differ = (a.start[at_a] != b.start[at_b]) | (a.length[at_a] != b.length[at_b])
    same[np.repeat(rows, count)[differ]] = False
    return same


def write_instances(
    profile: Profile,
    batches: Iterable[Batch],
    path: Path,
    losses: LossCounter,
    lost: frozenset[LossKind],
    *,
    polygons: str = "source",
) -> None:
    """Write the document at `path`; raises SegdataError if `polygons` is not one of `POLYGON_CHOICES`."""
    check_choice("polygons", polygons, tuple(POLYGON_CHOICES))
    encode = msgspec.json.Encoder().encode
    count_category_losses(profile.taxonomy, losses)
    count_spatial_losses(profile, losses)
    image_ids, segment_ids = ImageIds(), SegmentIds()

    def items() -> Iterator[tuple[list[bytes], list[bytes]]]:
        for batch in batches:
            # `_annotations` counts rings, as it depends on how they are written.
            count_losses(batch, losses, lost - {"rings"}, frozenset({"images.metadata"}))
            count_unannotated_images(batch, losses)
            ids = image_ids.of(batch)
            image = np.array(ids, np.int64)
            annotations = _annotations(batch, profile.taxonomy, image, segment_ids, losses, polygons)
            yield [encode(entry) for entry in image_items(batch, ids)], [encode(item) for item in annotations]

    write_document(path, profile, items())


def _annotations(
    batch: Batch, taxonomy: Taxonomy, image_ids: Ints, segment_ids: SegmentIds, losses: LossCounter, polygons: str
) -> list[WrittenSegment]:
    """The annotations of a batch that a document can list."""
    rows = np.flatnonzero(are_listable(batch, taxonomy, losses))
    own_ids = integer_column(batch.segments["segment_id"])[rows]
    ids = segment_ids.of(own_ids)
    texts = batch.segments["source_id"].is_valid().to_numpy()[rows]
    changed = np.flatnonzero((ids != own_ids) | texts)
    losses.add("segment-id", "segments", len(changed), examples=segment_examples(batch, rows[changed]))
    items = written_segments(batch, rows, ids)
    drawing = encode_segments(batch, rows, polygons)
    lost = np.flatnonzero(drawing.lost)
    losses.add("rings", "segments", len(lost), examples=segment_examples(batch, rows[lost]))
    for item, segmentation, is_keyhole in zip(items, drawing.shapes, drawing.keyhole.tolist(), strict=True):
        item.segmentation, item.segdata_keyhole = segmentation, int(is_keyhole)
    for item, image in zip(items, image_ids[batch.segment_image[rows]].tolist(), strict=True):
        item.image_id = image
    return items


class _Result(msgspec.Struct, gc=False):
    image_id: int
    category_id: int
    segmentation: dict[str, object]
    score: float


def write_results(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, score: str | float
) -> None:
    """Write ``results.json`` and ``image_info.json``; `score` is for segments without one."""
    default = _default_score(score)
    target.mkdir(parents=True, exist_ok=True)
    count_category_losses(profile.taxonomy, losses)
    count_spatial_losses(profile, losses)
    image_ids, encode = ImageIds(), msgspec.json.Encoder().encode
    images: list[msgspec.Raw] = []
    n_results = 0
    with (target / "results.json").open("wb") as file:
        file.write(b"[")
        for batch in batches:
            _count_result_losses(batch, losses)
            ids = image_ids.of(batch)
            images += [msgspec.Raw(encode(entry)) for entry in image_items(batch, ids)]
            for result in _results(batch, profile, np.array(ids, np.int64), default, n_results, losses):
                file.write((b",\n" if n_results else b"\n") + encode(result))
                n_results += 1
        file.write(b"\n]\n")
    listed: dict[str, object] = {
        key: raw_json(profile.metadata[key]) for key in ("info", "licenses") if key in profile.metadata
    }
    listed |= {"images": images, "categories": category_items(profile.taxonomy, profile.metadata)}
    (target / "image_info.json").write_bytes(encode(listed))


def _default_score(score: str | float) -> float:
    try:
        return float(score)
    except ValueError as error:
        raise SegdataError(f"score is {score!r}; a number is expected") from error


def _count_result_losses(batch: Batch, losses: LossCounter) -> None:
    """Count what results cannot hold, such as annotations that are not from a model."""
    count_losses(batch, losses, COCO_RESULTS_LOSSES - {"score"}, frozenset({"images.metadata", "annotations.source"}))
    names = batch.images["image_id"].to_pylist()
    bare = np.setdiff1d(np.arange(len(names)), batch.annotation_image)
    losses.add("empty-annotation", "images", len(bare), examples=[names[row] for row in bare[:3]])
    not_model = [row for row, source in enumerate(batch.annotations["source"].to_pylist()) if source != "model"]
    losses.add(
        "source", "annotations", len(not_model), examples=annotation_examples(batch, np.array(not_model, np.int64))
    )


def _results(
    batch: Batch, profile: Profile, image_ids: Ints, default: float, n_before: int, losses: LossCounter
) -> Iterator[_Result]:
    """The results of a batch's segments that a list can hold."""
    rows = np.flatnonzero(are_listable(batch, profile.taxonomy, losses))
    segments = batch.segments.take(pa.array(rows))
    scores = segments["score"].to_numpy()
    bare = np.flatnonzero(~np.isfinite(scores))
    losses.add("score", "segments", len(bare), examples=segment_examples(batch, rows[bare]))
    changed = integer_column(segments["segment_id"]) != n_before + 1 + np.arange(len(rows))
    moved = np.flatnonzero(changed | segments["source_id"].is_valid().to_numpy())
    losses.add("segment-id", "segments", len(moved), examples=segment_examples(batch, rows[moved]))
    scores = np.where(np.isfinite(scores), scores, default)
    rles = write_rles(batch.runs, rows, *batch.segment_size)
    return map(
        _Result,
        image_ids[batch.segment_image[rows]].tolist(),
        segments["category_id"].to_pylist(),
        rles,
        scores.tolist(),
    )
