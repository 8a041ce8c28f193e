"""Decisions brought into a dataset on disk: once, never over what has changed, and silent in a validation."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import segdata
import segdata.api
from segdata import Decision, Finding, SegdataError
from segdata.api.agreement import agree
from segdata.api.decisions import label_hashes
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Correction, Verdict
from segdata.core.finding_location import Annotation
from segdata.core.label_hash import hash_segments
from segdata.core.paths import DECISION_LOG
from segdata.core.runs import mask_to_runs
from segdata.core.schema import runs_to_rle
from segdata.core.taxonomy import Category, Taxonomy
from segdata.core.validation import Validation
from segdata.review import decision_log
from segdata.testing.pictures import draw_picture

SPECKS = """
aaaaaaaaaaaaaaaaaaaa.....
aaaaaaaaaaaaaaaaaaaa...a.
aaaaaaaaaaaaaaaaaaaa.....
bbbbbbbbbbbbbbbbbbbb...b.
bbbbbbbbbbbbbbbbbbbb.....
bbbbbbbbbbbbbbbbbbbb.....

cc
"""


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A canonical dataset, in which two segments of the first image have a speck each."""
    drawing = draw_picture(SPECKS)
    segdata.convert(OpenDataset(drawing, drawing.profile, Config()), tmp_path / "street")
    return tmp_path / "street"


def found(data: Path, include_reviewed: bool = False) -> Validation:
    return segdata.validate(data, select="SEG106", include_reviewed=include_reviewed)


def said(data: Path, finding: Finding, verdict: Verdict = "accept", who: str = "anna", minute: int = 0) -> Decision:
    seen = label_hashes(segdata.read(data), [finding])[finding]
    return Decision(
        verdict=verdict, reviewer=who, time=f"2026-01-01T00:{minute:02d}:00Z", via="python", image=finding.image,
        finding=finding, imprint=seen,
    )  # fmt: skip


def correction(action: str, category: str | None, x: int, segments: tuple[int, ...] = ()) -> Finding:
    """A pixel in the first row, 6 px high image of 25."""
    mask = np.zeros((6, 25), bool)
    mask[0, x] = True
    counts = runs_to_rle(mask_to_runs(mask), np.array([6]), np.array([25]))[0].as_py().decode()
    asked = Correction(action=action, category=category, size=(6, 25), counts=(counts,))  # type: ignore[arg-type]
    return Finding(
        code="SEG501", rule="made-up", severity="warning", message="", image="1.png", segments=segments,
        bbox=(x, 0, 1, 1), correction=asked,
    )  # fmt: skip


def test_decided_findings_are_silent_until_the_labels_change(street: Path) -> None:
    one, other = found(street).findings
    assert segdata.decide(street, [said(street, one, "reject")]) == 1
    kept = found(street)
    assert (kept.findings, kept.decided) == ((other,), 1)
    assert found(street, include_reviewed=True).findings == (one, other)
    segdata.decide(street, [said(street, other, "unsure")])
    assert found(street).decided == 1
    after = Decision(
        verdict="reject", reviewer="anna", time="2026-01-02T00:00:00Z", via="python", image="1.png",
        segment=int(one.segments[0]), imprint="",
    )  # fmt: skip
    segdata.decide(street, [after])
    segdata.apply_decisions(street)
    segdata.decide(street, [said(street, correction("redraw", "a", 3, (int(one.segments[0]),)))])
    segdata.apply_decisions(street)
    assert one not in found(street).findings
    assert found(street).decided == 0


def test_a_decision_without_an_imprint_holds_for_the_labels_as_they_are(street: Path) -> None:
    one, other = found(street).findings
    decision = Decision(
        verdict="reject", reviewer="anna", time="2026-01-01T00:00:00Z", via="python", image=one.image, finding=one
    )
    assert segdata.decide(street, [decision]) == 1
    assert segdata.decide(street, [decision]) == 0
    assert found(street).findings == (other,)


def test_what_is_only_silent_is_not_fixed(street: Path) -> None:
    before = found(street).findings
    segdata.decide(street, [said(street, before[0], "reject")])
    compared = found(street).against(before)
    assert compared.baseline is not None
    assert (compared.findings, compared.baseline.known, compared.baseline.fixed) == ((), before[1:], ())


def test_another_number_is_no_change(street: Path, tmp_path: Path) -> None:
    """Content and imprint tell a finding, not ids."""
    one, _ = found(street).findings
    segdata.convert(street, tmp_path / "coco.json", to="coco-instances")
    made = tmp_path / "coco.json"
    document = json.loads(made.read_text("utf-8"))
    for each in document["annotations"]:
        each["id"] += 70
    made.write_text(json.dumps(document), "utf-8")
    segdata.decide(made, [said(street, one, "reject")])
    assert found(made, include_reviewed=True).findings[0].segments != one.segments
    assert (tmp_path / "coco.json.review.jsonl").is_file()
    assert found(made).decided == 1


