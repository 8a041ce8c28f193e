"""Findings of every report that has some."""

import json
from pathlib import Path

import pytest

import segdata
from segdata.core.errors import SegdataError
from segdata.core.validation import Validation
from segdata.report.findings_json import find_predictions, load_findings, to_json, to_jsonl

FINDING = segdata.Finding(code="SEG101", rule="gap", severity="error", message="m", image="a.png", bbox=(1, 2, 3, 4))
FOUND = Validation("data", 1, 1, (FINDING,))


@pytest.mark.parametrize("written", [to_json, to_jsonl])
def test_reports_of_validate(written: "type[str]", tmp_path: Path) -> None:
    path = tmp_path / "found"
    path.write_text(written(FOUND))
    assert load_findings(path) == [FINDING]


def test_reports_with_other_columns_too(tmp_path: Path) -> None:
    """As that of `agreement`, which says much more."""
    path = tmp_path / "found.json"
    path.write_text(json.dumps({"version": 1, "annotators": ["a", "b"], "pairs": [{}], **json.loads(to_json(FOUND))}))
    assert load_findings(path) == [FINDING]


def test_a_baseline_counts_too(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(to_json(FOUND.against([FINDING])))
    assert load_findings(path) == [FINDING]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"findings": [{"code": 1}]}', '{"code": "SEG101"}\n{"co'])
def test_what_is_none_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(text)
    with pytest.raises(SegdataError, match=r"is not a report of findings: .*--format json"):
        load_findings(path)


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
    path.write_text(to_json(FOUND))
    assert find_predictions(path) is None
