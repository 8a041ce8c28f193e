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


DISPUTED = "disputed"  # the tag of what reviewers disagree on
Label = dict[str, Any]  # Any: FiftyOne has no types
_DECISIONS_DECODER = msgspec.json.Decoder(dict[str, Decision])


@dataclass(frozen=True, slots=True)
class LoggedDecisions:
    """Where the decisions of a log have come to.

    Attributes
    ----------
    findings : image -> what is said of findings about it
    segments : (image, annotator, segment, imprint) -> what is said of a segment without a finding
    """

    findings: Mapping[str | None, Sequence[ReviewState]]
    segments: Mapping[tuple[str | None, str | None, str, str], ReviewState]

    @staticmethod
    def of(decisions: Iterable[Decision]) -> "LoggedDecisions":
        """Of the decisions of a log."""
        findings: dict[str | None, list[ReviewState]] = {}
        segments = {}
        for standing in review_states(decisions):
            word = standing.said[-1]
            if word.finding is not None:
                findings.setdefault(word.image, []).append(standing)
            else:
                segments[word.image, word.annotator, str(word.segment), word.imprint] = standing
        return LoggedDecisions(findings, segments)

    def of_findings(self, image_id: str, about: Sequence[Finding], marks: Sequence[Label]) -> dict[Finding, Decision]:
        """Write onto the labels of an image's findings what is said of them; the decisions that hold.

        Of labels that have changed since nothing is said any more.
        """
        mark = dict(zip(about, marks, strict=True))
        said = states_of_findings(
            about, self.findings.get(image_id, ()), lambda asked: {e: mark[e]["imprint"] for e in asked}
        )
        found = {finding: _write(mark[finding], standing) for finding, standing in said.items()}
        return {finding: word for finding, word in found.items() if word is not None}

    def of_segments(
        self, image_id: str, annotator: str | None, labels: Sequence[Label]
    ) -> Iterator[tuple[str, Decision]]:
        """The same for labels of an annotator's segments: their ids and what holds of them."""
        for label in labels:
            standing = self.segments.get((image_id, annotator, label["segment_id"], label["imprint"]))
            word = None if standing is None else _write(label, standing)
            if word is not None:
                yield str(label["_id"]), word


def encode_decisions(said: Mapping[str, Decision]) -> str | None:
    """Decisions by the ids of their labels, as text; None of none."""
    return msgspec.json.encode(said).decode() if said else None


def decode_decisions(text: str | None) -> dict[str, Decision]:
    """What `encode_decisions` wrote."""
    return _DECISIONS_DECODER.decode(text) if text else {}


def _write(label: Label, standing: ReviewState) -> Decision | None:
    """Write onto a label what holds of it, or else who is unsure or disagrees; what holds."""
    if standing.is_disputed:
        label["tags"].append(DISPUTED)
        words = (
            f"{each.reviewer}: {each.verdict}" + f" ({each.comment})" * bool(each.comment) for each in standing.said
        )
        label[DISPUTED] = "; ".join(words)
        return None
    unsure = (each for each in reversed(standing.said) if each.verdict == "unsure")
    word = standing.decision or next(unsure, None)
    if word is not None:
        label["tags"].append(word.verdict)
        told = {"verdict": word.verdict, "reviewer": word.reviewer, "decided": word.time, "comment": word.comment}
        label |= {name: value for name, value in told.items() if value}
    return word
