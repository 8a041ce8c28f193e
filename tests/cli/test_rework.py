"""`segdata rework`, `segdata scorecard` and `segdata evaluate`: their reports, from files on disk."""

import csv
import io
import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

import segdata
from tests.cli.conftest import Run
from tests.generators.schemas import json_schemas


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
    assert (every["tolerance_px"], every["tolerance_mm"]) == ("2", "")
    assert (every["images"], every["segments"], every["moved"], every["passed"]) == ("2", "4", "2", "0.5")
    told = json.loads(run("rework", masks, after, "--format", "json", "--tolerance", "4").output)
    jsonschema.validate(told, json_schemas()["rework"])
    assert told["tolerance"]["px"] == 4
    assert "moved by more than 2 px" in " ".join(text.output.split())
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
    assert "IoU against anna" in text
    assert "b.png: car" in text
    assert run("scorecard", masks, "--gold", "nobody").exit_code == 2
    told = json.loads(run("scorecard", after, "--before", masks, "--format", "json").output)
    jsonschema.validate(told, json_schemas()["scorecard"])
    assert (told["cards"][0]["passed"]["value"], told["review"]["images"], told["tolerance"]["px"]) == (0.5, 2, 2)


def test_a_scorecard_for_the_browser(run: Run, masks: Path, after: Path, tmp_path: Path) -> None:
    """Pictures of the worst examples; and with the work before a review what that has changed."""
    page = run("scorecard", f"anna={masks}", f"ben={after}", "--gold", "anna", "--format", "html").output
    assert page.count("data:image/jpeg;base64,") == 1  # only b.png has something wrong
    assert "b.png: car 0.80 against anna" in page
    assert "Examples without a quotation: the guideline has no sentence about their category." in page
    reviewed = run("scorecard", after, "--before", masks, "--format", "html").output
    assert "corrected by the review" in reviewed
    assert "50% of 2 annotations" in reviewed


def test_an_evaluation_of_two_models(run: Run, masks: Path, after: Path) -> None:
    found = run("evaluate", f"new={after}", f"old={masks}", "--gold", masks, "--format", "json")
    assert found.exit_code == 0
    jsonschema.validate(json.loads(found.output), json_schemas()["evaluation"])
    new, old = json.loads(found.output)["models"]
    assert (new["model"], old["model"], old["scores"]["miou"]["value"]) == ("new", "old", 1.0)
    assert new["scores"]["miou"]["value"] < 1
    assert new["ap"]["AP"] is None  # semantic masks have nothing that is found one by one
    assert "miou" in run("evaluate", after, "--gold", masks).output
    rows = list(csv.DictReader(io.StringIO(run("evaluate", after, "--gold", masks, "--format", "csv").output)))
    assert {each["category"] for each in rows} == {"road", "car"}


def test_what_is_not_evaluated_is_told(run: Run, masks: Path, after: Path) -> None:
    """A model that was never asked for cars has no wrong ones, and the report says that these are left out."""
    (after / "taxonomy.yaml").write_text(
        "unlabelled: [0, 0, 0]\ncategories: [{id: 1, name: road, color: [128, 64, 128], kind: stuff}]\n"
    )
    text = run("evaluate", after, "--gold", masks).output
    assert "left out: no category car" in text


def test_work_in_other_sizes_cannot_be_held_against_what_was_before(run: Run, masks: Path, after: Path) -> None:
    for name in ("a", "b"):
        for folder in ("images", "masks"):
            Image.open(after / folder / f"{name}.png").resize((20, 10), 0).save(after / folder / f"{name}.png")
    for words in (("rework", masks, after), ("scorecard", f"x={masks}", f"y={after}")):
        found = run(*words)
        assert found.exit_code == 2
        assert "no image has the same size in two datasets; a.png" in found.stderr
