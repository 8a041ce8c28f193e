"""Marks: the findings of an image as FiftyOne's labels, with the pixels that they speak of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segdata.core.batch import Batch
from segdata.core.finding import SEVERITIES, Box, Finding
from segdata.core.finding_location import Annotation, locate_finding
from segdata.core.label_hash import hash_finding_labels
from segdata.core.overlay import crop_to_box
from segdata.core.profile import Profile
from segdata.report.fiftyone.boxes import relative
from segdata.report.fiftyone.documents import document
from segdata.report.fiftyone.fields import label_id
from segdata.report.fiftyone.labels import inline
from segdata.report.fiftyone.masks import Drawn, Mask
from segdata.report.fiftyone.proposals import worded
from segdata.report.fiftyone.shelf import Shelf

WHOLE = [0.0, 0.0, 1.0, 1.0]  # the box of a finding about the whole image


@dataclass(frozen=True, slots=True)
class Marks:
    """Makes labels of findings, for images whose labels FiftyOne shows."""

    fo: Any  # Any: FiftyOne has no types
    shelf: Shelf
    profile: Profile

    def of(self, image_id: str, batch: Batch, findings: Sequence[Finding]) -> list[Any]:  # Any: FiftyOne has no types
        """The findings about the one image of a batch, in their order."""
        height, width = (int(side[0]) for side in batch.image_size)
        annotations = Annotation.each(batch) if width and height else []
        shown = [_seen(annotations, each) for each in findings]
        keep = inline([mask for _, mask in shown if mask is not None])
        seen: Counter[str] = Counter()
        found = []
        for each, (box, mask) in zip(findings, shown, strict=True):
            own = label_id(image_id, each.code, each.annotator, each.segments, each.category, each.bbox, each.place)
            seen[own] += 1
            pixels = {} if mask is None else {"mask": mask} if keep else {"mask_path": self.shelf.mask(mask)}
            place = WHOLE if box is None or not (width and height) else _relative(box, width, height)
            told = hash_finding_labels(each, annotations, self.profile)
            found.append(self._mark(each, label_id(own, seen[own]), imprint=told, bounding_box=place, **pixels))
        return found

    def _mark(self, finding: Finding, id_: str, **shown: Any) -> Any:  # Any: FiftyOne has no types
        return document(
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
            proposal=None if finding.correction is None else worded(finding.correction),
            **shown,
        )


def judged(findings: Sequence[Finding]) -> dict[str, object]:
    """What a list of images says of each by the findings about it; `worst` is none where there are none."""
    count = Counter(each.severity for each in findings)
    return {
        "worst": next((severity for severity in SEVERITIES if count[severity]), None),
        "codes": sorted({each.code for each in findings}),
        **{f"{severity}s": count[severity] for severity in SEVERITIES},
    }


def _seen(annotations: list[Annotation], finding: Finding) -> tuple[Box | None, Mask | None]:
    """Where to look for a finding, None where it is about the whole image, and its pixels within that box."""
    whose = [each for each in annotations if finding.annotator in (None, each.annotator)]
    if len(whose) != 1:
        return finding.bbox, None
    told = locate_finding(whose[0], finding)
    # What is suspected of a part of the sky is not to cover all of it.
    runs = told.runs if finding.bbox is None else crop_to_box(told.runs, finding.bbox, whose[0].size)
    if not len(runs):
        return told.box, None
    drawn = Drawn(runs, *whose[0].size, 1)
    x, y, wide, high = (int(side[0]) for side in drawn.boxes())
    return (x, y, wide, high), drawn.masks(np.zeros(1, np.int64))[0]


def _relative(box: Box, width: int, height: int) -> list[float]:
    sides = (np.array([side], np.int64) for side in box)
    x, y, wide, high = sides
    place: list[float] = relative(x, y, wide, high, width, height)[0].tolist()
    return place
