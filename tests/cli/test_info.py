"""`segdata info`: tables and JSON."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

import segdata
from segdata.core.config import Config
from segdata.core.errors import SegdataError

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

    assert (facts(masks)["taxonomy"], facts(masks)["annotators"]) == (
        "given (by taxonomy.yaml or the format)",
        "not named",
    )
    assert facts(coco)["taxonomy"] == "from the data"
    run("convert", masks, tmp_path / "out", "--annotator", "anna")
    assert facts(tmp_path / "out")["annotators"] == "1"
    with Image.open(masks / "masks" / "a.png") as image:
        palette = image.quantize(3)
    palette.save(tmp_path / "palette.png")
    (tmp_path / "indexed" / "masks").mkdir(parents=True)
    palette.save(tmp_path / "indexed" / "masks" / "a.png")
    assert facts(tmp_path / "indexed")["taxonomy"].startswith("drafted from the values")


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


def test_a_column_tells_strata_apart(run: Run, masks: Path) -> None:
    text = run("info", masks, "--group-by", "size").stdout
    assert "by size" in text
    assert max(map(len, text.splitlines())) <= 80
    found = json.loads(run("info", masks, "--group-by", "size", "--format", "json").stdout)
    (stratum,) = found["strata"]
    assert (found["by"], stratum["stratum"], stratum["images"]) == ("size", "32x24", 2)
    whole = {row["name"]: (row["images"], row["segments"], row["pixels"]) for row in found["categories"]}
    assert {row["name"]: (row["images"], row["segments"], row["pixels"]) for row in stratum["categories"]} == whole
    assert sum(row["share"] for row in stratum["categories"]) == pytest.approx(1)
    settings = masks / "segdata.yaml"
    others = settings.read_text()
    for key in ("group_by", "by"):  # `by` is its first name
        settings.write_text(f"{others}{key}: size\n")
        assert json.loads(run("info", masks, "--format", "json").stdout) == found


def test_weights_balance_the_categories(run: Run, masks: Path) -> None:
    rows = json.loads(run("info", masks, "--format", "json").stdout)["categories"]
    weights, pixels = ([row[name] for row in rows] for name in ("weight", "pixels"))
    assert sum(weights) == pytest.approx(len(rows))
    assert weights[0] / weights[1] == pytest.approx((pixels[1] / pixels[0]) ** 0.5)


def test_csv_is_the_table(run: Run, masks: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("info", masks, "--format", "csv").stdout)))
    assert [row["name"] for row in rows] == ["road", "car"]
    by_size = list(csv.DictReader(io.StringIO(run("info", masks, "--group-by", "size", "--format", "csv").stdout)))
    assert [(row["size"], row["name"]) for row in by_size] == [("32x24", "road"), ("32x24", "car")]


def test_a_column_that_is_not_there_is_misuse(run: Run, masks: Path) -> None:
    refused = run("info", masks, "--group-by", "camra")
    assert refused.exit_code == 2
    assert "no image has a value for 'camra'" in refused.stderr


def test_the_configuration_may_name_the_column(run: Run, masks: Path) -> None:
    config = masks / "segdata.yaml"
    config.write_text(config.read_text(encoding="utf-8") + "by: size\n", encoding="utf-8")
    assert "by size" in run("info", masks).stdout
    assert segdata.validate(masks, select="class-imbalance").findings == ()
    many = Config(rules={"too-few": {"min_per_stratum": 9}})
    (few,) = segdata.validate(masks, select="too-few", group_by="folder", config=many).findings
    assert few.message == "2 of 2 categories: car, road; for example car: images by folder: '.' 2, 9 are required"
    with pytest.raises(SegdataError, match="'camra'"):
        segdata.validate(masks, group_by="camra")


def test_html_is_one_file(run: Run, masks: Path, tmp_path: Path) -> None:
    target = tmp_path / "info.html"
    assert run("info", masks, "--group-by", "size", "--format", "html", "--output", target).exit_code == 0
    page = target.read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "33.49%" in page
