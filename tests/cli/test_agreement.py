"""`segdata agreement`: names, exit codes, options, and the JSON contract."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import Run

SCHEMA = Path(__file__).parents[2] / "schemas" / "agreement.schema.json"


def report(run: Run, *words: object) -> dict:  # type: ignore[type-arg]  # JSON
    result = run("agreement", *words, "--resamples", "100", "--format", "json")
    assert result.exit_code in (0, 1), result.stderr
    found = json.loads(result.stdout)
    jsonschema.validate(found, json.loads(SCHEMA.read_text("utf-8")))
    return found


def test_the_contract(run: Run, annotators: list[str]) -> None:
    found = report(run, *annotators)
    assert (found["version"], found["annotators"], found["images"]) == (1, ["anna", "ben", "carl"], 10)
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [("anna", "ben"), ("anna", "carl"), ("ben", "carl")]
    for name in ("iou", "dice", "kappa", "pq", "sq", "rq", "boundary_iou"):
        score = found["pairs"][0][name]
        assert score["low"] <= score["value"] <= score["high"]
    assert [each["category"] for each in found["categories"]] == ["road", "car"]
    (carl,) = [each for each in found["annotator_bias"] if (each["annotator"], each["category"]) == ("carl", "car")]
    assert carl["missed"]["value"] > 0.9
    assert {each["annotator"] for each in found["findings"] if each["code"] == "SEG406"} == {"carl"}


def test_the_same_input_gives_the_same_bytes(run: Run, annotators: list[str]) -> None:
    outputs = {
        run("agreement", *annotators, "--resamples", "100", "--format", "json", "--jobs", jobs).stdout
        for jobs in (1, 2, 1)
    }
    assert len(outputs) == 1


def test_letters_instead_of_names(run: Run, annotators: list[str]) -> None:
    result = run("agreement", *annotators, "--anonymise", "--gold", "ben", "--resamples", "100", "--format", "json")
    assert json.loads(result.stdout)["annotators"] == ["A", "ben", "B"]
    assert "carl draws" not in result.stdout


def test_a_plan(run: Run, annotators: list[str]) -> None:
    plan = report(run, *annotators, "--plan", "0.1")["plan"]
    assert plan
    assert all(each["half_width"] == 0.1 for each in plan)


def test_contrasts_a_model_and_the_tolerance(run: Run, annotators: list[str]) -> None:
    found = report(run, *annotators, "--gold", "anna", "--contrasts", "--model", "ben", "--tolerance", "3")
    assert found["tolerance"] == {"px": 3.0, "mm": None, "categories": {}}
    assert {tuple(each["first"] + each["second"]) for each in found["contrasts"]} == {("ben", "anna", "carl", "anna")}
    (iou,) = [each for each in found["contrasts"] if each["score"] == "iou"]
    assert iou["difference"]["value"] == pytest.approx(iou["values"][1] - iou["values"][0], abs=1e-5)
    assert iou["stands"]
    assert [(each["annotator"], each["model"]) for each in found["unchanged"]] == [("anna", "ben"), ("carl", "ben")]
    text = run("agreement", *annotators, "--gold", "anna", "--contrasts", "--model", "ben", "--resamples", "100").stdout
    assert "compared: ben agrees better with anna than carl" in text
    assert "who agrees better with anna" in text
    assert "segments of a model, kept unchanged" in text


def test_a_column(run: Run, annotators: list[str]) -> None:
    result = run("agreement", *annotators, "--group-by", "nothing", "--resamples", "100")
    assert result.exit_code == 2
    assert "nothing" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["anna"], "two annotators or more"),
        (["anna", "ben", "--gold", "benn"], "no annotator 'benn'; did you mean 'ben'"),
        (
            ["anna", "ben", "--select", "SEG101"],
            "SEG101 is a rule of `segdata validate`, not of `segdata agreement`",
        ),
        (["anna", "ben", "--plan", "2"], "--plan"),
        (["anna", "ben", "--contrasts"], "contrasts: they take three annotators, there are: anna, ben"),
        (["anna", "ben", "--model", "bin"], "model: no annotator 'bin'; did you mean 'ben'"),
    ],
)
def test_misuse(run: Run, annotators: list[str], words: list[str], said: str) -> None:
    named = {each.partition("=")[0]: each for each in annotators}
    result = run("agreement", *(named.get(word, word) for word in words))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_nothing_that_is_called_so(run: Run, annotators: list[str], tmp_path: Path) -> None:
    assert run("agreement", annotators[0], f"x={tmp_path / 'nowhere'}").exit_code == 2
    assert run("agreement", annotators[0], "=x").exit_code == 2


def test_findings_decide_the_exit_code(run: Run, annotators: list[str]) -> None:
    assert run("agreement", *annotators, "--resamples", "100").exit_code == 0
    assert run("agreement", *annotators, "--resamples", "100", "--fail-on", "warning").exit_code == 1


def test_a_report_is_not_written_over_a_mask(run: Run, annotators: list[str]) -> None:
    mask = Path(annotators[0].partition("=")[2]) / "0.png"
    before = mask.read_bytes()
    assert run("agreement", *annotators, "--output", mask).exit_code == 2
    assert mask.read_bytes() == before
