"""The App itself, and the command that starts it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from PIL import Image


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A COCO file of one image with a segment whose declared area is wrong."""
    Image.new("RGB", (40, 30), (90, 90, 90)).save(tmp_path / "a.png")
    ring = [2, 2, 12, 2, 12, 12, 2, 12]
    segment = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [ring], "area": 7, "bbox": [2, 2, 10, 10]}
    image = {"id": 1, "file_name": "a.png", "width": 40, "height": 30}
    path = tmp_path / "coco.json"
    found = {"images": [image], "annotations": [{**segment, "iscrowd": 0}], "categories": [{"id": 1, "name": "car"}]}
    path.write_text(json.dumps(found))
    return path


def test_the_command_shows_the_dataset_until_it_is_ended(
    fo: Any, coco: Path, unused_port: int, interruptible: Callable[[Sequence[str]], list[str]]
) -> None:
    """It says where the App is, the App answers there with the first view, and Ctrl-C ends both."""
    words = [sys.executable, "-m", "segdata", "browse", str(coco), "--port", str(unused_port), "--name", "shown"]
    shown = subprocess.Popen(interruptible(words), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert shown.stderr is not None
        told: list[str] = []
        while not told or "App is at" not in told[-1]:
            line = shown.stderr.readline()
            assert line, told  # else it has ended
            told.append(line)
        assert told[0] == "segdata: 1 image with 1 finding in FiftyOne's dataset 'shown'\n"
        address = told[-1].split("App is at ")[1].split(";")[0]
        assert address == f"http://127.0.0.1:{unused_port}/datasets/shown?view=worst-first"
        with urlopen(address) as page:
            assert page.status == 200
            assert b"FiftyOne" in page.read()
    finally:
        shown.send_signal(signal.SIGINT)
        out, rest = shown.communicate(timeout=60)
    assert (shown.returncode, out, rest.strip()) == (130, "", "")  # FiftyOne ends the line of ^C
    assert fo.load_dataset("shown").load_saved_view("SEG013 stale-measure").count("findings.detections") == 1


def test_without_the_app_the_command_ends(fo: Any, coco: Path, tmp_path: Path) -> None:
    """Findings of a report are shown instead of those of `validate`."""
    finding = {
        "code": "SEG901", "rule": "flagged", "severity": "info", "image": "a.png", "annotator": None, "segments": [1],
        "category": "car", "message": "m", "bbox": None, "pixels": None, "score": 0.5, "file": None, "line": None,
        "place": None, "fix": None,
    }  # fmt: skip
    report = tmp_path / "flag.json"
    report.write_text(json.dumps({"version": 1, "findings": [finding]}))
    words = [sys.executable, "-m", "segdata", "browse", str(coco), "--findings", str(report), "--no-launch"]
    ended = subprocess.run([*words, "--name", "ended"], capture_output=True, text=True, check=True)
    assert ended.stderr == "segdata: 1 image with 1 finding in FiftyOne's dataset 'ended'\n"
    (shown,) = fo.load_dataset("ended").first().findings.detections
    assert (shown.code, shown.score, shown.segment_ids) == ("SEG901", 0.5, ["1"])
