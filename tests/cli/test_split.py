"""`segdata split`: what it prints and writes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from click.testing import Result

import segdata

Run = Callable[..., Result]


def test_lists_are_for_other_commands(run: Run, masks: Path, tmp_path: Path) -> None:
    done = run("split", masks, "--parts", "train=0.5,val=0.5", "--lists", tmp_path / "lists", "--no-near")
    assert done.exit_code == 0
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:3]] == [
        ["train", "1", "50.00%"],
        ["val", "1", "50.00%"],
    ]
    assert max(map(len, done.stdout.splitlines())) <= 80
    done = run("convert", masks, tmp_path / "train", "--list", tmp_path / "lists" / "train.txt")
    assert "from 1 image" in done.stdout


def test_json_counts_by_part(run: Run, masks: Path, tmp_path: Path) -> None:
    run("convert", masks, tmp_path / "d")
    done = run("split", tmp_path / "d", "--parts", "a=0.5,b=0.5", "--format", "json", "--no-near")
    found = json.loads(done.stdout)
    assert found["revision"] == "r0002"
    assert [part["images"] for part in found["parts"]] == [1, 1]
    assert {row["name"]: row["segments"] for row in found["categories"]} == {
        "road": {"a": 1, "b": 1},
        "car": {"a": 1, "b": 1},
    }


def test_misuse_is_one_line(run: Run, masks: Path) -> None:
    for words, said in (
        (("--parts", "train"), "is not NAME=SHARE"),
        (("--parts", "a=0.5,a=0.5"), "a unique name"),
        (("--parts", "a=0.5,b=0.4", "--dry-run"), "sum to 1"),
        ((), "--lists DIR"),
        (("--group", "camera", "--dry-run"), "no image has a value for 'camera'"),
    ):
        done = run("split", masks, *words)
        assert done.exit_code == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_rare_categories_are_last_and_the_report_says_so(run: Run, tmp_path: Path) -> None:
    image = np.repeat(np.arange(1, 15, dtype=np.uint8), 4).reshape(7, 8)  # 14 categories
    images = {f"{number}.png": np.where(image > 13 - (number > 0) * 12, image * 0 + 1, image) for number in range(9)}
    taxonomy = [f"category {number}" for number in range(1, 15)]
    segdata.from_arrays(images, taxonomy=taxonomy).convert(tmp_path / "data")
    lines = run("split", tmp_path / "data", "--parts", "a=0.7,b=0.3", "--dry-run", "--no-near").stdout.splitlines()
    first = lines.index("% in a/b     images  segments  pixels  deviation") + 1
    assert lines[first].startswith("category 1  "), "it is in every image; the others are in one"
    note = " ".join(lines[first:])
    assert "Categories with fewer than 4 images are last" in note
    assert "1 more: --format json has all." in note
