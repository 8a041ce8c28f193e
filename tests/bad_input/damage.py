"""Damage to a file of a dataset: to what it holds, in a way that suits its kind, or to the file as a whole."""

import os
import random
from collections.abc import Callable
from pathlib import Path

from tests.bad_input.damaged_content import (
    another_chunk,
    another_dicom,
    another_footer,
    another_image,
    another_table,
    another_volume,
)
from tests.bad_input.damaged_text import (
    another_element,
    another_value,
    another_word,
    changed_bytes,
    encoded,
    with_entities,
)

Rng = random.Random
Damage = Callable[[bytes, Rng], bytes]
NAMES = ("new\nline", "é ☃", "x" * 200, "-x", "..x", "[a]*", "{stem}")
SUFFIXES = (".PNG", ".json", ".txt", ".xml")
BY_SUFFIX: dict[str, tuple[Damage, ...]] = {
    ".json": (another_value, another_value, another_value, another_word, encoded),
    ".xml": (another_word, another_word, with_entities, another_element, encoded),
    ".csv": (another_word, another_word, encoded),
    ".txt": (another_word, another_word, encoded),
    ".yaml": (another_word, encoded),
    ".png": (another_image, another_chunk, another_chunk),
    ".tif": (another_image,),
    ".parquet": (another_table, another_table, another_footer, another_footer),
    ".nii": (another_volume, another_volume),
    ".gz": (another_volume, another_volume),
    ".dcm": (another_dicom, another_dicom, another_dicom),
}


def change_content(path: Path, rng: Rng) -> None:
    """Damage what a file holds."""
    change = rng.choice((changed_bytes, *BY_SUFFIX.get(path.suffix, ())))
    path.write_bytes(change(path.read_bytes(), rng))


def _linked(path: Path, to: str) -> None:
    path.unlink()
    path.symlink_to(to)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


# Each is given the file, and says by its name what becomes of it.
LOST: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a link to itself": lambda path: _linked(path, path.name),
    "a link to nowhere": lambda path: _linked(path, "nowhere"),
}
ENDLESS: dict[str, Callable[[Path], object]] = {"a pipe": _pipe, "a device": lambda path: _linked(path, "/dev/zero")}


def change_file(path: Path, rng: Rng) -> None:
    """Damage a file as a whole: gone, renamed, there twice, a link, a folder, a pipe, or beside a link upwards."""
    ways: tuple[Callable[[Path], object], ...] = (
        Path.unlink,
        _folder,
        lambda path: _linked(path, "."),
        *LOST.values(),
        *ENDLESS.values(),
        lambda path: path.rename(path.with_name(rng.choice(NAMES) + path.suffix)),
        lambda path: path.rename(path.with_suffix(rng.choice(SUFFIXES))),
        lambda path: path.rename(path.with_name(f".{path.name}")),
        lambda path: path.with_name(f"copy {path.name}").write_bytes(path.read_bytes()),
        lambda path: (path.parent / "loop").symlink_to(".."),
    )
    rng.choice(ways)(path)
