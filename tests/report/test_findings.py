"""The text report: grouped, ranked, and where each finding is."""

import dataclasses
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import msgspec
import pytest

import segdata
from segdata.api.report import flag_report
from segdata.core.errors import SegdataError
from segdata.core.finding import Correction, Finding
from segdata.core.profile import Policy, Profile
from segdata.core.rule import rules
from segdata.core.taxonomy import Taxonomy
from segdata.core.validation import Validation
from segdata.noise.known_errors import read_known_errors
from segdata.report.console import Console
from segdata.report.findings import (
    FindingRow,
    ReportContext,
    baseline_json,
    command_lines,
    find_predictions,
    finding_location,
    findings_json,
    findings_jsonl,
    findings_text,
    group_by_rule,
    load_findings,
    read_baseline,
)
from segdata.review.decision_log import read_export
from tests.generators.schemas import json_schemas

PROFILE = Profile("x", "coco-instances", "instance", Taxonomy(), True, Policy("sparse"), Policy("allow"))


def finding(code: str, severity: str = "warning", **more: object) -> Finding:
    return Finding(code=code, rule=rules()[code].name, severity=severity, message="so it is", **more)  # type: ignore[arg-type]  # any field


def test_groups_are_ranked_by_severity_then_count() -> None:
    found = [finding("SEG106"), *[finding("SEG107")] * 2, finding("SEG101", "error"), finding("SEG102", "info")]
    assert [group[0].code for group in group_by_rule(found)] == ["SEG101", "SEG107", "SEG106", "SEG102"]


def test_one_rule_of_two_severities_makes_two_groups() -> None:
    found = [finding("SEG101", "error"), finding("SEG101", "warning")]
    assert [len(group) for group in group_by_rule(found)] == [1, 1]


def test_where_names_image_segments_box_and_annotator() -> None:
    of = finding(
        "SEG106", image="a/b.png", segments=(7, "x"), category="car", bbox=(1, 2, 3, 4), annotator="anna", file="c.json"
    )
    assert finding_location(of, Console(), "  ") == ["  a/b.png: car 7, x, at x 1, y 2, 3 x 4 px, by anna"]


def test_a_listed_finding_is_one_that_would_be_first(  # in the order of the report, not of the codes
) -> None:
    found = (finding("SEG102"), *[finding("SEG106", image=f"{number}.png") for number in range(3)])
    asked = ReportContext(PROFILE, list(rules().values()), ["DATA"], max_findings=2)
    report = findings_text(Validation("DATA", 3, 3, found), asked, Console())
    assert "0.png" in report
    assert "1.png" in report
    assert "… and 1 more in 1 image" in report
    assert "… and 1 not listed" in report


CONTEXT = ReportContext(PROFILE, list(rules().values()), ["DATA"])


def test_an_image_without_a_box_is_worth_a_picture_too() -> None:
    found = (finding("SEG312", image="empty.png"), finding("SEG312", image="other.png", bbox=(0, 0, 1, 1)))
    files = dict.fromkeys(["empty.png", "other.png"], __file__)
    report = findings_text(Validation("DATA", 2, 0, found, image_files=files), CONTEXT, Console())
    assert "segdata show DATA empty.png --findings" in report


@pytest.mark.parametrize("file", [None, "/nowhere/gone.png", "s3://bucket/a.png"])
def test_without_an_image_file_no_picture_is_offered(file: str | None) -> None:
    files = {} if file is None else {"a.png": file}
    found = (finding("SEG106", image="a.png"),)
    report = findings_text(Validation("DATA", 1, 1, found, image_files=files), CONTEXT, Console())
    assert "segdata show" not in report
    assert "--overlays" not in report
    assert "segdata explain SEG106" in report


def test_passed_says_over_how_many_warnings() -> None:
    warnings = tuple(finding("SEG106", image=f"{number}.png") for number in range(2500))
    report = findings_text(Validation("DATA", 2500, 2500, warnings), CONTEXT, Console(colour=True))
    line = next(line for line in report.splitlines() if "passed" in line)
    assert re.sub(r"\x1b\[[0-9;]*m", "", line) == "passed, 2,500 warnings (--fail-on error)"
    assert "\x1b[32" not in line.partition("passed")[0] + line.partition("passed")[2][:3]  # green misleads
    infos = findings_text(Validation("DATA", 1, 1, (finding("SEG307", "info"),)), CONTEXT, Console())
    assert "passed, 1 info (--fail-on error)" in infos


