"""What reviewers say in FiftyOne is read as it was meant, once, and never lost: a real one with a real database."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

import segdata
from segdata.core.errors import SegdataError
from segdata.core.finding import Correction, Finding
from segdata.report.fiftyone.app import install_plugin
from segdata.report.fiftyone.decisions import FiftyOneDecisions, pull_from_fiftyone
from segdata.review.decision_log import read_decisions
from tests.report.fiftyone.drawn import CAR, gap, load, made, noise

pytestmark = pytest.mark.filterwarnings("ignore")  # of FiftyOne and what it needs
SIZE = (37, 53)
MASK = noise(1, *SIZE, 0.3)
RENAME = Correction(action="rename", category="road", size=SIZE, counts=())
SPECK = Finding(
    code="SEG106", rule="speck", severity="warning", message="m", image="b.png", segments=(1,), category="car",
    bbox=(1, 2, 3, 4), pixels=5, score=0.5, file="f.json", line=7, place="/x", fix="unsafe", correction=RENAME,
)  # fmt: skip


@pytest.fixture
def data() -> segdata.Dataset:
    return made({("a.png", None): [(CAR, MASK), (CAR, ~MASK)], ("b.png", None): [(CAR, MASK)], ("c.png", None): []})


@pytest.fixture
def review(fo: Any) -> Any:
    """Calls an operator of the plugin as the App does."""
    install_plugin(fo)
    from fiftyone.operators import execute_operator

    def call(name: str, dataset: Any, *labels: tuple[str, str, str], **more: Any) -> Any:
        chosen = [{"field": field, "sample_id": sample, "label_id": id_} for field, sample, id_ in labels]
        done = execute_operator(f"@segdata/review/{name}", {"dataset": dataset, "selected_labels": chosen, **more})
        dataset.reload()
        return done

    return call


@pytest.fixture(autouse=True)
def _fresh(fo: Any) -> Iterator[None]:
    yield
    fo.delete_datasets("pull*")


def of(name: str, data: segdata.Dataset) -> FiftyOneDecisions:
    return pull_from_fiftyone(name, data.profile)


def tag(dataset: Any, image: str, field: str, number: int, *tags: str) -> None:
    sample = dataset.match({"image_id": image}).first()
    sample[field].detections[number].tags += tags
    sample.save()


def place(dataset: Any, image: str, field: str, number: int = 0) -> tuple[str, str, str]:
    sample = dataset.match({"image_id": image}).first()
    return field, sample.id, sample[field].detections[number].id


def test_tags_are_decisions_about_the_very_finding(fo: Any, data: segdata.Dataset) -> None:
    """To the last column; signed by who is there, and the same ones when asked again."""
    dataset = load(data, "pull tags", SPECK, gap("a.png"))
    tag(dataset, "b.png", "findings", 0, "Reject", "comment: glass in front")
    tag(dataset, "a.png", "segments", 1, "fix")
    first = of("pull tags", data)
    assert [(each.verdict, each.image, each.segment, each.finding) for each in first.decisions] == [
        ("reject", "b.png", 1, SPECK),
        ("fix", "a.png", 2, None),
    ]
    assert {(each.reviewer, each.via) for each in first.decisions} == {("rosa", "fiftyone")}
    assert [each.comment for each in first.decisions] == ["glass in front", ""]
    assert all(each.imprint for each in first.decisions)
    assert of("pull tags", data) == first


def test_buttons_say_who_when_and_why(fo: Any, data: segdata.Dataset, review: Any) -> None:
    """A second word takes the place of the first."""
    dataset = load(data, "pull buttons", SPECK)
    label = place(dataset, "b.png", "findings")
    review("accept", dataset, label)
    review("void", dataset, label, params={"comment": " unclear "})
    (decision,) = pull_from_fiftyone("pull buttons", data.profile).decisions
    shown = dataset.match({"image_id": "b.png"}).first().findings.detections[0]
    assert shown.tags == ["SEG106", "warning", "void"]
    assert (decision.verdict, decision.comment, decision.finding) == ("void", "unclear", SPECK)
    assert (decision.reviewer, decision.time) == (shown.reviewer, shown.decided) == ("rosa", shown.decided)


def test_what_is_proposed_is_said_of_its_finding(fo: Any, data: segdata.Dataset, review: Any) -> None:
    """By a button, or by a tag."""
    counts = (data.segments["counts"].iloc[0].decode(),)
    proposing = replace(SPECK, correction=replace(RENAME, counts=counts))
    dataset = load(data, "pull proposals", proposing, gap("b.png"))
    tag(dataset, "b.png", "proposals", 0, "unsure")
    assert [(each.verdict, each.finding) for each in of("pull proposals", data).decisions] == [("unsure", proposing)]
    dataset = load(data, "pull proposals 2", proposing, gap("b.png"))
    review("apply", dataset, place(dataset, "b.png", "proposals"))
    assert [(each.verdict, each.finding) for each in of("pull proposals 2", data).decisions] == [("accept", proposing)]


def test_many_are_decided_at_once(fo: Any, data: segdata.Dataset, review: Any) -> None:
    """Of the chosen images, then all that is left in the view."""
    dataset = load(data, "pull many", SPECK, gap("a.png"), gap("c.png"))
    chosen = place(dataset, "b.png", "findings")[1]
    review("decide", dataset, selected=[chosen], params={"verdict": "reject"})
    review("decide", dataset, view=dataset.load_saved_view("SEG101 gap"), params={"verdict": "accept"})
    said = {each.image: each.verdict for each in of("pull many", data).decisions}
    assert said == {"a.png": "accept", "b.png": "reject", "c.png": "accept"}
    assert len(dataset.load_saved_view("undecided")) == 0
    assert dataset.load_saved_view("decided").count("findings.detections") == 3


def test_the_next_finding_is_that_after_the_one_decided(fo: Any, data: segdata.Dataset, review: Any) -> None:
    """First those of the same image, then of the next, and round again."""
    dataset = load(data, "pull next", SPECK, gap("a.png"), gap("c.png"))
    first, second = place(dataset, "c.png", "findings"), place(dataset, "a.png", "findings")
    done = review("accept", dataset, first, current_sample=first[1])
    told = {request.operator_uri: request.params for request in done.executor._requests}
    assert told["open_sample"]["id"] == second[1]
    assert [(each["sample_id"], each["label_id"]) for each in told["set_selected_labels"]["labels"]] == [second[1:]]


def test_what_is_no_decision_is_told_and_not_taken(fo: Any, data: segdata.Dataset) -> None:
    dataset = load(data, "pull notes", SPECK, gap("a.png"))
    tag(dataset, "b.png", "findings", 0, "accept", "reject")
    sample = dataset.match({"image_id": "a.png"}).first()
    sample.findings.detections.pop()
    sample.segments.detections.append(fo.Detection(label="car", bounding_box=[0, 0, 1, 1], tags=["reject"]))
    sample.segments.detections[0].label = "road"
    sample.save()
    told = of("pull notes", data)
    assert told.decisions == ()
    assert [note.split(":")[0] for note in told.notes] == ["a.png", "b.png", "a.png", "a.png"]
    text = "\n".join(told.notes)
    for words in (
        "SEG101 gap was deleted by hand",
        "tagged accept and reject",
        "drawn by hand",
        "1 label of 'segments'",
    ):
        assert words in text


def test_a_verdict_taken_off_is_none(fo: Any, data: segdata.Dataset, review: Any) -> None:
    dataset = load(data, "pull off", SPECK)
    review("accept", dataset, place(dataset, "b.png", "findings"))
    dataset.untag_labels("accept")
    told = of("pull off", data)
    assert told.decisions == ()
    assert "accept was removed" in told.notes[0]


def test_a_decision_is_about_the_label_that_was_seen(fo: Any, review: Any) -> None:
    """Though the label changes before anybody pulls; then it is undecided, and a new word is about the new one."""
    one, two = (made({("b.png", None): [(CAR, mask)]}) for mask in (MASK, ~MASK))
    dataset = load(one, "pull seen", SPECK)
    seen = dataset.first().findings.detections[0].imprint
    review("fix", dataset, place(dataset, "b.png", "findings"))
    tag(dataset, "b.png", "findings", 0, "comment: glass in front")
    again = segdata.browse(two, findings=[SPECK], name="pull seen", jobs=1)
    assert again.log is not None
    assert [(each.verdict, each.imprint) for each in read_decisions(again.log)] == [("fix", seen)]
    dataset.reload()
    (shown,) = dataset.first().findings.detections
    assert (shown.tags, again.n_settled) == (["SEG106", "warning"], 0)
    assert of("pull seen", two).decisions == ()
    review("accept", dataset, place(dataset, "b.png", "findings"))
    assert [each.imprint for each in of("pull seen", two).decisions] == [shown.imprint] != [seen]


def test_no_decision_goes_with_its_finding(fo: Any, data: segdata.Dataset, review: Any) -> None:
    """What was not pulled is in the log before the finding is removed; nothing is there twice."""
    dataset = load(data, "pull gone", SPECK, gap("a.png"))
    review("accept", dataset, place(dataset, "b.png", "findings"))
    again = segdata.browse(data, findings=[gap("a.png")], name="pull gone", jobs=1)
    assert again.n_decided == 1
    assert again.log is not None
    assert [(each.verdict, each.finding) for each in read_decisions(again.log)] == [("accept", SPECK)]
    tag(again.dataset, "a.png", "findings", 0, "reject")
    n_new = [segdata.browse(data, findings=[gap("a.png")], name="pull gone", jobs=1).n_decided for _ in range(2)]
    assert n_new == [1, 0]


def test_a_dataset_that_is_not_there_is_named(fo: Any, data: segdata.Dataset) -> None:
    with pytest.raises(SegdataError, match="no dataset 'nobody'; create it with segdata browse"):
        pull_from_fiftyone("nobody", data.profile)


def test_a_renamed_field_of_an_annotator_is_whose_it_was(fo: Any) -> None:
    data = made({("a.png", "anna"): [(CAR, MASK)], ("a.png", "b@x.org"): [(CAR, ~MASK)]})
    dataset = load(data, "pull people")
    fields = {row["annotator"]: row["name"] for row in dataset.info["segdata"]["fields"] if row["kind"] == "segments"}
    tag(dataset, "a.png", fields["b@x.org"], 0, "reject")
    (decision,) = pull_from_fiftyone("pull people", data.profile).decisions
    assert (decision.annotator, decision.verdict) == ("b@x.org", "reject")
    assert decision.imprint == dataset.first()[fields["b@x.org"]].detections[0].imprint


def test_buttons_are_there_for_our_datasets_alone(fo: Any, data: segdata.Dataset) -> None:
    """So are the keys, which look for the buttons."""
    install_plugin(fo)
    from fiftyone.operators import get_operator

    ours, other = load(data, "pull ours", SPECK), fo.Dataset("pull other")
    for name in ("accept", "apply", "decide", "next"):
        operator = get_operator(f"@segdata/review/{name}")
        places = [operator.resolve_placement(SimpleNamespace(dataset=each)) for each in (ours, other, None)]
        assert [place is not None for place in places] == [True, False, False]
