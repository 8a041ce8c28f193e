"""Decisions made on the page of an agreement go into the log of a dataset, and hold in the next comparison."""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import segdata
from segdata.api.agreement import AgreementResult, agree
from segdata.core.finding import Finding
from segdata.report.agreement.html import (
    ANNOTATOR_COLUMNS,
    IMAGE_COLUMNS,
    MAX_LISTED_FINDINGS,
    annotators_csv,
    images_csv,
    listed_findings,
)
from tests.report.conftest import compared, forgets, shaky, truth


@dataclass(frozen=True)
class Panel:
    folder: Path

    def compare(self, **more: object) -> AgreementResult:
        members = [(who, self.folder / who) for who in ("anna", "ben", "carl")]
        return agree(members, resamples=50, jobs=1, **more)  # type: ignore[arg-type]  # any


@pytest.fixture
def panel(tmp_path: Path) -> Panel:
    """Three annotators of four images; carl forgets cars."""
    rng, images = np.random.default_rng(0), truth(4)
    drawn = {who: [shaky(each, rng) for each in images] for who in ("anna", "ben", "carl")}
    drawn["carl"] = [forgets(each, rng) for each in drawn["carl"]]
    compared(tmp_path, drawn)
    return Panel(tmp_path)


def exported(page: str, verdicts: Sequence[str]) -> str:
    """What the button of the page exports after the first findings got these verdicts."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    rows = [dict(zip(data["columns"], row, strict=True)) for row in data["rows"] if row[data["columns"].index("image")]]
    decisions = []
    for row, verdict in zip(rows, verdicts, strict=False):
        finding = {name: value for name, value in row.items() if name not in ("state", "imprint")}
        decisions.append(
            {
                "verdict": verdict,
                "reviewer": "Anna",
                "time": "2026-03-01T10:00:00Z",
                "via": "html",
                "image": row["image"],
                "annotator": row["annotator"],
                "segment": None,
                "finding": finding,
                "imprint": row["imprint"],
                "comment": "",
            }
        )
    return json.dumps({"version": 1, "kind": "segdata decisions", "dataset": data["dataset"], "decisions": decisions})


def test_decisions_of_the_page_hold_in_the_next_comparison(panel: Panel, tmp_path: Path) -> None:
    before = panel.compare()
    page = before.to_html(jobs=1)
    assert "Export decisions" in page
    file = tmp_path / "decisions.json"
    file.write_text(exported(page, ["accept", "reject"]), "utf-8")
    pulled = segdata.pull_decisions(panel.folder / "ben", str(file))
    assert pulled.n_new == 2
    after = panel.compare()
    assert after.run.decided == 2
    assert len(after.findings) == len(before.findings) - 2
    assert len(panel.compare(include_reviewed=True).findings) == len(before.findings)


def test_spreadsheets_beside_the_page(panel: Panel) -> None:
    result = panel.compare()
    opposed = result.run.tables.annotator_pairs
    assert opposed is not None
    images = list(csv.DictReader(images_csv(result, opposed).splitlines()))
    assert tuple(images[0]) == IMAGE_COLUMNS
    assert len(images) == 4 * 3
    assert all(0 < float(row["iou"]) <= 1 for row in images)
    annotators = list(csv.DictReader(annotators_csv(result, result.run.tables).splitlines()))
    assert tuple(annotators[0]) == ANNOTATOR_COLUMNS
    pairs = {frozenset((each.a, each.b)): each.iou.value for each in result.pairs}
    for row in (each for each in annotators if each["kind"] == "iou"):
        assert float(row["value"]) == pytest.approx(pairs[frozenset((row["annotator"], row["others"]))], rel=1e-5)
    mine = {(each["annotator"], each["category"], each["kind"]): each for each in annotators}
    assert float(mine["carl", "car", "confused"]["value"]) > 0.3  # forgotten cars are labelled road


def test_of_many_findings_a_fair_share_is_listed() -> None:
    findings = [
        Finding(code=code, rule="x", severity="warning", message=str(k), image=f"{k % 50}.png", pixels=k)
        for code, n in (("SEG401", 3 * MAX_LISTED_FINDINGS), ("SEG403", 20))
        for k in range(n)
    ]
    listed = listed_findings(findings)
    assert len(listed) == MAX_LISTED_FINDINGS
    assert sum(each.code == "SEG403" for each in listed) == 20
    assert listed_findings(findings[:10]) == findings[:10]
