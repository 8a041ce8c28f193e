"""Names that would steer a terminal or a spreadsheet: no command passes them on, wherever they come from."""

import csv
import io
import json
import re
from pathlib import Path

from segdata.core import safe_text
from tests.bad_input.sound_datasets import Make, segdata

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NAME = "red\x1b[31m title\x1b]0;owned\x07 c1\x9b31m bell\x07 turned\u202egnp.png"  # one of each kind


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


def test_no_command_passes_escape_codes_on(make: Make, tmp_path: Path) -> None:
    name = NAME
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


def hostile_cells(root: Path) -> Path:
    """The same document with names that spreadsheets would compute: of images, a category, and none of numbers."""
    path = root / "coco.json"
    document = json.loads(path.read_text())
    document["categories"][0]["name"] = "=HYPERLINK(1)"
    document["categories"][1]["name"] = "\x1b[2J\x1b]0;owned\x07gone"
    for image in document["images"]:
        (root / "images" / image["file_name"]).rename(root / "images" / f"@{image['file_name']}")
        image["file_name"] = f"@{image['file_name']}"
    path.write_text(json.dumps(document))
    return root


def test_no_table_has_a_formula(make: Make, tmp_path: Path) -> None:
    """In any table that a command writes for people."""
    root, out = hostile_cells(make("coco-instances")), tmp_path / "out"
    out.mkdir()
    both = (f"+a={root}", f"@b={root}")
    assert segdata("info", root, "--objects", out / "objects.csv").code == 0
    segdata("agreement", *both, "--format", "html", "-o", out / "page.html")
    segdata("consensus", *both, out / "consensus", "--undecided", "list")
    tables = [path.read_text() for path in out.rglob("*.csv")]
    for words in (("info", root), ("agreement", *both), ("rework", root, root), ("scorecard", *both, "--gold", "+a")):
        said = segdata(*words, "--format", "csv")
        assert said.code in (0, 1), said.err
        tables.append(said.out)
    assert len(tables) >= 6
    for text in tables:
        assert STEERING.search(text) is None
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not [cell for cell in cells if re.match(r"[=@+]|-[^\d.]", cell) and cell != "-"], text
    assert sum("'=HYPERLINK(1)" in text for text in tables) >= 3


def test_tables_for_people_are_made_in_one_place() -> None:
    """What else writes CSV writes files of datasets, which programs read: those hold names as they are."""
    package = Path(safe_text.__file__).parents[1]
    written = re.compile(r"csv\.(?:Dict)?[wW]riter\(|\.to_csv\(|CSVWriter\(")
    texts = {path.relative_to(package).as_posix(): path.read_text() for path in package.rglob("*.py")}
    writers = {name for name, text in texts.items() if written.search(text) and "csv_cell" not in text}
    assert writers == {
        "formats/kaggle/table.py",
        "formats/shared/image_index.py",
        "formats/shared/instance_id_rules.py",
        "store/output.py",
    }


def test_datasets_hold_the_names_as_they_are(make: Make, tmp_path: Path) -> None:
    """`+a.jpg` is found beside its image by whatever reads the file."""
    root = hostile_cells(make("coco-instances"))
    assert segdata("convert", root, tmp_path / "out.csv", "--to", "kaggle-rle").code in (0, 1)
    names = {row[0] for row in csv.reader((tmp_path / "out.csv").read_text().splitlines())}
    assert {name for name in names if name.startswith("@")}
    assert not {name for name in names if name.startswith("'")}
