"""`segdata review`: from decisions in files to a new revision, and what is said on the way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from click.testing import Result

import segdata
from segdata.api.decisions import label_hashes
from tests.generators.schemas import json_schemas

Run = Callable[..., Result]


@pytest.fixture
def data(run: Run, masks: Path, tmp_path: Path) -> Path:
    """A canonical dataset, in which a.png has a gap and a speck."""
    run("convert", masks, tmp_path / "street")
    return tmp_path / "street"


@pytest.fixture
def export(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes what the HTML report exports: who says what of which rule."""

    def written(who: str, minute: int = 0, **verdicts: str) -> Path:
        dataset = segdata.read(data)
        findings = segdata.validate(dataset, select="SEG1", include_reviewed=True).findings
        seen = label_hashes(dataset, findings)
        decisions = [
            segdata.Decision(
                verdict=verdicts[each.code], reviewer=who, time=f"2026-01-01T00:{minute:02d}:00Z", via="html",
                image=each.image, finding=each, imprint=seen[each],
            )  # type: ignore[arg-type]  # verdicts are words here
            for each in findings
            if each.code in verdicts
        ]  # fmt: skip
        path = tmp_path / f"{who}.json"
        told = {"version": 1, "kind": "segdata decisions", "dataset": "street", "decisions": decisions}
        path.write_bytes(msgspec.json.encode(told))
        return path

    return written


def test_from_decisions_to_a_corrected_dataset(run: Run, data: Path, export: Callable[..., Path]) -> None:
    before = run("validate", data, "--select", "SEG1")
    assert before.exit_code == 1
    anna = export("anna", SEG101="accept", SEG106="reject")
    assert run("review", "pull", data, anna).stdout == f"{anna}: 2 decisions, 2 new\n"
    assert run("review", "pull", data, anna, data / "review.jsonl").stdout.count(" 2 decisions, 0 new\n") == 2
    silent = run("validate", data, "--select", "SEG1")
    assert silent.exit_code == 0
    assert "2 findings decided by reviewers left out; --include-reviewed includes them" in silent.stdout
    assert json.loads(run("validate", data, "--format", "json").stdout)["summary"]["decided"] == 2
    assert run("validate", data, "--select", "SEG1", "--include-reviewed").exit_code == 1
    tried = run("review", "apply", data, "--dry-run")
    assert tried.stdout.startswith("would apply 1 decision in 1 image, 4 px; nothing is changed\n")
    done = run("review", "apply", data)
    assert done.exit_code == 0
    assert done.stdout.startswith("revision r0002 is current: applied 1 decision in 1 image, 4 px\n")
    assert run("review", "apply", data).stdout.startswith("nothing to apply; the dataset is unchanged\n")
    assert "next" not in run("review", "apply", data, "--dry-run").stdout, "to apply nothing is no next step"
    codes = json.loads(run("validate", data, "--include-reviewed", "--format", "json").stdout)["summary"]["by_code"]
    assert codes.get("SEG101") is None
    assert codes["SEG106"] == 1
    assert "carried out 1 decision in 1 image; 1 annotation reviewed" in run("history", data).stdout


def test_disputes_are_listed_for_adjudication(run: Run, data: Path, export: Callable[..., Path]) -> None:
    run("review", "pull", data, export("anna", SEG106="accept"), export("ben", 1, SEG106="reject"))
    done = run("review", "apply", data, "--format", "json")
    assert done.exit_code == 1
    (words,) = json.loads(done.stdout)["disputed"]
    assert [each["reviewer"] for each in words] == ["anna", "ben"]
    shown = run("review", "report", data).stdout
    assert "reviewers disagree: 1" in shown
    assert "anna: accept, ben: reject" in shown
    assert run("review", "pull", data, export("eve", 2, SEG106="reject"), "--adjudicate").exit_code == 0
    assert run("review", "apply", data).exit_code == 0
    report = json.loads(run("review", "report", data, "--format", "json").stdout)
    (speck,) = (each for each in report["rules"] if each["code"] == "SEG106")
    assert (speck["decided"], speck["right"], speck["open"], speck["disputed"]) == (1, 0, 0, 0)
    assert speck["precision"]["low"] == 0
    assert [each["reversed_by_others"] for each in report["reviewers"]] == [1, 0, 0]


