"""Label errors: what reviewers said of the sample in a report of flag tells how many labels are wrong in all."""

from typing import Any

import msgspec
import pytest

from segdata.core.finding import Decision, Verdict
from segdata.report.flag_json import FlagReport
from segdata.report.label_errors import ErrorRow, in_words, label_errors


def _report(stratum: list[int], size: list[int], labels: int | None = None, **changed: Any) -> FlagReport:  # Any: JSON
    """A report with a finding for each item of a sample."""
    nothing = dict.fromkeys(("annotator", "category", "pixels", "file", "line", "place", "fix"))
    correction = {"action": "delete", "category": None, "size": [9, 9]}
    rows = [
        {"code": "SEG502", "rule": "suspected-extra", "severity": "warning", "image": "a.png", "segments": [at],
         "message": f"segment {at}", "bbox": [at, 0, 1, 1], "score": 0.5, "correction": correction, **nothing}
        for at in range(len(stratum))
    ]  # fmt: skip
    interval = {"value": None, "low": None, "high": None}
    flag = {
        "predictions": "", "notes": [], "plan": [], "judged": sum(size), "not_told": 0, "expected_errors": interval,
        "trust": [], "images": [], "evaluation": [],
        "sample": {"images": None, "findings": [*range(len(stratum))], "stratum": stratum, "size": size,
                   "labels": labels},
        "annotate_next": [],
    }  # fmt: skip
    counts = {"images": 1, "segments": 9, "errors": 0, "warnings": 9, "infos": 0, "by_code": {}, "suppressed": 0}
    return msgspec.convert(
        {"version": 1, "dataset": "d", "summary": counts, "flag": flag | changed, "findings": rows}, FlagReport
    )


def _said(report: FlagReport, verdicts: dict[int, Verdict]) -> list[Decision]:
    return [
        Decision(verdict=verdict, reviewer="anna", time=f"2026-01-01T00:00:{at:02d}Z", via="python", image="a.png",
                 finding=report.findings[at].finding())
        for at, verdict in verdicts.items()
    ]  # fmt: skip


def test_those_drawn_by_lot_stand_for_their_stratum() -> None:
    report = _report([-1, -1, 0, 0, 0, 0], [100])
    verdicts: dict[int, Verdict] = {0: "accept", 1: "reject", 2: "fix", 3: "reject", 4: "reject", 5: "reject"}
    found = label_errors(report, _said(report, verdicts))
    assert found is not None
    every = found.every
    assert (every.n, every.of) == (pytest.approx(1 + 100 / 4), 102)
    assert every.low < every.n < every.high
    assert (found.labels.n, found.regions.n) == (every.n, 0)
    assert "about 26 labels are wrong" in in_words(found)
    row = ErrorRow.of_errors(found)
    assert (row.value, row.labels.value, row.labels.of) == (every.n, every.n, None)


def test_labels_and_regions_are_told_apart() -> None:
    """Items 1, 4 and 5 are regions; 60 of all things are labels."""
    report = _report([-1, -1, 0, 0, 0, 0], [98], labels=60)
    rows = [
        msgspec.structs.replace(each, segments=()) if at in (1, 4, 5) else each
        for at, each in enumerate(report.findings)
    ]
    report = msgspec.structs.replace(report, findings=tuple(rows))
    verdicts: dict[int, Verdict] = {0: "accept", 1: "accept", 2: "fix", 3: "reject", 4: "accept", 5: "reject"}
    found = label_errors(report, _said(report, verdicts))
    assert found is not None
    assert (found.labels.n, found.labels.of) == (pytest.approx(1 + 98 / 4), 60)
    assert (found.regions.n, found.regions.of) == (pytest.approx(1 + 98 / 4), 40)
    assert found.every.n == pytest.approx(found.labels.n + found.regions.n)
    assert "of 60 labels are wrong" in in_words(found)
    assert "of 40 regions that nobody labelled are missing" in in_words(found)
    some = label_errors(report, _said(report, {2: "fix", 3: "reject", 4: "reject", 5: "reject"}))
    assert some is not None
    assert some.regions.high - some.regions.low < some.every.high - some.every.low  # item 0 is no region


def test_who_is_unsure_says_nothing() -> None:
    report = _report([-1, 0], [10])
    assert label_errors(report, _said(report, {0: "unsure", 1: "unsure"})) is None
    found = label_errors(report, _said(report, {0: "accept", 1: "unsure"}))
    assert found is not None
    assert "none is decided" in in_words(found)


def test_without_a_whole_sample_nothing_follows() -> None:
    report = _report([-1, 0], [10])
    said = _said(report, {0: "accept", 1: "reject"})
    assert label_errors(report, []) is None
    assert label_errors(_report([-1, 0], [10], sample=None), said) is None
    assert label_errors(msgspec.structs.replace(report, findings=report.findings[:1]), said) is None


def test_an_interval_of_nearly_everything_is_told_as_such() -> None:
    report = _report([-1, 0, 0], [100], labels=101)
    found = label_errors(report, _said(report, {0: "accept", 1: "accept", 2: "reject"}))
    assert found is not None
    assert found.is_vague
    assert in_words(found).startswith("from ")
    assert in_words(found).endswith("; few were drawn by lot and decided")
