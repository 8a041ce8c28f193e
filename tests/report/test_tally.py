"""Tally: seeded defects count as found where code, dataset and image agree."""

from segdata.report.paper import Paper
from segdata.report.tally import Seeded, tally


def test_defects_of_codes_without_a_rule_do_not_count() -> None:
    seeded = [
        Seeded("SEG106", "d", "a.png", "a speck"),
        Seeded("SEG999", "d", None, "?"),
        Seeded("SEG101", "d", "b", "gap"),
    ]
    found = {"d": [{"code": "SEG106", "image": "a.png"}, {"code": "SEG101", "image": "a.png"}]}
    lines = tally(seeded, found, {"SEG106", "SEG101"}, Paper()).splitlines()
    assert lines[1].split() == ["d", "2", "1", "2"]
    assert lines[-1] == "not found: SEG101 in d: gap"


def test_a_finding_about_the_dataset_counts_for_any_image() -> None:
    assert Seeded("SEG302", "d", "a.png", "x").is_found([{"code": "SEG302", "image": None}])
    assert Seeded("SEG302", "d", None, "x").is_found([{"code": "SEG302", "image": "b.png"}])
    assert not Seeded("SEG302", "d", "a.png", "x").is_found([{"code": "SEG302", "image": "b.png"}])
