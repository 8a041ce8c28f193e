"""Writes COCO results: the list of what a model found, and the images and categories that it names by id."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, whole
from segdata.core.errors import SegdataError
from segdata.core.loss import Losses
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.coco.categories import category_items, count_category_losses
from segdata.formats.coco.rle import write_rles
from segdata.formats.coco.saying import ImageIds, as_raw, image_entries, sayable
from segdata.formats.shared.count_losses import count_losses, count_spatial_losses
from segdata.formats.shared.declared_losses import COCO_RESULTS_LOSSES
from segdata.formats.shared.painting import annotation_examples, segment_examples


class _Result(msgspec.Struct, gc=False):
    image_id: int
    category_id: int
    segmentation: dict[str, object]
    score: float


def write_results(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, score: str | float) -> None:
    """Write ``results.json`` and ``image_info.json``; `score` is that of segments without one."""
    default = _number(score)
    target.mkdir(parents=True, exist_ok=True)
    count_category_losses(profile.taxonomy, losses)
    count_spatial_losses(profile, losses)
    image_ids, encode = ImageIds(), msgspec.json.Encoder().encode
    images: list[msgspec.Raw] = []
    n_results = 0
    with (target / "results.json").open("wb") as file:
        file.write(b"[")
        for batch in batches:
            _count_unheld(batch, losses)
            ids = image_ids.of(batch)
            images += [msgspec.Raw(encode(entry)) for entry in image_entries(batch, ids)]
            for result in _results(batch, profile, np.array(ids, np.int64), default, n_results, losses):
                file.write((b",\n" if n_results else b"\n") + encode(result))
                n_results += 1
        file.write(b"\n]\n")
    listed: dict[str, object] = {
        key: as_raw(profile.metadata[key]) for key in ("info", "licenses") if key in profile.metadata
    }
    listed |= {"images": images, "categories": category_items(profile.taxonomy, profile.metadata)}
    (target / "image_info.json").write_bytes(encode(listed))


def _number(score: str | float) -> float:
    try:
        return float(score)
    except ValueError as error:
        raise SegdataError(f"score is {score!r}; a number is expected") from error


def _count_unheld(batch: Batch, losses: Losses) -> None:
    """Count what results cannot say; that they are not from a model is one of these things."""
    count_losses(batch, losses, COCO_RESULTS_LOSSES - {"score"}, frozenset({"images.metadata", "annotations.source"}))
    names = batch.images["image_id"].to_pylist()
    bare = np.setdiff1d(np.arange(len(names)), batch.annotation_image)
    losses.add("empty-annotation", "images", len(bare), examples=[names[row] for row in bare[:3]])
    others = [row for row, source in enumerate(batch.annotations["source"].to_pylist()) if source != "model"]
    losses.add("source", "annotations", len(others), examples=annotation_examples(batch, np.array(others, np.int64)))


def _results(
    batch: Batch, profile: Profile, image_ids: Ints, default: float, n_before: int, losses: Losses
) -> Iterator[_Result]:
    """The segments of a batch that can be listed."""
    rows = np.flatnonzero(sayable(batch, profile.taxonomy, losses))
    said = batch.segments.take(pa.array(rows))
    scores = said["score"].to_numpy()
    bare = np.flatnonzero(~np.isfinite(scores))
    losses.add("score", "segments", len(bare), examples=segment_examples(batch, rows[bare]))
    changed = whole(said["segment_id"]) != n_before + 1 + np.arange(len(rows))
    moved = np.flatnonzero(changed | said["source_id"].is_valid().to_numpy())
    losses.add("segment-id", "segments", len(moved), examples=segment_examples(batch, rows[moved]))
    scores = np.where(np.isfinite(scores), scores, default)
    coded = write_rles(batch.runs, rows, *batch.segment_size)
    return map(
        _Result, image_ids[batch.segment_image[rows]].tolist(), said["category_id"].to_pylist(), coded, scores.tolist()
    )
