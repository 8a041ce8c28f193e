"""Damage at random to every format: an exit code of the contract, one line on stderr, and a whole target or none.

SEGDATA_FUZZ is the number of mutations of each dataset; a few suffice to notice what is new.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from segdata.core.format import formats
from tests.bad_input.damage import ENDLESS, LOST, change_content, change_file
from tests.bad_input.damaged_content import png_claiming
from tests.bad_input.sound_datasets import Said, left_behind, segdata, validated
from tests.bad_input.written_datasets import NEEDS, WRITTEN, write_dataset

MUTATIONS = int(os.environ.get("SEGDATA_FUZZ", "8"))
SECONDS = 20  # after which a command hangs
MEMORY = 4 << 30  # bytes
# Records of how a dataset came to be, which reading does not need.
RECORDS = ("README.md", "losses.json", "labels.losses.json")


def _written(name: str, root: Path) -> str:
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)
    return write_dataset(name, root)


def _labels(root: Path) -> list[Path]:
    """The files that are no images."""
    files = [path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file()]
    return [path for path in files if path.parts[0] != "images"]


@contextmanager
def _in_time() -> Iterator[None]:
    """The block raises where it takes too long."""

    def late(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _converted(data: Path, out: Path, to: str) -> Said:
    """What `convert` says; the target is whole, or nothing is left."""
    (suffix, *_) = (*formats()[to].file_suffixes, "")
    target = out / f"new{suffix}"
    out.mkdir()
    said = segdata("convert", data, target, "--to", to, "--jobs", "1")
    beside = ["new.losses.json"] if suffix and (out / "new.losses.json").exists() else []
    assert left_behind(out) == ([target.name, *beside] if said.code < 2 else [])
    if said.code < 2 and to == "canonical":
        assert segdata("info", target, "--jobs", "1").code == 0
    return said


@pytest.mark.parametrize("name", WRITTEN)
def test_damage_at_random(name: str, tmp_path: Path) -> None:
    data = _written(name, tmp_path / "sound")
    files = _labels(tmp_path / "sound")
    written = [each.name for each in formats().values() if each.write is not None]
    for number in range(MUTATIONS):
        rng = random.Random(f"{name} {number}")
        folder = tmp_path / str(number)
        root = Path(shutil.copytree(tmp_path / "sound", folder / "data"))
        (change_file if rng.random() < 0.2 else change_content)(root / rng.choice(files), rng)
        to = rng.choice(["canonical", rng.choice(written)])
        with _in_time():
            if number % 2:
                said = segdata("validate", root / data, "--format", "json", "--jobs", "1")
                assert all(each["file"] for each in said.findings if said.code < 2 and each["code"] == "SEG001")
            else:
                said = _converted(root / data, folder / "out", to)
        assert said.code < 2 or to != "canonical" or str(folder) in said.err, said.err
        assert {path.name for path in folder.iterdir()} <= {"data", "out"}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_that_is_lost_is_not_passed_over(name: str, tmp_path: Path) -> None:
    data = _written(name, tmp_path / "sound")
    rng = random.Random(name)
    for number, (what, lose) in enumerate(LOST.items()):
        root = Path(shutil.copytree(tmp_path / "sound", tmp_path / str(number)))
        file = rng.choice([path for path in _labels(root) if path.name not in RECORDS])
        lose(root / file)
        said = validated(root / data)
        assert said.code == 2 or said.findings, f"{file} is {what}"


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("name", ["coco-instances", "colour-masks", "yolo-seg", "npz", "cvat"])
def test_what_has_no_end_is_not_read(name: str, kind: str, tmp_path: Path) -> None:
    """Wherever it lies; one that is DATA itself too."""
    data = _written(name, tmp_path / "data")
    for file in _labels(tmp_path / "data"):
        root = Path(shutil.copytree(tmp_path / "data", tmp_path / "copy"))
        ENDLESS[kind](root / file)
        with _in_time():
            said = segdata("validate", root)
        assert (said.code, str(root / file) in said.err) == (2, True)
        if data != "." and file.name == data:
            assert segdata("validate", root / data).code == 2
        shutil.rmtree(root)


_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
from segdata import validate
for root in sys.argv[2:]:
    print(*sorted({f"{each.code}:{each.file}" for each in validate(root, jobs=1).findings if each.code == "SEG001"}))
"""


def test_sizes_are_believed_only_of_files_that_can_hold_them(tmp_path: Path) -> None:
    """Two billion pixels in a few hundred bytes: refused before memory is asked for."""
    expected = []
    for name in WRITTEN:
        if name in NEEDS:
            continue
        write_dataset(name, tmp_path / name)
        masks = [path for path in _labels(tmp_path / name) if path.suffix == ".png"]
        if masks:
            path = tmp_path / name / masks[-1]
            path.write_bytes(png_claiming(path.read_bytes(), 40_000, 50_000))
            expected.append((str(tmp_path / name), f"SEG001:{masks[-1].as_posix()}"))
    words = [sys.executable, "-c", _LIMITED, str(MEMORY), *(root for root, _ in expected)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines() == [found for _, found in expected]
