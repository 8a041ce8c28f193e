"""`segdata acceptance`: plans, and deliveries that are accepted or not."""

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Run
from tests.generators.schemas import json_schemas


@pytest.fixture
def worse(masks: Path, tmp_path: Path) -> Path:
    """The same images; in b.png the car is drawn far too small."""
    root = tmp_path / "batch_7"
    shutil.copytree(masks, root)
    with Image.open(root / "masks" / "b.png") as image:
        mask = np.array(image)
    mask[4:20, 10:24] = (128, 64, 128)
    Image.fromarray(mask).save(root / "masks" / "b.png")
    return root


def test_a_plan_with_its_curve(run: Run) -> None:
    found = run("acceptance", "plan", "--lot", "5000", "--aql", "0.01", "--limit", "0.05")
    assert found.exit_code == 0
    assert "inspect 131 of 5,000 images, drawn at random; accept if at most 3 are" in found.output
    plan = json.loads(run("acceptance", "plan", "--lot", "5000", "--format", "json").output)
    assert (plan["sample"], plan["accept"], plan["lot"]) == (131, 3, 5000)
    jsonschema.validate(plan, json_schemas()["acceptance_plan"])
    assert plan["curve"]["rate"][0] == 0
    assert plan["curve"]["accepted"][0] == 1
    assert plan["curve"]["accepted"][-1] <= 0.01
    refused = run("acceptance", "plan", "--aql", "0.1", "--limit", "0.05")
    assert refused.exit_code == 2


def test_a_delivery_is_rejected_with_1_and_accepted_with_0(run: Run, masks: Path, worse: Path, tmp_path: Path) -> None:
    lenient = ("--aql", "0.1", "--limit", "0.9", "--lot", "100")
    words = ("acceptance", "judge", worse, "--gold", masks, *lenient)
    found = run(*words, "--bar", "0.9")
    assert found.exit_code == 1
    assert "rejected" in found.output
    assert "defective: 1 of 2 gold images, 50.0%" in found.output
    report = tmp_path / "report.json"
    assert run(*words, "--bar", "0.4", "--format", "json", "--output", report).exit_code == 0
    told = json.loads(report.read_text())
    jsonschema.validate(told, json_schemas()["acceptance"])
    assert told["tolerance"]["px"] == 2
    assert (told["decision"], told["wrong"], told["lot"], told["missing"]) == ("accepted", 0, 100, [])
    assert [(each["image"], each["annotator"]) for each in told["inspected"]] == [
        ("b.png", "delivery"),
        ("a.png", "delivery"),
    ]


def test_too_few_images_are_not_accepted(run: Run, masks: Path, worse: Path) -> None:
    found = run("acceptance", "judge", worse, "--gold", masks, "--bar", "0.1", "--lot", "5000")
    assert found.exit_code == 1
    assert "undecided" in found.output
    assert "too few were inspected" in found.output
    assert "to keep both risks, hide 131 and allow 3" in found.output


def test_no_more_gold_images_than_were_delivered(run: Run, masks: Path, worse: Path) -> None:
    found = run("acceptance", "judge", worse, "--gold", masks, "--bar", "0.1", "--lot", "1")
    assert found.exit_code == 2
    assert "lot: 1 image delivered, but 2 gold images are among them" in found.stderr


def test_bars_are_those_beside_the_gold_standard(run: Run, masks: Path, worse: Path) -> None:
    words = ("acceptance", "judge", worse, "--gold", masks, "--limit", "0.9", "--aql", "0.1", "--lot", "100")
    none = run(*words)
    assert none.exit_code == 2
    assert "no bar for the delivery: give --bar" in none.stderr
    (masks / "segdata.yaml").write_text("gold: {categories: {car: {metric: hd95, bar: 3}}}\n")
    assert "hd95 of car" in run(*words).output
