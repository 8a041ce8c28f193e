"""The page "Add a rule": what it shows is installed as it stands, and is a rule like ours."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from segdata.measure.registry import all_families
from segdata.rules import plugin as plugin_api
from segdata.rules.plugin import RowFinding, Tables, find_rule
from segdata.testing.pictures import assert_pictures

PAGE = Path(__file__).parents[2] / "docs" / "add_a_rule.md"
SAMPLE = Path(__file__).parents[2] / "sample_data" / "semantic"
FILES = (r"interlaced\.py", r"pyproject\.toml", r"lone_category\.py")
TEST = """
from segdata.rules.plugin import find_rule
from segdata.testing.pictures import assert_pictures
assert_pictures(find_rule("ACME01"))
"""
BY_PART = """
from dataclasses import replace
import numpy as np
import lone_category
from segdata.rules.plugin import RowFinding, find_rule
from segdata.testing.pictures import assert_pictures
rule = find_rule("ACME02")
assert rule.by_part
assert_pictures(rule)
def of_one_part(tables):
    category = tables.segments["category_id"]
    values, counts = np.unique(category, return_counts=True)
    for row in np.flatnonzero(np.isin(category, values[counts == 1])).tolist():
        yield RowFinding("alone in its part", segments=(row,))
of_one_part.__doc__ = rule.page
try:
    assert_pictures(replace(rule, check=of_one_part))
except AssertionError as error:
    print(error)
"""
LATE = """
import numpy as np
import segdata
from segdata.core.taxonomy import Category, Taxonomy
mask = np.zeros((9, 5), bool)
mask[::2] = True
taxonomy = Taxonomy(categories=(Category(id=1, name="car", kind="thing"),))
dataset = segdata.from_arrays({"a.png": [(mask, "car")], "b.png": [(~mask, "car")]}, taxonomy)
segdata.validate(dataset, select="SEG106")  # measurements are ordered before the rule registers its own
for finding in segdata.validate(dataset, select="ACME01").findings:
    print(finding.image, finding.message)
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the page's plugin is installed."""
    text = PAGE.read_text(encoding="utf-8")
    code, project, by_part = (re.search(rf"`{name}`:\n\n```\w+\n(.*?)```", text, re.DOTALL) for name in FILES)
    assert code is not None
    assert project is not None
    source, site = tmp_path_factory.mktemp("plugin"), tmp_path_factory.mktemp("site")
    (source / "interlaced.py").write_text(code[1], encoding="utf-8")
    (source / "pyproject.toml").write_text(project[1], encoding="utf-8")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True, capture_output=True)
    assert by_part is not None
    (site / "lone_category.py").write_text(by_part[1], encoding="utf-8")
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "80"}


def run(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_imports_the_stable_surface_alone() -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    assert set(re.findall(r"from (segdata[\w.]*) import", code[1])) == {"segdata.rules.plugin"}


def test_the_table_names_the_whole_surface() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {name for name in plugin_api.__all__ if f"`{name}`" not in text} == set()
    assert all(getattr(plugin_api, name) is not None for name in plugin_api.__all__)


def test_the_page_names_every_family() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {family for family in all_families() if f"`{family}`" not in text} == set()


def test_a_wrong_picture_is_shown() -> None:
    def nothing(tables: Tables) -> Iterator[RowFinding]:
        """Nothing.

        Flagged:
            ab

        Fine:
            aa
        """
        return iter(())

    with pytest.raises(AssertionError, match="SEG106 speck: this picture is not flagged:\nab"):
        assert_pictures(replace(find_rule("SEG106"), check=nothing))


def test_the_rule_is_listed_and_explained(plugin: dict[str, str]) -> None:
    assert "ACME01" in run(plugin, "-m", "segdata", "rules")
    assert "A segment fills only every other image row." in run(plugin, "-m", "segdata", "explain", "ACME01")


def test_its_pictures_are_right(plugin: dict[str, str]) -> None:
    run(plugin, "-c", TEST)


def test_a_rule_that_compares_images_runs_on_parts(plugin: dict[str, str]) -> None:
    """The law says so where a rule claims it, and counts in its own part only."""
    assert "ACME02 lone-category finds" in run(plugin, "-c", BY_PART)


def test_it_finds_what_it_measures_itself(plugin: dict[str, str]) -> None:
    assert run(plugin, "-c", LATE).splitlines() == [
        "a.png 5 of 9 rows are filled; the limit is 60%",
        "b.png 4 of 7 rows are filled; the limit is 60%",
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            'needs=("acme-rows",)',
            'needs=("acme-row",)',
            "rule ACME01 needs the measurement 'acme-row', which no module registers; did you mean 'acme-rows'?",
        ),
        (
            "import pyarrow",
            "import pyarow",
            "No module named 'pyarow'; mend, reinstall or remove its package, segdata-acme",
        ),
        (
            'severity="warning"',
            'severity="warn"',
            "rule ACME01: severity: 'warn' is none of 'error'",
        ),
        ("min_height: int = 6", "min_height: int", "rule ACME01: the option min_height has no default"),
        ('"ACME01", "interlaced"', '"ACME01", "speck"', "speck is both interlaced and segdata.rules.speck"),
        ('height"][use["segment', 'hight"][use["segment', "no column 'hight'; there are: annotation, segment_id,"),
        ("tables.row_use", "tables.row_uses", "no measured table is called 'row_uses'; did you mean 'row_use'?"),
    ],
)
def test_mistakes_are_named(plugin: dict[str, str], tmp_path: Path, right: str, wrong: str, message: str) -> None:
    site = Path(plugin["PYTHONPATH"].split(os.pathsep)[0])
    code = (site / "interlaced.py").read_text(encoding="utf-8")
    (tmp_path / "interlaced.py").write_text(code.replace(right, wrong), encoding="utf-8")
    environment = {**plugin, "PYTHONPATH": os.pathsep.join([str(tmp_path), plugin["PYTHONPATH"]])}
    words = [sys.executable, "-m", "segdata", "validate", str(SAMPLE), "--select", "ACME01"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
