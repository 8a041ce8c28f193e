"""docs/review.md: the commands run, one after the other, on the sample data."""

import json
import re
import shlex
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

import segdata
from segdata.api.decisions import label_hashes
from segdata.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "review.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample data as a canonical dataset with its images, in the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "sample_data" / "semantic", tmp_path / "raw")
    segdata.convert("raw", "street", copy_images=True)
    return tmp_path / "street"


def commands(block: str) -> list[str]:
    lines = (line.partition(" #")[0].strip() for line in block.splitlines())
    return [line for line in lines if line.startswith("segdata ")]


def ran(line: str) -> str:
    done = CliRunner().invoke(main, shlex.split(line)[1:], catch_exceptions=False)
    assert done.exit_code == 0, (line, done.stdout, done.stderr)
    return str(done.stdout)


def test_from_the_html_report(street: Path) -> None:
    """What the browser exports is written here: of the speck that is drawn in, that it is right."""
    batch = segdata.read(street).source.load([0])  # type: ignore[arg-type]  # one row
    finding = segdata.Finding(
        code="SEG106", rule="speck", severity="warning", message="a speck", bbox=(0, 0, 9, 9),
        image=batch.images["image_id"][0].as_py(),
    )  # fmt: skip
    seen = label_hashes(segdata.read(street), [finding])[finding]
    decision = segdata.Decision(
        verdict="fix", reviewer="anna", time="2026-11-20T00:00:00Z", via="html", image=finding.image, finding=finding,
        imprint=seen,
    )  # fmt: skip
    told = {"version": 1, "kind": "segdata decisions", "dataset": "street", "decisions": [decision]}
    (name,) = re.findall(r"review pull street (decisions\S+)", BLOCKS[0])
    Path(name).write_bytes(msgspec.json.encode(told))
    said = [ran(line) for line in commands(BLOCKS[0])]
    assert "<!doctype html>" in Path("street.html").read_text("utf-8")
    assert "1 decision, 1 new" in said[1]
    assert "to be drawn by hand: 1" in said[3]


def test_to_cvat_and_back(street: Path) -> None:
    lines = commands(next(block for block in BLOCKS if "--to cvat" in block))
    ran(lines[0])
    report = json.loads(Path("findings.json").read_text("utf-8"))
    image = segdata.read(street).image_ids[0]
    report["findings"] = [{**each, "image": image} for each in report["findings"]][:1]
    Path("findings.json").write_text(json.dumps(report), "utf-8")
    ran(lines[1])
    shutil.copy("task/annotations.xml", "annotations.xml")
    assert "0 decisions" in ran(lines[2])
    assert ran(lines[3]).startswith("nothing new to import")


def test_the_functions_are_there() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = set(re.findall(r"segdata\.(\w+)\(", block)) - {"validate"}
    assert names
    assert [name for name in names if not callable(getattr(segdata, name))] == []
