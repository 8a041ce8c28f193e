"""The sample data that the wheel carries: copied by part, and with fewer images."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from segdata.sample import PARTS, make


def test_the_command_writes_what_the_function_writes(tmp_path: Path) -> None:
    """And neither needs OpenCV."""
    without = "import sys, runpy; sys.modules['cv2'] = None; runpy.run_module('segdata.sample', run_name='__main__')"
    command = [sys.executable, "-c", without, str(tmp_path / "a"), "--images", "1", "--only", "clean"]
    subprocess.run(command, check=True)
    make(tmp_path / "b", images=1, only=("clean",))
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second
    assert len(first) > 10


def test_parts_are_written_alone(tmp_path: Path) -> None:
    make(tmp_path, images=2, only=("noise", "video"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["noise", "video"]
    document = json.loads((tmp_path / "noise" / "panoptic.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in document["images"]] == ["street001.jpg", "street002.jpg"]
    assert [annotation["image_id"] for annotation in document["annotations"]] == [1, 2]


def test_unknown_parts_and_missing_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown parts \\['colour'\\]"):
        make(tmp_path, only=("clean", "colour"))
    with pytest.raises(ValueError, match="1 to 24 images, not 25"):
        make(tmp_path, images=25)
    assert len(PARTS) == 5
