"""Small files that hold very many pixels are refused before they are decoded; --max-pixels raises the limit."""

import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

import segdata as api
from segdata.core.pixel_limit import DEFAULT_MAX_PIXELS, max_pixels, set_max_pixels
from tests.bad_input.sound_datasets import segdata, validated
from tests.bad_input.test_fuzz import NEEDS
from tests.bad_input.written_datasets import WRITTEN, write_dataset

SIDE = 14_000


def write_bomb(path: Path, side: int = SIDE) -> None:
    """A whole grey PNG of side x side pixels, a hundredth as large or less."""
    pack, packed = zlib.compressobj(1), []
    for _ in range(side):
        packed.append(pack.compress(bytes(side + 1)))
    packed.append(pack.flush())
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", b"".join(packed)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in chunks:
        data += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    path.write_bytes(data)


_MEASURED = """
import resource, sys
from segdata import validate
for root, format in zip(sys.argv[1::2], sys.argv[2::2]):
    print(*[each.message for each in validate(root, format=format, jobs=1).findings if each.code == "SEG001"], end=" ")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def write_zeros(path: Path, shape: tuple[int, int, int]) -> None:
    """A whole archive with an array of zeros, a hundredth as large."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("probabilities.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
        for _ in range(shape[0]):
            file.write(bytes(2 * shape[1] * shape[2]))


def test_what_is_refused_takes_no_memory(tmp_path: Path) -> None:
    """The most memory of one process, by the time that it has read sound data, a mask, and an array."""
    for name, format in (("sound", "colour-masks"), ("zeros", "npz"), ("bomb", "colour-masks")):
        write_dataset(format, tmp_path / name)
    (mask, *_) = sorted((tmp_path / "bomb").rglob("masks/*.png")) or sorted((tmp_path / "bomb").rglob("*.png"))
    write_bomb(mask)
    assert mask.stat().st_size < 1_000_000
    words = [str(tmp_path / "sound"), "colour-masks", str(tmp_path / "zeros"), "npz"]
    write_dataset("npz", tmp_path / "large")
    write_zeros(tmp_path / "large/zeros.npz", (3, 8_000, 8_000))
    words += [str(tmp_path / "bomb"), "colour-masks", str(tmp_path / "large"), "npz"]
    done = subprocess.run([sys.executable, "-c", _MEASURED, *words], capture_output=True, text=True, check=True)
    _, sound, of_mask, of_array = (line.rpartition(" ") for line in done.stdout.splitlines())
    assert f"has 14,000 x 14,000 pixels, more than the limit of {DEFAULT_MAX_PIXELS:,}" in of_mask[0]
    assert "--max-pixels 196000000" in of_mask[0]
    assert "probabilities has 192,000,000 numbers in" in of_array[0]
    assert int(of_mask[2]) < int(sound[2]) + 60
    assert int(of_array[2]) < int(sound[2]) + 60


@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in NEEDS])
def test_the_option_holds_in_every_format_that_decodes_pictures(name: str, tmp_path: Path) -> None:
    data = tmp_path / "data" / write_dataset(name, tmp_path / "data")
    words = ("validate", data, "--format", "json", "--select", "SEG0")  # what reading finds
    usual, low, high = (segdata(*words, *more) for more in ((), ("--max-pixels", "3"), ("--max-pixels", "100000")))
    assert (high.code, high.out) == (usual.code, usual.out)
    assert low.code == 2 or low.out == usual.out or "--max-pixels" in low.out


def test_the_option_holds_for_one_run(tmp_path: Path) -> None:
    write_dataset("colour-masks", tmp_path / "data")
    assert segdata("validate", tmp_path / "data", "--max-pixels", "3").code != 0
    assert max_pixels() == DEFAULT_MAX_PIXELS
    assert validated(tmp_path / "data").code == 0


def test_from_python(tmp_path: Path) -> None:
    write_dataset("colour-masks", tmp_path / "data")
    try:
        api.set_max_pixels(3)
        (finding, *_) = api.validate(tmp_path / "data").findings
        assert (finding.code, "--max-pixels" in finding.message) == ("SEG001", True)
    finally:
        set_max_pixels()
    assert not [finding for finding in api.validate(tmp_path / "data").findings if finding.code == "SEG001"]
    with pytest.raises(ValueError, match="at least 1"):
        set_max_pixels(0)


def test_a_large_image_beside_polygons_is_not_decoded(tmp_path: Path) -> None:
    """Only its header is read, so it may have any size."""
    write_dataset("coco-instances", tmp_path / "data")
    assert segdata("validate", tmp_path / "data", "--max-pixels", "3").code == 0
