"""`segdata rework`, `segdata scorecard` and `segdata evaluate`: their reports, from files on disk."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from tests.cli.conftest import Run


@pytest.fixture
def after(masks: Path, tmp_path: Path) -> Path:
    """The same images; in b.png the car has been drawn larger."""
    root = tmp_path / "after"
    shutil.copytree(masks, root)
    with Image.open(root / "masks" / "b.png") as image:
        mask = np.array(image)
    mask[4:20, 4:24] = (0, 0, 142)
    Image.fromarray(mask).save(root / "masks" / "b.png")
    return root


def test_rework_as_text_json_and_csv(run: Run, masks: Path, after: Path) -> None:
    text = run("rework", masks, after)
    assert text.exit_code == 0
    assert "2 annotations before and after a review" in text.output
    assert max(map(len, text.output.splitlines())) <= 80
    rows = list(csv.DictReader(io.StringIO(run("rework", masks, after, "--format", "csv").output)))
    every = next(each for each in rows if not each["annotator"] and not each["category"])
    assert (every["images"], every["segments"], every["moved"], every["passed"]) == ("2", "4", "2", "0.5")
    told = json.loads(run("rework", masks, after, "--format", "json", "--tolerance", "4").output)
    assert (told["images"], told["rows"][0]["moved"], told["rows"][0]["passed"]["value"]) == (2, 0, 1.0)


def test_two_revisions_of_one_dataset(run: Run, masks: Path, tmp_path: Path) -> None:
    """Specks and gaps that a fix mended are rework too."""
    data = tmp_path / "canonical"
    segdata.convert(masks, data)
    assert run("validate", data, "--unsafe-fixes", "--fail-on", "never").exit_code == 0
    told = json.loads(run("rework", f"{data}@r0001", f"{data}@r0002", "--format", "json", "--tolerance", "0.5").output)
    assert told["images"] == 2
    assert told["rows"][0]["pixels"]["value"] > 0
    assert told["rows"][0]["passed"]["value"] == 0.5


def test_a_scorecard_of_the_work_after_a_review(run: Run, masks: Path, after: Path) -> None:
    found = run("scorecard", after, "--before", masks, "--format", "csv")
    assert found.exit_code == 0
    (line,) = csv.DictReader(io.StringIO(found.output))
    assert (line["images"], line["segments"], line["reviewed"], line["passed"]) == ("2", "4", "2", "0.5")
    text = run("scorecard", f"anna={masks}", f"ben={after}", "--gold", "anna").output
    assert "iou against anna" in text
    assert "b.png: car" in text
    assert run("scorecard", masks, "--gold", "nobody").exit_code == 2


def test_an_evaluation_of_two_models(run: Run, masks: Path, after: Path) -> None:
    found = run("evaluate", f"new={after}", f"old={masks}", "--gold", masks, "--format", "json")
    assert found.exit_code == 0
    new, old = json.loads(found.output)["models"]
    assert (new["model"], old["model"], old["scores"]["miou"]["value"]) == ("new", "old", 1.0)
    assert new["scores"]["miou"]["value"] < 1
    assert new["ap"]["AP"] is None  # semantic masks have nothing that is found one by one
    assert "miou" in run("evaluate", after, "--gold", masks).output
    rows = list(csv.DictReader(io.StringIO(run("evaluate", after, "--gold", masks, "--format", "csv").output)))
    assert {each["category"] for each in rows} == {"road", "car"}
