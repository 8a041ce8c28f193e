"""docs/everyday.md: the commands run, one after the other, on the sample data."""

import inspect
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import segdata
from segdata.cli.main import SECTIONS, main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "everyday.md").read_text(encoding="utf-8")
FOUND = {"segdata diff street@r0001 street@r0002"}  # exits with 1: they differ


def commands() -> list[str]:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [line.partition(" #")[0].strip() for line in block.splitlines()]


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "sample_data" / "panoptic", tmp_path / "raw")
    segdata.convert("raw", "street", copy_images=True)
    for line in commands():
        done = CliRunner().invoke(main, shlex.split(line)[1:], catch_exceptions=False)
        assert done.exit_code == (1 if line in FOUND else 0), (line, done.stdout, done.stderr)
    assert segdata.diff("street@r0002", "whole").same
    assert segdata.diff("street@r0001", "both", ignore="image-details").same
    assert (tmp_path / "objects.csv").read_text().startswith('"image_id"')


def test_every_command_is_on_the_page() -> None:
    assert [name for name in SECTIONS["Arrange"] if f"segdata {name} " not in PAGE] == []


def test_the_functions_are_there_whatever_is_imported() -> None:
    """A function of the name of a room of the house would be hidden as soon as that is imported."""
    import segdata.sample as room

    assert room.__name__ == "segdata.sample"
    others = {"sample": "draw_sample"}
    names = [others.get(name, name) for name in SECTIONS["Arrange"]]
    assert [name for name in (*names, "untile", "objects") if not inspect.isfunction(getattr(segdata, name))] == []
