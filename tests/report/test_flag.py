"""The text report of flag: what it counts, and what it says of the training."""

from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import structs

from segdata.api.flag import flag
from segdata.api.in_memory import from_arrays
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Decision, Finding, Verdict
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise import trust
from segdata.noise.error_types import SeldomReason
from segdata.noise.flag_result import CommonCause, FlagResult
from segdata.noise.networks.plan import DataFacts, Settings, plan_for
from segdata.report.console import Console
from segdata.report.findings import ReportContext
from segdata.report.flag import ErrorRow, FlagReport, errors_in_words, flag_statements, flag_text, label_errors
from tests.generators.oracle import OracleModel, blobs

PLAN = plan_for(DataFacts(8, 8, 90, 90, (90, 90), 3, 2, True, None, 20, "cpu", 2**32), Settings(), 2**28)
CELLS = Taxonomy(categories=(Category(id=5, name="cell", kind="thing"), Category(id=6, name="rare", kind="thing")))


def cells(*, seeded_data: bool, n_images: int = 2) -> OpenDataset:
    """Images of cells; a cell of each is missing in what is seeded_data. A third image is a copy of the first."""
    images = {}
    for at in range(n_images):
        drawn = blobs(np.random.default_rng([7, at % 2]), height=130, n=30)
        flat = [drawn.take(np.array([row])).categories().reshape(drawn.width, 130).T > 0 for row in range(len(drawn))]
        images[f"{at}.png"] = [(each, 5) for each in flat[3 * seeded_data :]]
    return from_arrays(images, CELLS)


@cache
def found() -> tuple[OpenDataset, FlagResult]:
    data = cells(seeded_data=True)
    return data, flag(
        data, settings=Settings(jobs=1), predictions=OracleModel(cells(seeded_data=False), errors=0), budget="6"
    )


def told(result: FlagResult) -> str:
    return flag_text(result, ReportContext(found()[0].profile, [], ["data"]), Console(width=80))


def test_only_labels_count_as_labels_to_look_at() -> None:
    result = found()[1]
    whole = Finding(code="SEG508", rule="systematic-confusion", severity="warning", message="m", score=0.9)
    more = structs.replace(result, validation=replace(result.validation, findings=(*result.validation.findings, whole)))
    assert len(result.validation.findings) == 6
    assert "review 6 of" in told(result)
    assert "review 6 of" in told(more)


def test_findings_of_one_cause_are_one_line() -> None:
    result = found()[1]
    places = (0, 2, 3)
    listed = [result.validation.findings[at] for at in places]
    cause = CommonCause(image="0.png", rule=listed[0].rule, findings=places, labels=3)
    text = told(structs.replace(result, causes=(cause,)))
    (line,) = [line for line in text.splitlines() if "0.png" in line and listed[0].rule in line and "P " not in line]
    assert ("all 3 labels" if listed[0].segments else "3 regions without a label") in line
    assert line.split()[-1] == "1"  # the place of the first one
    assert "one cause each: look at the image first" in text
    copied = structs.replace(cause, copies=tuple({str(listed[-1].image)}))
    (line,) = [line for line in told(structs.replace(result, causes=(copied,))).splitlines() if "copy" in line]
    n_here = sum(finding.image != listed[-1].image for finding in listed)
    assert f" {n_here} " in line
    assert "in 1 copy too" in line
    elsewhere = structs.replace(cause, others=copied.copies)
    (line,) = [line for line in told(structs.replace(result, causes=(elsewhere,))).splitlines() if "same place" in line]
    assert f" {n_here} " in line
    assert "at the same place of 1 other image" in " ".join(told(structs.replace(result, causes=(elsewhere,))).split())
    if not listed[0].segments:
        along = told(structs.replace(result, causes=(structs.replace(elsewhere, along_border=True),)))
        assert "without a label along the border, also in 1 other image" in " ".join(along.split())
    (statement,) = [each for each in flag_statements(structs.replace(result, causes=(copied,))) if "copy" in each]
    assert statement.startswith("one cause each: look at the image first: 0.png (")
    assert "one cause" not in told(result)
    assert result.summary.causes == ()
    assert all(len(each) <= 80 for each in text.splitlines())


