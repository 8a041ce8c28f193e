"""`segdata consensus`: the dataset, the report as text and JSON, and how it ends."""

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

import segdata
from tests.cli.conftest import Run
from tests.generators.schemas import json_schemas


def test_the_text(run: Run, annotators: list[str], tmp_path: Path) -> None:
    result = run("consensus", *annotators, tmp_path / "out", "--resamples", "100")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines[1:])) <= 80
    assert lines[0].endswith("out: 10 images, 27 segments")
    assert "consensus  of anna, ben and carl, by majority of each pixel" in lines
    (carl,) = [line for line in lines if line.startswith("carl ") and "least" not in line]
    missed = re.findall(r"(\d+)\s?%", carl)[0]
    assert int(missed) > 30
    assert len(segdata.read(tmp_path / "out")) == 10
    assert run("validate", tmp_path / "out").exit_code in (0, 1)


def test_the_json_fits_its_schema(run: Run, annotators: list[str], tmp_path: Path) -> None:
    texts = []
    for jobs in ("1", "2"):
        words = ("consensus", *annotators, tmp_path / jobs, "--resamples", "100", "--format", "json", "--jobs", jobs)
        texts.append(run(*words).stdout.replace(f'/{jobs}"', '/out"'))
    assert texts[0] == texts[1]
    found = json.loads(texts[0])
    jsonschema.validate(found, json_schemas()["consensus"])
    assert (found["version"], found["method"], found["annotators"]) == (1, "majority", ["anna", "ben", "carl"])
    assert found["without_consensus"]["category"] == "undecided"
    carl = found["against_others"][2]
    assert carl["missed"]["low"] <= carl["missed"]["value"] <= carl["missed"]["high"]
    assert carl["f1"] == {"value": None, "low": None, "high": None, "n": 0, "n_undefined": 10}
    cars = {each["category"]: each["value"]["value"] for each in carl["categories"]}
    assert cars["car"] < 0.1


def test_a_list_to_settle(run: Run, annotators: list[str], tmp_path: Path) -> None:
    result = run("consensus", *annotators, tmp_path / "out", "--undecided", "list", "--no-leave-one-out")
    assert "undecided.csv" in result.stdout
    assert "against" not in result.stdout
    lines = (tmp_path / "out" / "undecided.csv").read_text().splitlines()
    assert lines[0] == "image,x,y,width,height,pixels,anna,ben,carl"
    assert len(lines) > 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["anna"], "two annotators or more"),
        (["anna", "ben", "--method", "instances"], "semantic data have none"),
        (["anna", "ben", "--min-support", "0.3"], "--min-support"),
        (["anna", "nobody=nowhere"], "nowhere"),
    ],
)
def test_misuse(run: Run, annotators: list[str], tmp_path: Path, words: list[str], said: str) -> None:
    named = {each.partition("=")[0]: each for each in annotators}
    data = [named.get(word, word) for word in words]
    options = next((k for k, word in enumerate(data) if word.startswith("--")), len(data))
    result = run("consensus", *data[:options], tmp_path / "out", *data[options:])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_an_existing_dataset_stays(run: Run, annotators: list[str], tmp_path: Path) -> None:
    assert run("consensus", *annotators, tmp_path / "ben").exit_code == 2
    assert len(list((tmp_path / "ben").iterdir())) == 11


def test_what_could_not_be_compared_is_told(run: Run, annotators: list[str], tmp_path: Path) -> None:
    """A mask of another size is left out, an image of one annotator has no consensus."""
    ben = Path(annotators[1].partition("=")[2])
    Image.fromarray(np.ones((7, 7), np.uint8)).save(ben / "0.png")
    (ben / "1.png").rename(ben / "extra.png")
    result = run("consensus", *annotators[:2], tmp_path / "out", "--resamples", "100")
    text = " ".join(result.stdout.split())
    assert "SEG411 1" in text
    assert "7 x 7 px here" in text
    assert "3 images with fewer than two annotators, left unannotated: 0.png, 1.png and extra.png" in text
