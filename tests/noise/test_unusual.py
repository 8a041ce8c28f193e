"""Unusual labels: what is listed where the model does not know the dataset, and how the reports tell it."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from segdata.api.flag import FlaggedLabels, flag
from segdata.api.in_memory import from_arrays
from segdata.core.dataset import OpenDataset
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise.networks.plan import Settings
from segdata.noise.novelty import oddest_of
from segdata.noise.pipeline import unusual_labels
from segdata.noise.ranking import RankedCandidates
from segdata.noise.thresholds import CategoryTrust
from segdata.report.console import Console
from segdata.report.findings import ReportContext, load_findings
from segdata.report.flag import FlagReport, flag_text
from tests.generators.oracle import OracleModel, blobs
from tests.noise.test_selection import many

CELLS = Taxonomy(categories=(Category(id=5, name="cell", kind="thing"),))
WEAK = CategoryTrust(category="a", iou=0.2, auroc=0.9, injected=99, threshold=0.5, reason="too weak")
GOOD = msgspec.structs.replace(WEAK, iou=0.9, reason=None)


def labels(n: int, odd: int) -> RankedCandidates:
    """Labels, of which the first ones are odd without any model, and a region."""
    drawn = many([0] * (n + 1), [*range(n), -1], ["extra"] * (n + 1), [0.1] * (n + 1), set())
    alone = np.where(np.arange(n + 1) < odd, 2.0 - 0.01 * np.arange(n + 1), -6.0)
    alone[n] = -np.inf
    return replace(drawn, prior=0.01, alone=alone)


def test_a_weak_model_leaves_a_short_list_of_what_is_odd() -> None:
    assert unusual_labels(labels(500, 3), [WEAK]).tolist() == [0, 1, 2]
    assert unusual_labels(labels(500, 30), [WEAK]).tolist() == [*range(10)]  # 2 %
    assert len(unusual_labels(labels(5000, 90), [WEAK])) == 20
    assert unusual_labels(labels(500, 3), [WEAK], np.array([1])).tolist() == [0, 2]  # one was decided


def test_nothing_is_listed_where_nothing_is_odd_or_the_model_knows() -> None:
    assert not len(unusual_labels(labels(500, 0), [WEAK]))
    assert not len(unusual_labels(labels(500, 3), [GOOD]))
    assert len(unusual_labels(replace(labels(500, 3), informed=np.zeros(1)), [GOOD])) == 3  # it knows no image
    assert not len(unusual_labels(replace(labels(500, 3), alone=None), [WEAK]))
    named = np.array(["", "thin", *[""] * 499], object)
    assert unusual_labels(replace(labels(500, 3), oddest=named), [WEAK]).tolist() == [1]  # what nothing is rare about
    assert not len(unusual_labels(labels(49, 3), [WEAK]))  # 2 % are less than one


def test_the_rarest_feature_is_named() -> None:
    usual = np.column_stack([np.arange(100) % 10, np.zeros(100), np.arange(100)]).astype(float)
    x = np.array([[50.0, 0, 0], [0, 0, 0], [5, 1, 0]])
    assert oddest_of(x, usual, ("smaller", "holed", "extent")).tolist() == ["small", "", "holes"]
    assert oddest_of(x, usual[:0], ("smaller", "holed", "extent")).tolist() == ["", "", ""]
    assert oddest_of(x, usual, ("a", "b", "c")).tolist() == ["", "", ""]


def cells(*, elsewhere: bool) -> OpenDataset:
    """Two images of cells, two of them cut to a speck; or with cells elsewhere, as a model that knows nothing."""
    images = {}
    for at in range(4):
        drawn = blobs(np.random.default_rng([7 + 50 * elsewhere, at]), height=130, n=30)
        flat = [drawn.take(np.array([row])).categories().reshape(drawn.width, 130).T > 0 for row in range(len(drawn))]
        if not elsewhere and at < 2:
            y, x = np.argwhere(flat[0])[0]
            flat[0] = np.zeros_like(flat[0])
            flat[0][y : y + 2, x : x + 2] = True
        images[f"{at}.png"] = [(each, 5) for each in flat]
    return from_arrays(images, CELLS)


@pytest.fixture(scope="module")
def unknown() -> FlaggedLabels:
    return flag(
        cells(elsewhere=False),
        select="SEG510",
        settings=Settings(jobs=1),
        predictions=OracleModel(cells(elsewhere=True), errors=0),
    )


def test_unusual_labels_are_findings_without_a_probability(unknown: FlaggedLabels) -> None:
    assert unknown.findings
    assert {finding.code for finding in unknown.findings} == {"SEG510"}
    assert len(unknown.findings) <= 3
    assert {"0.png", "1.png"} & {finding.image for finding in unknown.findings}
    for place, finding in enumerate(unknown.findings, 1):
        assert finding.score is None
        assert finding.correction is None
        assert finding.severity == "info"
        assert finding.bbox is not None
        assert len(finding.segments) == 1
        assert f"rank {place} of" in finding.message
    assert unknown.expected.n == 0
    assert unknown.expected.high == 0


def test_every_report_says_that_the_model_does_not_know_the_dataset(unknown: FlaggedLabels) -> None:
    report = msgspec.json.decode(unknown.to_json(), type=FlagReport)
    assert [row.code for row in report.findings] == ["SEG510"] * len(unknown.findings)
    assert report.flag.expected_errors.value == 0
    assert json.loads(unknown.to_json())["version"] == 1
    text = " ".join(
        flag_text(unknown, ReportContext(cells(elsewhere=False).profile, [], ["d"]), Console(width=80)).split()
    )
    assert "the model does not know this dataset: look at" in text
    assert "no expected error" in text
    assert "nothing to review" not in text
    assert "the model does not know this dataset" in unknown.to_html(pictures=0)


def test_nobody_gets_the_list_without_asking() -> None:
    model = OracleModel(cells(elsewhere=True), errors=0)
    assert flag(cells(elsewhere=False), settings=Settings(jobs=1), predictions=model).findings == ()


def test_with_a_budget_there_is_no_such_list() -> None:
    result = flag(
        cells(elsewhere=False),
        select="SEG510",
        settings=Settings(jobs=1),
        predictions=OracleModel(cells(elsewhere=True), errors=0),
        budget="10",
    )
    assert "SEG510" not in {finding.code for finding in result.findings}


def test_browse_reads_the_report(unknown: FlaggedLabels, tmp_path: Path) -> None:
    file = tmp_path / "flag.json"
    file.write_text(unknown.to_json())
    assert [finding.code for finding in load_findings(file)] == ["SEG510"] * len(unknown.findings)
