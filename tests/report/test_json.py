"""The JSON report: the contract's keys, whatever a finding holds."""

import dataclasses
import json
import math
import re

import jsonschema

from segdata.core.finding import Finding
from segdata.core.validation import Validation
from segdata.report.json import Row, schema, to_json

FULL = Finding(
    code="SEG106", rule="speck", severity="warning", message='"quoted" 汽车', image="a.png", annotator="anna",
    segments=(7, "seven"), category="car", bbox=(1, 2, 3, 4), pixels=12, score=0.5, file="f.json", line=3,
    place="/annotations/0", fix="unsafe",
)  # fmt: skip
BARE = Finding(code="SEG001", rule="unreadable-file", severity="error", message="m")


def test_every_field_arrives() -> None:
    report = json.loads(to_json(Validation("d", 1, 2, (FULL, BARE))))
    jsonschema.validate(report, schema())
    assert report["findings"][0] == {**dataclasses.asdict(FULL), "segments": [7, "seven"], "bbox": [1, 2, 3, 4]}
    assert {name for name, value in report["findings"][1].items() if value is None} == {
        "image", "annotator", "category", "bbox", "pixels", "score", "file", "line", "place", "fix",
    }  # fmt: skip


def test_the_keys_come_in_the_order_of_the_contract() -> None:
    text = to_json(Validation("d", 1, 2, (FULL,)))
    assert list(json.loads(text)["findings"][0]) == list(Row.__struct_fields__)
    assert set(Row.__struct_fields__) == set(Finding.__dataclass_fields__)


def test_an_undefined_score_is_null() -> None:
    report = json.loads(to_json(Validation("d", 1, 2, (dataclasses.replace(FULL, score=math.nan),))))
    assert report["findings"][0]["score"] is None


def test_a_line_per_finding() -> None:
    text = to_json(Validation("d", 1, 2, (FULL, BARE)))
    assert len(re.findall(r'^    \{"code"', text, re.MULTILINE)) == 2


def test_no_findings_are_a_report_too() -> None:
    report = json.loads(to_json(Validation("d", 0, 0, (), suppressed=7)))
    jsonschema.validate(report, schema())
    assert report["findings"] == []
    assert (report["summary"]["by_code"], report["summary"]["suppressed"]) == ({}, 7)


def test_names_that_are_no_text_survive_as_escapes() -> None:
    """A file name that is not UTF-8 reaches Python as lone surrogates; the output writes them as JSON escapes."""
    odd = dataclasses.replace(BARE, file="a\udcff.png")
    data = to_json(Validation("d", 0, 0, (odd,))).encode("utf-8", "backslashreplace")
    assert json.loads(data)["findings"][0]["file"] == "a\udcff.png"