def test_a_finding_that_stands_for_many_names_images_and_how_to_list_them() -> None:
    names = tuple(f"{number}.png" for number in range(7))
    summary = finding("SEG106", count=90, images=names)
    report = findings_text(Validation("DATA", 9, 9, (summary,)), CONTEXT, Console())
    assert "warning SEG106 speck: 1 finding (folded from 90) in 7 images" in report
    assert "0.png, 1.png, 2.png, 4 other images" in report
    assert "of these, 1 stands for 90 findings that are usual here; --one-by-one lists them" in report
    assert "segdata validate DATA --select SEG106 --one-by-one" in report
    assert "segdata validate DATA --one-by-one --format json" in report, "every finding is what JSON then has"
    row = json.loads(findings_json(Validation("DATA", 9, 9, (summary,))))["findings"][0]
    assert (row["count"], tuple(row["images"])) == (90, names)
    assert "count" not in json.loads(findings_json(Validation("DATA", 9, 9, (finding("SEG106"),))))["findings"][0]


def test_what_is_canonical_already_is_not_made_so() -> None:
    def advice(format_: str) -> str:
        asked = ReportContext(replace(PROFILE, format=format_), [], ["DATA"])
        return next(
            line for line in findings_text(Validation("DATA", 2, 2, ()), asked, Console()).splitlines() if "OUT" in line
        )

    assert advice("coco-instances") == "  segdata convert DATA OUT  to a canonical dataset, or another format"
    assert advice("canonical") == "  segdata convert DATA OUT --to coco-instances  to another format"


def test_one_other_is_one() -> None:
    found = tuple(finding("SEG106", image=f"{number // 2}.png") for number in range(10))
    report = findings_text(
        Validation("DATA", 5, 10, found), ReportContext(PROFILE, list(rules().values()), ["DATA"]), Console()
    )
    assert "1 other\n" in report


def test_every_line_fits_a_narrow_paper() -> None:
    found = (
        *[finding("SEG103", "error", image=f"{number}.png", pixels=10**9) for number in range(2000)],
        *[finding("SEG103", image=f"{number}.png") for number in range(2000)],
        *[finding("SEG103", "info", image=f"{number}.png") for number in range(2000)],
    )
    asked = ReportContext(PROFILE, list(rules().values()), ["DATA"])
    for width in (40, 60):
        report = findings_text(Validation("DATA", 123_456_789, 123_456_789, found), asked, Console(width))
        assert max(map(len, report.splitlines())) <= width


def test_a_place_in_a_file_is_named_where_there_is_no_box() -> None:
    more = {"image": "b.png", "file": "c.json", "place": "/annotations/3"}
    assert finding_location(finding("SEG105", **more), Console(), "") == ["b.png", "c.json /annotations/3"]
    assert finding_location(finding("SEG013", bbox=(1, 2, 3, 4), **more), Console(), "") == [
        "b.png: at x 1, y 2, 3 x 4 px"
    ]


def test_where_names_file_and_place_of_reading_defects() -> None:
    of = finding("SEG005", image="b.png", segments=(7,), file="c.json", place="/annotations/3")
    assert finding_location(of, Console(), "") == ["b.png: 7", "c.json /annotations/3"]
    assert finding_location(finding("SEG001", file="c.json", line=3), Console(), "") == ["c.json line 3"]


def test_long_paths_lose_their_middle() -> None:
    of = finding("SEG106", image="/".join(["folder"] * 40) + "/image.png", bbox=(1, 2, 3, 4))
    (line,) = finding_location(of, Console(), "  ")
    assert len(line) <= 80
    assert line.endswith("/image.png: at x 1, y 2, 3 x 4 px")


def test_a_thousand_findings_are_summarised() -> None:
    found = tuple(
        finding("SEG106", image=f"{number // 3}.png", category=("car", "bus")[number % 5 == 0])
        for number in range(1000)
    )
    asked = ReportContext(PROFILE, list(rules().values()), ["DATA"])
    report = findings_text(Validation("DATA", 400, 5000, found), asked, Console())
    assert "1,000 findings in 334 images" in report
    assert "… and 997 more in 333 images" in report
    assert "by category: car 800, bus 200" in report
    assert len(report.splitlines()) < 40


