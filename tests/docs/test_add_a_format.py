"""The page "Add a format": what it shows is installed as it stands, and is a format like ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from segdata.formats import plugin as plugin_api

TAXONOMY = "categories:\n  - {id: 7, name: road}\n  - {id: 8, name: sky}\n"
PAGE = Path(__file__).parents[2] / "docs" / "add_a_format.md"
LAW = """
from pathlib import Path
from hypothesis import given, settings
from segdata.formats.plugin import find_format
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets
import tempfile

@settings(max_examples=30, deadline=None, database=None)
@given(datasets(Details()))
def law(dataset):
    with tempfile.TemporaryDirectory() as folder:
        assert_round_trip(find_format("ascii-masks"), *dataset, Path(folder))
law()
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the page's plugin is installed."""
    text = PAGE.read_text(encoding="utf-8")
    code, project = (re.search(rf"`{name}`:\n\n```\w+\n(.*?)```", text, re.DOTALL) for name in FILES)
    assert code is not None
    assert project is not None
    source, site = tmp_path_factory.mktemp("plugin"), tmp_path_factory.mktemp("site")
    (source / "ascii_masks.py").write_text(code[1], encoding="utf-8")
    (source / "pyproject.toml").write_text(project[1], encoding="utf-8")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True, capture_output=True)
    return {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "80"}


FILES = (r"ascii_masks\.py", r"pyproject\.toml")


def run(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_has_sixty_lines_or_so() -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    body = re.sub(r"^from [\w.]+ import \([^)]*\)", "", code[1], flags=re.MULTILINE)
    lines = [line for line in body.splitlines() if line.strip() and not line.startswith(("from", "import"))]
    assert len(lines) <= 60


def test_it_imports_the_stable_surface_alone() -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    assert set(re.findall(r"from (segdata[\w.]*) import", code[1])) == {"segdata.formats.plugin"}


def test_the_table_names_the_whole_surface() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {name for name in plugin_api.__all__ if f"`{name}`" not in text} == set()
    assert all(getattr(plugin_api, name) is not None for name in plugin_api.__all__)


def test_it_is_listed_written_detected_and_validated(plugin: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "taxonomy.yaml").write_text(TAXONOMY, encoding="utf-8")
    (tmp_path / "one.png.ascii").write_text("aab\n.ab\n", encoding="utf-8")
    assert "ascii-masks" in run(plugin, "-m", "segdata.cli", "formats")
    written = run(plugin, "-m", "segdata.cli", "convert", str(tmp_path), str(tmp_path / "d"), "--verify")
    assert "2 segments" in written
    run(plugin, "-m", "segdata.cli", "convert", str(tmp_path / "d"), str(tmp_path / "e"), "--to", "ascii-masks")
    assert (tmp_path / "e" / "one.png.ascii").read_text(encoding="utf-8") == "aab\n.ab\n"


def test_what_it_writes_comes_back(plugin: dict[str, str]) -> None:
    run(plugin, "-c", LAW)
