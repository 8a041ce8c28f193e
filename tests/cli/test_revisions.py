"""`segdata history`, `restore` and `prune`, and DATA@r0001."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def data(run: Run, masks: Path, tmp_path: Path) -> Path:
    """A dataset of two revisions."""
    run("convert", masks, tmp_path / "d")
    assert run("split", tmp_path / "d", "--parts", "x=0.5,y=0.5", "--no-near").exit_code == 0
    return tmp_path / "d"


def test_back_and_forth(run: Run, data: Path) -> None:
    lines = run("history", data).stdout.splitlines()
    assert next(line for line in lines if line.startswith("*")).split()[1] == "r0002"
    assert "    converted from colour-masks" in lines
    assert run("diff", f"{data}@r0001", data).exit_code == 1
    assert "(before: r0002)" in run("restore", data, "r0001").stdout
    assert run("diff", f"{data}@r0001", data).exit_code == 0
    found = json.loads(run("history", data, "--format", "json").stdout)
    assert [each["current"] for each in found["revisions"]] == [True, False]


def test_prune_says_what_goes(run: Run, data: Path) -> None:
    assert "would delete 1 revision (r0001)" in run("prune", data, "--dry-run").stdout
    assert "deleted 1 revision (r0001)" in run("prune", data).stdout
    assert run("prune", data).stdout == "nothing to delete\n"
    done = run("info", f"{data}@r0001")
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
