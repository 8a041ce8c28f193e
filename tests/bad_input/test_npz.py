"""Broken NumPy archives: what cannot be read is a defect of its image, and the other images are read."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata import read
from segdata.core.dataset import OpenDataset
from segdata.core.errors import UnreadableError

SOUND = np.stack([np.full((4, 5), 0.75), np.full((4, 5), 0.25)]).astype(np.float32)


def archive(**named: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **named)
    return buffer.getvalue()


def claiming(shape: tuple[int, ...], n_bytes: int = 100) -> bytes:
    """An archive whose array has the header of a larger one."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("probabilities.npy", head.getvalue() + b"\0" * n_bytes)
    return buffer.getvalue()


def beside_a_sound_one(folder: Path, content: bytes) -> tuple[OpenDataset, list[tuple[str, str | None, str]]]:
    (folder / "a.npz").write_bytes(archive(probabilities=SOUND))
    (folder / "b.npz").write_bytes(content)
    data = read(folder, format="npz", options={"classes": "first"})
    defects = [each for batch in data for each in batch.defects]
    return data, [(each.code, each.file, each.message) for each in defects]


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "SEG001", "is no NumPy archive"),
        (b"PK\x03\x04 and then nothing", "SEG001", "is no NumPy archive"),
        (archive(probabilities=SOUND)[:-40], "SEG001", "is no NumPy archive"),
        (archive(), "SEG001", "no arrays"),
        (archive(probabilities=np.array([{"a": 1}], dtype=object)), "SEG001", "no array of probabilities"),
        (archive(probabilities=SOUND.astype(np.uint8)), "SEG001", "no array of probabilities"),
        (claiming((2, 10**6, 10**6)), "SEG001", "claims 8,000,000,000,000 bytes and has"),
        (claiming((2, 2**40, 2**40)), "SEG001", "claims"),
        (archive(probabilities=SOUND[0]), "SEG001", "unlike that of other files"),
        (archive(probabilities=SOUND[:, :0]), "SEG001", "no pixels"),
        (archive(probabilities=np.concatenate([SOUND, SOUND])), "SEG004", "has 4 classes, other files have 2"),
        (archive(probabilities=SOUND * np.nan), "SEG004", "not finite"),
        (archive(probabilities=SOUND * 9), "SEG004", "logits need a softmax"),
        (archive(probabilities=SOUND - 1), "SEG004", "from -0.75 to -0.25"),
    ],
)
def test_a_broken_archive_is_named_and_the_others_are_read(
    tmp_path: Path, content: bytes, code: str, said: str
) -> None:
    data, defects = beside_a_sound_one(tmp_path, content)
    assert [(each[0], each[1]) for each in defects] == [(code, "b.npz")]
    assert said in defects[0][2]
    assert data.annotations["image_id"].tolist() == ["a.npz"], "what cannot be read was not annotated"
    assert data.segments["area"].tolist() == [20]


def test_a_damaged_stream_is_named(tmp_path: Path) -> None:
    """The directory of the archive is whole, the compressed bytes are not."""
    content = bytearray(archive(probabilities=np.random.default_rng(0).random((2, 40, 50)).astype(np.float32)))
    content[2000:2010] = b"\xff" * 10
    _, defects = beside_a_sound_one(tmp_path, bytes(content))
    assert [each[:2] for each in defects] == [("SEG001", "b.npz")]


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (open, (str(tmp_path / "touched"),))

    (tmp_path / "a.npz").write_bytes(archive(probabilities=SOUND, class_names=np.array([Bomb(), 1], dtype=object)))
    assert len(read(tmp_path, format="npz").segments) == 1
    assert not (tmp_path / "touched").exists()


def test_a_folder_of_nothing_but_broken_ones_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK")
    with pytest.raises(UnreadableError, match=r"a\.npz: is no NumPy archive"):
        read(tmp_path, format="npz")
