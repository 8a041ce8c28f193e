"""Masks and images of videos belong together by sequence and name, and what stays alone is said once a sequence."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.formats.video.frame_masks import FrameFolder, FramePaths, Spool, TrackNumbers, frame_numbers, pair_frames


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (1, 1)).save(root / name)


@pytest.mark.parametrize(
    ("stems", "numbers"),
    [
        (["00000", "00010"], [0, 10]),
        (["frame_7", "x9"], [7, 9]),
        (["a1", "b1"], [0, 1]),
        (["a", "b2"], [0, 1]),
        ([], []),
        (["9" * 40, "1"], [int("9" * 18), 1]),
    ],
)
def test_frame_numbers(stems: list[str], numbers: list[int]) -> None:
    assert frame_numbers(stems) == numbers


def test_frames_of_all_splits(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "m/train/a/10.png",
        "m/train/a/9.png",
        "m/val/a/0.png",
        "i/train/a/9.jpg",
        "i/train/a/10.jpg",
        "i/val/a/0.jpg",
    )
    folders = [
        FrameFolder(tmp_path / "m" / split, tmp_path / "i" / split, split, f"{split}/") for split in ("train", "val")
    ]
    found = pair_frames(tmp_path, folders, layout="")
    assert found.defects == ()
    assert [(each.image_id, each.sequence, each.frame, each.split) for each in found.entries] == [
        ("train/a/9.jpg", "train/a", 9, "train"),
        ("train/a/10.jpg", "train/a", 10, "train"),
        ("val/a/0.jpg", "val/a", 0, "val"),
    ], "a name that two splits have is told apart"


def test_what_stays_alone(tmp_path: Path) -> None:
    touch(
        tmp_path, "m/a/0.png", "m/a/1.png", "i/a/0.jpg", "i/a/2.jpg", "i/a/3.jpg", "m/b/0.png", "m/b/1.png", "i/c/0.jpg"
    )
    found = pair_frames(tmp_path, [FrameFolder(tmp_path / "m", tmp_path / "i")], layout="")
    assert [(each.file, each.image, each.message) for each in found.defects] == [
        ("m/a/1.png", "a/1.png", "a mask without image"),
        ("i/a", None, "2 of 4 frames have no mask: nobody annotated them"),
        ("m/b", None, "there are no images for these 2 masks"),
        ("i/c", None, "1 of 1 frames has no mask: nobody annotated them"),
    ]
    assert {each.code for each in found.defects} == {"SEG011"}
    assert sum(each.is_annotated for each in found.entries) == 4
    sparse = pair_frames(tmp_path, [FrameFolder(tmp_path / "m", tmp_path / "i")], layout="", sparse=True)
    assert [each.severity for each in sparse.defects] == [None, "info", None, "info"]


def test_a_second_file_of_a_frame(tmp_path: Path) -> None:
    touch(tmp_path, "m/a/0.png", "m/a/0.tif")
    found = pair_frames(tmp_path, [FrameFolder(tmp_path / "m")], layout="")
    assert [(each.code, each.file) for each in found.defects if each.severity is None] == [("SEG008", "m/a/0.tif")]
    assert len(found.entries) == 1


def batch(*rows: tuple[str, str | None, int | None]) -> Batch:
    columns = zip(("image_id", "sequence", "frame"), zip(*rows, strict=True), strict=True)
    images = make_table(BATCH_IMAGES, len(rows), **{name: list(values) for name, values in columns})
    return Batch(images, BATCH_ANNOTATIONS.empty_table(), BATCH_SEGMENTS.empty_table(), Runs.empty())


def test_sequences_have_folders_of_their_own() -> None:
    paths = FramePaths(99, {"labels"})
    found = paths.assign(
        batch(("1", "train/a", 3), ("2", "train_a", 3), ("3", "Train_A", 0), ("4", "train/a", 4), ("5", "labels", 0))
    )
    folders = [frame_path.folder for frame_path in found]
    assert folders[0] == folders[3] == "train_a"
    assert len({folder.lower() for folder in folders}) == 4
    assert "labels" not in folders
    assert paths.assign(batch(("7", "train", 0)))[0].folder.startswith("train."), "a split is no sequence"
    assert [frame_path.number for frame_path in found] == [3, 3, 0, 4, 0]
    assert paths.assign(batch(("6", "train/a", 5)))[0].folder == "train_a"
    for nothing in ("", "."):
        with pytest.raises(SegdataError, match="names no file"):
            paths.assign(batch((nothing, None, None)))


def test_an_image_without_a_sequence_is_a_video_of_one_frame() -> None:
    found = FramePaths(99).assign(batch(("x/1.png", None, None), ("x_1.jpg", None, 7)))
    assert [(frame_path.folder, frame_path.number) for frame_path in found[:2]] == [("x_1", 0), ("x_1.1", 0)]


def test_names_never_lead_elsewhere() -> None:
    assert [FramePaths(9).assign(batch(("a", name, 0)))[0].folder for name in ("..", "/", "a\\b", "C:", "")] == [
        "_",
        "_",
        "a_b",
        "C_",
        "_",
    ]
    with pytest.raises(SegdataError, match="leaves the dataset's root"):
        FramePaths(9).assign(batch(("../a.png", None, None)))


@pytest.mark.parametrize(
    ("frame", "message"),
    [(None, "has no number as a frame"), (-1, "has number -1 as a frame"), (10, r"has number 10 as a frame.*0 to 9")],
)
def test_frames_need_numbers_that_fit(frame: int | None, message: str) -> None:
    with pytest.raises(SegdataError, match=message):
        FramePaths(9).assign(batch(("a.png", "s", frame)))


def test_a_frame_twice_is_refused() -> None:
    paths = FramePaths(9)
    paths.assign(batch(("a.png", "s", 1)))
    with pytest.raises(SegdataError, match=r"sequence 's' has frame 1 twice \('b.png'\)"):
        paths.assign(batch(("b.png", "s", 1)))


Row = tuple[int, int | None, int]  # image, track, category


def tracked_batch(sequences: list[str | None], rows: list[Row]) -> Batch:
    n = len(sequences)
    images = make_table(BATCH_IMAGES, n, image_id=[str(k) for k in range(n)], sequence=sequences)
    columns = {"annotation": [row[0] for row in rows], "track_id": [row[1] for row in rows]}
    segments = make_table(BATCH_SEGMENTS, len(rows), category_id=[row[2] for row in rows], **columns)
    return Batch(images, make_table(BATCH_ANNOTATIONS, n, image=list(range(n))), segments, Runs.empty())


def numbered(
    numbers: TrackNumbers, sequences: list[str | None], rows: list[Row], base: int = 0
) -> tuple[list[int], list[bool]]:
    every = np.arange(len(rows))
    found, own = numbers.assign(tracked_batch(sequences, rows), every, np.full(len(rows), base))
    return found.tolist(), own.tolist()


def test_a_track_keeps_its_number_from_batch_to_batch() -> None:
    numbers = TrackNumbers(1, 9, "")
    assert numbered(numbers, ["a", "a"], [(0, 700, 1), (0, 3, 1), (1, 700, 1)]) == ([1, 3, 1], [True] * 3)
    assert numbered(numbers, ["a", "b"], [(0, 3, 1), (0, 700, 1), (1, 700, 1)]) == ([3, 1, 1], [True] * 3)
    assert numbered(numbers, ["a"], [(0, 1, 1), (0, 2, 1)]) == ([2, 4], [True] * 2), "1 is taken, and then 2 is"


def test_an_id_with_the_base_is_a_number_already() -> None:
    assert numbered(TrackNumbers(0, 999, ""), ["a"], [(0, 2007, 2), (0, 7, 2), (0, 1007, 2)], base=2000)[0] == [7, 0, 1]
    assert numbered(TrackNumbers(1, 65_535, "", small=999), ["a"], [(0, 1000, 1), (0, 999, 1)])[0] == [1000, 999]
    assert numbered(TrackNumbers(1, 65_535, "", small=999), ["a"], [(0, 1000, 1)], base=1 << 16)[0] == [1]


def test_what_is_no_tracks_has_a_number_of_its_own() -> None:
    """One without a track, a second one in a frame, and one of another category than the track's."""
    rows = [(0, 5, 1), (0, None, 1), (0, 5, 1), (0, 5, 2), (1, None, 1), (1, 5, 1)]
    found, own = numbered(TrackNumbers(1, 9, ""), ["a", "a"], rows)
    assert own == [True, False, False, False, False, True]
    assert found[0] == found[5] == 5
    assert len(set(found)) == 5


