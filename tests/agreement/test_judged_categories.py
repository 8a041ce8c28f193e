"""Judged categories: who looked and saw nothing denies; who was not asked does not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.api.agreement import AgreementResult

TAXONOMY = "categories:\n  - {id: 1, name: axon, kind: stuff}\n  - {id: 2, name: myelin, kind: stuff}\n"


def layers(folder: Path, drawn: dict[str, dict[str, bool | None]], n: int = 4) -> Path:
    """Layer files of images: True: with something, False: empty, None: no file."""
    folder.mkdir()
    (folder / "segdata.yaml").write_text('layers: {pattern: "{stem}_{category}.png"}\ntaxonomy: taxonomy.yaml\n')
    (folder / "taxonomy.yaml").write_text(TAXONOMY)
    for image in range(n):
        for category, filled in drawn.items():
            value = filled.get(str(image), filled.get("*"))
            if value is None:
                continue
            mask = np.zeros((30, 40), np.uint8)
            if value:
                mask[5 + image : 20, (slice(2, 12) if category == "axon" else slice(15, 35))] = 255
            Image.fromarray(mask).save(folder / f"im{image}_{category}.png")
    return folder


def agreed(folder: Path, ben: dict[str, dict[str, bool | None]]) -> AgreementResult:
    both = layers(folder / "anna", {"axon": {"*": True}, "myelin": {"*": True}})
    return segdata.agree({"anna": both, "ben": layers(folder / "ben", ben)}, resamples=100, jobs=1)


def missed(found: AgreementResult, category: str) -> float:
    return next(
        (each.missed.value for each in found.annotator_bias if (each.annotator, each.category) == ("ben", category)),
        float("nan"),
    )


def test_who_was_asked_for_one_feature_did_not_deny_the_other(tmp_path: Path) -> None:
    found = agreed(tmp_path, {"axon": {"*": True}})
    assert missed(found, "axon") == 0
    assert np.isnan(missed(found, "myelin"))
    assert found.overall.iou.value == 1
    assert not [each for each in found.findings if each.code == "SEG401"]


def test_an_empty_layer_says_that_nothing_is_there(tmp_path: Path) -> None:
    found = agreed(tmp_path, {"axon": {"*": True}, "myelin": {"*": False}})
    assert missed(found, "myelin") == 1
    assert found.overall.iou.value == 0.5


def test_images_count_one_by_one(tmp_path: Path) -> None:
    """Of four images ben judged myelin in three, and saw it in two."""
    found = agreed(tmp_path, {"axon": {"*": True}, "myelin": {"*": True, "1": False, "2": None}})
    pixels = [(15 - k) * 20 for k in range(4)]
    assert missed(found, "myelin") == pytest.approx(pixels[1] / (pixels[0] + pixels[1] + pixels[3]))


def test_what_was_judged_survives_a_conversion(tmp_path: Path) -> None:
    both = layers(tmp_path / "anna", {"axon": {"*": True}, "myelin": {"*": True}})
    ben = layers(tmp_path / "ben", {"axon": {"*": True}})
    segdata.convert(segdata.read(ben), tmp_path / "canonical")
    found = segdata.agree({"anna": both, "ben": tmp_path / "canonical"}, resamples=100, jobs=1)
    assert np.isnan(missed(found, "myelin"))
    assert found.overall.iou.value == 1
