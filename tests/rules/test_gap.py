"""SEG101: what pictures cannot say."""

from collections.abc import Callable

import pytest

from segdata.core.defect import Defect
from segdata.core.finding import Finding

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
    assert "void besides: 1 px" in finding.message


@pytest.mark.parametrize("code", ["SEG007", "SEG009", "SEG010", "SEG014"])
def test_pixels_that_the_reader_reported_are_not_gaps_as_well(judged: Judged, code: str) -> None:
    drawing = HOLES + "coverage: exhaustive"
    assert not judged("SEG101", drawing, [Defect(code, "unknown", image="1.png", pixels=4)])
    (finding,) = judged("SEG101", drawing, [Defect(code, "unknown", image="1.png", pixels=3)])
    assert "3 px of them could not be read" in finding.message
    assert judged("SEG101", drawing, [Defect(code, "unknown", image="2.png", pixels=4)])
