"""The README's first screen: its commands run on the demo's data and print what it shows."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from segdata.cli.main import main
from segdata.core.rule import rules
from segdata.sample import make

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data of `make demo` at the place where it puts them."""
    folder = tmp_path_factory.mktemp("readme")
    make(folder / "build/demo/data", images=8, only=("clean", "defects"))
    make(folder / "build/demo/data", images=16, only=("annotators",))
    return folder


def test_there_are_three_commands() -> None:
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("block", BLOCKS)
def test_output(block: str, demo_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line that is shown is printed, in this order; "…" stands for lines that are left out."""
    command, *shown = block.splitlines()
    monkeypatch.chdir(demo_data)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    result = CliRunner().invoke(main, command.removeprefix("$ segdata ").split())
    printed = iter(line.rstrip() for line in result.output.splitlines())
    missing = [line for line in shown if line != "…" and line.rstrip() not in printed]
    assert missing == [], result.output


def test_it_counts_the_rules_of_validate() -> None:
    assert f"[{len(rules('validate'))} rules](docs/rules/README.md)" in README
