"""However `convert` ends, the target is there whole or not at all, and nothing hidden lies beside it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.bad_input.sound_datasets import CATEGORIES, Make, left_behind, segdata, validated

PROGRAM = [sys.executable, "-m", "segdata.cli"]
TARGETS = {"canonical": "new", "coco-instances": "new.json", "coco-panoptic": "new"}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A document that takes seconds to convert."""
    images = [{"id": k, "file_name": f"{k:06d}.png", "width": 400, "height": 300} for k in range(12_000)]
    ring = [10, 10, 300, 20, 200, 290]
    annotations = [
        {"id": k, "image_id": k // 4, "category_id": 1, "segmentation": [ring], "iscrowd": 0} for k in range(48_000)
    ]
    path = tmp_path_factory.mktemp("large") / "large.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES}))
    return path


Interruptible = Callable[[Sequence[str]], list[str]]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("to", "number", "code"),
    [
        ("canonical", signal.SIGINT, 130),
        ("canonical", signal.SIGTERM, 143),
        ("coco-instances", signal.SIGTERM, 143),
        ("canonical", signal.SIGKILL, -9),
        ("coco-instances", signal.SIGKILL, -9),
    ],
)
def test_killed_in_the_middle(
    large: Path, out: Path, to: str, number: signal.Signals, code: int, interruptible: Interruptible
) -> None:
    target = out / TARGETS[to]
    words = interruptible([*PROGRAM, "convert", str(large), str(target), "--to", to])
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not any(".partial" in name for name in left_behind(out)) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in stderr
    assert not target.exists()
    if number != signal.SIGKILL:
        assert left_behind(out) == []
        return
    (partial,) = (path for path in out.iterdir() if path.suffix != ".lock")
    assert segdata("validate", partial).code != 0


@pytest.mark.parametrize("to", TARGETS)
def test_what_a_killed_conversion_left_is_cleared_away(make: Make, out: Path, to: str) -> None:
    partial = out / f".{TARGETS[to]}.0123456789ab.partial{Path(TARGETS[to]).suffix}"
    (partial / "r0001").mkdir(parents=True)
    (partial / "r0001" / "images.parquet").write_bytes(b"half")
    assert segdata("convert", make("coco-instances"), out / TARGETS[to], "--to", to).code == 0
    assert left_behind(out) == [TARGETS[to], *(["new.losses.json"] if to == "coco-instances" else [])]
    assert validated(out / TARGETS[to]).code == 0


@pytest.mark.parametrize("to", [*TARGETS, "colour-masks"])
def test_a_full_disk(make: Make, out: Path, to: str) -> None:
    """Files that may not grow stand for a disk that is full."""
    target, data = out / TARGETS.get(to, "new"), make("coco-instances")
    command = f'ulimit -f 0; exec "{sys.executable}" -m segdata.cli convert "{data}" "{target}" --to {to}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, left_behind(out)) == (2, [])
    assert f"{target}: cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_target_that_exists_is_left_alone(make: Make, out: Path) -> None:
    (out / "full").mkdir()
    (out / "full" / "mine").write_text("mine")
    (out / "file").write_text("mine")
    for name in ("full", "file", "file/below"):
        said = segdata("convert", make("layers") if name == "full" else out.parent / "data", out / name)
        assert (said.code, str(out) in said.err) == (2, True)
    assert left_behind(out) == ["file", "full"]
    assert (out / "full" / "mine").read_text() == (out / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_target_that_may_not_be_written(make: Make, out: Path) -> None:
    out.chmod(0o500)
    said = segdata("convert", make("layers"), out / "new")
    assert (said.code, "Permission denied" in said.err) == (2, True)


def test_an_empty_folder_stays_when_nothing_is_written(make: Make, out: Path) -> None:
    root = make("coco-instances")
    (root / "coco.json").write_text('{"images": [], "annotations": [], "categories": []}')
    (out / "new").mkdir()
    assert segdata("convert", root / "coco.json", out / "new").code == 2
    assert left_behind(out) == ["new"]


def test_copied_images_beside_a_document_are_whole_too(make: Make, out: Path) -> None:
    root = make("coco-instances")
    words = ("--to", "coco-instances", "--copy-images")
    assert segdata("convert", root, out / "new.json", *words).code == 0
    assert left_behind(out) == ["images", "new.json", "new.losses.json"]
    assert (validated(out / "new.json").code, len(list((out / "images").iterdir()))) == (0, 3)
    again = segdata("convert", root, out / "other.json", *words)
    assert (again.code, "images: exists already" in again.err) == (2, True)
    assert left_behind(out) == ["images", "new.json", "new.losses.json"]
