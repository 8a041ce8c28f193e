"""Fixes: what was found is gone, nothing else has changed, and a second time there is nothing to do."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import segdata
from segdata.cli.main import main
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.core.rule import rules
from segdata.core.rule_runner import run_rules
from segdata.core.runs import Runs, mask_to_runs, runs_to_mask
from segdata.measure.measure import measure_source
from segdata.store.fixes import FIXES, fixed_images, write_fixes
from segdata.testing.pictures import PictureDataset, draw_picture, read_pictures
from tests.generators.sample.dataset import Truth

FIXABLE = [rule for rule in rules().values() if rule.fix is not None]
# SEG104 shows near twins, of which nobody can say which to keep: identical ones have a test of their own.
SHOWN = [rule.code for rule in FIXABLE if read_pictures(rule.page) and rule.code != "SEG104"]


def found(drawing: PictureDataset, code: str, options: dict[str, object]) -> list[Finding]:
    rule = rules()[code]
    return list(run_rules(measure_source(drawing, rule.needs, jobs=1), [rule], Config(rules={code: options})).findings)


def mended(drawing: PictureDataset, findings: list[Finding]) -> PictureDataset:
    data = OpenDataset(drawing, drawing.profile, Config())
    images = list(fixed_images(data, findings, unsafe=True))
    assert len(images) == 1
    return PictureDataset(drawing.profile, images[0].after)


def test_every_rule_that_promises_a_fix_has_one() -> None:
    assert set(FIXES) == {rule.code for rule in FIXABLE}


@pytest.mark.parametrize("code", SHOWN)
def test_the_documented_findings_are_gone(code: str) -> None:
    n_mended = 0
    for picture in read_pictures(rules()[code].page):
        drawing = draw_picture(picture.text)
        findings = [each for each in found(drawing, code, picture.options) if each.fix]
        if len(drawing.image_ids) == 1 and findings and not drawing.profile.sequences:
            assert found(mended(drawing, findings), code, picture.options) == []
            n_mended += 1
    assert n_mended


def test_a_ring_in_a_ring_becomes_a_hole(tmp_path: Path) -> None:
    rings = [[1, 1, 51, 1, 51, 51, 1, 51], [16, 16, 36, 16, 36, 36, 16, 36]]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 60, "height": 60}],
        "categories": [{"id": 1, "name": "window"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": rings, "iscrowd": 0}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(document))
    findings = segdata.validate(tmp_path / "coco.json", select="SEG018").findings
    (fixed,) = fixed_images(segdata.read(tmp_path / "coco.json"), findings, unsafe=True)
    assert fixed.after.runs.areas(1).tolist() == [50 * 50 - 20 * 20]


def test_of_identical_segments_the_first_stays() -> None:
    drawing = draw_picture("xxx\nxxx\nccc\n\nx = a + b\na, b, c: car")
    findings = found(drawing, "SEG104", {})
    assert [each.fix for each in findings] == ["safe"]
    again = mended(drawing, findings)
    assert found(again, "SEG104", {}) == []
    assert again.batch.segments["segment_id"].to_pylist() == drawing.batch.segments["segment_id"].to_pylist()[::2]


Before = dict[Path, tuple[Finding, ...]]


@pytest.fixture(scope="module")
def defects(seeded_data: Truth, tmp_path_factory: pytest.TempPathFactory) -> Before:
    """The seeded defects, each set as a canonical dataset, with its findings."""
    folder = tmp_path_factory.mktemp("canonical")
    for path in sorted((seeded_data.folder / "defects").iterdir()):
        if path.is_dir():
            try:
                segdata.convert(path, folder / path.name)
            except SegdataError:
                continue  # broken as a whole: nothing of it can be mended
            config = path / "segdata.yaml"
            if config.exists():
                shutil.copy(config, folder / path.name)
    return {path: segdata.validate(path).findings for path in sorted(folder.iterdir())}


def by_code(findings: tuple[Finding, ...], fixable: set[str | None]) -> Counter[str]:
    return Counter(each.code for each in findings if (each.fix in fixable) and each.image is not None)


def test_safe_fixes_of_seeded_defects(defects: Before, tmp_path: Path) -> None:
    n_fixed: Counter[str] = Counter()
    for path, before in defects.items():
        work = tmp_path / path.name
        shutil.copytree(path, work)
        if write_fixes(segdata.read(work), before) is None:
            continue
        after = segdata.validate(work).findings
        n_fixed += by_code(before, {"safe"})
        assert not by_code(after, {"safe"})
        concerned = {each.image for each in before if each.fix == "safe"}
        difference = segdata.diff(path, work, limit=None)
        assert {change.image for change in difference.changes} <= concerned
        rest = [each for each in before if each.image not in concerned and each.image is not None]
        assert [each for each in after if each.image not in concerned and each.image is not None] == rest
        assert write_fixes(segdata.read(work), after) is None
    assert {"SEG104", "SEG105"} <= set(n_fixed)


def test_unsafe_fixes_of_seeded_defects(defects: Before, tmp_path: Path) -> None:
    n_fixed: Counter[str] = Counter()
    for path, before in defects.items():
        work = tmp_path / path.name
        shutil.copytree(path, work)
        if write_fixes(segdata.read(work), before, unsafe=True) is None:
            continue
        after = segdata.validate(work).findings
        assert not by_code(after, {"safe", "unsafe"})
        n_fixed += by_code(before, {"unsafe"})
        assert write_fixes(segdata.read(work), after, unsafe=True) is None
    assert {"SEG101", "SEG106", "SEG107"} <= set(n_fixed)


@pytest.fixture
def gappy(tmp_path: Path) -> Path:
    """A canonical dataset of three images, one of which has a gap and a speck."""
    text = """
    aaaaaaaaaaaabb
    aaaaaaaaaaaabb
    aaaa.aaaaaaaab
    aaaaaaaaaaaabb

    aaabbb

    bbbbbb
    coverage: exhaustive
    """
    drawing = draw_picture(text)
    segdata.convert(OpenDataset(drawing, drawing.profile, Config()), tmp_path / "set")
    return tmp_path / "set"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def content(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_command_line_shows_then_fixes_then_has_nothing_to_do(gappy: Path, tmp_path: Path) -> None:
    before = content(gappy)
    shown = run("validate", gappy, "--diff", "--unsafe-fixes", "--overlays", tmp_path / "pictures")
    assert shown.exit_code == 1
    assert "SEG101 gap" in shown.stdout
    assert any(line.startswith("  + ") for line in shown.stdout.splitlines())
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 1
    assert content(gappy) == before

    assert "nothing to fix" in run("validate", gappy, "--fix").stderr
    done = run("validate", gappy, "--unsafe-fixes")
    assert "revision r0002 is current" in done.stderr
    assert "SEG101" not in done.stdout
    after = content(gappy)
    assert {name: data for name, data in after.items() if name.startswith("r0001")} == {
        name: data for name, data in before.items() if name.startswith("r0001")
    }
    entries = [json.loads(line) for line in (gappy / "r0002" / "changes.jsonl").read_text().splitlines()]
    assert {entry["code"] for entry in entries} == {"SEG101", "SEG107"}
    assert any(b"fixed SEG101 x1, SEG107 x1 in 1 image" in data for data in after.values())
    assert "nothing to fix" in run("validate", gappy, "--unsafe-fixes").stderr
    assert content(gappy) == after


_ON_FULL_DISKS = """
import os, resource, sys
from segdata.cli.main import main
for words in sys.argv[1:]:
    most, folder = words.split(" ", 1)
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
        main(["validate", folder, "--unsafe-fixes", "--no-cache"])
    status = os.waitpid(pid, 0)[1]
    print("ENDED", os.waitstatus_to_exitcode(status), file=sys.stderr, flush=True)
