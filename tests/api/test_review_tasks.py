"""Images with findings to an annotation tool and back: what is not touched stays, pixel for pixel."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

import segdata
from segdata.api.review import AnnotationTool, apply_decisions, export_findings, import_task, pull_decisions
from segdata.core.batch import replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import VERDICTS, Finding
from segdata.core.finding_location import Annotation
from segdata.formats.shared.taxonomies import name_metadata
from segdata.report.html.findings import FIELDS
from segdata.review.annotation_tasks import add_finding_category, prepare_annotation
from segdata.store.revisions import revise
from segdata.testing.pictures import draw_picture

TOOLS: tuple[AnnotationTool, ...] = ("cvat", "label-studio")
PICTURE = """
aab.
aabb
..bb

ccc.
c.c.
ccc.

d...
....
....

category: fresh
"""
FOUND = Finding(
    code="SEG106", rule="speck", severity="warning", message='2 < 3 & "more"', image="1.png", bbox=(2, 0, 2, 3),
    fix="unsafe",
)  # fmt: skip
OTHER = Finding(code="SEG107", rule="pinhole", severity="info", message="whole image", image="2.png")


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A canonical dataset of three images."""
    drawing = draw_picture(PICTURE)
    segdata.convert(OpenDataset(drawing, drawing.profile, Config()), tmp_path / "street")
    return tmp_path / "street"


def labels(data: Path) -> dict[tuple[str, int], tuple[str, bytes]]:
    """Image and id -> category and pixels."""
    rows = segdata.read(data).segments
    return {
        (image, id_): (category, counts)
        for image, id_, category, counts in zip(
            rows["image_id"], rows["segment_id"], rows["category"], rows["counts"], strict=True
        )
    }


@pytest.mark.parametrize("tool", TOOLS)
def test_only_images_with_findings_go_and_come_back_the_same(
    street: Path, tmp_path: Path, tool: AnnotationTool
) -> None:
    before = labels(street)
    done = export_findings(street, [FOUND, OTHER], tool, tmp_path / "task")
    assert (done.n_images, done.n_segments) == (2, 3 + 2)
    found = import_task(street, tmp_path / "task")
    assert (found.revision, found.untouched, found.conflicts) == (None, 3, [])
    assert labels(street) == before
    assert pull_decisions(street, tmp_path / "task", reviewer="anna").n_decisions == 0


def answered(task: Path, tool: AnnotationTool, verdict: str, comment: str) -> None:
    """Type a verdict and a comment into the first finding."""
    if tool == "cvat":
        path = task / "annotations.xml"
        text = path.read_text("utf-8")
        text = text.replace('name="verdict">undecided<', f'name="verdict">{verdict}<', 1)
        path.write_text(text.replace('name="comment"><', f'name="comment">{comment}<', 1), "utf-8")
    else:
        path = task / "tasks.json"
        tasks = json.loads(path.read_text("utf-8"))
        results = tasks[0]["annotations"][0]["result"]
        box = next(each for each in results if each["from_name"] == "code")
        for name, kind, value in (
            ("verdict", "choices", {"choices": [verdict]}),
            ("comment", "textarea", {"text": [comment]}),
        ):
            results.append({**box, "from_name": name, "type": kind, "value": value})
        path.write_text(json.dumps(tasks), "utf-8")


def test_a_tool_is_told_the_labels_and_asks_for_a_verdict(street: Path, tmp_path: Path) -> None:
    for tool in TOOLS:
        export_findings(street, [FOUND, OTHER], tool, tmp_path / tool)
    told = {each["name"]: each for each in json.loads((tmp_path / "cvat" / "labels.json").read_text("utf-8"))}
    used = {
        (shape.get("label"), each.get("name"))
        for shape in fromstring((tmp_path / "cvat" / "annotations.xml").read_text("utf-8")).iterfind("./image/*")
        for each in shape.iterfind("attribute")
    }
    assert used <= {(name, each["name"]) for name, label in told.items() for each in label["attributes"]}
    (verdict,) = (each for each in told["segdata finding"]["attributes"] if each["name"] == "verdict")
    assert (verdict["input_type"], verdict["default_value"]) == ("select", "undecided")
    assert set(verdict["values"]) == {"undecided", *VERDICTS}
    config = fromstring((tmp_path / "label-studio" / "label_config.xml").read_text("utf-8"))
    (choices,) = config.iterfind("Choices")
    assert [each.get("value") for each in choices] == [*VERDICTS]
    assert choices.get("whenLabelValue") == "segdata finding"
    tasks = json.loads((tmp_path / "label-studio" / "tasks.json").read_text("utf-8"))
    controls = {each["from_name"] for task in tasks for each in task["annotations"][0]["result"]}
    assert controls <= {each.get("name") for each in config}
    with pytest.raises(SegdataError, match="name a folder"):
        export_findings(street, [FOUND], "label-studio", tmp_path / "task.json")