def test_long_commands_are_broken_between_words() -> None:
    lines = list(command_lines(["segdata", "show", "x" * 60, "'a b.png'", "--findings"], Console()))
    assert lines == [f"  segdata show {'x' * 60} \\", "      'a b.png' --findings"]


def test_suppressed_findings_leave_a_line() -> None:
    asked = ReportContext(PROFILE, list(rules().values()), ["DATA"])
    for found in ((), (finding("SEG106"),)):
        assert "3 findings suppressed in segdata.yaml" in findings_text(
            Validation("DATA", 1, 1, found, 3), asked, Console()
        )
        assert "suppressed" not in findings_text(Validation("DATA", 1, 1, found), asked, Console())


FULL = Finding(
    code="SEG106", rule="speck", severity="warning", message='"quoted" 汽车', image="a.png", annotator="anna",
    segments=(7, "seven"), category="car", bbox=(1, 2, 3, 4), pixels=12, score=0.5, file="f.json", line=3,
    place="/annotations/0", fix="unsafe", score_range=(0.25, 0.75),
    correction=Correction(action="split", category="car", size=(9, 8), counts=("03", "12"), joins=8, iou=0.5),
    kind="offset", count=2, images=("a.png", "b.png"), categories=("car", "van"),
)  # fmt: skip
BARE = Finding(code="SEG001", rule="unreadable-file", severity="error", message="m")


def test_every_field_arrives() -> None:
    report = json.loads(findings_json(Validation("d", 1, 2, (FULL, BARE))))
    jsonschema.validate(report, json_schemas()["findings"])
    lists = {
        "segments": [7, "seven"],
        "bbox": [1, 2, 3, 4],
        "score_range": [0.25, 0.75],
        "images": ["a.png", "b.png"],
        "categories": ["car", "van"],
        "correction": msgspec.json.decode(msgspec.json.encode(FULL.correction)),
    }
    assert report["findings"][0] == dataclasses.asdict(FULL) | lists
    assert "correction" not in report["findings"][1]
    assert {name for name, value in report["findings"][1].items() if value is None} == {
        "image", "annotator", "category", "bbox", "pixels", "score", "file", "line", "place", "fix",
    }  # fmt: skip


def test_the_keys_come_in_the_order_of_the_contract() -> None:
    text = findings_json(Validation("d", 1, 2, (FULL,)))
    assert list(json.loads(text)["findings"][0]) == list(FindingRow.__struct_fields__)
    assert set(FindingRow.__struct_fields__) == set(Finding.__dataclass_fields__)


def test_an_undefined_score_is_null() -> None:
    report = json.loads(findings_json(Validation("d", 1, 2, (dataclasses.replace(FULL, score=math.nan),))))
    assert report["findings"][0]["score"] is None


def test_a_line_per_finding() -> None:
    text = findings_json(Validation("d", 1, 2, (FULL, BARE)))
    assert len(re.findall(r'^    \{"code"', text, re.MULTILINE)) == 2


def test_no_findings_are_a_report_too() -> None:
    report = json.loads(findings_json(Validation("d", 0, 0, (), suppressed=7)))
    jsonschema.validate(report, json_schemas()["findings"])
    assert report["findings"] == []
    assert (report["summary"]["by_code"], report["summary"]["suppressed"]) == ({}, 7)


def test_names_that_are_no_text_survive_as_escapes() -> None:
    """A file name that is not UTF-8 reaches Python as lone surrogates; the output writes them as JSON escapes."""
    odd = dataclasses.replace(BARE, file="a\udcff.png")
    data = findings_json(Validation("d", 0, 0, (odd,))).encode("utf-8", "backslashreplace")
    assert json.loads(data)["findings"][0]["file"] == "a\udcff.png"


