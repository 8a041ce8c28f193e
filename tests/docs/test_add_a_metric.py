"""The page "Add a metric": what it shows is installed as it stands, and appears in the reports of an agreement."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segdata.agreement import plugin as plugin_api
from segdata.agreement.plugin import AMOUNTS, find_metric, metric
from segdata.core.errors import SegdataError

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "add_a_metric.md"
FILES = (r"volumetric\.py", r"pyproject\.toml")
SAMPLE = ROOT / "sample_data" / "semantic"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the page's plugin is installed."""
    text = PAGE.read_text(encoding="utf-8")
    code, project = (re.search(rf"`{name}`:\n\n```\w+\n(.*?)```", text, re.DOTALL) for name in FILES)
    assert code is not None
    assert project is not None
    source, site = tmp_path_factory.mktemp("plugin"), tmp_path_factory.mktemp("site")
    (source / "volumetric.py").write_text(code[1], encoding="utf-8")
    (source / "pyproject.toml").write_text(project[1], encoding="utf-8")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True, capture_output=True)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "80"}


def report(environment: dict[str, str], form: str) -> str:
    words = ["agreement", f"anna={SAMPLE}", f"ben={SAMPLE}", "--resamples", "100", "--format", form]
    done = subprocess.run(
        [sys.executable, "-m", "segdata", *words], env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_imports_the_stable_surface_alone() -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    assert set(re.findall(r"from (segdata[\w.]*) import", code[1])) == {"segdata.agreement.plugin"}


def test_the_tables_name_the_whole_surface() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {name for name in (*plugin_api.__all__, *AMOUNTS) if f"`{name}`" not in text} == set()
    assert all(getattr(plugin_api, name) is not None for name in plugin_api.__all__)


def test_the_metric_is_in_every_report(plugin: dict[str, str]) -> None:
    (pair,) = json.loads(report(plugin, "json"))["pairs"]
    assert pair["metrics"]["volumetric_similarity"]["value"] == 1.0
    assert set(pair["metrics"]["volumetric_similarity"]) == set(pair["iou"])
    assert "volumetric_similarity" in report(plugin, "text")
    assert "pair,anna,ben,,,volumetric_similarity,1," in report(plugin, "csv")


def test_the_metric_is_a_bar(plugin: dict[str, str], tmp_path: Path) -> None:
    """On the command line and in segdata.yaml; a name that nobody registers is refused with the place."""
    config = tmp_path / "segdata.yaml"
    words = [sys.executable, "-m", "segdata", "acceptance", "judge", SAMPLE, "--gold", SAMPLE, "--format", "json"]
    for metric_name, code in (("volumetric_similarity", 0), ("volumetric_similarly", 2)):
        config.write_text(f"gold: {{metric: {metric_name}, bar: 0.9, each: 0.9}}\n", encoding="utf-8")
        for more in (["--config", config], ["--metric", metric_name, "--bar", "0.9"]):
            quality = ["--limit", "0.99", "--aql", "0.1"]
            done = subprocess.run(
                list(map(str, [*words, *quality, *more])), env=plugin, capture_output=True, text=True, encoding="utf-8"
            )
            assert done.returncode == code, done.stdout + done.stderr
            if code == 0:
                inspected = json.loads(done.stdout)["inspected"]
                assert {(each["metric"], each["value"]) for each in inspected} == {("volumetric_similarity", 1.0)}
            else:
                told = " ".join(done.stderr.split())
                assert "no metric 'volumetric_similarly'; did you mean 'volumetric_similarity'" in told


def test_the_test_on_the_page_passes(plugin: dict[str, str]) -> None:
    _, test = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", test + "\n\ntest_half_the_size()"], env=plugin, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_module_that_cannot_be_loaded_is_named(plugin: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "volumetric.py").write_text("import nonsuch", encoding="utf-8")
    environment = {**plugin, "PYTHONPATH": os.pathsep.join([str(tmp_path), plugin["PYTHONPATH"]])}
    words = [sys.executable, "-m", "segdata", "agreement", f"anna={SAMPLE}", f"ben={SAMPLE}"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "metrics volumetric (volumetric) cannot be loaded: No module named 'nonsuch'" in " ".join(
        done.stderr.split()
    )


def test_without_a_plugin_there_is_no_such_field() -> None:
    (pair,) = json.loads(report(dict(os.environ), "json"))["pairs"]
    assert "volumetric_similarity" not in pair.get("metrics", {})


def test_misuse() -> None:
    with pytest.raises(ValueError, match="metric twice: takes volume; there are: both, area_a"):
        metric("twice", takes=("volume",), higher_is_better=True, source="none")
    with pytest.raises(ValueError, match="the name must be an identifier"):
        metric("my metric", takes=("both",), higher_is_better=True, source="none")
    with pytest.raises(ValueError, match="metric pq: reports have a figure of segdata's own under this name"):
        metric("pq", takes=("both",), higher_is_better=True, source="none")(lambda both: both)
    with pytest.raises(SegdataError, match="there is no metric 'prevalance'; did you mean 'prevalence'"):
        find_metric("prevalance")
    wrong = plugin_api.AgreementMetric("wrong", ("both",), True, "none", lambda both: both[:, 0])
    with pytest.raises(ValueError, match="metric wrong: it returned"):
        wrong.category_values({"both": np.ones((2, 3))})
