"""DATA that is something else, and names that are hard to write down."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segdata.core.format import find_format
from tests.bad_input.sound_datasets import Make, picture, segdata, validated


def _png(folder: Path) -> Path:
    picture(folder / "x.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8))
    return folder / "x.png"


def _file(name: str, content: bytes) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return made


def _link(to: str) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        (folder / "link").symlink_to(to)
        return folder / "link"

    return made


def _unrelated(folder: Path) -> Path:
    (folder / "a.txt").write_text("x")
    (folder / "b.py").write_text("y")
    return folder


WRONG: dict[str, Callable[[Path], Path]] = {
    "an image": _png,
    "a text": _file("x.txt", b"hello"),
    "an archive": _file("x.zip", b"PK\3\4 and more"),
    "other JSON": _file("x.json", b'{"a": 1}'),
    "no suffix": _file("x", b""),
    "nothing": lambda folder: folder / "nowhere",
    "a long name": lambda folder: folder / ("x" * 300),
    "an empty folder": lambda folder: folder,
    "unrelated files": _unrelated,
    "a link to nowhere": _link("nowhere"),
    "a link to itself": _link("link"),
    "a device": lambda folder: Path(os.devnull),
}


@pytest.mark.parametrize("kind", WRONG)
def test_data_that_is_none(tmp_path: Path, kind: str) -> None:
    (tmp_path / "d").mkdir()
    data = WRONG[kind](tmp_path / "d")
    for words in (("validate", data), ("info", data), ("show", data, "a"), ("convert", data, tmp_path / "new")):
        said = segdata(*words)
        assert (said.code, said.out) == (2, "")
        assert str(data) in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_an_image_of_one_colour_is_an_empty_mask(tmp_path: Path) -> None:
    """Masks need no taxonomy, so it can be read; that nothing is labelled is the error."""
    picture(tmp_path / "x.png", np.zeros((9, 9, 3), np.uint8))
    said = validated(tmp_path / "x.png")
    assert (said.code, said.images) == (1, 1)
    assert [each["code"] for each in said.findings if each["severity"] == "error"] == ["SEG020"]
    assert "SEG219 provisional-taxonomy" in segdata("validate", tmp_path / "x.png").out


NAMES = [
    "with space.png",
    "ünï ☃.png",
    "quo'te\"s.png",
    "tab\t.png",
    "-dash.png",
    "$(touch x).png",
    "[b]*.png",
    "{stem}.png",
    "a,b.png",
    "\x1b[31mred.png",
    "x" * 180 + ".png",
]
WRITABLE = ["canonical", "coco-instances", "coco-panoptic", "colour-masks", "instance-ids"]


def _renamed(root: Path, name: str) -> None:
    for path in list(root.rglob("b*.png")):
        path.rename(path.with_name(Path(name).stem + path.name[1:]))
    for path in root.glob("*.json"):
        path.write_text(path.read_text().replace('"b.png"', json.dumps(name)))


@pytest.mark.parametrize("name", NAMES)
def test_names_survive_every_format(make: Make, tmp_path: Path, name: str) -> None:
    root = make("colour-masks")
    _renamed(root, name)
    for to in WRITABLE:
        target = tmp_path / to
        assert segdata("convert", root, target, "--to", to, "--copy-images", "--on-loss", "allow").code == 0
        said = validated(target)
        assert (said.code, said.images) == (0, 3), to
        assert segdata("show", "--output", tmp_path / f"{to}.png", "--", target, name).code == 0


@pytest.mark.parametrize("name", ["new\nline.png", "new\rline.png"])
def test_names_with_a_line_break_are_written_or_counted(make: Make, tmp_path: Path, name: str) -> None:
    root = make("colour-masks")
    _renamed(root, name)
    for to in WRITABLE:
        lost = find_format(to).names.why_not(name) is not None
        said = segdata("convert", root, tmp_path / to, "--to", to, "--copy-images")
        assert ("image-name: 1 image (e.g." in said.out) == lost, said.out
        assert validated(tmp_path / to).images == 3 - lost
    assert not find_format("canonical").names.why_not(name)


@pytest.mark.parametrize("format", ["coco-instances", "coco-panoptic", "instance-ids", "layers"])
def test_names_are_read_in_every_format(make: Make, format: str) -> None:
    root = make(format)
    _renamed(root, "ünï 'co\" de☃.png")
    said = validated(root)
    assert (said.code, said.images, said.findings) == (0, 3, [])


@pytest.mark.parametrize("format", ["coco-instances", "colour-masks", "layers"])
def test_names_that_are_no_text_are_to_be_renamed(make: Make, format: str) -> None:
    root = make(format)
    for path in list(root.rglob("b*.png")):
        path.rename(path.with_name(f"b\udcff{path.name[1:]}"))
    said = segdata("validate", root)
    assert (said.code, "\\udcff" in said.err, "rename it" in said.err) == (2, True, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_data_that_may_not_be_read(make: Make) -> None:
    root = make("coco-instances")
    (root / "coco.json").chmod(0)
    said = segdata("validate", root / "coco.json")
    assert (said.code, "Permission denied" in said.err) == (2, True)
