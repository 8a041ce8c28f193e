"""CVAT's quality reports beside our figures of the same frames; the fields are those that its server writes."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from segdata.api.agreement import agree
from segdata.core.errors import SegdataError
from tests.cli.conftest import Run
from tests.generators.schemas import json_schemas

XML = "<annotations><version>1.1</version><meta>{meta}</meta>{images}</annotations>"
TASK = """<task><id>7</id><segments>
<segment><id>1</id><start>0</start><stop>1</stop><url>https://cvat.example/api/jobs/21</url></segment>
<segment><id>2</id><start>2</start><stop>3</stop><url>https://cvat.example/api/jobs/22</url></segment>
</segments></task>"""
BOX = '<polygon label="{label}" points="{x},5;{r},5;{r},20;{x},20"/>'


def box(x: int, wide: int = 10, label: str = "car") -> str:
    return BOX.format(x=x, r=x + wide, label=label)


def written(path: Path, *images: str) -> Path:
    texts = (f'<image id="{k}" name="im{k}.png" width="60" height="30">{own}</image>' for k, own in enumerate(images))
    path.write_text(XML.format(meta=TASK, images="".join(texts)))
    return path


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    """Two cars in each frame. Of job 21 one is missed, and one narrow, with an IoU of 0.45; of job 22 one is extra."""
    gold = written(tmp_path / "gold.xml", *[box(5, 20) + box(40)] * 4)
    images = [box(5, 9) + box(40), box(40), box(5, 20) + box(40) + box(28, 8), box(5, 20) + box(40)]
    return [f"ben={written(tmp_path / 'ben.xml', *images)}", f"gold={gold}"]


def counts(valid: int, ds: int, gt: int, missing: int, extra: int) -> dict[str, Any]:
    """As ``ComparisonReportAnnotationsSummary``."""
    total = valid + missing + extra
    ratios = {"accuracy": valid / total, "precision": valid / ds, "recall": valid / gt}
    numbers = {"valid_count": valid, "missing_count": missing, "extra_count": extra, "total_count": total}
    return {**numbers, "ds_count": ds, "gt_count": gt, "confusion_matrix": None, **ratios}


def data_of(frames: list[int], annotations: dict[str, Any], mean_iou: float) -> dict[str, Any]:
    """As ``ComparisonReport.to_json``."""
    shape = {name: value for name, value in annotations.items() if name.endswith("_count")} | {"mean_iou": mean_iou}
    label = {"valid_count": 3, "invalid_count": 0, "total_count": 3, "accuracy": 1.0}
    parts = {"annotations": annotations, "annotation_components": {"shape": shape, "label": label}}
    conflict = {"frame_id": 1, "type": "missing_annotation", "severity": "error", "annotation_ids": [
        {"obj_id": 9, "job_id": 30, "type": "shape", "shape_type": "polygon"}]}  # fmt: skip
    number = {"conflict_count": 1, "warning_count": 0, "error_count": 1, "conflicts_by_type": {"missing_annotation": 1}}
    return {
        "parameters": {"included_annotation_types": ["mask", "polygon"], "iou_threshold": 0.4, "job_filter": ""},
        "comparison_summary": {
            "frames": list(map(str, frames)), "frame_count": len(frames), "frame_share": 0.5, "total_frames": 4,
            "mean_conflict_count": 0.5, "tasks": None, "jobs": None, **number, **parts,
        },
        "frame_results": {str(frame): {"conflicts": [conflict], **number, **parts} for frame in frames},
        "conflicts": [conflict],
    }  # fmt: skip


def given(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_jobs_beside_our_figures(run: Run, pair: list[str], tmp_path: Path) -> None:
    """Job 21: CVAT takes the narrow car, IoU 0.45, as valid; here it is a miss and an extra."""
    one = given(tmp_path / "a.json", data_of([0, 1], counts(3, 3, 4, 1, 0), 0.8))
    two = given(tmp_path / "b.json", data_of([2, 3], counts(4, 5, 4, 0, 1), 1.0))
    words = ["agreement", *pair, "--gold", "gold", "--resamples", "100", "--cvat-report", f"21={one}"]
    words += ["--cvat-report", two]
    told = json.loads(run(*words, "--format", "json").output)
    jsonschema.validate(told, json_schemas()["agreement"])
    first, second = told["cvat"]
    assert (first["job"], first["frames"], first["images"], first["iou_threshold"]) == ("21", 2, 2, 0.4)
    assert first["cvat"] == {"accuracy": 0.75, "precision": 1.0, "recall": 0.75, "mean_iou": 0.8}
    assert first["ours"]["precision"] == pytest.approx(2 / 3, abs=1e-5)
    assert (first["ours"]["accuracy"], first["ours"]["recall"], first["ours"]["mean_iou"]) == (0.4, 0.5, 1.0)
    assert (second["job"], second["images"]) == (None, 2)
    assert second["cvat"] == second["ours"] == {"accuracy": 0.8, "precision": 0.8, "recall": 1.0, "mean_iou": 1.0}
    for form in ("text", "html", "csv"):
        output = run(*words, "--format", form).output
        assert ("cvat here,,,,21,accuracy,0.4" if form == "csv" else "CVAT 21") in output


def test_a_list_of_reports(run: Run, pair: list[str], tmp_path: Path) -> None:
    """Jobs by their ids; older lists lack the accuracy, no list has the mean IoU."""
    summary = {"frame_count": 2, "conflict_count": 1, "valid_count": 3, "ds_count": 3, "gt_count": 4}
    rows = [
        {"id": 1, "job_id": None, "task_id": 7, "target": "task", "summary": summary},
        {"id": 2, "job_id": 21, "task_id": None, "target": "job", "summary": summary, "parent_id": 1},
    ]
    path = given(tmp_path / "list.json", {"count": 2, "next": None, "previous": None, "results": rows})
    words = ["agreement", *pair, "--gold", "gold", "--resamples", "100", "--format", "json", "--cvat-report", path]
    (only,) = json.loads(run(*words).output)["cvat"]
    assert (only["job"], only["images"], only["iou_threshold"]) == ("21", 2, None)
    assert only["cvat"] == {"accuracy": None, "precision": 1.0, "recall": 0.75, "mean_iou": None}
    assert only["ours"]["recall"] == 0.5


def test_a_list_of_a_whole_server(run: Run, pair: list[str], tmp_path: Path) -> None:
    """CVAT keeps every report that it made, of all tasks: the newest of a job counts, other jobs are left out."""
    old, new = (counts(valid, 4, 4, 0, 0) | {"frame_count": 4} for valid in (1, 2))
    rows = [
        {"id": 8, "job_id": 21, "created_date": "2024-04-03T09:51:29Z", "summary": new},
        {"id": 7, "job_id": 21, "created_date": "2023-05-26T16:25:36Z", "summary": old},
        {"id": 9, "job_id": 99, "created_date": "2024-04-03T09:51:29Z", "summary": new},
    ]
    path = given(tmp_path / "list.json", {"results": rows})
    words = ["agreement", *pair, "--gold", "gold", "--resamples", "100", "--cvat-report"]
    (only,) = json.loads(run(*words, path, "--format", "json").output)["cvat"]
    assert (only["job"], only["cvat"]["recall"]) == ("21", 0.5)
    alone = given(tmp_path / "alone.json", {"results": rows[2:]})
    done = run(*words, alone)
    assert done.exit_code == 2
    assert "is of no job whose images are compared" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no quality report of CVAT that can be read"),
        ("[1]", "neither `comparison_summary`"),
        ('{"comparison_summary": {"annotations": {"valid_count": "many"}}}', "comparison_summary.annotations"),
        ('{"comparison_summary": {"requirements": {}}}', "missing required field `annotations`"),
        ('{"results": []}', "has no report of a job"),
        ('{"results": [], "next": "https://cvat.example/?page=2"}', "one page of several"),
        (json.dumps(data_of([7, 8], counts(1, 1, 1, 0, 0), 1.0)), "none of its frames is among the images"),
        (json.dumps(data_of([0], counts(1, 1, 1, 0, 0), 1.0) | {"frame_results": {"x": {}}}), "a frame is no number"),
    ],
)
def test_bad_files_are_a_line(run: Run, pair: list[str], tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    done = run("agreement", *pair, "--gold", "gold", "--resamples", "100", "--cvat-report", path)
    assert done.exit_code == 2
    assert "bad.json" in done.stderr
    assert said in " ".join(done.stderr.split())


def test_a_reference_is_needed(pair: list[str], tmp_path: Path) -> None:
    members = dict(word.split("=") for word in pair)
    with pytest.raises(SegdataError, match="say who it is here, with --gold NAME"):
        agree(members, cvat_reports=[tmp_path / "a.json"])