def test_what_is_less_often_right_is_one_block_at_the_end_by_reason() -> None:
    """With the findings that have one cause there, too."""
    result = found()[1]
    head = "also look at: less often right"
    assert head not in told(result)
    last: tuple[SeldomReason, ...] = ("outline",)
    text = told(structs.replace(result, seldom_right=(5,), seldom_reasons=last))
    assert f"{head} (1 of them), by cause at the end" in text
    main, _, rest = text.partition(head + "\n")
    place = result.validation.findings[5].bbox
    assert place is not None
    assert f"at x {place[0]}, y {place[1]}," in rest
    assert f"at x {place[0]}, y {place[1]}," not in main
    every: tuple[SeldomReason, ...] = ("later",) * 6
    assert f"{head} (all)" in told(structs.replace(result, seldom_right=tuple(range(6)), seldom_reasons=every))
    reasons: tuple[SeldomReason, ...] = ("outline", "border", "border")
    cause = CommonCause(image="0.png", rule=result.validation.findings[4].rule, findings=(4, 5), labels=3)
    text = told(structs.replace(result, seldom_right=(3, 4, 5), seldom_reasons=reasons, causes=(cause,)))
    assert text.count(head + "\n") == 1
    main, _, rest = text.partition(head + "\n")
    outlines, _, border = rest.partition("left out along the border by the whole set (2)\n")
    assert outlines.startswith("\noutlines to redraw (1)\n")
    assert "one cause each" in border
    assert "one cause each" not in main + outlines


def test_of_a_long_first_part_the_first_ten_are_to_be_judged() -> None:
    result = found()[1]
    findings = result.validation.findings * 2
    long = structs.replace(result, validation=replace(result.validation, findings=findings))
    n = sum(finding.correction is not None for finding in findings)
    advice = "judge the first 10, they tell of the rest"
    assert (advice in told(long)) == (n > 10)
    many: tuple[SeldomReason, ...] = ("kind",) * (n - 10)
    assert advice not in told(structs.replace(long, seldom_right=tuple(range(n - 10)), seldom_reasons=many))


def test_a_weak_category_beside_known_ones_comes_with_advice() -> None:
    result = found()[1]
    text = " ".join(told(result).split())
    assert "too weak for rare" in text
    assert "look at its labels yourself, or give --predictions of a better model" in text


def test_what_is_found_in_a_copy_of_an_image_is_no_cause_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    given, model = cells(seeded_data=True, n_images=3), OracleModel(cells(seeded_data=False, n_images=3), errors=0)

    def copies(*pairs: tuple[int, int]) -> set[tuple[str, ...]]:
        found = np.array(pairs, np.int64).reshape(-1, 2)
        monkeypatch.setattr(trust, "find_lookalikes", lambda images, jobs: found)
        result = flag(given, settings=Settings(jobs=1), predictions=model, budget="20")
        return {(cause.image, *cause.copies) for cause in result.causes if cause.copies}

    assert not copies()
    found_twice = copies((0, 2))
    assert found_twice
    assert found_twice <= {("0.png", "2.png"), ("2.png", "0.png")}


def test_other_forms_say_the_same_of_the_whole() -> None:
    result = structs.replace(found()[1], notes=("a note",))
    said = flag_statements(result)
    text = " ".join(told(result).split())
    assert said[0] == "a note"
    assert said[1].startswith("review 6 of")
    assert any("too weak for rare" in each for each in said)
    assert all(each in text for each in said)


def test_a_category_that_occurs_nowhere_is_not_called_weak() -> None:
    result = found()[1]
    good, rare = result.trust
    assert "too weak for rare" in " ".join(told(result).split())
    nowhere = structs.replace(rare, iou=None, reason="rare occurs nowhere")
    assert "too weak for" not in told(structs.replace(result, trust=(good, nowhere)))


