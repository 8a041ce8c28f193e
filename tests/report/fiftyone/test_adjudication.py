"""Findings of an agreement are shown, decided with tags and applied: the labels change as decided, or stay."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.agreement.disagreements import PROPOSING_CODES
from segdata.api.browse import _check_annotator
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy, dump_taxonomy
from segdata.report.findings import compared_annotators, load_findings
from tests.report.agreement.test_adjudication import OF, SIZE, compared, pixels

pytestmark = pytest.mark.filterwarnings("ignore")  # of FiftyOne and what it needs


def tagged(data: Path, report: Path, name: str, verdicts: dict[str, str]) -> dict[str, Any]:
    """Tag all findings of an image with its verdict; the label of each finding of the first image, by code."""
    findings = [*load_findings(report)]
    findings += [replace(finding, annotator="ben") for finding in findings]  # somebody else's: never on carl's labels
    browsed = segdata.browse(data, findings=findings, name=name, labels_of="carl", jobs=1)
    assert browsed.n_findings == len(findings) // 2
    assert any("about others, who are not in the data: ben" in note for note in browsed.notes)
    dataset = browsed.dataset
    shown = {}
    for image, verdict in reversed(verdicts.items()):
        sample = dataset.match({"image_id": image}).first()
        shown = {label.code: label for label in sample.findings.detections}
        for label in sample.findings.detections:
            label.tags.append(verdict)
        sample.save()
    return shown


def test_nobody_of_that_name_is_an_error_that_names_the_annotators(tmp_path: Path) -> None:
    """Before anything is put into FiftyOne; one about whom there is no finding is known from the report."""
    for who, masks in OF.items():
        segdata.convert(segdata.from_arrays({"0.png": masks}, ["cell", "knot"], annotator=who), tmp_path / who)
    report = tmp_path / "agreement.json"
    report.write_text(compared(tmp_path).to_json(), encoding="utf-8")
    assert set(compared_annotators(report)) == set(OF)
    findings = load_findings(report)
    with pytest.raises(SegdataError, match=r"--labels-of: .* no annotator 'cral'; did you mean 'carl'\?; they are of "):
        segdata.browse(tmp_path / "carl", findings=findings, labels_of="cral", annotators=compared_annotators(report))
    _check_annotator("zoe", {*OF, "zoe"})


@pytest.mark.parametrize("named", [True, False], ids=["named", "named by the command"])
def test_tags_change_the_labels_or_leave_them(fo: Any, tmp_path: Path, named: bool) -> None:
    """Of the first image all is accepted, of the second all rejected, and neither is asked again."""
    for who, masks in OF.items():
        data = segdata.from_arrays(
            {f"{k}.png": masks for k in range(2)}, ["cell", "knot"], annotator=who if named else None
        )
        segdata.convert(data, tmp_path / who)
    report = tmp_path / "agreement.json"
    report.write_text(compared(tmp_path).to_json(), encoding="utf-8")
    before = pixels(tmp_path / "carl", "1.png")
    name = f"adjudication {named}"
    shown = tagged(tmp_path / "carl", report, name, {"0.png": "accept", "1.png": "reject"})
    assert {code: label.proposal for code, label in shown.items()} == {
        "SEG401": "add: cell",
        "SEG402": "delete",
        "SEG403": "rename: knot",
    }
    assert {label.annotator for label in shown.values()} == {"carl"}
    renamed = shown["SEG403"]  # carl's own knot, and not also the segment that has the id of the other's
    assert np.array(renamed.bounding_box) * [60, 40, 60, 40] == pytest.approx([44, 4, 13, 13], abs=0.01)
    pulled = segdata.pull_decisions(tmp_path / "carl", "fiftyone", name=name)
    assert (pulled.n_new, pulled.notes) == (6, ())
    applied = segdata.apply_decisions(tmp_path / "carl")
    assert (len(applied.done), applied.kept, applied.conflicts) == (3, 3, [])
    assert pixels(tmp_path / "carl", "0.png") == pixels(tmp_path / "anna", "0.png")
    assert pixels(tmp_path / "carl", "1.png") == before
    after = compared(tmp_path)
    assert (after.findings, after.run.decided) == ((), 3)


def test_regions_of_class_masks_change_too(fo: Any, tmp_path: Path) -> None:
    """What is missed is added, what is called otherwise is relabelled, what is extra goes."""
    truth = np.zeros(SIZE, np.uint8)
    truth[20:], truth[5:10, 5:50] = 1, 2
    deviating = truth.copy()
    deviating[20:, :35], deviating[5:10, 5:50], deviating[12:16, 20:40] = 2, 0, 3
    categories = [Category(id=k, name=name, kind="stuff") for k, name in enumerate(("road", "fence", "sign"), 1)]
    for who, labels in {"anna": truth, "ben": truth, "carl": deviating}.items():
        folder = tmp_path / "masks" / who
        folder.mkdir(parents=True)
        Image.fromarray(labels).save(folder / "0.png")
        (folder / "taxonomy.yaml").write_text(dump_taxonomy(Taxonomy(categories=categories, unlabelled=0)))
        segdata.convert(folder, tmp_path / who)
    report = tmp_path / "agreement.json"
    report.write_text(compared(tmp_path).to_json(), encoding="utf-8")
    shown = tagged(tmp_path / "carl", report, "adjudication of regions", {"0.png": "accept"})
    assert set(PROPOSING_CODES) <= set(shown)
    segdata.pull_decisions(tmp_path / "carl", "fiftyone", name="adjudication of regions")
    segdata.apply_decisions(tmp_path / "carl")
    assert pixels(tmp_path / "carl", "0.png") == pixels(tmp_path / "anna", "0.png")
