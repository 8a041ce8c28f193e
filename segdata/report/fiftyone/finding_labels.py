"""Finding labels: findings, proposals and decisions as FiftyOne's labels, and stored whole beside them.

A label shows a person what matters; a decision about it refers to the complete finding.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.finding import SEVERITIES, Box, Correction, Decision, Finding
from segdata.core.finding_location import Annotation, locate_finding
from segdata.core.label_hash import hash_finding_labels
from segdata.core.overlay import crop_to_box
from segdata.core.profile import Profile
from segdata.core.rule import excludes_nothing
from segdata.core.schema import rle_to_runs
from segdata.report.fiftyone.media_files import AnnotationMasks, Mask, MediaFiles, relative_boxes
from segdata.report.fiftyone.segment_labels import fits_inline, label_document, label_id, label_list
from segdata.review.apply import states_of_findings
from segdata.review.decision_log import ReviewState, review_states


def proposal_labels(fo: Any, media: MediaFiles, findings: Sequence[Finding], marks: Sequence[Any]) -> Any:
    """The proposals of an image's findings, one detection per piece; None if they propose no pixels.

    `marks` are the labels of the findings: each proposal has the id of its finding. Any: FiftyOne has no types.
    """
    pieces = []
    for finding, mark in zip(findings, marks, strict=True):
        if finding.correction is not None and finding.correction.counts:
            pieces += _pieces(fo, media, finding.correction, str(mark["_id"]))
    return label_list("Detections", pieces) if pieces else None


def proposal_text(correction: Correction) -> str:
    """A proposal in words.

    >>> proposal_text(Correction(action="rename", category="car", size=(1, 1)))
    'rename: car'
    """
    proposal = correction.action if correction.category is None else f"{correction.action}: {correction.category}"
    return f"{proposal} (with segment {correction.joins})" if correction.joins is not None else proposal


def _pieces(fo: Any, media: MediaFiles, correction: Correction, mark: str) -> list[Any]:  # Any: FiftyOne has no types
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
            **({"mask": mask} if keep else {"mask_path": media.mask(mask)}),
        )
        for number, (mask, place) in enumerate(zip(masks, places, strict=True))
        if mask.size
    ]


_OF_TWO = ("SEG403", "SEG404")  # the annotator's segment first, then that of another annotator, whose ids are others
WHOLE_IMAGE = [0.0, 0.0, 1.0, 1.0]  # the box of a finding about the whole image


@dataclass(frozen=True, slots=True)
class FindingLabels:
    """Converts findings to FiftyOne's labels."""

    fo: Any  # Any: FiftyOne has no types
    media: MediaFiles
    profile: Profile

    def make_labels(
        self, image_id: str, batch: Batch, findings: Sequence[Finding]
    ) -> list[Any]:  # Any: FiftyOne has no types
        """The labels of the findings about the image of a batch, in their order."""
        height, width = (int(side[0]) for side in batch.image_size)
        annotations = Annotation.split_batch(batch) if width and height else []
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
            pixels = {} if mask is None else {"mask": mask} if keep else {"mask_path": self.media.mask(mask)}
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
            label=_display_name(finding),
            tags=[finding.code, finding.severity],
            code=finding.code,
            rule=finding.rule,
            severity=finding.severity,
            score=finding.score,
            score_low=None if finding.score_range is None else finding.score_range[0],
            score_high=None if finding.score_range is None else finding.score_range[1],
            message=finding.message,
            annotator=finding.annotator,
            category=finding.category,
            segment_ids=list(map(str, finding.segments)),
            pixels=finding.pixels,
            place=finding.place,
            proposal=None if finding.correction is None else proposal_text(finding.correction),
            **shown,
        )


def _display_name(finding: Finding) -> str:
    """The name of a finding as the App shows it: with its probability, in tenths, so that names can be filtered.

    If the probability is only known to be in a range, the name has the tenths around this range; if these exclude
    nothing, the name has the score, by which findings rank.
    """
    name = f"{finding.code} {finding.rule}"
    if finding.score is None:
        return name
    if finding.score_range is None:
        return f"{name} P {_tenth(finding.score):.1f}"
    below, above = _tenth(finding.score_range[0]), math.ceil(10 * finding.score_range[1] - 1e-9) / 10
    if excludes_nothing(*finding.score_range) or above - below >= 1:
        return f"{name} score {_tenth(finding.score):.1f}"
    return f"{name} P {below:.1f} to {above:.1f}" if below > 0 else f"{name} P at most {above:.1f}"


def _tenth(probability: float) -> float:
    return math.floor(10 * probability + 1e-9) / 10


