"""`segdata agreement --format`: each report, whole, on stdout or in a file that may be written again."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

Run = Callable[..., Result]
TAXONOMY = "unlabelled: 0\ncategories:\n  - {id: 1, name: road, kind: stuff}\n  - {id: 2, name: car, kind: thing}\n"


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    truth = [np.kron(rng.integers(1, 3, (3, 4)), np.ones((6, 6), int)).astype(np.uint8) for _ in range(3)]
    named = []
    for who in ("anna", "ben"):
        masks = tmp_path / who
        masks.mkdir()
        (masks / "taxonomy.yaml").write_text(TAXONOMY)
        for k, labels in enumerate(truth):
            Image.fromarray(np.roll(labels, int(rng.integers(-1, 2)), 1)).save(masks / f"{k}.png")
        named.append(f"{who}={masks}")
    return named


def report(run: Run, *words: object) -> str:
    result = run("agreement", *words, "--resamples", "100")
    assert result.exit_code in (0, 1), result.stderr
    return str(result.stdout)


def test_text_is_the_default(run: Run, data: list[str]) -> None:
    text = report(run, *data)
    assert text.startswith("segdata agreement\n\nagreement: IoU ")
    assert f"segdata agreement {data[0]}" in text.replace(" \\\n     ", "")


def test_csv(run: Run, data: list[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(report(run, *data, "--format", "csv"))))
    assert {"overall", "pair", "category", "annotator"} <= {row["scope"] for row in rows}


def test_html(run: Run, data: list[str]) -> None:
    text = report(run, *data, "--format", "html")
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert text.count("data:image/jpeg") >= 3


@pytest.mark.parametrize("form", ["text", "json", "html", "csv"])
def test_a_report_takes_the_place_of_an_earlier_one_beside_the_data(
    run: Run, data: list[str], tmp_path: Path, form: str
) -> None:
    output = tmp_path / "anna" / f"agreement.{form}"
    for _ in range(2):
        result = run("agreement", *data, "--resamples", "100", "--format", form, "-o", output)
        assert result.exit_code in (0, 1), result.stderr
    assert output.stat().st_size > 500
