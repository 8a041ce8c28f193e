"""`segdata agreement --format`: each report, whole, on stdout or in a file that may be written again."""

import csv
import io
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def data(annotators: list[str]) -> list[str]:
    """Two of them."""
    return annotators[:2]


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
    assert "<h2>Each annotator</h2>" in text


@pytest.mark.parametrize("form", ["text", "json", "html", "csv"])
def test_a_report_takes_the_place_of_an_earlier_one_beside_the_data(
    run: Run, data: list[str], tmp_path: Path, form: str
) -> None:
    output = tmp_path / "anna" / f"agreement.{form}"
    for _ in range(2):
        result = run("agreement", *data, "--resamples", "100", "--format", form, "-o", output)
        assert result.exit_code in (0, 1), result.stderr
    assert output.stat().st_size > 500
