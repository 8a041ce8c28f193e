"""Broken SAM documents: each defect has its code and place, and the rest is read."""

import json
from pathlib import Path
from typing import Any

import pytest

from segdata.core.format import ReadRequest
from segdata.formats.coco import sam
from tests.generators.coco_documents import load_all

SOUND = {"segmentation": {"size": [5, 6], "counts": [4, 2, 24]}, "predicted_iou": 0.5, "stability_score": 0.9}
IMAGE = {"image_id": 1, "width": 6, "height": 5, "file_name": "a.jpg"}

BROKEN: list[tuple[Any, str, str, int]] = [
    (7, "SEG004", "/1", 0),
    ({}, "SEG004", "/1", 0),
    (SOUND | {"segmentation": None}, "SEG004", "/1/segmentation", 0),
    (SOUND | {"segmentation": "abc"}, "SEG004", "/1/segmentation", 0),
    (SOUND | {"segmentation": [[True, False]]}, "SEG006", "/1/segmentation/0/0", 0),
    (SOUND | {"segmentation": {"size": [5, 6], "counts": [4]}}, "SEG005", "/1/segmentation/counts", 0),
    (SOUND | {"segmentation": {"size": [6, 5], "counts": [30]}}, "SEG005", "/1/segmentation/size", 0),
    (SOUND | {"segmentation": {"size": [5, 6], "counts": [10**12]}}, "SEG005", "/1/segmentation/counts", 0),
    (SOUND | {"predicted_iou": "high"}, "SEG004", "/1/predicted_iou", 1),
    (SOUND | {"predicted_iou": float("nan")}, "SEG004", "/1/predicted_iou", 1),
    (SOUND | {"area": "4"}, "SEG004", "/1/area", 1),
    (SOUND | {"bbox": [1, 2]}, "SEG004", "/1/bbox", 1),
    (SOUND | {"id": 1.5}, "SEG004", "/1/id", 0),
]


def opened(folder: Path, content: Any) -> tuple[int, list[tuple[str, str | None]]]:
    """How many segments there are, and code and place of each defect."""
    path = folder / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    batch, defects = load_all(sam.read(ReadRequest(path)))
    return batch.n_segments, [(each.code, each.place) for each in defects]


@pytest.mark.parametrize(("item", "code", "place", "n_kept"), BROKEN)
def test_a_broken_mask_is_named_and_the_rest_is_read(
    tmp_path: Path, item: Any, code: str, place: str, n_kept: int
) -> None:
    assert opened(tmp_path, [SOUND, item]) == (1 + n_kept, [(code, place)])
    assert opened(tmp_path, {"image": IMAGE, "annotations": [SOUND, item]}) == (
        1 + n_kept,
        [(code, f"/annotations{place}")],
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", [("SEG001", None)]),
        (b'[{"segmentation"', [("SEG001", None)]),
        (b"3", [("SEG001", None)]),
        ({"image": IMAGE}, [("SEG004", "/")]),
        ({"image": IMAGE, "annotations": 4}, [("SEG004", "/annotations")]),
        ({"image": IMAGE | {"width": "6"}, "annotations": [SOUND]}, [("SEG004", "/image/width")]),
        ({"image": IMAGE | {"width": 2**40}, "annotations": [SOUND]}, [("SEG004", None)]),
        ({"image": IMAGE | {"file_name": "../a.jpg"}, "annotations": [SOUND]}, [("SEG015", "/image/file_name")]),
        ([SOUND | {"segmentation": {"size": [2**40, 2], "counts": [2**41]}}], [("SEG004", None)]),
        ([SOUND | {"id": 3}, SOUND | {"id": 3}], [("SEG008", "/1/id")]),
    ],
)
def test_broken_documents(tmp_path: Path, content: Any, told: list[tuple[str, str | None]]) -> None:
    assert opened(tmp_path, content)[1] == told
