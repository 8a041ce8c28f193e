"""Proposals: what findings say that the labels should rather be, as labels beside those that are there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.core.finding import Correction, Finding
from segdata.core.schema import rle_to_runs
from segdata.report.fiftyone.boxes import relative
from segdata.report.fiftyone.documents import document, documents
from segdata.report.fiftyone.fields import label_id
from segdata.report.fiftyone.labels import inline
from segdata.report.fiftyone.masks import Drawn
from segdata.report.fiftyone.shelf import Shelf


def proposals(fo: Any, shelf: Shelf, findings: Sequence[Finding], marks: Sequence[Any]) -> Any:
    """What the findings of an image propose, a detection for each piece; None where they propose no pixels.

    `marks` are the labels of the findings: each proposal tells the id of its own. Any: FiftyOne has no types.
    """
    found = []
    for finding, mark in zip(findings, marks, strict=True):
        if finding.correction is not None and finding.correction.counts:
            found += _pieces(fo, shelf, finding.correction, str(mark["_id"]))
    return documents("Detections", found) if found else None


def worded(correction: Correction) -> str:
    """A proposal in words.

    >>> worded(Correction(action="rename", category="car", size=(1, 1)))
    'rename: car'
    """
    what = correction.action if correction.category is None else f"{correction.action}: {correction.category}"
    return f"{what} (with segment {correction.joins})" if correction.joins is not None else what


def _pieces(fo: Any, shelf: Shelf, correction: Correction, mark: str) -> list[Any]:  # Any: FiftyOne has no types
    height, width = correction.size
    n = len(correction.counts)
    counts = pa.array([each.encode() for each in correction.counts], pa.binary())
    runs, _ = rle_to_runs(counts, np.full(n, height), np.full(n, width))
    drawn = Drawn(runs, height, width, n)
    masks = drawn.masks(np.arange(n))
    places = relative(*drawn.boxes(), width, height).tolist()
    keep = inline(masks)
    return [
        document(
            fo,
            "Detection",
            label_id(mark, "proposal", number),
            label=worded(correction),
            bounding_box=place,
            finding=mark,
            action=correction.action,
            category=correction.category,
            confidence=correction.iou,
            **({"mask": mask} if keep else {"mask_path": shelf.mask(mask)}),
        )
        for number, (mask, place) in enumerate(zip(masks, places, strict=True))
        if mask.size
    ]
