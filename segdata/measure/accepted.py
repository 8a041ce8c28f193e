"""Accepted: segments that people have as a model drew them, pixel for pixel."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from segdata.core.batch import Batch
from segdata.core.counts import counts_of_runs


@dataclass(frozen=True, slots=True)
class Accepted:
    """Of annotations by people on images that a model annotated, too.

    Attributes
    ----------
    segments : how many segments these have
    unchanged : how many of them have the same pixels as one of the model's, whatever their category
    """

    segments: int = 0
    unchanged: int = 0


def accepted(batches: Iterable[Batch]) -> Accepted:
    """Count them; a model's segment is accepted once by each annotator, and empty segments are left out."""
    segments = unchanged = 0
    for batch in batches:
        source = batch.annotations["source"].to_pylist()
        if "model" not in source or all(each == "model" for each in source):
            continue
        counts = counts_of_runs(batch.runs, *batch.segment_size).to_pylist()
        drawn: dict[tuple[int, int], Counter[bytes]] = {}  # by image and annotation
        empty = (batch.runs.areas(batch.n_segments) == 0).tolist()
        rows = zip(batch.segment_image.tolist(), batch.segment_annotation.tolist(), counts, empty, strict=True)
        for image, annotation, pixels, is_empty in rows:
            if not is_empty:
                drawn.setdefault((image, annotation), Counter())[pixels] += 1
        models: dict[int, Counter[bytes]] = {}
        for (image, annotation), own in drawn.items():
            if source[annotation] == "model":
                models.setdefault(image, Counter()).update(own)
        for (image, annotation), own in drawn.items():
            if source[annotation] != "model" and image in models:
                segments += own.total()
                unchanged += (own & models[image]).total()
    return Accepted(segments, unchanged)
