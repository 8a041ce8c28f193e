"""`segdata info`: tables and JSON."""

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result
from PIL import Image

Run = Callable[..., Result]


def test_text_counts_by_category(run: Run, masks: Path) -> None:
    text = run("info", masks).stdout
    car = next(line for line in text.splitlines() if line.startswith("car"))
    assert car.split() == ["car", "2", "thing", "2", "2", "33.49%", "256", "256", "257"]
    assert "exhaustive (declared)" in text
    assert max(map(len, text.splitlines())) <= 80


def test_where_categories_come_from_and_who_drew(run: Run, masks: Path, coco: Path, tmp_path: Path) -> None:
    def facts(data: Path) -> dict[str, str]:
        return {line[:20].strip(): line[22:] for line in run("info", data).stdout.splitlines()}

    assert (facts(masks)["taxonomy"], facts(masks)["annotators"]) == ("given", "not named")
    assert facts(coco)["taxonomy"] == "the data's own"
    run("convert", masks, tmp_path / "out", "--annotator", "anna")
    assert facts(tmp_path / "out")["annotators"] == "1"
    with Image.open(masks / "masks" / "a.png") as image:
        palette = image.quantize(3)
    palette.save(tmp_path / "palette.png")
    (tmp_path / "indexed" / "masks").mkdir(parents=True)
    palette.save(tmp_path / "indexed" / "masks" / "a.png")
    assert facts(tmp_path / "indexed")["taxonomy"].startswith("made up from the values")


def test_json_has_numbers_and_the_hash(run: Run, masks: Path, tmp_path: Path) -> None:
    found = json.loads(run("info", masks, "--hash", "--format", "json").stdout)
    assert found["facts"]["images"] == 2
    assert [(row["name"], row["segments"], row["pixels"]) for row in found["categories"]] == [
        ("road", 2, 2 * 24 * 32 - 513 - 4),
        ("car", 2, 513),
    ]
    run("convert", masks, tmp_path / "out")
    again = json.loads(run("info", tmp_path / "out", "--hash", "--format", "json").stdout)
    assert again["content_hash"] == found["content_hash"]
    assert len(found["content_hash"]) == 64
