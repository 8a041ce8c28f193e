"""Instances writer: a JSON of exact polygons or RLE, a batch at a time; also lists of results."""

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
from segdata.formats.coco.attributes import (
    ImageIds,
    SegmentIds,
    WrittenSegment,
    are_listable,
    image_items,
    raw_json,
    write_document,
    written_segments,
)
from segdata.formats.coco.categories import category_items, count_category_losses
from segdata.formats.coco.probe import POLYGON_CHOICES
from segdata.formats.coco.segmentations import Polygons, malformed_rings, write_rles
from segdata.formats.shared.count_losses import count_losses, count_spatial_losses, count_unannotated_images
from segdata.formats.shared.declared_losses import COCO_RESULTS_LOSSES
from segdata.formats.shared.painting import annotation_examples, segment_examples

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class EncodedSegments:
    """The segmentations of n segments.

    Attributes
    ----------
    shapes : (n,) lists of rings, and RLEs
    keyhole : (n,) whether the one ring goes around holes, too (`segdata.core.polygons`)
    lost : (n,) whether the source has rings that are not written
    """

    shapes: list[object]
    keyhole: Flags
    lost: Flags


def encode_segments(batch: Batch, rows: Ints, polygons: str) -> EncodedSegments:
    """The segments at these rows, by one of `POLYGONS`; polygons were rasterised and have exactly the pixels."""
    n = len(rows)
    height, width = (side[rows] for side in batch.segment_size)
    runs, rings = batch.runs.take(rows, batch.n_segments), batch.segments["rings"].combine_chunks().take(pa.array(rows))
    drawn = np.zeros(n, bool) if polygons == "never" else _still_exact(runs, rings, height, width)
    shapes: list[object] = rings.filter(pa.array(drawn)).to_pylist()
    of, marked = np.flatnonzero(drawn), np.zeros(n, bool)
    if polygons == "exact":
        marked[of] = _are_keyholes(runs.take(of, n), rings.filter(pa.array(drawn)), height[of])
        crowd = batch.segments["iscrowd"].fill_null(False).to_numpy().astype(bool)[rows]
        rest = np.flatnonzero(~drawn & ~crowd)
        outlined, place, holed = _outline_polygons(runs.take(rest, n), height[rest], width[rest])
        shapes, of = shapes + outlined, np.concatenate([of, rest[place]])
        marked[rest[place]] = holed
    coded = np.setdiff1d(np.arange(n), of)
    shapes, of = shapes + list[object](write_rles(runs, coded, height, width)), np.concatenate([of, coded])
    lost = np.asarray(rings.is_valid().to_numpy(zero_copy_only=False), bool) & ~drawn
    return EncodedSegments([shapes[k] for k in np.argsort(of).tolist()], marked, lost)


def _still_exact(runs: Runs, rings: pa.Array, height: Ints, width: Ints) -> Flags:
    """(n,) whether the source's rings rasterise to the segment's pixels."""
    polygons = Polygons.of_lists(rings)
    exact: Flags = np.asarray(rings.is_valid().to_numpy(zero_copy_only=False), bool).copy()
    owner = np.repeat(np.arange(len(exact)), np.diff(polygons.segment))
    exact[owner[malformed_rings(polygons)]] = False
    drawn = polygons.take_rings(np.flatnonzero(exact[owner])).rasterise(height, width)
    return exact & _same_pixels(runs, drawn, len(exact))


def _are_keyholes(runs: Runs, rings: pa.Array, height: Ints) -> Flags:
    """(n,) whether the source's rings are one ring with bridges, of a segment that has holes."""
    n = len(rings)
    polygons = Polygons.of_lists(rings)
    found: Flags = (np.diff(polygons.segment) == 1) & (segment_shapes(runs, height, n).n_holes > 0)
    one = polygons.take_rings(polygons.segment[:-1][found])
    found[found] = has_bridges(Rings.alone(one.xy, one.ring))
    return found


def _outline_polygons(runs: Runs, height: Ints, width: Ints) -> tuple[list[object], Ints, Flags]:
    """Polygons along pixels: those that are exact, (m,) the segments that they are of, and which are keyholes."""
    n = len(height)
    every = trace_outlines(runs, height)
    holed = np.zeros(n, bool)
    holed[every.owner[every.hole]] = True
    chosen = holed[every.owner]
    rings = every.take(np.flatnonzero(~chosen)).merged(keyhole(every.take(np.flatnonzero(chosen))))
    offset = rings.offsets(n)
    drawn = Polygons(rings.xy.astype(np.float64), rings.ring, offset).rasterise(height, width)
    exact = np.flatnonzero(_same_pixels(runs, drawn, n) & (np.diff(offset) > 0))
    lists, begin, end = rings.as_lists(), offset[exact].tolist(), offset[exact + 1].tolist()
    return [lists[first:last] for first, last in zip(begin, end, strict=True)], exact, holed[exact]


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
    """Write the document at `path`; `polygons` is one of `options.POLYGONS`, else SegdataError."""
    check_choice("polygons", polygons, tuple(POLYGON_CHOICES))
    encode = msgspec.json.Encoder().encode
    count_category_losses(profile.taxonomy, losses)
    count_spatial_losses(profile, losses)
    image_ids, segment_ids = ImageIds(), SegmentIds()

    def items() -> Iterator[tuple[list[bytes], list[bytes]]]:
        for batch in batches:
            # Rings are counted by what becomes of them.
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
    """The annotations of a batch: those that a document can list."""
    rows = np.flatnonzero(are_listable(batch, taxonomy, losses))
    wanted = integer_column(batch.segments["segment_id"])[rows]
    ids = segment_ids.of(wanted)
    texts = batch.segments["source_id"].is_valid().to_numpy()[rows]
    changed = np.flatnonzero((ids != wanted) | texts)
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
    """Write ``results.json`` and ``image_info.json``; `score` is that of segments without one."""
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
    """Count what results cannot say; that they are not from a model is one of these things."""
    count_losses(batch, losses, COCO_RESULTS_LOSSES - {"score"}, frozenset({"images.metadata", "annotations.source"}))
    names = batch.images["image_id"].to_pylist()
    bare = np.setdiff1d(np.arange(len(names)), batch.annotation_image)
    losses.add("empty-annotation", "images", len(bare), examples=[names[row] for row in bare[:3]])
    others = [row for row, source in enumerate(batch.annotations["source"].to_pylist()) if source != "model"]
    losses.add("source", "annotations", len(others), examples=annotation_examples(batch, np.array(others, np.int64)))


def _results(
    batch: Batch, profile: Profile, image_ids: Ints, default: float, n_before: int, losses: LossCounter
) -> Iterator[_Result]:
    """The segments of a batch that can be listed."""
    rows = np.flatnonzero(are_listable(batch, profile.taxonomy, losses))
    said = batch.segments.take(pa.array(rows))
    scores = said["score"].to_numpy()
    bare = np.flatnonzero(~np.isfinite(scores))
    losses.add("score", "segments", len(bare), examples=segment_examples(batch, rows[bare]))
    changed = integer_column(said["segment_id"]) != n_before + 1 + np.arange(len(rows))
    moved = np.flatnonzero(changed | said["source_id"].is_valid().to_numpy())
    losses.add("segment-id", "segments", len(moved), examples=segment_examples(batch, rows[moved]))
    scores = np.where(np.isfinite(scores), scores, default)
    coded = write_rles(batch.runs, rows, *batch.segment_size)
    return map(
        _Result, image_ids[batch.segment_image[rows]].tolist(), said["category_id"].to_pylist(), coded, scores.tolist()
    )
