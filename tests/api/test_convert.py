"""The certificate of losses: what it says, where it lies, that it is whole or not there, and that no reader trips."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.config import Config, Layers
from segdata.core.errors import SegdataError
from segdata.core.format import Format, detect, formats
from segdata.core.losses import LOSSES_FILE, Loss
from tests.generators.sample.dataset import make
from tests.generators.schemas import json_schemas

KILLED = ["coco-instances", "colour-masks", "cvat"]
WRITTEN = [each for each in formats().values() if each.write is not None and each.name != "canonical"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    make(folder, seed=1, images=2, only=("clean",))
    return folder / "clean"


def test_it_lies_beside_a_file_and_says_what_was_lost(clean: Path, tmp_path: Path) -> None:
    done = segdata.convert(clean / "panoptic", tmp_path / "coco.json", to="coco-instances")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco.json", "coco.losses.json"]
    assert done.certificate == tmp_path / "coco.losses.json"
    told = json.loads(done.certificate.read_text(encoding="utf-8"))
    jsonschema.validate(told, json_schemas()["losses"])
    assert told["source"] == {"path": str(clean / "panoptic" / "panoptic.json"), "format": "coco-panoptic"}
    assert told["target"] == {"path": "coco.json", "format": "coco-instances"}
    assert (told["images"], told["segments"]) == (done.n_images, done.n_segments)
    assert told["losses"] == [
        {"kind": loss.kind, "of": loss.of, "count": loss.count, "pixels": loss.pixels,
         "images": loss.images, "examples": loss.examples, "columns": loss.columns}
        for loss in done.losses
    ]  # fmt: skip
    assert told["losses"]


def test_it_lies_in_a_folder_also_where_nothing_was_lost(clean: Path, tmp_path: Path) -> None:
    segdata.convert(clean / "instances", tmp_path / "once", to="coco-instances")
    done = segdata.convert(tmp_path / "once", tmp_path / "coco", to="coco-instances")
    assert (done.losses, done.certificate) == ((), tmp_path / "coco" / LOSSES_FILE)
    assert json.loads((tmp_path / "coco" / LOSSES_FILE).read_text(encoding="utf-8"))["losses"] == []


def test_a_canonical_dataset_says_it_in_dataset_yaml(clean: Path, tmp_path: Path) -> None:
    done = segdata.convert(clean / "instances", tmp_path / "canonical")
    assert done.certificate is None
    assert not (tmp_path / "canonical" / LOSSES_FILE).exists()


def test_defects_are_counted_by_code(clean: Path, tmp_path: Path) -> None:
    document = json.loads((clean / "instances" / "instances.json").read_text())
    for row in (0, 1):
        document["annotations"][row]["category_id"] = 4711
    (tmp_path / "broken.json").write_text(json.dumps(document))
    segdata.convert(tmp_path / "broken.json", tmp_path / "out", to="coco-instances")
    told = json.loads((tmp_path / "out" / LOSSES_FILE).read_text(encoding="utf-8"))
    assert told["defects"]["SEG007"] == 2
    assert [loss["kind"] for loss in told["losses"]] == ["unreadable"]


def test_a_stale_one_is_replaced(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "coco.losses.json").write_text("of a file that was deleted")
    segdata.convert(clean / "instances", tmp_path / "coco.json", to="coco-instances")
    assert json.loads((tmp_path / "coco.losses.json").read_text())["version"] == 1


def test_losses_are_announced_before_anything_is_in_its_place(clean: Path, tmp_path: Path) -> None:
    seen: list[tuple[list[str], list[str]]] = []

    def announce(losses: Sequence[Loss]) -> None:
        seen.append(([loss.kind for loss in losses], [path.name for path in tmp_path.iterdir()]))

    done = segdata.convert(clean / "panoptic", tmp_path / "coco.json", to="coco-instances", announce=announce)
    ((kinds, names),) = seen
    assert kinds == [loss.kind for loss in done.losses]
    assert all(name.startswith(".coco.json.") for name in names)


def test_where_the_announcement_fails_nothing_is_written(clean: Path, tmp_path: Path) -> None:
    def announce(losses: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segdata.convert(clean / "instances", tmp_path / "coco.json", to="coco-instances", announce=announce)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def killed(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """A folder for each format, with what a process left that was killed when it had said the losses; and these."""
    folder = tmp_path_factory.mktemp("killed")
    code = (
        "import os, segdata, segdata.api.convert, sys\n"
        "def announce(losses):\n"
        "    print(*losses, sep='\\n', flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "for to in sys.argv[3:]:\n"
        "    os.mkdir(os.path.join(sys.argv[2], to))\n"
        "    print(to, flush=True)\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        out = os.path.join(sys.argv[2], to, 'out')\n"
        "        segdata.convert(sys.argv[1], out, to=to, copy_images=True, announce=announce)\n"
        "    print(os.waitpid(pid, 0)[1], flush=True)\n"
    )
    words = [sys.executable, "-c", code, str(clean / "panoptic"), str(folder), *KILLED]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    first = [*map(lines.index, KILLED), len(lines)]
    assert all(lines[end - 1] == "9" for end in first[1:])  # the signal
    return folder, {to: lines[first[k] + 1 : first[k + 1] - 1] for k, to in enumerate(KILLED)}


@pytest.mark.parametrize("to", KILLED)
def test_killed_once_losses_are_said(clean: Path, killed: tuple[Path, dict[str, list[str]]], to: str) -> None:
    """Whatever happens then, what is lost was said before anything is there; and the next conversion clears up."""
    folder = killed[0] / to
    assert all(path.name.startswith(".out.") for path in folder.iterdir())
    done = segdata.convert(clean / "panoptic", folder / "out", to=to, copy_images=True)
    assert killed[1][to] == [str(loss) for loss in done.losses]
    assert [path.name for path in folder.iterdir()] == ["out"]


@pytest.mark.parametrize("each", WRITTEN, ids=lambda each: each.name)
def test_where_nothing_may_be_lost_nothing_at_all_is_written(clean: Path, tmp_path: Path, each: Format) -> None:
    target = tmp_path / f"out{next(iter(each.file_suffixes), '')}"
    try:
        done = segdata.convert(clean / "panoptic", target, to=each.name, copy_images=True, on_loss="error")
    except SegdataError:  # of which LossError is one
        assert list(tmp_path.iterdir()) == []
    else:
        assert done.losses == ()


# Two have fixed categories, and two need the DICOM files that were annotated: no other writer may refuse the sample.
REFUSING = ("cityscapes", "kitti", "dicom-seg", "rt-struct")


@pytest.mark.parametrize("each", WRITTEN, ids=lambda each: each.name)
def test_no_reader_takes_it_for_labels(clean: Path, tmp_path: Path, each: Format) -> None:
    """In the folder that was written the format is detected, and no finding speaks of the certificate."""
    if each.name in REFUSING:
        with pytest.raises(SegdataError):
            segdata.convert(clean / "instances", tmp_path / "made", to=each.name, copy_images=True)
        assert not (tmp_path / "made").exists()
        return
    done = segdata.convert(clean / "instances", tmp_path / "made", to=each.name, copy_images=True)
    assert done.certificate == tmp_path / "made" / LOSSES_FILE
    assert detect(tmp_path / "made") == each.name
    before = segdata.validate(tmp_path / "made").findings
    assert not [finding for finding in before if LOSSES_FILE in f"{finding.file} {finding.message} {finding.place}"]
    done.certificate.unlink()
    assert segdata.validate(tmp_path / "made").findings == before


def test_a_layer_of_another_size_is_left_out_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "layers"
    for name, size in (("a_car.png", (4, 3)), ("a_bus.png", (5, 5))):
        folder.mkdir(exist_ok=True)
        Image.fromarray(np.ones(size[::-1], np.uint8) * 255).save(folder / name)
    config = Config(layers=Layers(pattern="{stem}_{category}.png"))
    result = segdata.convert(folder, tmp_path / "out", config=config)
    assert [loss.kind for loss in result.losses] == ["unreadable"]
    assert "SEG003" in result.losses[0].examples[0]


@pytest.mark.parametrize("to", ["dicom-seg", "rt-struct"])
def test_a_refusal_names_the_target_and_nothing_hidden(clean: Path, tmp_path: Path, to: str) -> None:
    with pytest.raises(SegdataError) as refused:
        segdata.convert(clean / "panoptic", tmp_path / "out", to=to, copy_images=True)
    assert f"{tmp_path / 'out'}/images/" in str(refused.value)
    assert "partial" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []
