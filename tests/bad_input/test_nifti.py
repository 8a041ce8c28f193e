"""Broken NIfTI volumes, indices and tables: findings or a refusal with the place, never a traceback."""

import gzip
import json
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata import read, validate
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from tests.generators.nifti_files import nifti_bytes, write_nifti

pytest.importorskip("nibabel")
VOXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 3
SOUND = nifti_bytes(VOXELS, sform=np.eye(4))


def met(root: Path) -> list[Defect]:
    dataset = read(root, format="nifti")
    return [*dataset.source.defects, *(defect for batch in dataset for defect in batch.defects)]


def packed(offset: int, form: str, *values: float) -> bytes:
    """A sound file with other numbers at one place of its header."""
    data = bytearray(SOUND)
    struct.pack_into(form, data, offset, *values)
    return bytes(data)


BROKEN = {
    "empty": b"",
    "text": b"not a volume, but a text that is longer than a header" * 10,
    "cut in its header": SOUND[:100],
    "cut in its voxels": SOUND[:-3],
    "cut when compressed": gzip.compress(SOUND)[:-12],
    "half of a pair": SOUND[:344] + b"ni1\0" + SOUND[348:],
    "no dimensions": packed(40, "<h", 0),
    "eight dimensions": packed(40, "<h", 8),
    "a negative side": packed(42, "<h", -5),
    "a side of nothing": packed(44, "<h", 0),
    "32767 cubed": packed(42, "<3h", 32767, 32767, 32767),
    "an unknown type": packed(70, "<h", 9999),
    "colours": packed(70, "<hh", 128, 24),
    "complex numbers": packed(70, "<hh", 32, 64),
    "voxels before the header's end": packed(108, "<f", 10),
    "voxels far behind the end": packed(108, "<f", 1e7),
    "voxels at no number": packed(108, "<f", float("nan")),
    "an affine that is not finite": packed(280, "<f", float("inf")),
    "a singular affine": packed(280, "<f", 0),
    "an intercept that is not finite": packed(112, "<ff", 1.0, float("inf")),
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_broken_volume_is_one_finding_and_the_others_are_read(tmp_path: Path, what: str, suffix: str) -> None:
    write_nifti(tmp_path / "a.nii", VOXELS, sform=np.eye(4))
    (tmp_path / f"b{suffix}").write_bytes(BROKEN[what])
    found = [each for each in met(tmp_path) if each.severity != "info"]
    assert [(each.code, each.file) for each in found] == [("SEG001", f"b{suffix}")], found
    assert "a.nii/0003" in read(tmp_path, format="nifti").image_ids


def test_a_file_that_claims_more_than_it_can_hold_is_not_unpacked(tmp_path: Path) -> None:
    """1 GiB of nothing packs into 1 MB; a header that claims more than deflate can pack is refused at once."""
    data = gzip.compress(packed(42, "<3h", 10000, 10000, 400))
    (tmp_path / "a.nii.gz").write_bytes(data)
    assert "cut off" in met(tmp_path)[0].message
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(packed(42, "<3h", 20000, 20000, 100)))
    assert "limit of 178,956,970 (--max-pixels)" in met(tmp_path)[0].message


@settings(max_examples=30)
@given(place=st.integers(0, 351), value=st.integers(0, 255), length=st.integers(1, 4))
def test_any_header_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int, length: int
) -> None:
    data = bytearray(SOUND)
    data[place : place + length] = bytes([value]) * len(data[place : place + length])
    path = tmp_path_factory.mktemp("fuzz") / "a.nii"
    path.write_bytes(bytes(data))
    with suppress(SegdataError):  # the whole is refused: there is nothing else to read
        validate(read(path, format="nifti"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "value\tname\n1\tx\n"),
        ("a.tsv", "index\tname\nmany\tx\n"),
        ("a.tsv", "index\tname\tcolor\n1\tx\tred\n"),
        ("dataset.json", '{"labels": {"x": '),
        ("dataset.json", '{"labels": {"x": {"y": 1}}}'),
    ],
)
def test_a_broken_table_of_names_is_found_and_not_used(tmp_path: Path, name: str, text: str) -> None:
    write_nifti(tmp_path / "a.nii", VOXELS, sform=np.eye(4))
    (tmp_path / name).write_text(text)
    found = [each for each in met(tmp_path / "a.nii") if each.severity != "info"]
    assert [(each.code, each.file) for each in found] == [("SEG004", name)]


INDICES = {
    "no JSON": ("{", None),
    "a list": ("[]", None),
    "wrong types": ('{"volumes": [{"images": 3}]}', None),
    "an unknown version": ('{"volumes": [], "version": 2}', None),
    "a file outside": (
        {"volumes": [{"images": [{"image": "a"}], "labels": [{"file": "../a.nii"}]}]},
        "SEG015",
    ),
    "an image outside": ({"volumes": [{"images": [{"image": "/etc/a"}], "labels": [{"file": "a.nii"}]}]}, "SEG015"),
    "a file that is not there": ({"volumes": [{"images": [{"image": "a"}], "labels": [{"file": "b.nii"}]}]}, "SEG002"),
    "a slice that is not there": (
        {"volumes": [{"images": [{"image": "a", "slice": 99}], "labels": [{"file": "a.nii"}], "sequence": "s"}]},
        "SEG004",
    ),
    "a negative slice": (
        {"volumes": [{"images": [{"image": "a", "slice": -1}], "labels": [{"file": "a.nii"}], "sequence": "s"}]},
        "SEG004",
    ),
    "an image twice": (
        {"volumes": [{"images": [{"image": "a"}, {"image": "a"}], "labels": [{"file": "a.nii"}]}] * 2},
        "SEG008",
    ),
}


@pytest.mark.parametrize("what", INDICES)
def test_broken_indices(tmp_path: Path, what: str) -> None:
    content, code = INDICES[what]
    write_nifti(tmp_path / "a.nii", VOXELS, sform=np.eye(4))
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: a}, {id: 2, name: b}]")
    (tmp_path / "volumes.json").write_text(content if isinstance(content, str) else json.dumps(content))
    if code is None:
        with pytest.raises(UnreadableError, match=r"volumes\.json"):
            read(tmp_path)
    else:
        assert code in {each.code for each in met(tmp_path)}


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no volumes"):
        read(tmp_path, format="nifti")
    with pytest.raises(UnreadableError, match="does not exist"):
        read(tmp_path / "b.nii", format="nifti")
    with pytest.raises(SegdataError, match="yes or no"):
        read(write_nifti(tmp_path / "a.nii", VOXELS), options={"instances": "perhaps"})
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: a}, {id: 2, name: b}]")
    with pytest.raises(SegdataError, match="instances of which category"):
        read(tmp_path / "a.nii", options={"instances": "yes"})
