"""Attributes that are sound JSON and that Python does not read: every format writes them, or counts them as lost."""

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.errors import SegdataError
from segdata.core.format import formats

WRITERS = sorted(each.name for each in formats().values() if each.write is not None)
NEED_A_SCAN = ("dicom-seg", "rt-struct")


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("value", ["9" * 5000, "[" * 400 + "]" * 400], ids=["digits", "lists"])
def test_attributes_that_python_does_not_read(tmp_path: Path, name: str, value: str) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    annotation = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [1, 1, 4, 4],
        "area": 16,
        "iscrowd": 0,
        "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]],
        "attributes": {"n": "VALUE", "m": 1},
    }
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "car"}],
    }
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(document).replace('"VALUE"', value))
    (suffix, *_) = (*formats()[name].file_suffixes, "")
    with pytest.raises(SegdataError, match="needs the DICOM file") if name in NEED_A_SCAN else nullcontext():
        assert segdata.convert(path, tmp_path / f"out{suffix}", to=name, images=tmp_path).n_segments == 1
