"""`segdata taxonomy` and `convert --taxonomy-map`: what they print, write, and leave with."""

import json
from collections.abc import Callable
from pathlib import Path

import yaml
from click.testing import Result

import segdata

Run = Callable[..., Result]
OLD = """\
categories:
  - {id: 1, name: road, color: [128, 64, 128], kind: stuff, definition: Roads.}
  - {id: 2, name: car, color: [0, 0, 142], definition: Cars.}
"""
NEW = """\
categories:
  - {id: 1, name: ground, color: [128, 64, 128], kind: stuff, aliases: [road], definition: Ground.}
  - {id: 4, name: vehicle, color: [0, 0, 140], aliases: [car], definition: Vehicles.}
"""


def versions(folder: Path, new: str = NEW) -> tuple[Path, Path]:
    for name, text in (("old", OLD), ("new", new)):
        (folder / name).mkdir()
        (folder / name / "taxonomy.yaml").write_text(text)
    return folder / "old", folder / "new"


def test_check_says_what_is_wrong_and_advises(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "taxonomy.yaml"
    file.write_text("categories:\n  - {id: 1, name: sign}\n  - {id: 1, name: signs, definition: Signs.}\n")
    result = run("taxonomy", "check", tmp_path)
    assert result.exit_code == 1
    assert "error SEG208 signs: id 1 belongs to 'sign' and 'signs'" in result.stdout
    assert "advice 1 category without definition: sign\n" in result.stdout
    assert "easily confused" in result.stdout
    assert "advice" not in run("taxonomy", "check", file, "--quiet").stdout
    file.write_text(OLD)
    assert run("taxonomy", "check", file).exit_code == 0


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    for words in (("check",), ("doc",), ("diff", tmp_path)):
        result = run("taxonomy", *words, tmp_path / "no.yaml")
        assert result.exit_code == 2
        assert "does not exist; draft one with" in result.stderr


def test_diff_as_text_and_json(run: Run, tmp_path: Path) -> None:
    old, new = versions(tmp_path)
    result = run("taxonomy", "diff", old, new)
    assert result.exit_code == 1
    assert "'road' is 'ground' now, by its alias" in result.stdout
    assert "2 renamed, 0 dropped, 0 to be decided" in " ".join(result.stdout.split())
    found = json.loads(run("taxonomy", "diff", old, new, "--format", "json").stdout)
    assert (found["version"], found["migration"]) == (1, {"road": "ground", "car": "vehicle"})
    assert {"kind", "old", "new", "message"} == found["changes"][0].keys()
    same = run("taxonomy", "diff", old, old)
    assert (same.exit_code, "no difference" in same.stdout) == (0, True)


def test_labels_follow_the_map(run: Run, tmp_path: Path, masks: Path) -> None:
    old, new = versions(tmp_path)
    written = tmp_path / "maps" / "map.yaml"
    assert run("taxonomy", "diff", old, new, "--output", written).exit_code == 1
    assert yaml.safe_load(written.read_text()) == {
        "taxonomy": "../new/taxonomy.yaml", "categories": {"road": "ground", "car": "vehicle"},
    }  # fmt: skip
    assert run("taxonomy", "diff", old, new, "--output", written).exit_code == 2
    result = run("convert", masks, tmp_path / "out", "--taxonomy-map", written, "--verify")
    assert result.exit_code == 0, result.output
    before, after = segdata.read(masks).segments, segdata.read(tmp_path / "out").segments
    assert after["category"].tolist() == before["category"].map({"road": "ground", "car": "vehicle"}).tolist()
    assert after["area"].tolist() == before["area"].tolist()


def test_a_map_that_drops_is_counted(run: Run, tmp_path: Path, masks: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("categories: {car: null}\n")
    result = run("convert", masks, tmp_path / "out", "--taxonomy-map", path)
    assert result.exit_code == 0
    assert "lost by the taxonomy map\n  mapped: 2 dropped segments in 2 images, 513 px" in result.stdout
    assert set(segdata.read(tmp_path / "out").segments["category"]) == {"road"}
    refused = run("convert", masks, tmp_path / "other", "--taxonomy-map", path, "--on-loss", "error")
    assert (refused.exit_code, (tmp_path / "other").exists()) == (1, False)


def test_a_split_is_refused_until_a_person_has_decided(run: Run, tmp_path: Path, masks: Path) -> None:
    children = "  - {id: 7, name: van, parent: car}\n  - {id: 8, name: saloon, parent: car}\n"
    old, new = versions(tmp_path, OLD.rpartition("  - ")[0] + children)
    path = tmp_path / "map.yaml"
    result = run("taxonomy", "diff", old, new, "--output", path)
    assert "first decide on these in" in result.stdout
    refused = run("convert", masks, tmp_path / "out", "--taxonomy-map", path)
    assert refused.exit_code == 2
    assert "undecided: car (van or saloon)" in refused.stderr
    assert not (tmp_path / "out").exists()
    path.write_text(path.read_text().replace("[van, saloon]", "van"))
    assert run("convert", masks, tmp_path / "out", "--taxonomy-map", path).exit_code == 0
    assert set(segdata.read(tmp_path / "out").segments["category"]) == {"road", "van"}


def test_old_names_are_gone_in_what_is_converted(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    image = {"id": 1, "file_name": "a.png", "width": 9, "height": 9}
    drawn = {"id": 1, "image_id": 1, "category_id": 2, "iscrowd": 0, "also": [3], "segmentation": [[1, 1, 6, 1, 6, 6]]}
    categories = [{"id": 2, "name": "auto"}, {"id": 3, "name": "camper"}]
    file.write_text(json.dumps({"images": [image], "annotations": [drawn], "categories": categories}))
    taxonomy = tmp_path / "taxonomy.yaml"
    taxonomy.write_text("categories: [{id: 7, name: car, aliases: [auto], also: [camper]}, {id: 9, name: camper}]")
    (finding,) = segdata.validate(file, select=["SEG203"]).findings
    assert (finding.message, finding.category) == ("the data use 'auto', an old name of 'car'", "car")
    assert run("convert", file, tmp_path / "out").exit_code == 0
    assert not segdata.validate(tmp_path / "out", select=["SEG203", "SEG211"]).findings
    assert segdata.read(tmp_path / "out").segments["also"].tolist()[0].tolist() == [9]


def test_doc_as_markdown_and_html(run: Run, tmp_path: Path) -> None:
    old, _ = versions(tmp_path)
    assert run("taxonomy", "doc", old).stdout.startswith("# old: how to annotate\n")
    page = tmp_path / "guideline.html"
    assert run("taxonomy", "doc", old, "--format", "html", "--output", page).exit_code == 0
    assert page.read_text().startswith("<!doctype html>")
    again = run("taxonomy", "doc", old, "--format", "html", "--output", page)
    assert (again.exit_code, "already exists" in again.stderr) == (2, True)