"""


def test_a_full_disk_leaves_the_dataset_as_it_was(gappy: Path, tmp_path: Path) -> None:
    before = content(gappy)
    limits = (0, 100, 1500)
    folders = [shutil.copytree(gappy, tmp_path / f"set{most}") for most in limits]
    words = [f"{most} {folder}" for most, folder in zip(limits, folders, strict=True)]
    command = [sys.executable, "-c", _ON_FULL_DISKS, *words]
    *said, _ = subprocess.run(command, capture_output=True, text=True, check=True).stderr.split("ENDED 2")
    assert len(said) == len(limits)
    for text, folder in zip(said, folders, strict=True):
        assert "the dataset is as it was" in text
        assert "Traceback" not in text
        assert content(folder) == before
        assert not (folder / "r0002").exists()


def test_fixes_of_another_format_say_what_to_do(gappy: Path, tmp_path: Path) -> None:
    segdata.convert(gappy, tmp_path / "masks", to="instance-ids")
    data = segdata.read(tmp_path / "masks")
    with pytest.raises(SegdataError, match=r"convert it first: segdata convert \S+ OUT"):
        write_fixes(data, segdata.validate(data).findings, unsafe=True)


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=7))
def test_a_picture_becomes_runs_and_back(rows: list[list[bool]]) -> None:
    picture = np.array(rows)
    runs = mask_to_runs(picture)
    height, width = picture.shape
    assert runs.checked(np.array([height]), np.array([width])) is runs
    assert (runs_to_mask(runs, height, width) == picture).all()
    assert runs_to_mask(Runs.empty(), 2, 3).sum() == 0
