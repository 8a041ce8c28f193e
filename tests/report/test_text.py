"""The text report: grouped, ranked, and where each finding is."""

from segdata.core.finding import Finding
from segdata.core.profile import Policy, Profile
from segdata.core.rule import rules
from segdata.core.taxonomy import Taxonomy
from segdata.core.validation import Validation
from segdata.report.paper import Paper
from segdata.report.text import Asked, grouped, text, typeable, where

PROFILE = Profile("x", "coco-instances", "instance", Taxonomy(), True, Policy("sparse"), Policy("allow"))


def finding(code: str, severity: str = "warning", **more: object) -> Finding:
    return Finding(code=code, rule=rules()[code].name, severity=severity, message="so it is", **more)  # type: ignore[arg-type]  # any field


def test_groups_are_ranked_by_severity_then_count() -> None:
    found = [finding("SEG106"), *[finding("SEG107")] * 2, finding("SEG101", "error"), finding("SEG102", "info")]
    assert [group[0].code for group in grouped(found)] == ["SEG101", "SEG107", "SEG106", "SEG102"]


def test_one_rule_of_two_severities_makes_two_groups() -> None:
    found = [finding("SEG101", "error"), finding("SEG101", "warning")]
    assert [len(group) for group in grouped(found)] == [1, 1]


def test_where_names_image_segments_box_and_annotator() -> None:
    of = finding(
        "SEG106", image="a/b.png", segments=(7, "x"), category="car", bbox=(1, 2, 3, 4), annotator="anna", file="c.json"
    )
    assert where(of, Paper(), "  ") == ["  a/b.png: car 7, x, at x 1, y 2, 3 x 4 px, by anna"]


def test_where_names_file_and_place_of_reading_defects() -> None:
    of = finding("SEG005", image="b.png", segments=(7,), file="c.json", place="/annotations/3")
    assert where(of, Paper(), "") == ["b.png: 7", "c.json /annotations/3"]
    assert where(finding("SEG001", file="c.json", line=3), Paper(), "") == ["c.json line 3"]


def test_long_paths_lose_their_middle() -> None:
    of = finding("SEG106", image="/".join(["folder"] * 40) + "/image.png", bbox=(1, 2, 3, 4))
    (line,) = where(of, Paper(), "  ")
    assert len(line) <= 80
    assert line.endswith("/image.png: at x 1, y 2, 3 x 4 px")


def test_a_thousand_findings_are_summarised() -> None:
    found = tuple(
        finding("SEG106", image=f"{number // 3}.png", category=("car", "bus")[number % 5 == 0])
        for number in range(1000)
    )
    asked = Asked(PROFILE, list(rules().values()), ["DATA"])
    report = text(Validation("DATA", 400, 5000, found), asked, Paper())
    assert "1,000 findings in 334 images" in report
    assert "… and 997 more in 333 images" in report
    assert "by category: car 800, bus 200" in report
    assert len(report.splitlines()) < 40


def test_long_commands_are_broken_between_words() -> None:
    lines = list(typeable(["segdata", "show", "x" * 60, "'a b.png'", "--findings"], Paper()))
    assert lines == [f"  segdata show {'x' * 60} \\", "      'a b.png' --findings"]
