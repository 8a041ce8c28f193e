"""SEG102: policies and granularity."""

from collections.abc import Callable

from segdata.core.finding import Finding
from segdata.core.rule import find_rule
from segdata.testing.pictures import draw_picture

Judged = Callable[..., list[Finding]]
THREE = "aaxbbycc\naaxbbycc\n\naxb.....\n\nx = a + b\ny = b + c\n"


def test_declared_every_pair_is_an_error(judged: Judged) -> None:
    findings = judged("SEG102", THREE + "overlap: forbid")
    assert [(each.severity, each.pixels) for each in findings] == [("error", 2), ("error", 2), ("error", 1)]
    assert findings[0].bbox == (2, 0, 1, 2)
    assert len(findings[0].segments) == 2


def test_by_habit_an_annotation_is_a_warning(judged: Judged) -> None:
    findings = judged("SEG102", THREE + "overlap: forbid (habit)")
    assert [(each.severity, each.image, each.pixels) for each in findings] == [
        ("warning", "1.png", 4),
        ("warning", "2.png", 1),
    ]


def test_allowed_by_habit_the_dataset_is_an_info(judged: Judged) -> None:
    (finding,) = judged("SEG102", THREE)
    assert (finding.severity, finding.image, finding.pixels) == ("info", None, 5)
    assert finding.message.startswith("3 pairs of segments in 2 annotations share 5 px (summed over pairs)")


def test_a_finding_about_the_dataset_needs_all_of_it() -> None:
    rule = find_rule("SEG102")
    for words, per_image in (("", False), ("overlap: allow", True), ("overlap: forbid", True)):
        assert rule.runs_per_image(draw_picture(THREE + words).profile) == per_image


def test_one_pair_shares(judged: Judged) -> None:
    """One pair in the singular, and no sum over pairs."""
    (finding,) = judged("SEG102", "axb\n\nx = a + b\na: car\nb: bus")
    assert finding.message.startswith("1 pair of segments in 1 annotation shares 1 px; this format allows it")
    (finding,) = judged("SEG102", "axb\n\nx = a + b\na: car\nb: bus\noverlap: forbid (habit)")
    assert finding.message == "1 pair of segments shares 1 px"


def test_crowds_may_overlap(judged: Judged) -> None:
    assert not judged("SEG102", "axb\n\nx = a + b\na: people (crowd)\noverlap: forbid")


def test_a_group_stands_for_all_below_it(judged: Judged) -> None:
    legend = "category: glass (may_overlap tableware)\ncategory: cup (parent tableware)\na: glass\nb: cup"
    assert not judged("SEG102", f"axb\n\nx = a + b\n{legend}\noverlap: forbid")


def test_pairs_of_which_the_taxonomy_speaks_are_said_once(judged: Judged) -> None:
    picture = "axb\n\nx = a + b\ncategory: a (may_not_overlap b)\ncategory: b\noverlap: forbid"
    assert not judged("SEG102", picture)
    assert len(judged("SEG207", picture)) == 1


def test_a_pair_is_named(judged: Judged) -> None:
    (finding,) = judged("SEG102", "axb\n\nx = a + b\noverlap: forbid")
    assert finding.message == "1 px belong to 'a' and 'b'; overlap is forbidden"
    (finding,) = judged("SEG102", "axb\n\nx = a + b\na, b: car\noverlap: forbid")
    assert finding.message == "1 px belong to two segments of 'car'; overlap is forbidden"


def test_may_overlap_works_both_ways(judged: Judged) -> None:
    for one, other in ("ab", "ba"):
        legend = f"category: glass (may_overlap cup)\ncategory: cup\n{one}: glass\n{other}: cup\noverlap: forbid"
        assert not judged("SEG102", f"axb\n\nx = a + b\n{legend}")
