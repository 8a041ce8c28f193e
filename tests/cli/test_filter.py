"""`segdata filter`: says what it kept and dropped."""

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

import segdata

Run = Callable[..., Result]


def test_it_says_what_was_dropped(run: Run, masks: Path, tmp_path: Path) -> None:
    done = run("filter", masks, tmp_path / "cars", "--category", "car", "--min-area", "257")
    assert done.exit_code == 0
    assert "kept where category in ['car'] and area >= 257" in done.stdout
    assert "dropped 1 image, 1 annotation, 3 segments" in done.stdout
    assert segdata.read(tmp_path / "cars").image_ids == ["a.png"]


def test_a_report_chooses_segments(run: Run, masks: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    run("validate", masks, "--format", "json", "--output", report)
    named = sum(len(each["segments"]) > 0 for each in json.loads(report.read_text())["findings"])
    assert named
    done = run("filter", masks, tmp_path / "flagged", "--findings", report, "--where", "findings > 0")
    assert done.exit_code == 0
    assert 0 < len(segdata.read(tmp_path / "flagged").segments) < 4


def test_help_names_every_column(run: Run) -> None:
    from segdata.store.selection import COLUMNS

    text = run("filter", "--help").stdout
    assert [name for name in COLUMNS if name not in text] == []
    assert max(map(len, text.splitlines())) <= 80
