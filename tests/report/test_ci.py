"""Reports for CI services: what they demand, and nothing lost on the way."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pysarif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.finding import SEVERITIES, Finding
from segdata.core.rule import rules
from segdata.core.validation import Validation
from segdata.report.ci import DatasetFiles, fingerprints, to_github, to_gitlab, to_junit, to_sarif

HERE = Path("/repo")
SITE = DatasetFiles(Path("labels"), True, HERE, {"a b.png": "/repo/images/a b.png", "far.png": "/data/far.png"})
SPECK = Finding(
    code="SEG106", rule="speck", severity="warning", message="1 stray part: 100%, in\ntwo lines", image="a b.png",
    annotator="anna", segments=(7, "seven"), category="car", bbox=(1, 2, 3, 4), pixels=12, score=0.5,
    file="masks/a b.png", line=3, place="/annotations/0", fix="unsafe",
)  # fmt: skip
BARE = Finding(code="SEG001", rule="unreadable-file", severity="error", message="m\x00")
INFO = replace(SPECK, severity="info", image="far.png", line=None, file=None, score=math.nan)
FOUND = Validation("labels", 3, 9, (BARE, SPECK, INFO))
RULES = [rules()[code] for code in ("SEG001", "SEG106", "SEG107")]

texts = st.text(st.characters(codec="utf-8"), max_size=12)
findings = st.builds(
    Finding,
    code=st.sampled_from(["SEG001", "SEG106"]),
    rule=st.just("speck"),
    severity=st.sampled_from(SEVERITIES),
    message=texts,
    image=st.none() | texts,
    annotator=st.none() | texts,
    segments=st.lists(st.integers(0, 99) | texts, max_size=2).map(tuple),
    bbox=st.none() | st.tuples(*4 * [st.integers(0, 99)]),
    file=st.none() | texts,
    place=st.none() | texts,
)
many = st.lists(findings, max_size=5).map(lambda each: Validation("d", 1, 1, tuple(each)))


def run(validation: Validation = FOUND) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(to_sarif(validation, RULES, SITE))["runs"][0]
    return found


def test_sarif_says_where_and_how_bad() -> None:
    bare, speck, info = run()["results"]
    assert [each["level"] for each in (bare, speck, info)] == ["error", "warning", "note"]
    assert speck["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "labels/masks/a%20b.png"},
        "region": {"startLine": 3},
    }
    (attachment,) = speck["attachments"]
    assert attachment["artifactLocation"] == {"uri": "images/a%20b.png"}
    (area,) = attachment["rectangles"]
    assert (area["left"], area["top"], area["right"], area["bottom"]) == (1, 2, 4, 6)
    assert info["attachments"][0]["artifactLocation"] == {"uri": "file:///data/far.png"}
    assert info["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "labels"}}
    assert bare["message"] == {"text": "m\x00"}
    assert [run()["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] for each in run()["results"]] == [
        "SEG001", "SEG106", "SEG106",
    ]  # fmt: skip


def test_sarif_tells_new_from_known_and_gone() -> None:
    assert "baselineState" not in run()["results"][0]
    gone = replace(SPECK, image="gone.png")
    states = {
        (each["baselineState"], each["message"]["text"].partition(":")[0])
        for each in run(FOUND.against([SPECK, gone]))["results"]
    }
    assert states == {("new", "m\x00"), ("new", "far.png"), ("unchanged", "a b.png"), ("absent", "gone.png")}


@settings(max_examples=10, deadline=None)
@given(many)
def test_another_reader_of_sarif_loses_nothing(validation: Validation) -> None:
    """`pysarif` has a class for each object of the standard: a key that it does not know would be gone."""
    ours = json.loads(to_sarif(validation, RULES[:1], SITE))
    del ours["$schema"]  # which `pysarif` writes as it likes
    assert kept(ours, pysarif.save_to_dict(pysarif.load_from_dict(ours)))


def kept(ours: object, theirs: object) -> bool:
    """Whether everything in `ours` is in `theirs`, which has defaults beside it and no properties of ours."""
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(
            key == "properties" or (key in theirs and kept(ours[key], theirs[key])) for key in ours
        )
    if isinstance(ours, list):
        return isinstance(theirs, list) and len(ours) == len(theirs) and all(map(kept, ours, theirs))
    return ours == theirs


def test_junit_fails_what_fails_the_run() -> None:
    root = ElementTree.fromstring(to_junit(FOUND, RULES, "warning"))
    assert (root.get("tests"), root.get("failures")) == ("4", "2")  # the rule that found nothing is a test, too
    failures = {
        (case.get("classname"), case.get("name")) for case in root.iter("testcase") if case.find("failure") is not None
    }
    assert failures == {("SEG001", "dataset"), ("SEG106", "a b.png")}
    (quiet,) = (case for case in root.iter("testcase") if case.get("name") == "far.png")
    assert "info: 1 stray part" in str(quiet.findtext("system-out"))
    assert ElementTree.fromstring(to_junit(FOUND, RULES, "never")).get("failures") == "0"


@given(many)
def test_junit_is_xml_whatever_names_hold(validation: Validation) -> None:
    root = ElementTree.fromstring(to_junit(validation, RULES, "info"))
    codes = {(each.code, each.image or each.file or "dataset") for each in validation.findings}
    assert int(str(root.get("failures"))) == len(codes)


def test_github_commands_escape_what_would_end_them() -> None:
    error, warning, notice, last = to_github(FOUND, SITE).splitlines()
    assert error == "::error file=labels,title=SEG001 unreadable-file::m\ufffd"
    assert warning == (
        "::warning file=labels/masks/a b.png,line=3,title=SEG106 speck::"
        "1 stray part: 100%25, in%0Atwo lines (a b.png, x 1, y 2, 3 x 4 px, car, anna)"
    )
    assert notice.startswith("::notice file=labels,title=SEG106 speck::")
    assert last == "segdata: 1 error, 1 warning, 1 info in 3 images"


@pytest.mark.parametrize("name", ["a,b.png", "a:b.png", "50%.png"])
def test_github_file_names_with_separators(name: str) -> None:
    line = to_github(Validation("d", 1, 1, (replace(SPECK, file=name),)), SITE).splitlines()[0]
    escaped = name.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    assert f"file=labels/{escaped},line=3," in line


def test_gitlab_findings_have_fingerprints_of_their_own_that_ids_do_not_change() -> None:
    renumbered = replace(SPECK, segments=(99,))
    report = json.loads(to_gitlab(Validation("d", 1, 1, (SPECK, SPECK, BARE)), SITE))
    again = json.loads(to_gitlab(Validation("d", 1, 1, (renumbered, renumbered, BARE)), SITE))
    marks = [each["fingerprint"] for each in report]
    assert len(set(marks)) == 3
    assert marks == [each["fingerprint"] for each in again]
    assert report[0]["location"] == {"path": "labels/masks/a b.png", "lines": {"begin": 3}}
    assert {each["severity"] for each in report} == {"minor", "major"}
    assert to_gitlab(Validation("d", 0, 0, ()), SITE) == "[]\n"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"message": "of 'car' there are 120.5 times the pixels"}, (False, True)),  # other words
        ({"message": "'car' has 7 times the pixels"}, (True, True)),  # another count
        ({"segments": (99,), "place": "/annotations/7"}, (True, True)),  # renumbered
        ({"message": "'bus' has 120.5 times the pixels"}, (False, False)),
        ({"category": "bus"}, (False, False)),
        ({"file": "b.json"}, (False, False)),
        ({"place": "/images/4"}, (False, False)),
        ({"code": "SEG301"}, (False, False)),
    ],
)
def test_the_second_fingerprint_goes_by_rule_place_and_names_and_not_by_words(
    change: dict[str, object], same: tuple[bool, bool]
) -> None:
    finding = Finding(
        code="SEG302",
        rule="class-imbalance",
        severity="info",
        message="'car' has 120.5 times the pixels",
        file="a.json",
        place="/annotations/4",
    )
    before, after = fingerprints(finding), fingerprints(replace(finding, **change))  # type: ignore[arg-type]
    assert tuple(before[version] == after[version] for version in ("segdata/v1", "segdata/v2")) == same


def test_both_fingerprints_of_a_finding_with_a_box_are_one() -> None:
    marks = fingerprints(SPECK)
    assert marks["segdata/v1"] == marks["segdata/v2"]
    assert fingerprints(replace(SPECK, message="other words")) == marks
    (result, *_) = json.loads(to_sarif(Validation("d", 1, 1, (SPECK,)), [], SITE))["runs"][0]["results"]
    assert result["partialFingerprints"] == marks


def test_files_are_told_from_where_the_command_runs() -> None:
    single = DatasetFiles(Path("sets/coco.json"), False, HERE)
    assert single.file(BARE) == "sets/coco.json"
    assert single.file(replace(BARE, file="coco.json")) == "sets/coco.json"
    assert DatasetFiles(Path("../other"), True, HERE).file(BARE) == "/other"
    assert DatasetFiles(Path(), True, HERE).file(replace(BARE, file="m/a.png")) == "m/a.png"
