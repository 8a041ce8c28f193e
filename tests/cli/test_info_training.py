"""`segdata info --weights --channels --objects`: what is printed can be pasted."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


def pasted(text: str, wanted: str) -> dict[str, object]:
    """The lines from that which begins with `wanted` on, run as Python."""
    found: dict[str, object] = {}
    exec(text[text.index(wanted) :], {}, found)
    return found


def test_weights_and_channels_are_python(run: Run, masks: Path) -> None:
    done = run("info", masks, "--weights", "--channels")
    assert max(map(len, done.stdout.splitlines())) <= 80
    found = pasted(done.stdout, "# inverse square root")
    assert found["mean"] == pytest.approx([90 / 255] * 3, abs=1e-6)
    assert found["std"] == [0, 0, 0]
    road, car = 2 * 24 * 32 - 4 - 513, 513
    assert found["weight_inverse"] == pytest.approx(
        {"road": (road + car) / 2 / road, "car": (road + car) / 2 / car}, 1e-5
    )
    assert found["weight_median"] == pytest.approx(
        {"road": (road + car) / 2 / road, "car": (road + car) / 2 / car}, rel=1e-5
    )
    rows = json.loads(run("info", masks, "--channels", "--format", "json").stdout)
    assert rows["channels"][0]["n_images"] == 2
    assert rows["unread_images"] == 0
    assert rows["advice"] == []
    assert math.isclose(rows["categories"][1]["weight_inverse"], (road + car) / 2 / car)


def test_shapes_are_quartiles_of_the_objects(run: Run, masks: Path) -> None:
    done = run("info", masks, "--shapes")
    assert max(map(len, done.stdout.splitlines())) <= 80
    (car,) = [line.split() for line in done.stdout.splitlines() if line.startswith("car") and " px " in line]
    assert car[:5] == ["car", "3", "px", "256", "(128-256)"]
    rows = json.loads(run("info", masks, "--shapes", "--format", "json").stdout)["shapes"]
    assert [(row["category"], row["objects"], row["area_px_median"]) for row in rows] == [
        ("road", 2, 509.5),
        ("car", 3, 256),
    ]
    assert {row["feret_mm_median"] for row in rows} == {None}
    bare = json.loads(run("info", masks, "--format", "json").stdout)
    assert "shapes" not in bare


def test_objects_are_parts_of_class_masks(run: Run, masks: Path, tmp_path: Path) -> None:
    done = run("info", masks, "--objects", tmp_path / "o.csv")
    assert "5 rows written" in done.stderr
    lines = (tmp_path / "o.csv").read_text().splitlines()
    assert len(lines) == 6
    refused = run("info", masks, "--objects", masks / "masks" / "a.png")
    assert refused.exit_code == 2
    assert (masks / "masks" / "a.png").stat().st_size > 0
