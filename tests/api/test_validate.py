"""Checking: findings know the file that was wrong, though rules see only numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.api.validate import validate
from segdata.report.ci import DatasetFiles, to_github

TAXONOMY = "unlabelled: 0\ncategories: [{id: 1, name: road, kind: stuff}, {id: 2, name: car}]\n"
CONFIG = "coverage: exhaustive\n"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Three index masks: one whole, one with a gap, one without any label."""
    whole = np.ones((12, 16), np.uint8)
    gap, empty = whole.copy(), np.zeros_like(whole)
    gap[2:8, 3:9] = 0
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for name, pixels in (("whole", whole), ("gap", gap), ("empty", empty)):
        Image.fromarray(pixels).save(tmp_path / "masks" / f"{name}.png")
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "taxonomy.yaml").write_text(TAXONOMY)
    (tmp_path / "segdata.yaml").write_text(CONFIG)
    return tmp_path


def test_findings_about_a_mask_name_it(masks: Path) -> None:
    """Also where no segment is concerned, and where there is none."""
    result = validate(masks, select=("gap", "unannotated-image"))
    assert {(each.code, each.file) for each in result.findings} == {
        ("SEG101", "masks/gap.png"),
        ("SEG101", "masks/empty.png"),
        ("SEG312", "masks/empty.png"),
    }
    said = to_github(result, DatasetFiles(masks, True, masks))
    assert said.count("file=masks/empty.png,") == 2


def test_findings_about_an_image_in_a_document_name_the_document(tmp_path: Path) -> None:
    ring = [1, 1, 9, 1, 9, 9, 1, 9]
    document = {
        "images": [{"id": k, "file_name": f"{k}.png", "width": 16, "height": 12} for k in range(20)],
        "annotations": [
            {"id": k, "image_id": k, "category_id": 1, "segmentation": [ring], "iscrowd": 0} for k in range(1, 20)
        ],
        "categories": [{"id": 1, "name": "car"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(document))
    (found,) = validate(tmp_path, select="SEG312").findings
    assert (found.image, found.file) == ("0.png", "coco.json")
