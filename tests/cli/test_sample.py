"""`segdata sample`: a dataset of its own, with its images."""

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

import segdata

Run = Callable[..., Result]


def test_a_sample_is_a_dataset(run: Run, masks: Path, tmp_path: Path) -> None:
    done = run("sample", masks, tmp_path / "gold", "1", "--copy-images")
    assert done.exit_code == 0
    assert "1 image of 2 drawn" in done.stdout
    gold = segdata.read(tmp_path / "gold")
    whole = segdata.read(masks)
    (name,) = gold.image_ids
    assert segdata.diff(gold, segdata.read(masks, only=name), ignore="image-details").same
    assert gold.images["uri"][0].startswith(str(tmp_path / "gold"))
    assert len(whole) == 2
    assert "1 image drawn for a gold" in (tmp_path / "gold" / "dataset.yaml").read_text().replace("\n    ", " ")


def test_json_names_the_images(run: Run, masks: Path, tmp_path: Path) -> None:
    found = json.loads(run("sample", masks, tmp_path / "p", "2", "--for", "pilot", "--format", "json").stdout)
    assert found["images"] == ["a.png", "b.png"]
    assert {row["name"]: row["drawn"] for row in found["categories"]} == {"road": 2, "car": 2}


def test_misuse_is_one_line(run: Run, masks: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    for words, said in (
        ((tmp_path / "p", "3"), "from 2"),
        ((tmp_path / "taken", "1"), "exists already"),
    ):
        done = run("sample", masks, *words)
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
        assert said in done.stderr
