"""Small sound datasets of every format that is read, to be damaged."""

import shutil
from pathlib import Path

import pytest

from tests.bad_input.sound_datasets import FORMATS, Make, write_sound


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound dataset of every format, made once."""
    root = tmp_path_factory.mktemp("sound")
    for format in FORMATS:
        write_sound(format, root / format)
    return root


@pytest.fixture
def make(originals: Path, tmp_path: Path) -> Make:
    """A copy of the sound dataset of a format, to be damaged."""

    def copied(format: str) -> Path:
        return Path(shutil.copytree(originals / format, tmp_path / "data"))

    return copied
