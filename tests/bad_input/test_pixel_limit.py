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
    """A whole grey PNG of side x side pixels, a thousandth as large."""
    pack, packed = zlib.compressobj(6), []
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
found = [(each.code, each.file, each.message) for each in validate(sys.argv[1], format=sys.argv[2], jobs=1).findings]
print(*found, sep="\\n")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak(root: Path, format: str) -> tuple[str, int]:
    """What is found, and the most memory in MiB that it took."""
    words = [sys.executable, "-c", _MEASURED, str(root), format]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return "\n".join(lines[:-1]), int(lines[-1])


def test_a_mask_of_196_megapixels_takes_no_memory(tmp_path: Path) -> None:
    write_dataset("colour-masks", tmp_path / "data")
    (mask, *_) = sorted((tmp_path / "data").rglob("masks/*.png")) or sorted((tmp_path / "data").rglob("*.png"))
    _, sound = peak(tmp_path / "data", "colour-masks")
    write_bomb(mask)
    assert mask.stat().st_size < 1_000_000
    said, used = peak(tmp_path / "data", "colour-masks")
    assert "SEG001" in said
    assert f"has 14,000 x 14,000 pixels, more than the limit of {DEFAULT_MAX_PIXELS:,}" in said
    assert "--max-pixels 196000000" in said
    assert used < sound + 60


def test_an_array_of_zeros_takes_no_memory(tmp_path: Path) -> None:
    write_dataset("npz", tmp_path / "data")
    _, sound = peak(tmp_path / "data", "npz")
    shape = (3, 8_000, 8_000)
    with (
        zipfile.ZipFile(tmp_path / "data/zeros.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("probabilities.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for _ in range(shape[0] * shape[1] // 1000):
            file.write(bytes(4 * shape[2] * 1000))
    said, used = peak(tmp_path / "data", "npz")
    assert "SEG001" in said
    assert "probabilities has 192,000,000 numbers in" in said
    assert used < sound + 60


@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in NEEDS])
def test_the_option_holds_in_every_format_that_decodes_pictures(name: str, tmp_path: Path) -> None:
    data = tmp_path / "data" / write_dataset(name, tmp_path / "data")
    usual = segdata("validate", data, "--format", "json")
    low = segdata("validate", data, "--format", "json", "--max-pixels", "3")
    high = segdata("validate", data, "--format", "json", "--max-pixels", "100000")
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