def test_images_without_a_sequence_share_nothing() -> None:
    numbers = TrackNumbers(1, 2, "")
    assert numbered(numbers, [None, None], [(0, 7, 1), (1, 8, 1), (1, 7, 1)])[0] == [1, 1, 2]
    assert numbered(numbers, [None], [(0, None, 1), (0, None, 1)])[0] == [1, 2]


def test_too_many_are_refused_with_the_number() -> None:
    numbers = TrackNumbers(1, 2, "three are too many")
    numbered(numbers, ["a"], [(0, 1, 1), (0, 2, 1)])
    with pytest.raises(SegdataError, match="sequence 'a' has 3 tracks or more; three are too many"):
        numbered(numbers, ["a"], [(0, 3, 1)])
    with pytest.raises(SegdataError, match="an image has 3 tracks or more"):
        numbered(numbers, [None], [(0, None, 1)] * 3)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "ä"]), st.binary(max_size=5))))
def test_pieces_come_back(pieces: list[tuple[str, bytes]]) -> None:
    expected: dict[str, list[bytes]] = {}
    with Spool() as spool:
        for key, piece in pieces:
            spool.add(key, piece)
            expected.setdefault(key, []).append(piece)
        assert list(spool.items()) == list(expected.items())
        spool.add("later", b"x")
        assert dict(spool.items())["later"] == [b"x"]
