"""The page "Add a format": what it shows is installed as it stands, and is a format like ours."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

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
        assert_round_trip(find_format("FORMAT"), *dataset, Path(folder))
law()
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the page's plugin is installed."""
    text = PAGE.read_text(encoding="utf-8")
    code, polygons, project = (re.search(rf"`{name}`:\n\n```\w+\n(.*?)```", text, re.DOTALL) for name in FILES)
    assert code is not None
    assert polygons is not None
    assert project is not None
    entry, line = 'ascii-masks = "ascii_masks"', re.search(r"`(polygon-csv = .*?)`", text)
    assert line is not None
    both = project[1].replace(entry, f"{entry}\n{line[1]}").replace('["ascii_masks"]', '["ascii_masks", "polygon_csv"]')
    source, site = tmp_path_factory.mktemp("plugin"), tmp_path_factory.mktemp("site")
    (source / "ascii_masks.py").write_text(code[1], encoding="utf-8")
    (source / "polygon_csv.py").write_text(polygons[1], encoding="utf-8")
    (source / "pyproject.toml").write_text(both, encoding="utf-8")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True, capture_output=True)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "80"}


FILES = (r"ascii_masks\.py", r"polygon_csv\.py", r"pyproject\.toml")


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
    first, second, _ = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for code in (first, second):
        assert set(re.findall(r"from (segdata[\w.]*) import", code)) == {"segdata.formats.plugin"}


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


@pytest.mark.parametrize("name", ["ascii-masks", "polygon-csv"])
def test_what_it_writes_comes_back(plugin: dict[str, str], name: str) -> None:
    run(plugin, "-c", LAW.replace("FORMAT", name))


def test_broken_polygons_are_findings(plugin: dict[str, str], tmp_path: Path) -> None:
    rows = ["x.png,9,9,car,1,0 0 5 0 5 5", "x.png,9,9,car,2,1 1 2 q", "x.png,9,9,car,3,1 1 2 2", "x.png,9,9,car,no,"]
    text = "\n".join(["image,height,width,category,id,points", *rows])
    (tmp_path / "polygons.csv").write_text(text, encoding="utf-8")
    words = [sys.executable, "-m", "segdata", "validate", str(tmp_path), "--format", "json"]
    done = subprocess.run(words, env=plugin, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    found = [(finding["code"], finding["line"]) for finding in json.loads(done.stdout)["findings"]]
    assert sorted(found)[:3] == [("SEG004", 5), ("SEG006", 3), ("SEG006", 4)]


def test_every_kind_of_loss_has_a_line() -> None:
    text = (PAGE.parent / "losses.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)) == set(get_args(plugin_api.LossKind))
