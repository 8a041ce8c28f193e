"""SEG101: what pictures cannot say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.finding import Defect, Finding
from segdata.core.taxonomy import Category, Taxonomy

Judged = Callable[..., list[Finding]]
HOLES = "aa.aa\na..a.\n\n"


@pytest.mark.parametrize(("policy", "severity"), [("exhaustive", "error"), ("exhaustive (habit)", "warning")])
def test_one_finding_for_an_annotation_with_the_largest_gap(judged: Judged, policy: str, severity: str) -> None:
    (finding,) = judged("SEG101", HOLES + f"coverage: {policy}")
    assert (finding.severity, finding.pixels, finding.bbox) == (severity, 4, (1, 0, 2, 2))
    assert "40.00%" in finding.message
    assert "2 gaps, the largest 3 px" in finding.message


def test_void_is_named_beside_a_gap(judged: Judged) -> None:
    (finding,) = judged("SEG101", "aav.\n\nv: unknown (void)\ncoverage: exhaustive")
    assert "plus 1 px of void" in finding.message


@pytest.mark.parametrize("code", ["SEG007", "SEG009", "SEG010", "SEG014"])
def test_pixels_that_the_reader_reported_are_not_gaps_as_well(judged: Judged, code: str) -> None:
    drawing = HOLES + "coverage: exhaustive"
    assert not judged("SEG101", drawing, [Defect(code, "unknown", image="1.png", pixels=4)])
    (finding,) = judged("SEG101", drawing, [Defect(code, "unknown", image="1.png", pixels=3)])
    assert "3 px of them could not be read" in finding.message
    assert judged("SEG101", drawing, [Defect(code, "unknown", image="2.png", pixels=4)])


OBJECTS = "a...\n\n"  # an object on a background
FULL = "aabb\n\n"


def test_a_background_is_one_info_for_the_dataset(judged: Judged) -> None:
    (finding,) = judged("SEG101", OBJECTS * 5 + "coverage: exhaustive (habit)")
    assert (finding.severity, finding.image, finding.pixels) == ("info", None, 15)
    assert "5 annotations leave 75% to 75%" in finding.message


@pytest.mark.parametrize(
    ("drawing", "severities"),
    [
        (OBJECTS * 5 + "coverage: exhaustive", ["error"] * 5),
        (OBJECTS * 4 + "coverage: exhaustive (habit)", ["warning"] * 4),
        (OBJECTS * 4 + FULL + "coverage: exhaustive (habit)", ["warning"] * 4),
        ("abc.\n\n" * 5 + "coverage: exhaustive (habit)", ["warning"] * 5),
    ],
)
def test_gaps_that_are_no_background(judged: Judged, drawing: str, severities: list[str]) -> None:
    """Somebody declared it, they are too few to tell, one image is full, or they are small."""
    assert [finding.severity for finding in judged("SEG101", drawing)] == severities


def test_a_taxonomy_that_names_the_background_needs_few_images(tmp_path: Path) -> None:
    for name in ("a", "b"):
        mask = np.zeros((8, 8), np.uint8)
        mask[:3, :3] = 1
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
    taxonomy = Taxonomy(unlabelled=0, categories=(Category(id=1, name="cat"),))
    (finding,) = segdata.validate(tmp_path, format="colour-masks", taxonomy=taxonomy, select="SEG101").findings
    assert (finding.severity, finding.image, finding.pixels) == ("info", None, 2 * 55)


@pytest.mark.parametrize(("n_images", "n_findings"), [(4, 4), (5, 0)])
def test_slivers_of_a_background_are_meant(judged: Judged, n_images: int, n_findings: int) -> None:
    sliver = "aaaaaaaaaaaa\n............\nbbbbbbbbbbbb\n\n"
    assert len(judged("SEG111", sliver * n_images + "coverage: exhaustive (habit)")) == n_findings


def _with_line(kind: str, thick: int = 8) -> str:
    """A square of one segment, and a line of one pixel of it, or what is none."""
    values = np.full((40, 30), ".", "<U1")
    values[10 : 10 + thick, 3 : 3 + thick] = "a"
    rows = np.arange(40)
    if kind == "slanted":
        values[rows, 15 + rows // 4] = "a"
    elif kind == "short":
        values[rows[:30], 15 + rows[:30] // 4] = "a"
    elif kind == "two wide":
        values[:, 20:22] = "a"
    else:
        values[[0, -1]], values[:, [0, -1]] = "a", "a"
    return "\n".join("".join(row) for row in values.tolist()) + "\n"


@pytest.mark.parametrize(
    ("kind", "thick", "n_pixels"),
    [("slanted", 8, 40), ("frame", 8, 136), ("short", 8, 0), ("two wide", 8, 0), ("slanted", 1, 0)],
)
def test_a_line_of_one_pixel_from_side_to_side(judged: Judged, kind: str, thick: int, n_pixels: int) -> None:
    """Of a segment that is thin itself, as a crack, it is meant."""
    found = judged("SEG111", _with_line(kind, thick))
    assert [one.pixels for one in found] == [n_pixels] * (n_pixels > 0)
