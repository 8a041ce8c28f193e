"""Programs that write to one target at the same time: one writes it, the others stop with an error."""

import subprocess
import sys
from pathlib import Path

import pytest

import segdata
from segdata.core.errors import SegdataError
from tests.bad_input.sound_datasets import Make, left_behind, validated

PROGRAM = [sys.executable, "-m", "segdata.cli"]
TARGETS = {
    "canonical": "new",
    "coco-instances": "new.json",
    "coco-panoptic": "new",
    "yolo-seg": "new",
    "colour-masks": "new",
    "datumaro": "new",
}


def run_together(*commands: list[str]) -> list[tuple[int, str]]:
    """Run commands at the same time; returns their exit codes and what they say on stderr."""
    processes = [
        subprocess.Popen([*PROGRAM, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for words in commands
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    return [(process.returncode, error) for process, error in zip(processes, errors, strict=True)]


@pytest.mark.parametrize("to", ["canonical", "coco-instances"])
def test_processes_convert_to_one_target(make: Make, tmp_path: Path, to: str) -> None:
    data, target = make("coco-instances"), tmp_path / "out" / TARGETS[to]
    target.parent.mkdir()
    words = ["convert", str(data), str(target), "--to", to, "--copy-images"]
    ended = run_together(words, words, words)
    assert sorted(code for code, _ in ended) == [0, 2, 2]
    for code, error in ended:
        assert ("another program" in error or "exists already" in error) == (code == 2)
    assert validated(target).code == 0
    assert not [name for name in left_behind(target.parent) if name.startswith(".")]


@pytest.mark.parametrize("to", TARGETS)
def test_a_second_conversion_meets_the_first_in_every_format(make: Make, tmp_path: Path, to: str) -> None:
    """The second one begins where the first has written everything, but not yet moved it into place."""
    data, target = make("coco-instances"), tmp_path / "out" / TARGETS[to]
    target.parent.mkdir()

    def second(losses: object) -> None:
        before = left_behind(target.parent)
        with pytest.raises(SegdataError, match="another program is writing it"):
            segdata.convert(data, target, to=to)
        assert left_behind(target.parent) == before

    segdata.convert(data, target, to=to, announce=second)
    segdata.read(target, format=to).validate()
    assert not [name for name in left_behind(target.parent) if name.startswith(".")]


@pytest.mark.parametrize("to", TARGETS)
def test_without_locks_the_faster_one_stays(
    make: Make, tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disks without locks: hidden names are unique, and nothing is placed over what is there."""
    monkeypatch.setattr("segdata.core.atomic_files.fcntl", None)
    data, target = make("coco-instances"), tmp_path / "out" / TARGETS[to]
    target.parent.mkdir()

    def second(losses: object) -> None:
        segdata.convert(data, target, to=to)

    with pytest.raises(SegdataError, match="another program has written it meanwhile"):
        segdata.convert(data, target, to=to, announce=second)
    segdata.read(target, format=to).validate()
    assert not [name for name in left_behind(target.parent) if name.startswith(".")]


def test_documents_in_one_folder_share_its_images_folder_with_nobody(make: Make, tmp_path: Path) -> None:
    """`a.json` and `b.json` both put `images` beside themselves: the second finds it there, and leaves nothing."""
    data = make("coco-instances")

    def second(losses: object) -> None:
        segdata.convert(data, tmp_path / "b.json", to="coco-instances", copy_images=True)

    with pytest.raises(SegdataError, match="images: another program has written it meanwhile"):
        segdata.convert(data, tmp_path / "a.json", to="coco-instances", copy_images=True, announce=second)
    names = left_behind(tmp_path)
    assert "b.json" in names
    assert "images" in names
    assert not [name for name in names if name.startswith((".", "a."))]
    assert validated(tmp_path / "b.json").code == 0


def test_processes_write_one_report_table_and_project(make: Make, tmp_path: Path) -> None:
    data = make("coco-instances")
    report = ["validate", str(data), "--format", "json", "--output", str(tmp_path / "report.json")]
    table = ["info", str(data), "--objects", str(tmp_path / "objects.csv")]
    project = ["init", str(data), "--output", str(tmp_path / "project"), "--force"]
    for words in (report, table, project):
        assert [code for code, _ in run_together(words, words)] == [0, 0]
    assert not [name for name in left_behind(tmp_path) if name.startswith(".")]
