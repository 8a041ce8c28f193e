"""Rehearsal: the verdicts of a reviewer on what `flag` told of the demo's noisy labels, by what was seeded in them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segdata.core.finding import Decision, Finding, Verdict

REVIEWER = "anna"
_EACH = 20  # seconds from one decision to the next


def rehearse(data: Path, flagged: Path, truth: Path, target: Path) -> "list[Decision]":
    """Write decisions on all findings of a report, as the HTML report exports them, and return them.

    `truth` lists the seeded errors. What lies on one is accepted (a label that is shifted as a whole is to be drawn
    anew), all else is rejected.
    """
    import msgspec

    from segdata.api.decisions import label_hashes
    from segdata.api.read import read
    from segdata.core.finding import Decision
    from segdata.report.fiftyone.reports import findings_of
    from segdata.review.exported import Export

    findings, dataset = findings_of(flagged), read(data)
    seeded = {each["image"]: each for each in json.loads(truth.read_text(encoding="utf-8"))}
    seen = label_hashes(dataset, findings)
    decisions = [
        Decision(
            verdict=_verdict(each, seeded.get(each.image or "")),
            reviewer=REVIEWER,
            time=f"2026-01-05T09:{at * _EACH // 60:02d}:{at * _EACH % 60:02d}Z",
            via="html",
            image=each.image,
            finding=each,
            imprint=seen[each],
        )
        for at, each in enumerate(findings)
    ]
    export = Export(version=1, kind="segdata decisions", dataset=str(data), decisions=tuple(decisions))
    target.write_bytes(msgspec.json.format(msgspec.json.encode(export), indent=1))
    return decisions


def _verdict(finding: "Finding", seeded: dict[str, Any] | None) -> "Verdict":  # Any: JSON
    if seeded is None or finding.bbox is None:
        return "reject"
    if seeded["code"] == "SEG507":
        return "fix"
    here = {*finding.segments} & {*seeded["segments"]} if finding.segments else _meet(finding.bbox, seeded["bbox"])
    return "accept" if here else "reject"


def _meet(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether two boxes share a pixel."""
    return all(a[k] < b[k] + b[k + 2] and b[k] < a[k] + a[k + 2] for k in (0, 1))