def severity_counts(findings: Sequence[Finding]) -> dict[str, object]:
    """Counts of the findings of an image, for lists of images; `worst` is None without findings."""
    count = Counter(finding.severity for finding in findings)
    return {
        "worst": next((severity for severity in SEVERITIES if count[severity]), None),
        "codes": sorted({finding.code for finding in findings}),
        **{f"{severity}s": count[severity] for severity in SEVERITIES},
    }


def _evidence_mask(annotations: list[Annotation], finding: Finding) -> tuple[Box | None, Mask | None]:
    """The box of a finding, None for the whole image, and the mask of its pixels within the box.

    An annotation without a name may be that of an annotator whom the command named.
    """
    own = [annotation for annotation in annotations if finding.annotator in (None, annotation.annotator)]
    own = own or [annotation for annotation in annotations if annotation.annotator is None]
    if len(own) != 1:
        return finding.bbox, None
    if finding.code in _OF_TWO:
        finding = replace(finding, segments=finding.segments[:1])
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


_FINDINGS_DECODER = msgspec.json.Decoder(dict[str, Finding])


def encode_findings(findings: Mapping[str, Finding]) -> str:
    """Findings by the ids of their labels, as text."""
    return msgspec.json.encode(findings).decode()


def decode_findings(text: str | None) -> dict[str, Finding]:
    """The inverse of `encode_findings`; nothing for nothing."""
    return _FINDINGS_DECODER.decode(text) if text else {}


DISPUTED = "disputed"  # the tag of disputed labels
Label = dict[str, Any]  # Any: FiftyOne has no types
_DECISIONS_DECODER = msgspec.json.Decoder(dict[str, Decision])


@dataclass(frozen=True, slots=True)
class LoggedDecisions:
    """The review states of a log.

    `findings`: image -> states of its findings; `segments`: (image, annotator, segment, label hash) -> state of a
    segment without a finding.
    """

    findings: Mapping[str | None, Sequence[ReviewState]]
    segments: Mapping[tuple[str | None, str | None, str, str], ReviewState]

    @staticmethod
    def from_log(decisions: Iterable[Decision]) -> "LoggedDecisions":
        """The states of the decisions of a log."""
        findings: dict[str | None, list[ReviewState]] = {}
        segments = {}
        for state in review_states(decisions):
            last = state.latest[-1]
            if last.finding is not None:
                findings.setdefault(last.image, []).append(state)
            else:
                segments[last.image, last.annotator, str(last.segment), last.imprint] = state
        return LoggedDecisions(findings, segments)

    def of_findings(
        self, image_id: str, findings: Sequence[Finding], marks: Sequence[Label]
    ) -> dict[Finding, Decision]:
        """Write the states of an image's findings onto their labels; returns the valid decisions.

        States of labels that have changed since are ignored.
        """
        mark = dict(zip(findings, marks, strict=True))
        states = states_of_findings(
            findings,
            self.findings.get(image_id, ()),
            lambda asked: {finding: mark[finding]["imprint"] for finding in asked},
        )
        result = {finding: _write(mark[finding], state) for finding, state in states.items()}
        return {finding: decision for finding, decision in result.items() if decision is not None}

    def of_segments(
        self, image_id: str, annotator: str | None, labels: Sequence[Label]
    ) -> Iterator[tuple[str, Decision]]:
        """Write the states of an annotator's segments onto their labels; yields ids and valid decisions."""
        for label in labels:
            state = self.segments.get((image_id, annotator, label["segment_id"], label["imprint"]))
            decision = None if state is None else _write(label, state)
            if decision is not None:
                yield str(label["_id"]), decision


def encode_decisions(decisions: Mapping[str, Decision]) -> str | None:
    """Decisions by the ids of their labels, as text; None of none."""
    return msgspec.json.encode(decisions).decode() if decisions else None


def decode_decisions(text: str | None) -> dict[str, Decision]:
    """The inverse of `encode_decisions`."""
    return _DECISIONS_DECODER.decode(text) if text else {}


def _write(label: Label, state: ReviewState) -> Decision | None:
    """Write the valid decision onto a label, or the dispute; returns the decision."""
    if state.is_disputed:
        label["tags"].append(DISPUTED)
        parts = (
            f"{latest.reviewer}: {latest.verdict}" + f" ({latest.comment})" * bool(latest.comment)
            for latest in state.latest
        )
        label[DISPUTED] = "; ".join(parts)
        return None
    unsure = (latest for latest in reversed(state.latest) if latest.verdict == "unsure")
    decision = state.decision or next(unsure, None)
    if decision is not None:
        label["tags"].append(decision.verdict)
        attributes = {
            "verdict": decision.verdict,
            "reviewer": decision.reviewer,
            "decided": decision.time,
            "comment": decision.comment,
        }
        label |= {name: value for name, value in attributes.items() if value}
    return decision
