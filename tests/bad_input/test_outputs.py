"""Whatever an output is asked to be, no data are lost for it, and no name in the data breaks it."""

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.bad_input.sound_datasets import CATEGORIES, Make, left_behind, segdata

FORMATS = ("text", "json", "jsonl", "sarif", "junit", "github", "gitlab", "html")
NAMES = ("new\nline.png", "bell\x07.png", "escape\x1b[31m.png", "half\ud800.png", "</script><b>.png", "]]>&amp;.png")


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("format", "data", "target"),
    [
        ("coco-instances", "coco.json", "coco.json"),
        ("coco-instances", "coco.json", "images/a.png"),
        ("colour-masks", "", "masks/a.png"),
        ("colour-masks", "", "taxonomy.yaml"),
        ("canonical", "", "dataset.yaml"),
        ("canonical", "", "r0001/segments/part-00000.parquet"),
    ],
)
def test_data_are_never_overwritten(make: Make, format: str, data: str, target: str) -> None:
    root = make(format)
    before = contents(root)
    (root.parent / "link").symlink_to(root / target)
    for words in (("-o", root / target), ("--write-baseline", root / target), ("-o", root.parent / "link")):
        said = segdata("validate", root / data, *words)
        assert (said.code, said.out) == (2, "")
        assert "is part of the data" in said.err
    assert segdata("info", root / data, "-o", root / target).code == 2
    assert segdata("diff", root / data, root / data, "-o", root / target).code == 2
    assert contents(root) == before


@pytest.mark.parametrize("format", FORMATS)
def test_a_report_may_be_written_again_among_the_data(make: Make, format: str) -> None:
    root = make("colour-masks")
    for _ in range(2):
        assert segdata("validate", root, "--format", format, "-o", root / "report").code == 0


def test_pictures_never_replace_images(make: Make) -> None:
    root = make("colour-masks")
    before = contents(root)
    assert segdata("show", root, "a.png", "-o", root / "images" / "a.png").code == 2
    for folder in (root, root / "images", root / "masks"):
        said = segdata("validate", root, "--overlays", folder)
        assert (said.code, "is a folder of the data" in said.err) == (2, True)
    assert contents(root) == before
    (root.parent / "pictures").mkdir()
    (root.parent / "pictures" / "a.png").write_bytes(b"mine")
    said = segdata("validate", root, "--overlays", root.parent / "pictures")
    assert (said.code, "no picture of segdata" in said.err) == (2, True)
    for _ in range(2):
        assert segdata("validate", root, "--overlays", root.parent / "others").code == 0


def test_a_link_stays_a_link(make: Make, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("")
    (tmp_path / "link").symlink_to("report")
    assert segdata("validate", make("colour-masks"), "-o", tmp_path / "link").code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "report").read_text().startswith("segdata validate")


def test_a_pipe_stays_a_pipe(make: Make, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_text()))
    reader.start()
    assert segdata("validate", make("colour-masks"), "--format", "json", "-o", tmp_path / "pipe").code == 0
    reader.join()
    assert len(json.loads(got[0])["findings"]) == 6
    assert (tmp_path / "pipe").is_fifo()


def test_outputs_that_cannot_be(make: Make, tmp_path: Path) -> None:
    root = make("colour-masks")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "out").mkdir()
    for target in (tmp_path / "file" / "x", tmp_path / "out", tmp_path / "out" / ("x" * 300)):
        said = segdata("validate", root, "-o", target)
        assert (said.code, said.out, str(target) in said.err) == (2, "", True)
    assert segdata("validate", root, "-o", "").code == 2
    assert segdata("validate", root, "-o", tmp_path / "b", "--write-baseline", tmp_path / "b").code == 2
    assert segdata("validate", root, "--overlays", tmp_path / "file").code == 2
    assert ((tmp_path / "file").read_text(), left_behind(tmp_path / "out")) == ("mine", [])


