"""What the log of a review says is seen in FiftyOne, also in a new database: a real one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import segdata
from segdata.api.decisions import label_hashes
from segdata.core.finding import Decision, Verdict
from segdata.report.fiftyone.decisions import pull_from_fiftyone
from segdata.review.decision_log import read_decisions
from tests.report.fiftyone.drawn import CAR, gap, made, noise

pytestmark = pytest.mark.filterwarnings("ignore")  # of FiftyOne and what it needs
MASK = noise(1, 37, 53, 0.5)
NAME = "logged"
TIME = "2026-01-31T12:30:59Z"
FOUND = (gap("a.png"), gap("b.png"), gap("c.png"))


@pytest.fixture
def data(fo: Any, tmp_path: Path) -> Iterator[Path]:
    """A dataset on the disk, of three images with a segment each."""
    drawn: dict[tuple[str, str | None], Any] = {(name, None): [(CAR, MASK)] for name in ("a.png", "b.png", "c.png")}
    segdata.convert(made(drawn), tmp_path / "data")
    yield tmp_path / "data"
    fo.delete_datasets(NAME)


def browse(data: Path, name: str = NAME) -> Any:  # Any: FiftyOne has no types
    found = segdata.browse(data, findings=FOUND, name=name, jobs=1)
    found.dataset.reload()
    return found


def said(data: Path, verdict: Verdict, image: str, **more: Any) -> Decision:
    """A decision on the finding of an image, made somewhere else."""
    finding = next(each for each in FOUND if each.image == image)
    imprint = label_hashes(segdata.read(data), [finding])[finding]
    told: dict[str, Any] = {"reviewer": "anna", "time": TIME, "via": "html", "imprint": imprint, **more}
    return Decision(verdict=verdict, image=image, finding=finding, **told)


def shown(found: Any, image: str, field: str = "findings") -> Any:
    return found.dataset.match({"image_id": image}).first()[field].detections[0]


def test_what_is_decided_elsewhere_is_seen_to_be(data: Path) -> None:
    """It leaves the views of what is to be done, and pulled again it is the very same, so that nothing is new."""
    decisions = [said(data, "accept", "a.png", comment="right"), said(data, "unsure", "b.png", reviewer="ben")]
    segdata.decide(data, decisions)
    found = browse(data)
    a, b = shown(found, "a.png"), shown(found, "b.png")
    assert (a.tags, a.verdict, a.reviewer, a.decided, a.comment) == (
        ["SEG101", "error", "accept"], "accept", "anna", TIME, "right"
    )  # fmt: skip
    assert (b.tags[-1], b.reviewer) == ("unsure", "ben")
    assert found.n_settled == 1
    assert found.dataset.load_saved_view("worst first").values("image_id") == ["b.png", "c.png"]
    assert found.dataset.load_saved_view("undecided").values("image_id") == ["c.png"]
    assert found.dataset.load_saved_view("decided").count("findings.detections") == 2
    assert list(pull_from_fiftyone(NAME, segdata.read(data).profile).decisions) == decisions
    assert segdata.pull_decisions(data, "fiftyone", name=NAME).n_new == 0


def test_what_is_decided_in_fiftyone_stays_after_it_is_pulled(data: Path) -> None:
    """Also where the database is lost; a later word takes its place."""
    sample = browse(data).dataset.match({"image_id": "a.png"}).first()
    sample.findings.detections[0].tags += ["Reject", "comment: glass"]
    sample.segments.detections[0].tags += ["fix"]
    sample.save()
    segdata.pull_decisions(data, "fiftyone", name=NAME)
    browse(data).dataset.delete()
    found = browse(data)
    label = shown(found, "a.png")
    assert (label.tags, label.verdict, label.comment) == (["SEG101", "error", "reject"], "reject", "glass")
    assert shown(found, "a.png", "segments").tags == ["fix"]
    sample = found.dataset.match({"image_id": "a.png"}).first()
    sample.findings.detections[0].tags[-1] = "accept"
    sample.save()
    again = browse(data)
    assert (again.n_decided, shown(again, "a.png").tags[-1]) == (1, "accept")
    assert [each.verdict for each in read_decisions(data / "review.jsonl")] == ["reject", "fix", "accept"]


def test_who_disagrees_is_told(data: Path) -> None:
    """Until somebody settles it, of which the others' words become no part."""
    words = [said(data, "accept", "a.png"), said(data, "reject", "a.png", reviewer="ben", comment="glass")]
    segdata.decide(data, [*words, said(data, "void", "b.png")])
    found = browse(data)
    label = shown(found, "a.png")
    assert label.tags == ["SEG101", "error", "disputed"]
    assert label.disputed == "anna: accept; ben: reject (glass)"
    assert "a.png" in found.dataset.load_saved_view("undecided").values("image_id")
    label_id, sample = label.id, found.dataset.match({"image_id": "a.png"}).first()
    next(each for each in sample.findings.detections if each.id == label_id).tags.append("reject")
    sample.save()
    told = segdata.pull_decisions(data, "fiftyone", name=NAME, reviewer="eve", adjudicate=True)
    assert told.n_new == 1
    assert [each.reviewer for each in read_decisions(data / "review.jsonl") if each.adjudicates] == ["eve"]
    again = shown(browse(data), "a.png")
    assert (again.tags, again.verdict, again.reviewer) == (["SEG101", "error", "reject"], "reject", "eve")


def test_alike_findings_have_a_verdict_each(data: Path) -> None:
    """One decision decides one of them; a finding that changed its severity has no tag of the old one."""
    segdata.decide(data, [said(data, "accept", "a.png")])
    twins = [gap("a.png"), gap("a.png", score=0.5)]
    segdata.browse(data, findings=twins, name=NAME, jobs=1)
    milder = [replace(each, severity="info") for each in twins]
    found = segdata.browse(data, findings=milder, name=NAME, jobs=1)
    found.dataset.reload()
    tags = found.dataset.match({"image_id": "a.png"}).first().findings.detections
    assert sorted(len(each.tags) for each in tags) == [2, 3]
    assert all("error" not in each.tags for each in tags)
    assert found.n_settled == 1
