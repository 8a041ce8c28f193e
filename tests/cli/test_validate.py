"""`segdata validate`: exit codes, both reports, and that they say the same."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import Result
from PIL import Image

Run = Callable[..., Result]


SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "findings.schema.json").read_text())


def report(run: Run, *words: str | Path) -> dict:
    found = json.loads(run("validate", *words, "--format", "json").stdout)
    jsonschema.validate(found, SCHEMA)
    return found


def test_html_is_one_file_with_pictures_and_the_same_bytes(run: Run, masks: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{jobs}.html" for jobs in (1, 3)]
    for jobs, file in zip((1, 3), files, strict=True):
        result = run("validate", masks, "--format", "html", "--output", file, "--jobs", str(jobs))
        assert (result.exit_code, result.stdout) == (1, "")
    text = files[0].read_text()
    assert text == files[1].read_text()
    assert text.startswith("<!doctype html>")
    assert text.count("data:image/jpeg;base64,") == 2
    assert run("validate", masks, "--format", "html", "--thumbnails", "1").stdout.count("image/jpeg;base64,") == 1


def test_findings_make_the_exit_code(run: Run, masks: Path) -> None:
    assert run("validate", masks).exit_code == 1
    assert run("validate", masks, "--fail-on", "never").exit_code == 0
    assert run("validate", masks, "--select", "speck").exit_code == 0
    assert run("validate", masks, "--select", "speck", "--fail-on", "warning").exit_code == 0
    assert run("validate", masks, "--select", "speck", "--fail-on", "info").exit_code == 1


def test_json_is_the_contract(run: Run, masks: Path) -> None:
    found = report(run, masks, "--select", "SEG101")
    assert list(found) == ["version", "dataset", "summary", "findings", "omitted"]
    assert found["summary"] == {
        "images": 2, "segments": 4, "errors": 1, "warnings": 0, "infos": 0, "by_code": {"SEG101": 1}, "suppressed": 0,
    }  # fmt: skip
    (gap,) = found["findings"]
    assert (gap["code"], gap["rule"], gap["severity"], gap["image"]) == ("SEG101", "gap", "error", "a.png")
    assert (gap["bbox"], gap["pixels"], gap["segments"], gap["annotator"]) == ([0, 0, 4, 1], 4, [], None)


@pytest.mark.parametrize("data", ["masks", "coco"])
def test_json_does_not_depend_on_jobs(run: Run, data: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(data)
    one = run("validate", path, "--format", "json", "--jobs", "1").stdout_bytes
    assert one == run("validate", path, "--format", "json", "--jobs", "3").stdout_bytes
    assert len(json.loads(one)["findings"]) > 1


def test_max_findings_limits_the_list_and_not_the_summary(run: Run, coco: Path) -> None:
    every = report(run, coco)
    some = report(run, coco, "--max-findings", "2")
    assert some["summary"] == every["summary"]
    assert some["findings"] == every["findings"][:2]
    assert some["omitted"] == len(every["findings"]) - 2


def test_text_summarises_many_findings(run: Run, coco: Path) -> None:
    text = run("validate", coco, "--select", "speck").stdout
    assert "SEG106 speck: 60 findings in 1 image" in text
    assert "… and 57 more in 1 image" in text
    assert text.count("stray part of") == 3
    assert run("validate", coco, "--select", "speck", "--max-findings", "5").stdout.count("stray part of") == 5


def test_text_ranks_by_severity_and_says_what_to_do_next(run: Run, masks: Path) -> None:
    text = run("validate", masks).stdout
    assert text.index("error SEG101") < text.index("info SEG106")
    assert "failed: 1 error" in text
    assert "segdata explain SEG101" in text
    assert "a.png --findings" in text
    assert max(len(line) for line in text.splitlines() if str(masks.parent) not in line) <= 80


def test_a_proposed_command_can_be_run(run: Run, masks: Path) -> None:
    import shlex

    text = run("validate", masks, "--from", "colour-masks").stdout.replace("\\\n", " ")
    line = next(line for line in text.splitlines() if "--format json" in line and "segdata" in line)
    words = shlex.split(line.split("every finding")[0])
    assert words == ["segdata", "validate", str(masks), "--from", "colour-masks", "--format", "json"]
    assert run(*words[1:]).exit_code == 1


def test_proposed_commands_ask_the_same(run: Run, masks: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("a.png\n")
    words = ("--list", str(names), "--select", "SEG1", "--ignore", "SEG106")
    text = run("validate", masks, *words).stdout.replace("\\\n", " ")
    proposed = [" ".join(line.split()) for line in text.splitlines() if "segdata validate" in line]
    assert sum(" ".join(words) in line for line in proposed) == 2
    (shown,) = (" ".join(line.split()) for line in text.splitlines() if "segdata show" in line)
    assert f"--list {names} a.png --findings" in shown


def test_of_a_part_nothing_is_said_that_only_the_whole_can_tell(run: Run, coco: Path, tmp_path: Path) -> None:
    data = json.loads(coco.read_text())
    data["images"].append({"id": 2, "file_name": "y.png", "width": 400, "height": 300})
    data["categories"].append({"id": 2, "name": "bus"})
    coco.write_text(json.dumps(data))
    assert {"SEG204"} <= set(report(run, coco)["summary"]["by_code"])
    names = tmp_path / "names.txt"
    names.write_text("x.png\n")
    assert not {"SEG204", "SEG301", "SEG302"} & set(report(run, coco, "--list", names)["summary"]["by_code"])
    text = run("validate", coco, "--list", names).stdout
    said = " ".join(text.split()).partition("these rules need the whole dataset: ")[2]
    assert {"SEG204", "SEG301", "SEG302"} <= set(re.findall(r"SEG\d+", said.partition("checked")[0]))
    names.write_text("x.png\ny.png\n")
    assert "SEG204" in report(run, coco, "--list", names)["summary"]["by_code"]


def test_nothing_found_says_what_was_checked(run: Run, masks: Path) -> None:
    result = run("validate", masks, "--select", "SEG105,SEG106", "--ignore", "speck")
    assert result.exit_code == 0
    assert "nothing found" in result.stdout
    assert "checked 2 images and 4 segments against 1 rule" in result.stdout


def test_only_listed_images_are_checked(run: Run, masks: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("# good ones\n\nb.png\n")
    assert report(run, masks, "--select", "SEG1", "--list", names)["summary"]["images"] == 1
    assert run("validate", masks, "--select", "SEG1", "--list", "-", stdin="a.png\n").exit_code == 1
    wrong = run("validate", masks, "--list", "-", stdin="c.png\n")
    assert (wrong.exit_code, "c.png" in wrong.stderr) == (2, True)


def test_output_is_written_whole(run: Run, masks: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.json"
    result = run("validate", masks, "--format", "json", "--output", target)
    assert (result.exit_code, result.stdout) == (1, "")
    assert target.read_text() == run("validate", masks, "--format", "json").stdout
    assert [path.name for path in target.parent.iterdir()] == ["report.json"]


def test_overlays_are_drawn_for_images_with_findings(run: Run, masks: Path, tmp_path: Path) -> None:
    result = run("validate", masks, "--select", "SEG1", "--overlays", tmp_path / "pictures")
    assert "1 picture" in result.stderr
    (picture,) = (tmp_path / "pictures").iterdir()
    with Image.open(picture) as image:
        assert image.width > 640


def test_real_findings_fit_80_columns_and_the_schema(run: Run, real_data: Path) -> None:
    data = real_data / "taco" / "annotations_2019-06-24_a35e944.json"
    text = run("validate", data).stdout
    assert max(len(line) for line in text.splitlines() if "/" not in line) <= 80
    assert "SEG013 stale-measure: 1 finding (folded from 2,147)" in text
    assert report(run, data)["summary"]["by_code"]["SEG013"] == 1


def test_a_baseline_makes_only_what_is_new_fail(run: Run, masks: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    assert run("validate", masks, "--fail-on", "info", "--write-baseline", known).exit_code == 1
    again = run("validate", masks, "--fail-on", "info", "--baseline", known)
    assert again.exit_code == 0
    assert "nothing new" in again.output
    assert "of the baseline; 0 fixed since" in again.output
    mask = np.array(Image.open(masks / "masks" / "b.png"))
    mask[0, 0] = 0
    Image.fromarray(mask).save(masks / "masks" / "b.png")
    worse = run("validate", masks, "--baseline", known, "--format", "json")
    assert worse.exit_code == 1
    assert {each["image"] for each in json.loads(worse.stdout)["findings"]} == {"b.png"}


def test_a_baseline_that_is_not_there_is_misuse(run: Run, masks: Path, tmp_path: Path) -> None:
    result = run("validate", masks, "--baseline", tmp_path / "none.json")
    assert result.exit_code == 2
    assert "create one with --write-baseline" in result.stderr


def test_statistics_are_a_line_a_rule(run: Run, masks: Path) -> None:
    lines = run("validate", masks, "--statistics").stdout.splitlines()
    assert lines[0].split() == ["findings", "severity", "rule", "images", "pixels", "fix"]
    assert [line.split()[:3] for line in lines[1:]] == [["1", "error", "SEG101"], ["1", "info", "SEG106"]]
    assert run("validate", masks, "--statistics", "--format", "json").exit_code == 2


@pytest.mark.parametrize("form", ["jsonl", "sarif", "junit", "github", "gitlab"])
def test_every_form_is_written_and_has_the_finding(run: Run, masks: Path, form: str) -> None:
    result = run("validate", masks, "--format", form)
    assert result.exit_code == 1
    assert "SEG101" in result.stdout
