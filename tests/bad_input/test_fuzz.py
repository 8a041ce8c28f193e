"""Damage at random to every format: an exit code of the contract, one line on stderr, and a whole target or none.

SEGDATA_FUZZ is the number of mutations of each dataset; a few suffice to notice what is new.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import zipfile
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

MUTATIONS = int(os.environ.get("SEGDATA_FUZZ", "4"))
SECONDS = 20  # after which a command hangs
MEMORY = 4 << 30  # bytes
# Records, lists, images, and labels that lie there a second time: nobody misses them. An empty .txt is a sound one.
NEEDLESS = (
    r"README|losses|images\.|imagesTr/|sequences\.|segdata\.|id2label|\.txt$|ct/"
    r"|Annotations/.*xml|Object/|labelIds|/semantic/|v1.2/labels/"
    r"|cells/0/|\.zarr/labels/\.z"  # a chunk that is not there is one of zeros, by Zarr's specification
)


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


@pytest.mark.filterwarnings("ignore:.*Invalid value for VR:UserWarning")  # pydicom says it of what is damaged
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
                assert said.code == 2 or all(each["file"] for each in said.findings if each["code"] == "SEG001")
            else:
                said = _converted(root / data, folder / "out", to)
        assert said.code < 2 or to != "canonical" or str(folder) in said.err, said.err
        assert {path.name for path in folder.iterdir()} <= {"data", "out"}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_that_is_lost_is_not_passed_over(name: str, tmp_path: Path) -> None:
    data = _written(name, tmp_path / "sound")
    rng = random.Random(name)
    needed = [path for path in _labels(tmp_path / "sound") if not re.search(NEEDLESS, path.as_posix())]
    for number, (what, lose) in enumerate(LOST.items()):
        root = Path(shutil.copytree(tmp_path / "sound", tmp_path / str(number)))
        file = rng.choice(needed)
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
    print(*sorted({f"{each.code}:{each.file}" for each in validate(root, jobs=1).single if each.code == "SEG001"}))
"""


def test_sizes_are_believed_only_of_files_that_can_hold_them(tmp_path: Path) -> None:
    """Two billion pixels in a few hundred bytes: refused before memory is asked for."""
    roots = []
    for name in WRITTEN:
        if name in NEEDS:
            continue
        write_dataset(name, tmp_path / name)
        masks = [tmp_path / name / path for path in _labels(tmp_path / name) if path.suffix == ".png"]
        for path in masks:
            path.write_bytes(png_claiming(path.read_bytes(), 40_000, 50_000))
        if masks:
            roots.append(str(tmp_path / name))
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(MEMORY), *roots], capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)
    said = done.stdout.splitlines()
    assert [root for root, line in zip(roots, said, strict=True) if ".png" not in line] == []


@pytest.mark.parametrize("value", ["9" * 5000, '"\\ud800"', "[" * 3000 + "]" * 3000], ids=["digits", "half", "deep"])
@pytest.mark.parametrize("name", ["label-studio", "labelme", "supervisely", "via", "datumaro", "sam", "youtube-vis"])
def test_values_that_json_takes_and_tables_do_not(name: str, value: str, tmp_path: Path) -> None:
    """In the place of numbers of a document, wherever they stand; each value has places of its own."""
    data = write_dataset(name, tmp_path / "data")
    (file, *_) = [path for path in _labels(tmp_path / "data") if path.suffix == ".json" and "losses" not in path.name]
    path = tmp_path / "data" / file
    text = path.read_text()
    places = list(re.finditer(r"(?<=[\[,:\s])\d[\d.]*(?=[\s,\]}])", text))
    for at in places[len(value) % 3 :: max(len(places) // 5, 1)]:
        path.write_text(text[: at.start()] + value + text[at.end() :])
        validated(tmp_path / "data" / data)


@pytest.mark.parametrize("shapes", ['["\\ud800", {"label": 5%s}]', '{"label": [5%s]}', '[{"points": [5%s]}, 7]'])
def test_numbers_without_end_in_the_heads_of_labelme(shapes: str, tmp_path: Path) -> None:
    """Its files are read twice: the labels first, before any image."""
    write_dataset("labelme", tmp_path)
    (file, *_) = sorted(tmp_path.rglob("*.json"))
    file.write_text(f'{{"shapes": {shapes % ("9" * 5000)}, "imagePath": "\\ud800.png"}}')
    said = validated(tmp_path)
    assert {"SEG001", "SEG004", "SEG006"} & {finding["code"] for finding in said.findings}


def test_a_line_that_is_no_text_is_told_in_one_finding(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_dataset("mots as text", tmp_path / "data")
    path = tmp_path / "data" / "instances_txt" / "b.txt"
    path.write_bytes(path.read_bytes() + b"0 \xff\xfe 2\n")
    assert validated(tmp_path / "data").has("SEG004", "instances_txt/b.txt", None, "line 4", "3 fields")
    assert capfd.readouterr().err == ""


def test_an_array_whose_header_is_no_python(tmp_path: Path) -> None:
    write_dataset("npz", tmp_path / "data")
    with zipfile.ZipFile(tmp_path / "data" / "c.npz", "w") as file:
        head = b"{'descr': (\n"
        file.writestr("probabilities.npy", b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head)
    said = validated(tmp_path / "data", "--from", "npz")
    assert [each["code"] for each in said.findings if each["file"] == "c.npz"] == ["SEG001"]