def test_applying_twice_changes_nothing(street: Path) -> None:
    one, other = found(street).findings
    decisions = [said(street, one), said(street, other, "reject"), said(street, correction("add", "c", 22), minute=1)]
    assert segdata.decide(street, decisions) == 3
    assert segdata.decide(street, decisions) == 0
    tried = segdata.apply_decisions(street, dry_run=True)
    assert (tried.revision, len(tried.done)) == (None, 2)
    first = segdata.apply_decisions(street)
    assert (first.revision, len(first.done), first.kept, first.images, first.reviewed) == ("r0002", 2, 1, 1, 1)
    again = segdata.apply_decisions(street)
    assert (again.revision, again.done, again.conflicts, again.past) == (None, [], [], 2)
    assert found(street).findings == ()
    annotations = segdata.read(street).annotations
    assert annotations["stage"].dropna().tolist() == ["reviewed"]
    assert annotations["reviewer"].dropna().tolist() == ["anna"]
    assert (street / "r0002" / "changes.jsonl").read_text("utf-8").count("\n") == 2


def test_pruned_and_restored(street: Path) -> None:
    one, _ = found(street).findings
    segdata.decide(street, [said(street, one)])
    segdata.apply_decisions(street)
    segdata.restore(street, "r0001")
    assert segdata.apply_decisions(street).revision == "r0003"
    segdata.prune(street)
    after = segdata.apply_decisions(street)
    assert (after.revision, after.conflicts, after.past) == (None, [], 1)


def test_labels_that_have_changed_since_are_not_overwritten(street: Path) -> None:
    one, _ = found(street).findings
    late = said(street, one, minute=9)
    segdata.decide(street, [said(street, correction("redraw", "a", 3, (int(one.segments[0]),)))])
    segdata.apply_decisions(street)
    before = (street / "dataset.yaml").read_bytes()
    segdata.decide(street, [late])
    after = segdata.apply_decisions(street)
    assert [(each.decision, each.why) for each in after.conflicts] == [(late, "the labels have changed since")]
    assert (street / "dataset.yaml").read_bytes() == before


def test_what_a_report_told_before_it_was_carried_out_is_decided(street: Path) -> None:
    """Accepted and done, rejected on a label that is changed by that, a false alarm elsewhere, and not decided."""
    one, other = found(street).findings
    redrawn = correction("redraw", "a", 3, (int(one.segments[0]),))
    report = [one, other, redrawn, correction("add", "c", 22)]
    segdata.decide(street, [said(street, redrawn), said(street, one, "reject"), said(street, other, "reject")])

    def open_(**asked: list[Finding]) -> int:
        return sum(each.open for each in segdata.review_progress(street, **({"findings": []} | asked)).rules)

    assert (open_(earlier=report), open_(findings=report)) == (1, 1)
    assert segdata.apply_decisions(street).revision == "r0002"
    assert open_(earlier=report) == 1
    assert open_(findings=report) == 3  # of the labels as they are, two are open again
    segdata.restore(street, "r0001")
    assert open_(earlier=report) == 1


def test_what_was_not_carried_out_is_open(street: Path) -> None:
    one, _ = found(street).findings
    late = said(street, one, minute=9)
    segdata.decide(street, [said(street, correction("redraw", "a", 3, (int(one.segments[0]),)))])
    segdata.apply_decisions(street)
    segdata.decide(street, [late])
    assert len(segdata.apply_decisions(street).conflicts) == 1
    (speck,) = (
        each for each in segdata.review_progress(street, findings=[], earlier=[one]).rules if each.name == "speck"
    )
    assert (speck.open, speck.decided) == (1, 1)


def test_reviewers_who_disagree_are_listed_and_an_adjudicator_settles_it(street: Path) -> None:
    one, _ = found(street).findings
    segdata.decide(street, [said(street, one), said(street, one, "reject", "ben", 1)])
    after = segdata.apply_decisions(street)
    assert (after.revision, len(after.disputed)) == (None, 1)
    assert found(street).decided == 0
    assert len(segdata.review_progress(street).disputed) == 1
    segdata.decide(street, [replace(said(street, one, "accept", "eve", 2), adjudicates=True)])
    after = segdata.apply_decisions(street)
    assert (after.revision, after.disputed) == ("r0002", [])
    assert segdata.read(street).annotations["stage"].tolist()[0] == "adjudicated"


def test_an_adjudication_is_not_reopened_by_the_same_file_pulled_without_it(street: Path, tmp_path: Path) -> None:
    one, _ = found(street).findings
    segdata.decide(street, [said(street, one)])
    other = tmp_path / "eve.review.jsonl"
    decision_log.append_decisions(other, [said(street, one, "reject", "eve", 1)])
    told = [segdata.pull_decisions(street, other, adjudicate=settles).n_new for settles in (False, True, False, True)]
    assert told == [1, 1, 0, 0]
    assert segdata.review_progress(street).disputed == ()
    assert found(street).decided == 1