@pytest.mark.parametrize("tool", TOOLS)
def test_verdicts_come_back(street: Path, tmp_path: Path, tool: AnnotationTool) -> None:
    export_findings(street, [FOUND, OTHER], tool, tmp_path / "task")
    answered(tmp_path / "task", tool, "Reject", "glass")
    with pytest.raises(SegdataError, match="give --reviewer NAME"):
        pull_decisions(street, tmp_path / "task")
    told = pull_decisions(street, tmp_path / "task", reviewer="anna")
    assert (told.n_decisions, told.n_new) == (1, 1)
    for path in (tmp_path / "task").iterdir():  # a copy is as young as it is, and says nothing new
        os.utime(path, (2e9, 2e9))
    assert pull_decisions(street, tmp_path / "task", reviewer="anna").n_new == 0
    line = json.loads((street / "review.jsonl").read_text("utf-8"))
    assert (line["verdict"], line["comment"], line["via"], line["reviewer"]) == ("reject", "glass", tool, "anna")
    assert {name: line["finding"][name] for name in ("code", "message", "fix")} == {
        "code": FOUND.code, "message": FOUND.message, "fix": "unsafe",
    }  # fmt: skip
    assert set(line["finding"]) == set(FIELDS)
    assert apply_decisions(street).kept == 1


def redrawn(task: Path, change: dict[str, str | None], more: str = "") -> None:
    """Change masks in a task of CVAT: by their place and size, to others, or nothing."""
    path = task / "annotations.xml"
    text = path.read_text("utf-8")
    masks = re.findall(r"<mask .*?</mask>\n", text)
    for where, shape in change.items():
        (mask,) = (each for each in masks if where in each)
        new = "" if shape is None else re.sub(r'rle=.*?height="\d+"', shape, mask)
        text = text.replace(mask, new)
    path.write_text(text.replace("</image>", f"{more}</image>", 1), "utf-8")


A, B = 'left="0" top="0" width="2" height="2"', 'left="2" top="0" width="2" height="3"'


def test_what_was_redrawn_added_and_deleted_is_taken(street: Path, tmp_path: Path) -> None:
    before = labels(street)
    export_findings(street, [FOUND, OTHER], "cvat", tmp_path / "task")
    new = '<mask label="fresh" rle="0, 2" left="0" top="2" width="2" height="1"></mask>\n'
    redrawn(tmp_path / "task", {A: 'rle="0, 1" left="0" top="0" width="1" height="1"', B: None}, new)
    tried = import_task(street, tmp_path / "task", dry_run=True)
    assert (tried.revision, tried.redrawn, tried.added, tried.deleted) == (None, 1, 1, 1)
    found = import_task(street, tmp_path / "task", reviewer="anna")
    assert (found.revision, found.images, found.untouched) == ("r0002", 1, 1)
    after = labels(street)
    ids = {category: key for key, (category, _) in before.items()}
    assert after[ids["c"]] == before[ids["c"]]
    assert after[ids["d"]] == before[ids["d"]]
    assert ids["b"] not in after
    assert sorted(category for category, _ in after.values()) == ["a", "c", "d", "fresh"]
    rows = segdata.read(street).segments
    assert dict(zip(rows["category"], rows["area"], strict=True)) == {"a": 1, "c": 8, "d": 1, "fresh": 2}
    stages = segdata.read(street).annotations
    assert stages["stage"].tolist()[0] == "reviewed"
    assert stages["reviewer"].tolist()[0] == "anna"
    assert import_task(street, tmp_path / "task", reviewer="anna").revision is None


def test_what_was_changed_here_too_is_a_conflict(street: Path, tmp_path: Path) -> None:
    export_findings(street, [FOUND], "cvat", tmp_path / "one")
    export_findings(street, [FOUND], "cvat", tmp_path / "two")
    redrawn(tmp_path / "one", {A: 'rle="0, 1" left="0" top="0" width="1" height="1"'})
    redrawn(tmp_path / "two", {A: 'rle="0, 1" left="1" top="1" width="1" height="1"', B: None})
    assert import_task(street, tmp_path / "one").conflicts == []
    found = import_task(street, tmp_path / "two")
    assert found.conflicts == ["1.png: segment 1 has also changed in the dataset since it was sent"]
    assert (found.redrawn, found.deleted) == (0, 1)
    rows = segdata.read(street).segments
    assert np.all(rows[rows["category"] == "a"]["area"] == 1)


def test_a_drawing_lowers_no_stage(street: Path, tmp_path: Path) -> None:
    export_findings(street, [FOUND], "cvat", tmp_path / "task")
    whose = {("1.png", None): "accepted"}
    revise(street, {}, "accepted", [], segdata.read(street).profile.revision, annotations={"stage": whose})
    redrawn(tmp_path / "task", {B: None})
    assert import_task(street, tmp_path / "task", reviewer="anna").deleted == 1
    rows = segdata.read(street).annotations
    assert rows["stage"].dropna().tolist() == ["accepted"]
    assert rows["reviewer"].dropna().tolist() == []


def test_the_category_of_findings_is_none_that_the_taxonomy_lacks() -> None:
    profile = replace(draw_picture(PICTURE).profile, metadata=name_metadata({7: "moon"}, {}))
    assert add_finding_category(profile).categories[-1].id == 8


def test_an_empty_id_is_an_id() -> None:
    drawing = draw_picture("aa..\n....\n")
    batch = replace(drawing.batch, segments=replace_column(drawing.batch.segments, "source_id", [""]))
    _, noted = prepare_annotation(
        Annotation.split_batch(batch)[0], [], drawing.profile, add_finding_category(drawing.profile), asks=True
    )
    assert [each.id for each in noted.segments] == [""]


def test_what_was_never_sent_is_refused(street: Path, tmp_path: Path) -> None:
    segdata.convert(street, tmp_path / "other", to="cvat")
    with pytest.raises(SegdataError, match="has nothing that was sent from"):
        import_task(street, tmp_path / "other")
    with pytest.raises(SegdataError, match="no finding is about an image"):
        export_findings(street, [Finding(code="SEG204", rule="x", severity="info", message="")], "cvat", tmp_path / "x")
