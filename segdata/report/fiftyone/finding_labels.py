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
    """What the findings of an image propose, a detection for each piece; None where they propose no pixels.

    `marks` are the labels of the findings: each proposal tells the id of its own. Any: FiftyOne has no types.
    """
    found = []
    for finding, mark in zip(findings, marks, strict=True):
        if finding.correction is not None and finding.correction.counts:
            found += _pieces(fo, shelf, finding.correction, str(mark["_id"]))
    return label_list("Detections", found) if found else None


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
    counts = pa.array([each.encode() for each in correction.counts], pa.binary())
    runs, _ = rle_to_runs(counts, np.full(n, height), np.full(n, width))
    drawn = AnnotationMasks(runs, height, width, n)
    masks = drawn.masks(np.arange(n))
    places = relative_boxes(*drawn.boxes(), width, height).tolist()
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
    """Makes labels of findings, for images whose labels FiftyOne shows."""

    fo: Any  # Any: FiftyOne has no types
    shelf: MediaFiles
    profile: Profile

    def of(self, image_id: str, batch: Batch, findings: Sequence[Finding]) -> list[Any]:  # Any: FiftyOne has no types
        """The findings about the one image of a batch, in their order."""
        height, width = (int(side[0]) for side in batch.image_size)
        annotations = Annotation.each(batch) if width and height else []
        shown = [_evidence_mask(annotations, each) for each in findings]
        keep = fits_inline([mask for _, mask in shown if mask is not None])
        seen: Counter[str] = Counter()
        found = []
        for each, (box, mask) in zip(findings, shown, strict=True):
            own = label_id(image_id, each.code, each.annotator, each.segments, each.category, each.bbox, each.place)
            seen[own] += 1
            pixels = {} if mask is None else {"mask": mask} if keep else {"mask_path": self.shelf.mask(mask)}
            place = WHOLE_IMAGE if box is None or not (width and height) else _relative(box, width, height)
            told = hash_finding_labels(each, annotations, self.profile)
            found.append(self._mark(each, label_id(own, seen[own]), imprint=told, bounding_box=place, **pixels))
        return found

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
    """What a list of images says of each by the findings about it; `worst` is none where there are none."""
    count = Counter(each.severity for each in findings)
    return {
        "worst": next((severity for severity in SEVERITIES if count[severity]), None),
        "codes": sorted({each.code for each in findings}),
        **{f"{severity}s": count[severity] for severity in SEVERITIES},
    }


def _evidence_mask(annotations: list[Annotation], finding: Finding) -> tuple[Box | None, Mask | None]:
    """Where to look for a finding, None where it is about the whole image, and its pixels within that box."""
    whose = [each for each in annotations if finding.annotator in (None, each.annotator)]
    if len(whose) != 1:
        return finding.bbox, None
    told = locate_finding(whose[0], finding)
    # What is suspected of a part of the sky is not to cover all of it.
    runs = told.runs if finding.bbox is None else crop_to_box(told.runs, finding.bbox, whose[0].size)
    if not len(runs):
        return told.box, None
    drawn = AnnotationMasks(runs, *whose[0].size, 1)
    x, y, wide, high = (int(side[0]) for side in drawn.boxes())
    return (x, y, wide, high), drawn.masks(np.zeros(1, np.int64))[0]


def _relative(box: Box, width: int, height: int) -> list[float]:
    sides = (np.array([side], np.int64) for side in box)
    x, y, wide, high = sides
    place: list[float] = relative_boxes(x, y, wide, high, width, height)[0].tolist()
    return place
