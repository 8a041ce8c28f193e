"""Zip archives of datasets: read as the folder is, and refused where unpacking would do harm."""

import os
import stat
import subprocess
import sys
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import segdata
from segdata.api import archives
from segdata.api.archives import unpack_archive
from segdata.cli.main import main
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.paths import TEMPORARY_FOLDERS

SAMPLE = Path(__file__).parents[2] / "sample_data" / "panoptic"


def zipped(folder: Path, path: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


def archive_of(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that occur twice
        for name in names:
            archive.writestr(name, b"content")
    return path


@pytest.mark.parametrize("prefix", ["", "street/", "a/b/"])
@pytest.mark.parametrize("to", ["coco-panoptic", "colour-masks", "yolo-seg", "cvat"])
def test_an_archive_is_read_as_its_folder(tmp_path: Path, to: str, prefix: str) -> None:
    segdata.convert(SAMPLE, tmp_path / "folder", to=to, copy_images=True)
    archive = zipped(tmp_path / "folder", tmp_path / "labels.zip", prefix)
    (tmp_path / "folder").rename(tmp_path / "elsewhere")
    assert segdata.diff(archive, tmp_path / "elsewhere").same
    found, expected = segdata.validate(archive), segdata.validate(tmp_path / "elsewhere")
    key = [(each.code, each.file, each.message) for each in expected.findings]
    assert [(each.code, each.file, each.message) for each in found.findings] == key


def test_images_beside_an_archive_of_labels(tmp_path: Path) -> None:
    segdata.convert(SAMPLE, tmp_path / "x/annotations/instances.json", to="coco-instances")
    archive = zipped(tmp_path / "x", tmp_path / "job 7.zip")
    assert [each.code for each in segdata.validate(archive, select=["SEG002"]).findings] == ["SEG002"]
    (tmp_path / "images").symlink_to(SAMPLE / "images")
    assert segdata.validate(archive, select=["SEG002"]).findings == ()


def test_what_is_written_does_not_refer_to_the_temporary_folder(tmp_path: Path) -> None:
    archive = zipped(SAMPLE, tmp_path / "labels.zip")
    segdata.convert(archive, tmp_path / "bare")
    assert segdata.read(tmp_path / "bare").images["uri"].isna().all()
    segdata.convert(archive, tmp_path / "whole", copy_images=True)
    for uri in segdata.read(tmp_path / "whole").images["uri"]:
        assert Path(uri).is_relative_to(tmp_path / "whole")
        assert Path(uri).is_file()


def test_reports_name_the_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No report, and no command in one, names the temporary folder; `init` writes beside the archive."""
    folder = tmp_path / "my set" / "masks"
    folder.mkdir(parents=True)
    for name in "ab":
        Image.fromarray(np.tri(9, dtype=np.uint8) * 255).save(folder / f"{name}.png")
    archive = zipped(folder.parent, tmp_path / "my set.zip", "my set/")
    commands = (["validate", "--no-cache"], ["info"], ["init"], ["validate"], ["convert"])
    said = {}
    for words in commands:
        more = [str(tmp_path / "out")] if words == ["convert"] else []
        with pytest.raises(SystemExit) as ended:
            main.main([words[0], str(archive), *more, *words[1:]])
        assert not ended.value.code
        said[" ".join(words)] = "".join(capsys.readouterr())
    assert "segdata-" not in "".join(said.values()).replace("segdata-pictures", "")
    assert "provisional taxonomy" in said["validate --no-cache"]
    command = "".join(f"segdata init '{archive}'".split())  # at 80 columns a long path is folded anywhere
    assert command in "".join(said["validate --no-cache"].split())
    assert "provisional" not in said["validate"]  # what init wrote beside the archive is read
    with pytest.raises(SegdataError) as caught:
        segdata.read(archive, format="coco")
    assert str(caught.value).startswith(f"{archive}: no COCO")


def test_the_temporary_folder_goes_with_the_program(tmp_path: Path) -> None:
    archive = zipped(SAMPLE, tmp_path / "labels.zip")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "segdata", "info", str(archive)]
    done = subprocess.run(command, env={**os.environ, "TMPDIR": str(temporary)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(temporary.iterdir()) == []


def test_a_folder_of_masks_alone_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "train/a.png")
    root = unpack_archive(zipped(tmp_path / "train", tmp_path / "a.zip", "data/train/"))
    assert [path.name for path in root.iterdir()] == ["train"]


NAMES = st.lists(st.sampled_from(["..", "a", "b", "/", "C:", "\\", "\0", "x" * 300, "é", "."]), min_size=1, max_size=5)


@given(NAMES.map("/".join))
def test_nothing_is_written_outside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """Whatever an archive calls its files, they lie in the temporary folder, or the archive is refused."""
    folder = tmp_path_factory.mktemp("z")
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        entry = zipfile.ZipInfo("x")
        entry.filename = name
        archive.writestr(entry, b"content")
    before = set(folder.rglob("*"))
    with suppress(SegdataError):
        root = unpack_archive(folder / "a.zip")
        assert any(root.is_relative_to(each) for each in TEMPORARY_FOLDERS)
    assert set(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["../a"], "leads out"),
        (["/etc/a"], "leads out"),
        (["a", "a"], "twice"),
        (["C:\\a"], "leads out"),
        ([], "is empty"),
        (["__MACOSX/a", ".DS_Store"], "is empty"),
        (["x" * 300], "longer than 255 bytes"),
        (["a", "a/b"], "cannot be unpacked"),
    ],
)
def test_a_bad_archive_is_refused(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(UnreadableError, match=words) as raised:
        segdata.read(archive_of(tmp_path / "a.zip", *names))
    assert str(tmp_path / "a.zip") in str(raised.value)


def test_links_and_encrypted_files_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        entry = zipfile.ZipInfo("a")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(UnreadableError, match="is a link"):
        segdata.read(tmp_path / "link.zip")
    data = bytearray(archive_of(tmp_path / "a.zip", "a").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    (tmp_path / "locked.zip").write_bytes(data)
    with pytest.raises(UnreadableError, match="is encrypted"):
        segdata.read(tmp_path / "locked.zip")


def test_a_bomb_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MAX_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(10 << 20))
    before = set(TEMPORARY_FOLDERS)
    with pytest.raises(UnreadableError, match="as in a zip bomb"):
        segdata.read(tmp_path / "bomb.zip")
    assert before == TEMPORARY_FOLDERS


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: b"", lambda data: b"no zip", "sum", "size"])
def test_a_damaged_archive_is_refused(tmp_path: Path, damage: object) -> None:
    data = bytearray(zipped(SAMPLE, tmp_path / "sound.zip").read_bytes())
    if damage == "sum":
        data[data.index(b"PK\x01\x02") + 16] ^= 255
    elif damage == "size":  # more comes out than the archive says
        data[data.index(b"PK\x01\x02") + 24] ^= 1
    (tmp_path / "a.zip").write_bytes(damage(bytes(data)) if callable(damage) else bytes(data))
    with pytest.raises(UnreadableError, match="no zip archive, or damaged"):
        segdata.read(tmp_path / "a.zip")


def test_a_canonical_dataset_needs_its_folder(tmp_path: Path) -> None:
    segdata.convert(SAMPLE, tmp_path / "canonical")
    with pytest.raises(SegdataError, match="whose revisions need a folder; unzip it"):
        segdata.read(zipped(tmp_path / "canonical", tmp_path / "a.zip"))