def test_a_full_disk(make: Make, tmp_path: Path) -> None:
    """Files that may not grow stand for a disk that is full; what was there before stays."""
    root, out = make("colour-masks"), tmp_path / "out"
    out.mkdir()
    (out / "report.json").write_text('{"version": 1, "dataset": "old"}')
    words = f'-m segdata.cli validate "{root}" --format json -o "{out}/report.json"'
    done = subprocess.run(
        ["bash", "-c", f'ulimit -f 0; exec "{sys.executable}" {words}'], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "report.json: cannot be written: " in done.stderr
    assert left_behind(out) == ["report.json"]
    assert "old" in (out / "report.json").read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a report"),
        ('{"version": 1, "dataset', "is not a report"),
        ('{"version": 2, "dataset": "a", "summary": {}, "findings": []}', "is not a report"),
        ('{"version": "2.1.0", "runs": []}', "is not a report"),
        ("[]", "is not a report"),
        ("[" * 100_000, "is not a report"),
    ],
)
def test_baselines_that_are_none(make: Make, tmp_path: Path, text: str, words: str) -> None:
    root = make("colour-masks")
    (tmp_path / "known.json").write_text(text)
    said = segdata("validate", root, "--baseline", tmp_path / "known.json")
    assert (said.code, words in said.err, "--write-baseline" in said.err) == (2, True, True)


def test_other_things_as_baselines(make: Make, tmp_path: Path) -> None:
    root = make("colour-masks")
    for given in (root, root / "masks" / "a.png", root / "nowhere", Path("/dev/zero")):
        said = segdata("validate", root, "--baseline", given)
        assert (said.code, str(given) in said.err) == (2, True)
    path = tmp_path / "known.json"
    assert segdata("validate", root, "--write-baseline", path).code == 0
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # as editors on Windows do
    assert "nothing new" in segdata("validate", root, "--baseline", path).out


@pytest.fixture
def odd_names(tmp_path: Path) -> Path:
    """A document whose images, categories and ids have names that break reports."""
    images = [{"id": k, "file_name": name, "width": 30, "height": 20} for k, name in enumerate(NAMES)]
    ring = [2, 2, 12, 2, 12, 12, 2, 12]
    annotations = [
        {"id": 10 * k + j, "image_id": k, "category_id": 1 + j, "segmentation": [ring], "iscrowd": 0}
        for k in range(len(NAMES))
        for j in (0, 1, 1)
    ]
    categories = [CATEGORIES[0] | {"name": "</script>\n\x1b[2J"}, CATEGORIES[1]]
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def report(data: Path, format: str) -> str:
    said = segdata("validate", data, "--one-by-one", "--format", format, "--fail-on", "never")
    assert said.code == 0, said.err
    return said.out


def test_names_in_json(odd_names: Path) -> None:
    found = json.loads(report(odd_names, "json"))["findings"]
    lines = report(odd_names, "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == found
    assert {"new\nline.png", "bell\x07.png", "</script><b>.png"} <= {each["image"] for each in found}
    assert len(json.loads(report(odd_names, "gitlab"))) == len(found)
    sarif: dict[str, Any] = json.loads(report(odd_names, "sarif"))
    assert len(sarif["runs"][0]["results"]) == len(found)


def test_names_in_xml(odd_names: Path) -> None:
    root = ElementTree.fromstring(report(odd_names, "junit"))
    assert any("</script><b>.png" in case.attrib["name"] for case in root.iter("testcase"))


def test_names_in_lines(odd_names: Path) -> None:
    n_findings = len(json.loads(report(odd_names, "json"))["findings"])
    lines = report(odd_names, "github").splitlines()
    assert len(lines) == n_findings + 1
    assert all(line.startswith("::") for line in lines[:-1])
    shown = [report(odd_names, "github"), report(odd_names, "text"), segdata("info", odd_names).out]
    for text in shown:
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", text)


def test_names_in_html(odd_names: Path) -> None:
    page = report(odd_names, "html")
    assert page.count("</script>") == page.count("<script")
    assert "<b>.png" not in page
