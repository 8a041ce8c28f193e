"""The text report: grouped, ranked, and where each finding is."""

from dataclasses import replace

from segdata.core.finding import Finding
from segdata.core.profile import Policy, Profile
from segdata.core.rule import rules
from segdata.core.taxonomy import Taxonomy
from segdata.core.validation import Validation
from segdata.report.console import Console
from segdata.report.findings_text import ReportContext, command_lines, finding_location, findings_text, group_by_rule

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


def test_an_image_without_a_box_is_worth_a_picture_too() -> None:
    found = (finding("SEG312", image="empty.png"), finding("SEG312", image="other.png", bbox=(0, 0, 1, 1)))
    report = findings_text(
        Validation("DATA", 2, 0, found), ReportContext(PROFILE, list(rules().values()), ["DATA"]), Console()
    )
    assert "segdata show DATA empty.png --findings" in report


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
