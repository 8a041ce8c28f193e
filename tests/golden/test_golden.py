"""Golden files: what the commands print and write on the sample data, word for word and byte for byte.

A change of wording or of a figure shows here as a diff to read. To accept it, run
`SEGDATA_RECORD=1 python -m pytest tests/golden` and commit the new files.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from segdata.cli.main import main
from tests.pinned_versions import written_with

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "sample_data"
RECORD = bool(os.environ.get("SEGDATA_RECORD"))
COMMANDS = {
    "help": ["--help"],
    "rules": ["rules"],
    "formats": ["formats"],
    "explain": ["explain", "SEG106"],
    "validate": ["validate", "panoptic"],
    "validate_json": ["validate", "panoptic", "--format", "json"],
    "validate_sarif": ["validate", "panoptic", "--format", "sarif"],
    "validate_broken": ["validate", "broken"],
    "validate_broken_json": ["validate", "broken", "--format", "json"],
    "validate_broken_junit": ["validate", "broken", "--format", "junit"],
    "validate_broken_github": ["validate", "broken", "--format", "github"],
    "info": ["info", "semantic"],
    "info_json": ["info", "semantic", "--format", "json"],
    "convert_lossy": ["convert", "panoptic", "yolo", "--to", "yolo-seg"],
    "diff": ["diff", "semantic", "broken"],
    "agreement": ["agreement", "anna=semantic", "ben=broken", "--resamples", "200"],
    "taxonomy": ["taxonomy", "doc", "panoptic/taxonomy.yaml"],
    "unknown_format": ["convert", "panoptic", "out", "--to", "coco-instnces"],
    "unknown_option": ["validate", "panoptic", "--selct", "SEG1"],
    "nothing_there": ["validate", "nowhere"],
}
FORMATS = ("canonical", "coco-instances", "coco-panoptic", "colour-masks", "yolo-seg", "labelme", "cvat", "pascal-voc")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample data, and a copy of the masks in which one has a gap and a speck."""
    from PIL import Image

    shutil.copytree(SAMPLE / "panoptic", tmp_path / "panoptic")
    shutil.copytree(SAMPLE / "semantic", tmp_path / "semantic")
    shutil.copytree(SAMPLE / "semantic", tmp_path / "broken")
    mask = sorted((tmp_path / "broken" / "masks").iterdir())[0]
    with Image.open(mask) as opened:
        pixels = opened.convert("RGB")
    pixels.paste((0, 0, 0), (40, 40, 52, 50))
    pixels.paste(pixels.getpixel((0, pixels.height - 1)), (100, 10, 102, 12))
    pixels.save(mask)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def check(name: str, text: str) -> None:
    """Compare with the golden file, or write it."""
    file = HERE / f"{name}.txt"
    if RECORD:
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), "see the docstring of this file"


def digest(path: Path, work: Path) -> str:
    """The hash of a file's content without times and without the folder that the test runs in."""
    content = path.read_bytes()
    if path.name == "images.parquet":  # it names image files by absolute paths, which the compression hides
        content = repr(pq.read_table(path).to_pylist()).encode()
    content = re.sub(rb"\d{4}-\d\d-\d\d[ T][\d:.+]+Z?", b"", content).replace(str(work).encode(), b"")
    return hashlib.sha256(content).hexdigest()[:16]


@pytest.mark.parametrize("name", COMMANDS)
def test_commands(name: str, work: Path) -> None:
    result = CliRunner().invoke(main, COMMANDS[name])
    check(name, f"$ segdata {' '.join(COMMANDS[name])}\n{result.output}exit code {result.exit_code}\n")


@written_with("pyarrow")
def test_written_files(work: Path) -> None:
    """The label files that each format writes; images and times are left out."""
    lines = []
    for name in FORMATS:
        target = "out.json" if name == "coco-instances" else f"out-{name}"
        result = CliRunner().invoke(main, ["convert", "panoptic", target, "--to", name, "--on-loss", "allow"])
        assert result.exit_code == 0, result.output
        files = [work / target] if (work / target).is_file() else sorted((work / target).rglob("*"))
        for path in files:
            if path.is_file() and path.name != "dataset.yaml":
                lines.append(f"{path.relative_to(work).as_posix()} {digest(path, work)}")
    check("written_files", "\n".join(lines) + "\n")
