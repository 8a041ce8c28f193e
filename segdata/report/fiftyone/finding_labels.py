"""Finding labels: findings, and the corrections that they propose, as FiftyOne's labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.finding import SEVERITIES, Box, Correction, Finding
from segdata.core.finding_location import Annotation, locate_finding
from segdata.core.label_hash import hash_finding_labels
from segdata.core.overlay import crop_to_box
from segdata.core.profile import Profile
from segdata.core.schema import rle_to_runs
from segdata.report.fiftyone.fields import label_document, label_id, label_list
from segdata.report.fiftyone.masks import AnnotationMasks, Mask, relative_boxes
from segdata.report.fiftyone.media_files import MediaFiles
from segdata.report.fiftyone.segment_labels import fits_inline


def proposal_labels(fo: Any, shelf: MediaFiles, findings: Sequence[Finding], marks: Sequence[Any]) -> Any:
    """The proposals of an image's findings, one detection per piece; None if they propose no pixels.

    `marks` are the labels of the findings: each proposal has the id of its finding. Any: FiftyOne has no types.
    """
    pieces = []
    for finding, mark in zip(findings, marks, strict=True):
        if finding.correction is not None and finding.correction.counts:
            pieces += _pieces(fo, shelf, finding.correction, str(mark["_id"]))
    return label_list("Detections", pieces) if pieces else None


def proposal_text(correction: Correction) -> str:
    """A proposal in words.

    >>> proposal_text(Correction(action="rename", category="car", size=(1, 1)))
    'rename: car'
    """
    what = correction.action if correction.category is None else f"{correction.action}: {correction.category}"
    return f"{what} (with segment {correction.joins})" if correction.joins is not None else what


def _pieces(fo: Any, shelf: MediaFiles, correction: Correction, mark: str) -> list[Any]:  # Any: FiftyOne has no types
    height, width = correction.size
    n = len(correction.counts)
    counts = pa.array([text.encode() for text in correction.counts], pa.binary())
    runs, _ = rle_to_runs(counts, np.full(n, height), np.full(n, width))
    pixels = AnnotationMasks(runs, height, width, n)
    masks = pixels.masks(np.arange(n))
    places = relative_boxes(*pixels.boxes(), width, height).tolist()
    keep = fits_inline(masks)
    return [
        label_document(
            fo,
            "Detection",
            label_id(mark, "proposal", number),
            label=proposal_text(correction),
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


WHOLE_IMAGE = [0.0, 0.0, 1.0, 1.0]  # the box of a finding about the whole image


@dataclass(frozen=True, slots=True)
class FindingLabels:
    """Converts findings to FiftyOne's labels."""

    fo: Any  # Any: FiftyOne has no types
    shelf: MediaFiles
    profile: Profile

    def of(self, image_id: str, batch: Batch, findings: Sequence[Finding]) -> list[Any]:  # Any: FiftyOne has no types
        """The labels of the findings about the image of a batch, in their order."""
        height, width = (int(side[0]) for side in batch.image_size)
        annotations = Annotation.each(batch) if width and height else []
        shown = [_evidence_mask(annotations, finding) for finding in findings]
        keep = fits_inline([mask for _, mask in shown if mask is not None])
        n_seen: Counter[str] = Counter()
        labels = []
        for finding, (box, mask) in zip(findings, shown, strict=True):
            base_id = label_id(
                image_id,
                finding.code,
                finding.annotator,
                finding.segments,
                finding.category,
                finding.bbox,
                finding.place,
            )
            n_seen[base_id] += 1
            pixels = {} if mask is None else {"mask": mask} if keep else {"mask_path": self.shelf.mask(mask)}
            place = WHOLE_IMAGE if box is None or not (width and height) else _relative(box, width, height)
            label_hash = hash_finding_labels(finding, annotations, self.profile)
            labels.append(
                self._mark(
                    finding, label_id(base_id, n_seen[base_id]), imprint=label_hash, bounding_box=place, **pixels
                )
            )
        return labels

    def _mark(self, finding: Finding, id_: str, **shown: Any) -> Any:  # Any: FiftyOne has no types
        return label_document(
            self.fo,
            "Detection",
            id_,
            label=f"{finding.code} {finding.rule}",
            tags=[finding.code, finding.severity],
            code=finding.code,
            rule=finding.rule,
            severity=finding.severity,
            score=finding.score,
            message=finding.message,
            annotator=finding.annotator,
            category=finding.category,
            segment_ids=list(map(str, finding.segments)),
            pixels=finding.pixels,
            place=finding.place,
            proposal=None if finding.correction is None else proposal_text(finding.correction),
            **shown,
        )


def severity_counts(findings: Sequence[Finding]) -> dict[str, object]:
    """Counts of the findings of an image, for lists of images; `worst` is None without findings."""
    count = Counter(finding.severity for finding in findings)
    return {
        "worst": next((severity for severity in SEVERITIES if count[severity]), None),
        "codes": sorted({finding.code for finding in findings}),
        **{f"{severity}s": count[severity] for severity in SEVERITIES},
    }


def _evidence_mask(annotations: list[Annotation], finding: Finding) -> tuple[Box | None, Mask | None]:
    """The box of a finding, None for the whole image, and the mask of its pixels within the box."""
    own = [annotation for annotation in annotations if finding.annotator in (None, annotation.annotator)]
    if len(own) != 1:
        return finding.bbox, None
    shown = locate_finding(own[0], finding)
    # A finding about a part of the sky must not cover all of it.
    runs = shown.runs if finding.bbox is None else crop_to_box(shown.runs, finding.bbox, own[0].size)
    if not len(runs):
        return shown.box, None
    pixels = AnnotationMasks(runs, *own[0].size, 1)
    x, y, wide, high = (int(side[0]) for side in pixels.boxes())
    return (x, y, wide, high), pixels.masks(np.zeros(1, np.int64))[0]


def _relative(box: Box, width: int, height: int) -> list[float]:
    sides = (np.array([side], np.int64) for side in box)
    x, y, wide, high = sides
    place: list[float] = relative_boxes(x, y, wide, high, width, height)[0].tolist()
    return place
