"""Tally: seeded defects count as found where code, dataset and image agree."""

from segdata.cli.demo import SeededDefect, seeded_table
from segdata.report.console import Console


def test_defects_of_codes_without_a_rule_do_not_count() -> None:
    seeded = [
        SeededDefect("SEG106", "d", "a.png", "a speck"),
        SeededDefect("SEG999", "d", None, "?"),
        SeededDefect("SEG101", "d", "b", "gap"),
    ]
    found = {"d": [{"code": "SEG106", "image": "a.png"}, {"code": "SEG101", "image": "a.png"}]}
    lines = seeded_table(seeded, found, {"SEG106", "SEG101"}, Console()).splitlines()
    assert lines[1].split() == ["d", "2", "1", "2"]
    assert lines[-1] == "not found: SEG101 in d: gap"


def test_a_finding_about_the_dataset_counts_for_any_image() -> None:
    assert SeededDefect("SEG302", "d", "a.png", "x").is_found([{"code": "SEG302", "image": None}])
    assert SeededDefect("SEG302", "d", None, "x").is_found([{"code": "SEG302", "image": "b.png"}])
    assert not SeededDefect("SEG302", "d", "a.png", "x").is_found([{"code": "SEG302", "image": "b.png"}])