def test_of_a_weak_model_only_that_is_advised_which_was_not_done() -> None:
    result = found()[1]
    weak = tuple(structs.replace(each, reason="too weak") for each in result.trust)
    nothing = structs.replace(result, trust=weak, validation=replace(result.validation, findings=()))
    better = "give --predictions of a better model"
    for plan, advised in (
        (None, better),
        (PLAN, f"add images, train longer (without --quick), start with --pretrained, or {better}"),
        (replace(PLAN, encoder="efficientnet-lite0"), f"add images, train longer (without --quick), or {better}"),
    ):
        text = " ".join(told(structs.replace(nothing, plan=plan)).split())
        assert f"too weak for every category: {advised} how reliable" in text


def test_the_head_says_what_was_chosen_for_the_training() -> None:
    text = told(structs.replace(found()[1], plan=PLAN))
    assert "chosen: " in text
    assert f"folds {PLAN.folds}" in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())


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
    assert "about 26 labels are wrong" in errors_in_words(found)
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
    assert "of 60 labels are wrong" in errors_in_words(found)
    assert "of 40 regions that nobody labelled are missing" in errors_in_words(found)
    some = label_errors(report, _said(report, {2: "fix", 3: "reject", 4: "reject", 5: "reject"}))
    assert some is not None
    assert some.regions.high - some.regions.low < some.every.high - some.every.low  # item 0 is no region


def test_who_is_unsure_says_nothing() -> None:
    report = _report([-1, 0], [10])
    assert label_errors(report, _said(report, {0: "unsure", 1: "unsure"})) is None
    found = label_errors(report, _said(report, {0: "accept", 1: "unsure"}))
    assert found is not None
    assert errors_in_words(found) == (
        "decide 1 more of the random sample (0 of 1 are decided) to learn how many of 11 labels and regions are wrong"
    )


def test_without_a_whole_sample_nothing_follows() -> None:
    report = _report([-1, 0], [10])
    said = _said(report, {0: "accept", 1: "reject"})
    assert label_errors(report, []) is None
    assert label_errors(_report([-1, 0], [10], sample=None), said) is None
    assert label_errors(msgspec.structs.replace(report, findings=report.findings[:1]), said) is None


def test_an_interval_of_nearly_everything_is_told_as_what_to_decide() -> None:
    """So many more that the interval has at most half of everything, even if every second of them is wrong."""
    report = _report([-1, *[0] * 40], [400], labels=401)
    said: dict[int, Verdict] = {0: "accept", 1: "accept", 2: "reject", 3: "reject"}
    found = label_errors(report, _said(report, said))
    assert found is not None
    assert found.is_vague
    text = errors_in_words(found)
    assert text.startswith(f"decide {found.more} more of the random sample ")
    assert 5 < found.more < 30
    assert text.endswith("(3 of 40 are decided) to learn how many of 401 labels and regions are wrong")
    some: dict[int, Verdict] = {at: "accept" if at % 2 else "reject" for at in range(4, 4 + found.more)}
    after = label_errors(report, _said(report, said | some))
    assert after is not None
    assert not after.is_vague
    assert "of 401 labels are wrong" in errors_in_words(after)
    before = label_errors(report, _said(report, said | dict(list(some.items())[:-2])))
    assert before is not None
    assert before.is_vague


def test_a_sample_too_small_asks_for_a_larger_one() -> None:
    report = _report([-1, 0, 0], [100], labels=101)
    found = label_errors(report, _said(report, {0: "accept", 1: "accept", 2: "reject"}))
    assert found is not None
    assert (found.is_vague, found.more, found.decided) == (True, 0, 2)
    assert errors_in_words(found).startswith("from ")
    assert errors_in_words(found).endswith("; the random sample is small, so flag again with a larger --budget")
