"""Bytes changed at random: an exit code of the contract, one line on stderr, and a whole target or none."""

import random
import shutil
import tempfile
from pathlib import Path

import pytest

from segdata.api import convert
from tests.bad_input.sound_datasets import FORMATS, left_behind, segdata

MUTATIONS = 15  # of each dataset
WORDS = (b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b'""', b"9" * 20, b"\xff" * 4, b"\0" * 4, b",", b":", b"\n")
WRITTEN = ("coco-panoptic", "colour-masks", "instance-ids")  # as our own writers write them


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, originals: Path) -> Path:
    root = tmp_path_factory.mktemp("fuzz")
    for format in FORMATS:
        shutil.copytree(originals / format, root / format)
    for format in WRITTEN:
        convert(root / "colour-masks", root / f"written {format}", to=format, jobs=1)
    return root


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with up to five changes: a bit, a byte, something cut out, put in or repeated, or the rest gone."""
    found = bytearray(data or b"x")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(found))
        change = rng.randrange(7)
        if change == 0:
            found[at] = rng.randrange(256)
        elif change == 1:
            found[at] ^= 1 << rng.randrange(8)
        elif change == 2:
            del found[at : at + rng.randrange(1, 30)]
        elif change == 3:
            found[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif change == 4:
            found[at : at + 8] = found[rng.randrange(len(found)) :][:8]
        elif change == 5:
            found[at : at + 1] = rng.choice(WORDS)
        else:
            del found[at:]
        found = found or bytearray(b"x")
    return bytes(found)


@pytest.mark.parametrize("name", [*FORMATS, *(f"written {format}" for format in WRITTEN)])
def test_changed_bytes(sound: Path, name: str) -> None:
    rng = random.Random(name)
    files = [path.relative_to(sound / name) for path in sorted((sound / name).rglob("*")) if path.is_file()]
    labels = [path for path in files if path.parts[0] != "images"]
    for _ in range(MUTATIONS):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(shutil.copytree(sound / name, Path(folder, "data")))
            path = root / rng.choice(labels)
            path.write_bytes(mutated(path.read_bytes(), rng))
            if rng.random() < 0.5:
                segdata("validate", root, "--format", "json", "--jobs", "1")
                continue
            Path(folder, "out").mkdir()
            said = segdata("convert", root, Path(folder, "out", "new"), "--jobs", "1")
            assert left_behind(Path(folder, "out")) == (["new"] if said.code < 2 else [])
            assert said.code == 2 or segdata("info", Path(folder, "out", "new"), "--jobs", "1").code == 0
