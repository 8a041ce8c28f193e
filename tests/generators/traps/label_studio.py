"""Traps of Label Studio tasks."""

import json
from pathlib import Path

import numpy as np

from tests.generators.traps.trap import Mask, TrueSegment, Truth, trap

_HEIGHT, _WIDTH = 4, 6
# Columns 1 and 2 of row 1, as Label Studio packs them: 28 values of 0, 8 of 255, 60 of 0.
_STROKE = [0, 0, 0, 96, 57, 27, 254, 27, 0, 159, 255, 29, 128, 0]


def _tasks(folder: Path, *annotations: dict[str, object]) -> None:
    """A task of one image with these annotations."""
    task = {
        "id": 1,
        "data": {"image": "/data/upload/1/0a1b2c3d-a.png"},
        "annotations": list(annotations),
        "predictions": [],
    }
    (folder / "tasks.json").write_text(json.dumps([task]), encoding="utf-8")


def _region(id_: str, value: dict[str, object], kind: str = "brushlabels") -> dict[str, object]:
    """A result about a cat."""
    return {
        "id": id_,
        "type": kind,
        "from_name": "tag",
        "to_name": "image",
        "original_width": _WIDTH,
        "original_height": _HEIGHT,
        "image_rotation": 0,
        "value": {**value, kind: ["cat"]},
    }


def _box(left: int, top: int, right: int, bottom: int) -> Mask:
    """A mask that is True from (left, top) up to, not with, (right, bottom)."""
    mask = np.zeros((_HEIGHT, _WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def _polygon(id_: str) -> dict[str, object]:
    """The left half of the image, in percent."""
    return _region(id_, {"points": [[0, 0], [50, 0], [50, 100], [0, 100]], "closed": True}, "polygonlabels")


_NAME = "0a1b2c3d-a.png"


@trap("T48", format=None)
def strokes_are_rows_of_four_channels(folder: Path) -> Truth:
    """Two pixels beside each other, drawn with the brush.

    The numbers are a packed picture of red, green, blue and alpha, row by row. Taken for COCO's counts, which go down
    the columns, they are shreds.
    """
    _tasks(folder, {"id": 1, "completed_by": 1, "result": [_region("a", {"format": "rle", "rle": _STROKE})]})
    return Truth("tasks.json", [TrueSegment(_NAME, "cat", _box(1, 1, 3, 2))])


@trap("T51", format="label-studio")
def several_annotations_of_a_task(folder: Path) -> Truth:
    """Two people's annotations of one task, and a third that was cancelled.

    As labels of one image they would show every cat twice, and one that nobody wanted.
    """
    _tasks(
        folder,
        {"id": 1, "completed_by": {"id": 7, "email": "ann@x.org"}, "was_cancelled": False, "result": [_polygon("a")]},
        {"id": 2, "completed_by": 8, "was_cancelled": False, "result": [_polygon("b")]},
        {"id": 3, "completed_by": 9, "was_cancelled": True, "result": [_polygon("c")]},
    )
    half = _box(0, 0, 3, _HEIGHT)
    who = ("ann@x.org", "8")
    return Truth("tasks.json", [TrueSegment(_NAME, "cat", half, annotator=each) for each in who])


@trap("T53", format="label-studio")
def a_stroke_of_two_parts_is_one_cat(folder: Path) -> Truth:
    """A cat of two parts, drawn as one stroke, written and read: Label Studio's COCO export makes two cats of it."""
    flat = np.zeros((_HEIGHT, _WIDTH), bool)
    flat[0, 0] = flat[3, 5] = True
    # 4 values of 255, 88 of 0, 4 of 255.
    packed = [0, 0, 0, 96, 57, 27, 252, 127, 249, 92, 2, 63, 240]
    _tasks(folder, {"id": 1, "completed_by": 1, "result": [_region("a", {"format": "rle", "rle": packed})]})
    return Truth("tasks.json", [TrueSegment(_NAME, "cat", flat)], to="label-studio")
