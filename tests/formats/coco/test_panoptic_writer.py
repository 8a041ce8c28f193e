"""COCO panoptic, written: later segments win, ids stay what they are where they can."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter, ReadRequest
from segdata.core.profile import Profile
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.formats.coco import panoptic
from segdata.testing.pictures import runs_of_masks
from tests.generators.coco_documents import document, write_document


def write(
    folder: Path, profile: Profile, masks: list[NDArray[np.bool_]], ids: list[int], **columns: Any
) -> LossCounter:
    """One image with these masks, written."""
    n, losses = len(masks), LossCounter()
    height, width = masks[0].shape
    batch = Batch(
        make_table(BATCH_IMAGES, 1, image_id=["x/a.jpg"], width=[width], height=[height]),
        make_table(BATCH_ANNOTATIONS, 1, image=[0]),
        make_table(BATCH_SEGMENTS, n, **({"annotation": [0] * n, "category_id": [1] * n, "segment_id": ids} | columns)),
        runs_of_masks(masks),
    )
    panoptic.write(profile, [batch], folder / "out", losses)
    return losses


def profile_of(tmp_path: Path) -> Profile:
    return panoptic.read(ReadRequest(write_document(tmp_path, document(annotations=[])))).profile


def test_later_segments_win_and_what_they_hide_is_counted(tmp_path: Path) -> None:
    under, over, hidden = (np.zeros((4, 4), bool) for _ in range(3))
    under[:3], over[2:], hidden[3] = True, True, True
    losses = write(tmp_path, profile_of(tmp_path), [under, hidden, over], [1, 2, 3])
    written_ids = np.asarray(Image.open(tmp_path / "out" / "panoptic" / "x" / "a.png"))[:, :, 0]
    assert written_ids[:, 0].tolist() == [1, 1, 3, 3]
    (entry,) = json.loads((tmp_path / "out" / "panoptic.json").read_bytes())["annotations"]
    assert [(each["id"], each["area"], each["bbox"]) for each in entry["segments_info"]] == [
        (1, 8, [0, 0, 4, 2]),
        (3, 8, [0, 2, 4, 2]),
    ]
    assert [(loss.kind, loss.count, loss.pixels) for loss in losses.listed()] == [
        ("empty-segment", 1, 0),
        ("overlap", 2, 8),
    ]


def test_ids_that_do_not_fit_are_renumbered_and_counted(tmp_path: Path) -> None:
    masks = [np.eye(5, dtype=bool)[[k]] for k in range(5)]
    ids = [2**24, 2**24 - 1, 0, 1, 2**24 - 1]
    losses = write(tmp_path, profile_of(tmp_path), masks, ids)
    pixels = np.asarray(Image.open(tmp_path / "out" / "panoptic" / "x" / "a.png")).astype(np.int64)
    assert (pixels @ [1, 256, 65536])[0].tolist() == [2, 2**24 - 1, 3, 1, 4]
    assert [(loss.kind, loss.count) for loss in losses.listed()] == [("segment-id", 3)]


def test_image_without_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match=r"x/a\.jpg"):
        write(tmp_path, profile_of(tmp_path), [np.zeros((0, 0), bool)], [1])


def test_unsafe_image_names_are_refused(tmp_path: Path) -> None:
    batch = Batch(
        make_table(BATCH_IMAGES, 1, image_id=["../a.jpg"], width=[2], height=[2]),
        make_table(BATCH_ANNOTATIONS, 1, image=[0]),
        BATCH_SEGMENTS.empty_table(),
        Runs.empty(),
    )
    with pytest.raises(SegdataError, match=r"\.\./a\.jpg"):
        panoptic.write(profile_of(tmp_path), [batch], tmp_path / "out", LossCounter())
