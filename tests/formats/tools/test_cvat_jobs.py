"""CVAT's jobs and tasks: they come along as metadata of the images, by which agreement can be grouped."""

from pathlib import Path

import numpy as np
import pytest

import segdata

HEAD = """<annotations><version>1.1</version><meta>{meta}</meta>{images}</annotations>"""
TASK = """<task><id>7</id><segments>
<segment><id>1</id><start>0</start><stop>1</stop><url>https://cvat.example/api/jobs/21</url></segment>
<segment><id>2</id><start>2</start><stop>3</stop><url>https://cvat.example/?id=22</url></segment>
<segment><id>23</id><start>4</start><stop>5</stop></segment>
</segments></task>"""
IMAGE = """<image id="{k}" name="im{k}.png" width="40" height="30"{more}>
<polygon label="car" points="5,5;25,5;25,{low};5,{low}"/></image>"""


def written(path: Path, meta: str, n: int = 6, low: int = 20, more: str = "") -> Path:
    images = "".join(IMAGE.format(k=k, low=low + k, more=more) for k in range(n))
    path.write_text(HEAD.format(meta=meta, images=images))
    return path


def jobs(path: Path) -> list[dict[str, str]]:
    images = segdata.read(path).images
    return [dict(each or ()) for each in images["metadata"].tolist()]


def test_each_image_has_its_task_and_job(tmp_path: Path) -> None:
    found = jobs(written(tmp_path / "a.xml", TASK))
    assert found == [{"task": '"7"', "job": f'"{job}"'} for job in (21, 21, 22, 22, 23, 23)]


def test_of_a_project_the_image_names_its_task(tmp_path: Path) -> None:
    meta = f"<project><tasks>{TASK}<task><id>8</id></task></tasks></project>"
    assert jobs(written(tmp_path / "a.xml", meta, n=1, more=' task_id="8"')) == [{"task": '"8"'}]
    assert jobs(written(tmp_path / "b.xml", meta, n=1, more=' task_id="7"')) == [{"task": '"7"', "job": '"21"'}]
    assert jobs(written(tmp_path / "c.xml", meta, n=1)) == [{}]


def test_an_exported_job_names_itself(tmp_path: Path) -> None:
    assert jobs(written(tmp_path / "a.xml", "<job><id>21</id></job>", n=2)) == [{"job": '"21"'}] * 2


@pytest.mark.parametrize("meta", ["", "<task><id></id></task>", TASK.replace("<start>0<", "<start>x<")])
def test_what_is_not_said_is_left_out(tmp_path: Path, meta: str) -> None:
    (only,) = jobs(written(tmp_path / "a.xml", meta, n=1))
    assert "job" not in only


def test_agreement_by_job(tmp_path: Path) -> None:
    """The honeypots of each job against the reference."""
    gold = written(tmp_path / "gold.xml", TASK)
    ben = written(tmp_path / "ben.xml", TASK, low=15)
    found = segdata.agree({"ben": ben, "gold": gold}, gold="gold", group_by="job", resamples=100, jobs=1)
    assert found.by is not None
    assert [(each.name, each.images) for each in found.by.strata] == [("21", 2), ("22", 2), ("23", 2)]
    values = [each.iou.value for each in found.by.strata]
    assert np.all(np.diff(values) > 0)  # the larger the box, the less five rows are of it