def test_a_fix_in_a_slice_of_a_volume_is_left_to_people(tmp_path: Path) -> None:
    drawing = draw_picture(f"{SPECKS}\nsequence: volume")
    segdata.convert(OpenDataset(drawing, drawing.profile, Config()), tmp_path / "volume")
    asked = Finding(
        code="SEG106", rule="speck", severity="warning", message="", image="1.png", bbox=(23, 1, 1, 1), pixels=1,
        fix="unsafe",
    )  # fmt: skip
    segdata.decide(tmp_path / "volume", [said(tmp_path / "volume", asked)])
    after = segdata.apply_decisions(tmp_path / "volume")
    assert (after.revision, [each.finding for each in after.by_hand]) == (None, [asked])


def test_what_is_so_already_is_not_called_right(street: Path) -> None:
    same = correction("rename", "a", 3, (int(found(street).findings[0].segments[0]),))
    segdata.decide(street, [said(street, same)])
    after = segdata.apply_decisions(street)
    assert (after.images, after.done, after.already, after.kept) == (0, [], 1, 0)


def test_a_finding_about_several_annotators_is_silent_until_one_changes() -> None:
    about = Finding(code="SEG302", rule="made-up", severity="warning", message="", image="1.png")
    seen = []
    for last in ("bbb.", "bb.."):
        images = pd.DataFrame([{"image_id": "1.png", "height": 1, "width": 4}])
        rows = [{"image_id": "1.png", "category": "car", "mask": np.array([[each != "." for each in "aaa."]])}]
        rows += [{"image_id": "1.png", "category": "car", "mask": np.array([[each != "." for each in last]])}]
        segments = pd.DataFrame(rows).assign(annotator=["anna", "ben"])
        data = segdata.from_frames(images, segments, taxonomy=Taxonomy(categories=(Category(id=1, name="car"),)))
        seen.append(label_hashes(data, [about])[about])
    assert "" not in seen
    assert seen[0] != seen[1]


def test_findings_of_agreement_are_silent_too(tmp_path: Path) -> None:
    both, one = "aaaa....bbbb\n" * 4, "aaaa........\n" * 4
    for name, text in (("anna", both), ("ben", one)):
        drawing = draw_picture(f"{text}............\n\n{both}............\n\na, b: car")
        segdata.convert(OpenDataset(drawing, drawing.profile, Config()), tmp_path / name)
    everybody = {name: tmp_path / name for name in ("anna", "ben")}
    compared = agree(everybody, gold="anna", resamples=20).run
    (missed,) = compared.agreement.findings
    seen = label_hashes(compared.dataset, [missed])[missed]
    decision = Decision(
        verdict="reject", reviewer="eve", time="2026-01-01T00:00:00Z", via="html", image=missed.image, finding=missed,
        imprint=seen,
    )  # fmt: skip
    segdata.decide(tmp_path / "ben", [decision])
    again = agree(everybody, gold="anna", resamples=20).run
    assert (again.agreement.findings, again.decided) == ((), 1)
    assert agree(everybody, gold="anna", resamples=20, include_reviewed=True).run.decided == 0


def test_images_and_annotators_that_are_not_there(street: Path) -> None:
    one, _ = found(street).findings
    lost = [replace(said(street, one), image="9.png"), replace(said(street, one), annotator="nobody")]
    segdata.decide(street, lost)
    after = segdata.apply_decisions(street)
    assert sorted(each.why for each in after.conflicts) == [
        "nobody did not annotate the image",
        "the image is not in the dataset",
    ]


def test_a_segment_without_a_finding(street: Path) -> None:
    data = segdata.read(street)
    batch = data.source.load(np.array([1]))
    (annotation,) = Annotation.split_batch(batch)
    gone = Decision(
        verdict="reject", reviewer="anna", time="2026-01-01T00:00:00Z", via="fiftyone", image="2.png",
        segment=batch.segments["segment_id"][0].as_py(), imprint=hash_segments(annotation, data.profile, np.array([0])),
    )  # fmt: skip
    segdata.decide(street, [gone])
    assert segdata.apply_decisions(street).images == 1
    assert set(segdata.read(street).segments["image_id"]) == {"1.png"}


def test_only_a_canonical_dataset_has_revisions(tmp_path: Path) -> None:
    drawing = draw_picture(SPECKS)
    segdata.convert(OpenDataset(drawing, drawing.profile, Config()), tmp_path / "coco.json", to="coco-instances")
    with pytest.raises(SegdataError, match="a new revision of a canonical dataset"):
        segdata.apply_decisions(tmp_path / "coco.json")


def test_a_damaged_log_is_told_with_its_line(street: Path) -> None:
    (street / DECISION_LOG).write_text("nonsense\n{}\n", "utf-8")
    with pytest.raises(SegdataError, match=r"review\.jsonl:1: is not a decision"):
        found(street)
