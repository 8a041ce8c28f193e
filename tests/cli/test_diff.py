"""`segdata diff`: exit codes, options of either side, text and JSON."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from tests.generators.schemas import json_schemas

Run = Callable[..., Result]


@pytest.fixture
def canonical(run: Run, masks: Path, tmp_path: Path) -> Path:
    """The masks as a canonical dataset."""
    assert run("convert", masks, tmp_path / "canonical").exit_code == 0
    return tmp_path / "canonical"


def repaint(path: Path, y: int, x: int, color: tuple[int, int, int]) -> None:
    """Change one pixel of a mask."""
    with Image.open(path) as picture:
        pixels = np.array(picture.convert("RGB"))
    pixels[y, x] = color
    Image.fromarray(pixels).save(path)


def test_the_same_in_another_format(run: Run, masks: Path, canonical: Path) -> None:
    result = run("diff", masks, canonical)
    assert result.exit_code == 0
    assert "same: 2 images, 4 segments: the same pixels, categories and attributes" in result.stdout


def test_one_pixel_is_found_and_shown(run: Run, masks: Path, canonical: Path) -> None:
    repaint(masks / "masks" / "b.png", 10, 8, (128, 64, 128))
    result = run("diff", masks, canonical)
    assert result.exit_code == 1
    text = result.stdout
    assert max(len(line) for line in text.splitlines() if str(masks.parent) not in line) <= 80
    assert "pixels: 2 segments in 1 image, 2 px" in text
    assert "b.png: car 2, at x 8, y 10, 1 x 1 px" in text
    assert "road  ->  car  1 px" in text
    assert "different: 2 kinds of difference" in text
    assert "2 of 4 segments of A have the same pixels and category" in " ".join(text.split())


def test_the_json_fits_its_schema_and_is_the_same_each_time(run: Run, masks: Path, canonical: Path) -> None:
    repaint(masks / "masks" / "b.png", 10, 8, (128, 64, 128))
    words = ("diff", masks, canonical, "--format", "json")
    result = run(*words)
    assert (result.exit_code, result.stdout) == (1, run(*words, "--jobs", "2").stdout)
    found = json.loads(result.stdout)
    jsonschema.validate(found, json_schemas()["difference"])
    assert (found["version"], found["same"], found["omitted"]) == (1, False, 0)
    assert found["summary"]["by_kind"]["pixels"] == {"count": 2, "images": 1, "pixels": 2}
    assert found["moves"] == [{"a": "road", "b": "car", "pixels": 1}]
    assert [each["kind"] for each in found["differences"]] == ["pixels", "pixels", "category-pixels"]
    assert found["a"]["format"], found["b"]["format"] == ("colour-masks", "canonical")
    few = json.loads(run(*words, "--limit", "1").stdout)
    assert (len(few["differences"]), few["omitted"]) == (2, 1)


def test_kinds_that_do_not_count(run: Run, masks: Path, canonical: Path) -> None:
    repaint(masks / "masks" / "b.png", 10, 8, (128, 64, 128))
    assert run("diff", masks, canonical, "--ignore", "pixels,category-pixels").exit_code == 0
    assert run("diff", masks, canonical, "--ignore", "pixels", "--ignore", "category-pixels").exit_code == 0
    wrong = run("diff", masks, canonical, "--ignore", "pixel")
    assert (wrong.exit_code, "ignore is 'pixel', it must be one of" in wrong.stderr) == (2, True)


def test_ids_are_counted_and_with_strict_they_count(run: Run, masks: Path, canonical: Path, tmp_path: Path) -> None:
    target = tmp_path / "coco.json"
    assert run("convert", canonical, target, "--to", "coco-instances").exit_code == 0
    result = run("diff", canonical, target)
    assert result.exit_code == 0
    assert "counted, but not as differences without --strict: segment-id 2" in " ".join(result.stdout.split())
    strict = run("diff", canonical, target, "--strict")
    assert strict.exit_code == 1
    assert "segment-id: 2 segments in 1 image" in strict.stdout


def test_only_some_images(run: Run, masks: Path, canonical: Path, tmp_path: Path) -> None:
    repaint(masks / "masks" / "b.png", 10, 8, (128, 64, 128))
    (tmp_path / "names").write_text("a.png\n")
    assert run("diff", masks, canonical, "--list", tmp_path / "names").exit_code == 0


def test_each_side_has_its_own_options(run: Run, masks: Path, tmp_path: Path) -> None:
    """The second folder has no taxonomy beside it, and its images are elsewhere."""
    bare = tmp_path / "bare"
    (masks / "masks").rename(bare)
    whole = masks.with_name("whole")
    for name in ("a", "b"):
        (whole / "masks").mkdir(parents=True, exist_ok=True)
        (whole / "masks" / f"{name}.png").write_bytes((bare / f"{name}.png").read_bytes())
    (whole / "taxonomy.yaml").write_text((masks / "taxonomy.yaml").read_text())
    guessed = run("diff", whole, bare)
    assert (guessed.exit_code, "category_3" in guessed.stdout) == (1, True), "numbered names that are not those of A"
    told = ("--taxonomy-b", masks / "taxonomy.yaml", "--images-b", masks / "images", "--from-b", "colour-masks")
    assert run("diff", whole, bare, *told).exit_code == 0
    assert run("diff", whole, bare, *told[:-1], "instance-ids").exit_code == 2
    assert run("diff", bare, whole, "--taxonomy", masks / "taxonomy.yaml").exit_code == 0
    unknown = run("diff", whole, bare, *told, "--read-option-b", "nothing=like it")
    assert (unknown.exit_code, "colour-masks has no read option 'nothing'" in unknown.stderr) == (2, True)


def test_what_is_proposed_can_be_typed(run: Run, masks: Path, canonical: Path, tmp_path: Path) -> None:
    repaint(masks / "masks" / "b.png", 10, 8, (128, 64, 128))
    text = run("diff", masks, canonical, "--ignore", "pixels", "--from-b", "canonical").stdout
    proposed = shlex.split(text.partition("\nnext\n")[2].partition("every difference")[0].replace("\\\n", " "))
    assert proposed[:2] == ["segdata", "diff"]
    again = run(*proposed[1:])
    assert json.loads(again.stdout)["summary"]["by_kind"].keys() == {"category-pixels"}


def test_a_report_in_a_file(run: Run, masks: Path, canonical: Path, tmp_path: Path) -> None:
    result = run("diff", masks, canonical, "--output", tmp_path / "report.txt")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"segdata: the same, see {tmp_path / 'report.txt'}\n"
    assert (tmp_path / "report.txt").read_text().startswith("segdata diff\n")


def test_defects_are_told(run: Run, coco: Path) -> None:
    """Of what could not be read nothing can be said, but that."""
    text = run("diff", coco, coco).stdout
    assert " ".join(text.split()).count("; noticed while reading: SEG007 1") == 2


def test_what_does_not_exist(run: Run, masks: Path, tmp_path: Path) -> None:
    result = run("diff", masks, tmp_path / "nowhere")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "nowhere: does not exist" in result.stderr
