"""The variables of MATLAB's files: beside `scipy.io.loadmat`, and no damage that ends the process."""

import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from segdata.formats.masks.matlab_files import DamagedMatError, TooLargeMatError, read_variables

SCIPY_FILES = sorted(Path(scipy.io.__file__).parent.glob("matlab/tests/data/test[!h]*_[67].*.mat"))  # not HDF5
LEFT_OUT = ("complex", "sparse", "func", "object")


def assert_alike(ours: Any, theirs: Any) -> None:
    """Assert that nested arrays have the same types (but for their byte order), shapes and values."""
    assert ours.shape == theirs.shape
    assert ours.dtype.names == theirs.dtype.names
    for name in ours.dtype.names or ():
        assert_alike(ours[name], theirs[name])
    if ours.dtype == object:
        for one, other in zip(ours.flat, theirs.flat, strict=True):
            assert_alike(one, other)
    elif not ours.dtype.names:
        assert ours.dtype.newbyteorder("=") == theirs.dtype.newbyteorder("=")
        assert np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")


def by_scipy(path: Path) -> dict[str, np.ndarray]:
    return {name: value for name, value in loadmat(path).items() if isinstance(value, np.ndarray)}


NUMBERS = st.sampled_from(["u1", "i2", "u2", "i4", "f4", "f8", "i8", "?"]).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=4))
)
TEXTS = st.text("abcdefgh _", max_size=6)
VALUES = st.recursive(
    NUMBERS | TEXTS,
    lambda inner: (
        st.dictionaries(st.sampled_from(["Segmentation", "Boundaries", "x"]), inner, min_size=1)
        | st.lists(inner, max_size=4).map(lambda items: cell(*items))
    ),
    max_leaves=6,
)


def cell(*items: Any) -> np.ndarray:
    cells = np.empty((1, len(items)), object)
    for place, item in enumerate(items):
        cells[0, place] = item
    return cells


@settings(max_examples=15)
@given(st.dictionaries(st.sampled_from(["a", "groundTruth", "names"]), VALUES), st.booleans())
def test_variables_are_those_of_scipy(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, Any], packed: bool
) -> None:
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    savemat(path, variables, do_compression=packed)
    ours, theirs = read_variables(path, 1 << 20), by_scipy(path)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert_alike(value, theirs[name])


@pytest.mark.skipif(not SCIPY_FILES, reason="this SciPy is installed without its test files")
@pytest.mark.parametrize("path", SCIPY_FILES, ids=lambda path: path.name)
@pytest.mark.filterwarnings("ignore")
def test_files_of_matlab_itself(path: Path) -> None:
    ours, theirs = read_variables(path, 1 << 20), by_scipy(path)
    if any(word in path.name for word in LEFT_OUT):
        assert set(ours) <= set(theirs)
        return
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if name != "teststruct":  # one of its fields is complex
            assert_alike(value, theirs[name])


def saved(packed: bool, **variables: Any) -> bytes:
    file = io.BytesIO()
    savemat(file, variables, do_compression=packed)
    return file.getvalue()


def damage(content: bytes, rng: random.Random) -> bytes:
    """Content with a byte changed, bytes lost or too many, or a number of four bytes replaced."""
    at = rng.randrange(len(content))
    how, length = rng.randrange(4), rng.randrange(1, 9)
    if how == 0:
        return content[:at] + rng.randbytes(1) + content[at + 1 :]
    if how == 1:
        return content[:at] + content[at + length :]
    if how == 2:
        return content[:at] + rng.randbytes(length) + content[at:]
    number = rng.choice((0, 1, 2, 5, 7, 9, 14, 15, 255, 2**31 - 1, 2**32 - 1, rng.getrandbits(32)))
    return content[: at // 4 * 4] + struct.pack("<I", number) + content[at // 4 * 4 + 4 :]


@pytest.mark.parametrize("packed", [True, False])
def test_damage_is_an_error_and_never_ends_the_process(tmp_path: Path, packed: bool) -> None:
    # SciPy's reader ends with a segmentation fault on about one in a hundred of these.
    regions = {"Segmentation": np.ones((5, 6), np.uint16), "Categories": np.arange(3)}
    sound = saved(packed, groundTruth=cell(regions, "bcd", regions), y=np.ones((2, 3), bool))
    rng, path, refused = random.Random(20261123), tmp_path / "a.mat", 0
    for _ in range(1500):
        rest, content = sound[128:], sound[:128]
        while rest:
            kind, size = struct.unpack("<II", rest[:8])
            element, rest = rest[8 : 8 + size], rest[8 + size :]
            if packed:
                element = zlib.compress(damage(zlib.decompress(element), rng))
                content += struct.pack("<II", kind, len(element)) + element
            else:
                content += damage(struct.pack("<II", kind, size) + element, rng)
        path.write_bytes(content)
        try:
            read_variables(path, 1 << 20)
        except DamagedMatError:
            refused += 1
    assert 300 < refused < 1500


def test_a_compressed_stream_that_ends_early_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    content = saved(True, labels=np.arange(1200, dtype=np.uint16).reshape(30, 40))
    longer = content[:168] + b"ull" + content[168:]  # three bytes too many: the stream ends beyond its element
    for damaged in (content[:-8], longer):
        path.write_bytes(damaged)
        with pytest.raises(DamagedMatError):
            read_variables(path, 1 << 20)


def test_what_decompresses_to_more_than_is_asked_for_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"labels": np.zeros((1000, 1000), np.uint8)}, do_compression=True)
    assert path.stat().st_size < 10_000
    with pytest.raises(TooLargeMatError, match="more than 100,000 bytes"):
        read_variables(path, 100_000)
    path.write_bytes(saved(False, labels=np.zeros((1000, 1000), np.uint8)))
    with pytest.raises(TooLargeMatError, match="more than 100,000 bytes"):
        read_variables(path, 100_000)


def test_cells_within_cells_have_an_end(tmp_path: Path) -> None:
    content = b""
    for _ in range(5000):
        header = struct.pack("<4I", 6, 8, 1, 0) + struct.pack("<4I", 5, 8, 1, 1) + struct.pack("<2I", 1, 0)
        content = struct.pack("<II", 14, len(header + content)) + header + content
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + content)
    with pytest.raises(DamagedMatError, match="nested too deeply"):
        read_variables(path, 1 << 30)


@pytest.mark.parametrize("kind", [1, 2, 4, 6])  # cell, struct, characters, numbers
def test_an_empty_matrix_of_impossible_sides_is_damage(tmp_path: Path, kind: int) -> None:
    sides = (0, *(2**31 - 1,) * 4)
    content = (
        struct.pack("<4I", 6, 8, kind, 0) + struct.pack("<2I5i4x", 5, 20, *sides) + struct.pack("<2I8s", 1, 1, b"a")
    )
    content += struct.pack("<2I", 9 if kind == 6 else 2, 0)
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 14, len(content)) + content)
    with pytest.raises(DamagedMatError, match="of shape"):
        read_variables(path, 1 << 20)


def test_other_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    for content in (b"", b"\x00" * 20, saved(True, a=np.ones((2, 2)))[:60]):
        path.write_bytes(content)
        with pytest.raises(DamagedMatError, match="does not begin"):
            read_variables(path, 1 << 20)
