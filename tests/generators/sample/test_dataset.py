"""The sample data: every part is written, the same bytes for the same seed."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.generators.sample.dataset import BUS_TRACK, CAR_TRACK, PARTS, WALKER_TRACK, make, render_video
from tests.generators.sample.taxonomy import BUS, CAR, PERSON


def fingerprints(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    parts = ("clean", "annotators", "noise")
    make(tmp_path / "a", seed=1, images=2, only=parts)
    make(tmp_path / "b", seed=1, images=2, only=parts)
    first = fingerprints(tmp_path / "a")
    assert first == fingerprints(tmp_path / "b")
    assert {name.partition("/")[0] for name in first} == set(parts)
    make(tmp_path / "c", seed=2, images=1, only=("noise",))
    other = fingerprints(tmp_path / "c")
    assert other["noise/panoptic/street001.png"] != first["noise/panoptic/street001.png"]


def test_the_command_makes_what_the_function_makes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.generators.sample", str(tmp_path / "a"), "--images", "1", "--only", "clean"]
    subprocess.run(command, check=True)
    make(tmp_path / "b", images=1, only=("clean",))
    assert fingerprints(tmp_path / "a") == fingerprints(tmp_path / "b")


def test_unknown_parts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown parts \\['colour'\\]"):
        make(tmp_path, only=("clean", "colour"))
    assert len(PARTS) == 5


def test_tracks_keep_their_category_leave_and_return() -> None:
    frames = render_video(seed=0, size=(240, 180))
    assert [frame.name for frame in frames][:2] == ["street/000000", "street/000001"]
    seen: dict[int, list[bool]] = {}
    for track, category in ((CAR_TRACK, CAR), (BUS_TRACK, BUS), (WALKER_TRACK, PERSON)):
        there = [[s for s in frame.picture.segments if s.track == track] for frame in frames]
        assert {segment.category for segments in there for segment in segments} == {category}
        seen[track] = [bool(segments) for segments in there]
    assert all(seen[BUS_TRACK])
    for track in (CAR_TRACK, WALKER_TRACK):
        assert seen[track][0]
        assert seen[track][-1]
        assert not all(seen[track])
