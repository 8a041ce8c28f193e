"""Stored findings: findings kept whole beside their labels, and the log's decisions written onto the labels.

A label shows a person what matters; a decision about it refers to the complete finding.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from segdata.core.finding import Decision, Finding
from segdata.review.apply import states_of_findings
from segdata.review.states import ReviewState, review_states

_FINDINGS_DECODER = msgspec.json.Decoder(dict[str, Finding])


def encode_findings(findings: Mapping[str, Finding]) -> str:
    """Findings by the ids of their labels, as text."""
    return msgspec.json.encode(findings).decode()


def decode_findings(text: str | None) -> dict[str, Finding]:
    """What `encode_findings` wrote; none of none."""
    return _FINDINGS_DECODER.decode(text) if text else {}


DISPUTED = "disputed"  # the tag of disputed labels
Label = dict[str, Any]  # Any: FiftyOne has no types
_DECISIONS_DECODER = msgspec.json.Decoder(dict[str, Decision])


@dataclass(frozen=True, slots=True)
class LoggedDecisions:
    """The review states of a log.

    Attributes
    ----------
    findings : image -> states of its findings
    segments : (image, annotator, segment, label hash) -> state of a segment without a finding
    """

    findings: Mapping[str | None, Sequence[ReviewState]]
    segments: Mapping[tuple[str | None, str | None, str, str], ReviewState]

    @staticmethod
    def of(decisions: Iterable[Decision]) -> "LoggedDecisions":
        """The states of the decisions of a log."""
        findings: dict[str | None, list[ReviewState]] = {}
        segments = {}
        for standing in review_states(decisions):
            last = standing.said[-1]
            if last.finding is not None:
                findings.setdefault(last.image, []).append(standing)
            else:
                segments[last.image, last.annotator, str(last.segment), last.imprint] = standing
        return LoggedDecisions(findings, segments)

    def of_findings(
        self, image_id: str, findings: Sequence[Finding], marks: Sequence[Label]
    ) -> dict[Finding, Decision]:
        """Write the states of an image's findings onto their labels; returns the valid decisions.

        States of labels that have changed since are ignored.
        """
        mark = dict(zip(findings, marks, strict=True))
        states = states_of_findings(
            findings, self.findings.get(image_id, ()), lambda asked: {e: mark[e]["imprint"] for e in asked}
        )
        result = {finding: _write(mark[finding], standing) for finding, standing in states.items()}
        return {finding: decision for finding, decision in result.items() if decision is not None}

    def of_segments(
        self, image_id: str, annotator: str | None, labels: Sequence[Label]
    ) -> Iterator[tuple[str, Decision]]:
        """Write the states of an annotator's segments onto their labels; yields ids and valid decisions."""
        for label in labels:
            standing = self.segments.get((image_id, annotator, label["segment_id"], label["imprint"]))
            decision = None if standing is None else _write(label, standing)
            if decision is not None:
                yield str(label["_id"]), decision


def encode_decisions(decisions: Mapping[str, Decision]) -> str | None:
    """Decisions by the ids of their labels, as text; None of none."""
    return msgspec.json.encode(decisions).decode() if decisions else None


def decode_decisions(text: str | None) -> dict[str, Decision]:
    """What `encode_decisions` wrote."""
    return _DECISIONS_DECODER.decode(text) if text else {}


def _write(label: Label, standing: ReviewState) -> Decision | None:
    """Write the valid decision onto a label, or the dispute; returns the decision."""
    if standing.is_disputed:
        label["tags"].append(DISPUTED)
        parts = (
            f"{decision_.reviewer}: {decision_.verdict}" + f" ({decision_.comment})" * bool(decision_.comment)
            for decision_ in standing.said
        )
        label[DISPUTED] = "; ".join(parts)
        return None
    unsure = (decision_ for decision_ in reversed(standing.said) if decision_.verdict == "unsure")
    decision = standing.decision or next(unsure, None)
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
