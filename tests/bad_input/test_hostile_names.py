"""Names that would steer a terminal or a spreadsheet: no command passes them on, wherever they come from."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from tests.bad_input.sound_datasets import Make, segdata

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NAMES = ("red\x1b[31m.png", "title\x1b]0;owned\x07.png", "c1\x9b31m.png", "turned\u202egnp.exe", "bell\x07.png")


def renamed(root: Path, name: str) -> Path:
    """A document of which an image and a category have a hostile name, and an image file that has it too."""
    path = root / "coco.json"
    document = json.loads(path.read_text())
    image = document["images"][0]
    (root / "images" / image["file_name"]).rename(root / "images" / name)
    image["file_name"] = name
    document["categories"][0]["name"] = f"car{name}"
    document["annotations"][0]["segmentation"] = [[1, 1, 2, 2]]  # something to report
    path.write_text(json.dumps(document))
    return root


@pytest.mark.parametrize("name", NAMES)
def test_no_command_passes_escape_codes_on(make: Make, tmp_path: Path, name: str) -> None:
    root, out = renamed(make("coco-instances"), name), tmp_path / f"out{name}"
    commands: list[tuple[str | Path, ...]] = [
        ("validate", root),
        ("validate", root, "--format", "github"),
        ("validate", root, "--format", "json"),
        ("validate", root, "--format", "junit"),
        ("validate", root, "--overlays", out / "pictures"),
        ("validate", root, "--statistics"),
        ("info", root),
        ("info", root, "--format", "csv"),
        ("show", root, name, "--findings", "-o", out / "shown"),
        ("show", root, f"no {name}"),
        ("convert", root, out / "canonical"),
        ("convert", root, out / "canonical"),  # exists already
        ("validate", out / "canonical"),
        ("diff", root, out / "canonical"),
        ("validate", tmp_path / f"nowhere{name}"),
        ("validate", root, f"--format={name}"),
        ("init", root, "-o", out / "project"),
        ("split", out / "canonical", f"--parts={name}"),
        ("filter", root, out / "filtered", "--where", f"image_id = '{name}'"),
        ("report", root),
    ]
    for words in commands:
        said = segdata(*words)
        assert STEERING.search(said.out) is None, words
        assert STEERING.search(said.err) is None, words
        assert "Traceback" not in said.err


def test_no_table_has_a_formula(make: Make, tmp_path: Path) -> None:
    root = make("coco-instances")
    path = root / "coco.json"
    document = json.loads(path.read_text())
    document["categories"][0]["name"] = "=HYPERLINK(1)"
    for image in document["images"]:
        (root / "images" / image["file_name"]).rename(root / "images" / f"@{image['file_name']}")
        image["file_name"] = f"@{image['file_name']}"
    path.write_text(json.dumps(document))
    assert segdata("info", root, "--objects", tmp_path / "objects.csv").code == 0
    tables = [(tmp_path / "objects.csv").read_text(), segdata("info", root, "--format", "csv").out]
    tables.append(segdata("agreement", f"a={root}", f"b={root}", "--format", "csv").out)
    for text in tables:
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert "'=HYPERLINK(1)" in cells
        assert not [cell for cell in cells if re.match(r"[=@]", cell)]