def test_text_keeps_to_80_columns(run: Run, data: Path, export: Callable[..., Path]) -> None:
    run("review", "pull", data, export("anna", SEG106="void", SEG101="fix"))
    for word in ("apply", "report"):
        lines = run("review", word, data).stdout.splitlines()
        assert [line for line in lines if len(line) > 80 and str(data) not in line] == []
    assert "the taxonomy has no category of kind void" in run("review", "apply", data).stdout


def test_a_task_goes_out_and_comes_back(run: Run, data: Path, tmp_path: Path) -> None:
    done = run("review", "export", data, tmp_path / "task", "--to", "cvat")
    assert done.stdout.startswith(f"written {tmp_path / 'task'}: 1 image, ")
    back = run("review", "import", data, tmp_path / "task" / "annotations.xml", "--reviewer", "anna")
    assert (back.exit_code, back.stdout) == (0, "nothing new to import\n2 segments came back unchanged\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pull",), "name files with decisions, or --source fiftyone"),
        (("pull", "nowhere.json"), "nowhere.json"),
        (("import", "nowhere.xml"), "nowhere.xml"),
        (("report", "--findings", "nowhere.json"), "nowhere.json"),
    ],
)
def test_bad_input_is_a_line(run: Run, data: Path, words: tuple[str, ...], said: str) -> None:
    done = run("review", words[0], data, *words[1:])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.startswith(("segdata: error: ", "Usage: "))
    assert not (data / "review.jsonl").exists()


def test_what_is_no_decision_is_told(run: Run, data: Path, masks: Path, export: Callable[..., Path]) -> None:
    path = export("anna", SEG106="accept")
    path.write_text(path.read_text("utf-8").replace('"reviewer":"anna"', '"reviewer":""'), "utf-8")
    done = run("review", "pull", data, path)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert "decision 1: is not a decision: it has no reviewer" in done.stderr
    other = run("review", "pull", data, masks)
    assert (other.exit_code, len(other.stderr.splitlines())) == (2, 1)
    assert "decisions come from the HTML report, CVAT, Label Studio" in other.stderr
    assert run("review", "apply", masks).exit_code == 2


def test_what_every_command_did_is_there_as_json(
    run: Run, data: Path, export: Callable[..., Path], tmp_path: Path
) -> None:
    def told(word: str, *words: object) -> dict[str, Any]:  # Any: JSON
        done = run("review", word, data, *words, "--format", "json")
        assert done.exit_code == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)  # Any: JSON
        schema = {"pull": "pulled", "import": "imported", "export": "exported"}[word]
        jsonschema.validate(report, json_schemas()[f"review_{schema}"])
        return report

    anna = export("anna", SEG101="accept", SEG106="reject")
    for new in (2, 0):
        assert told("pull", anna)["sources"] == [{"source": str(anna), "decisions": 2, "new": new, "notes": []}]
    task = told("export", tmp_path / "task", "--to", "cvat", "--findings", _every(run, data, tmp_path))
    assert (task["tool"], task["images"], task["segments"] > 2) == ("cvat", 1, True)
    came = told("import", tmp_path / "task" / "annotations.xml")
    assert (came["revision"], came["untouched"], came["conflicts"]) == (None, 2, [])


def _every(run: Run, data: Path, folder: Path) -> Path:
    """A report of all findings, those included that are decided."""
    report = folder / "findings.json"
    run("validate", data, "--include-reviewed", "--format", "json", "--output", report, "--fail-on", "never")
    return report