def test_a_report_is_read_back_as_the_findings_that_it_lists(tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    path.write_text(findings_json(Validation("d", 1, 2, (FULL, BARE))), encoding="utf-8")
    assert read_baseline(path) == (FULL, BARE)


def test_with_a_baseline_there_are_new_known_and_fixed_ones(tmp_path: Path) -> None:
    gone = dataclasses.replace(FULL, image="gone.png")
    compared = Validation("d", 1, 2, (BARE, FULL)).against([gone, FULL])
    report = json.loads(findings_json(compared))
    jsonschema.validate(report, json_schemas()["findings"])
    assert [each["code"] for each in report["findings"]] == ["SEG001"]
    assert [each["image"] for each in (*report["known"], *report["fixed"])] == ["a.png", "gone.png"]
    assert (report["summary"]["errors"], report["summary"]["known"], report["summary"]["fixed"]) == (1, 1, 1)
    path = tmp_path / "known.json"
    for text in (findings_json(compared), baseline_json(compared)):
        path.write_text(text, encoding="utf-8")
        assert set(read_baseline(path)) == {BARE, FULL}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot be read"),
        ("", "is not a report of findings"),
        ("[]", "is not a report of findings"),
        ('{"version": 2}', "is not a report of findings"),
        (
            findings_json(Validation("d", 1, 2, (FULL, BARE)), 1),
            "leaves out 1 finding; create it without --max-findings",
        ),
    ],
)
def test_what_is_no_whole_report_is_no_baseline(tmp_path: Path, text: str | None, problem: str) -> None:
    path = tmp_path / "known.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(SegdataError, match=problem):
        read_baseline(path)


def test_jsonl_is_a_finding_a_line() -> None:
    lines = findings_jsonl(Validation("d", 1, 2, (FULL, BARE))).splitlines()
    assert [json.loads(line)["code"] for line in lines] == ["SEG106", "SEG001"]


FINDING = segdata.Finding(code="SEG101", rule="gap", severity="error", message="m", image="a.png", bbox=(1, 2, 3, 4))
FOUND = Validation("data", 1, 1, (FINDING,))


@pytest.mark.parametrize("written", [findings_json, findings_jsonl])
def test_reports_of_validate(written: "type[str]", tmp_path: Path) -> None:
    path = tmp_path / "found"
    path.write_text(written(FOUND))
    assert load_findings(path) == [FINDING]


def test_reports_with_other_columns_too(tmp_path: Path) -> None:
    """As that of `agreement`, which says much more."""
    path = tmp_path / "found.json"
    path.write_text(
        json.dumps({"version": 1, "annotators": ["a", "b"], "pairs": [{}], **json.loads(findings_json(FOUND))})
    )
    assert load_findings(path) == [FINDING]


def test_a_baseline_counts_too(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(findings_json(FOUND.against([FINDING])))
    assert load_findings(path) == [FINDING]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"findings": [{"code": 1}]}', '{"code": "SEG101"}\n{"co'])
def test_what_is_none_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(text)
    with pytest.raises(SegdataError, match=r"is not a report of findings: .*--format json"):
        load_findings(path)


@pytest.mark.parametrize("read", [read_baseline, load_findings, read_export, flag_report, read_known_errors])
@pytest.mark.parametrize("content", [b'{"findings": "\xff"}', b"[" * 5000, b"\0"])
def test_a_damaged_file_is_refused_in_words(content: bytes, read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_bytes(content)
    with pytest.raises(SegdataError, match=r"found\.json: is not "):
        read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match="cannot be read"):
        load_findings(tmp_path / "none.json")


def test_the_predictions_that_flag_was_made_with_are_known(tmp_path: Path) -> None:
    """As long as they are there."""
    path = tmp_path / "flag.json"
    report = {"version": 1, "findings": [], "flag": {"predictions": str(tmp_path), "plan": {}}}
    path.write_text(json.dumps(report))
    assert find_predictions(path) == tmp_path
    (tmp_path / "work").mkdir()
    path.write_text(json.dumps(report | {"flag": {"predictions": "work"}}))
    assert find_predictions(path) == tmp_path / "work"  # though we are elsewhere
    path.write_text(json.dumps(report | {"flag": {"predictions": str(tmp_path / "gone")}}))
    assert find_predictions(path) is None
    path.write_text(findings_json(FOUND))
    assert find_predictions(path) is None


def test_known_findings_are_counted_one_by_one_as_the_baseline_does() -> None:
    habit = finding("SEG106", count=90, images=("a.png", "b.png"))
    report = findings_text(Validation("DATA", 9, 9, (habit,)).against([habit]), CONTEXT, Console())
    assert "not counted: 90 findings of the baseline; 0 fixed since" in report
