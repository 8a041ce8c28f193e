"""Every image has a place of its own, by its sequence and frame."""

import pytest

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.formats.video.spots import Spots


def batch(*rows: tuple[str, str | None, int | None]) -> Batch:
    columns = zip(("image_id", "sequence", "frame"), zip(*rows, strict=True), strict=True)
    images = make_table(BATCH_IMAGES, len(rows), **{name: list(values) for name, values in columns})
    return Batch(images, BATCH_ANNOTATIONS.empty_table(), BATCH_SEGMENTS.empty_table(), Runs.empty())


def test_sequences_have_folders_of_their_own() -> None:
    spots = Spots(99, {"labels"})
    found = spots.of(
        batch(("1", "train/a", 3), ("2", "train_a", 3), ("3", "Train_A", 0), ("4", "train/a", 4), ("5", "labels", 0))
    )
    folders = [spot.folder for spot in found]
    assert folders[0] == folders[3] == "train_a"
    assert len({folder.lower() for folder in folders}) == 4
    assert "labels" not in folders
    assert spots.of(batch(("7", "train", 0)))[0].folder.startswith("train."), "a split is no sequence"
    assert [spot.number for spot in found] == [3, 3, 0, 4, 0]
    assert spots.of(batch(("6", "train/a", 5)))[0].folder == "train_a"


def test_an_image_without_a_sequence_is_a_video_of_one_frame() -> None:
    found = Spots(99).of(batch(("x/1.png", None, None), ("x_1.jpg", None, 7)))
    assert [(spot.folder, spot.number) for spot in found[:2]] == [("x_1", 0), ("x_1.1", 0)]


def test_names_never_lead_elsewhere() -> None:
    assert [Spots(9).of(batch(("a", name, 0)))[0].folder for name in ("..", "/", "a\\b", "C:", "")] == [
        "_",
        "_",
        "a_b",
        "C_",
        "_",
    ]
    with pytest.raises(SegdataError, match="leaves the dataset's root"):
        Spots(9).of(batch(("../a.png", None, None)))


@pytest.mark.parametrize(
    ("frame", "message"),
    [(None, "has no number as a frame"), (-1, "has number -1 as a frame"), (10, r"has number 10 as a frame.*0 to 9")],
)
def test_frames_need_numbers_that_fit(frame: int | None, message: str) -> None:
    with pytest.raises(SegdataError, match=message):
        Spots(9).of(batch(("a.png", "s", frame)))


def test_a_frame_twice_is_refused() -> None:
    spots = Spots(9)
    spots.of(batch(("a.png", "s", 1)))
    with pytest.raises(SegdataError, match=r"sequence 's' has frame 1 twice \('b.png'\)"):
        spots.of(batch(("b.png", "s", 1)))
