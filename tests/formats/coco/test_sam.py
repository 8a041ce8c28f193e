"""SAM: lists of masks and the files of SA-1B, pixels as pycocotools makes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco_mask

from segdata import convert, read
from segdata.core.batch import concatenate_batches
from segdata.core.errors import UnreadableError
from segdata.core.format import detect
from segdata.testing.pictures import Mask, masks_of_runs
from tests.generators.coco_documents import annotation, document
from tests.generators.traps.coco_rle import rle

CORNER = np.zeros((5, 6), bool)
CORNER[:2, :3] = True


def found(mask: Mask = CORNER, *, compressed: bool = True, **keys: Any) -> dict[str, Any]:
    """What `SamAutomaticMaskGenerator` says of a mask, with `keys` instead; a key that is `...` is left out."""
    coded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    compact = {"size": [int(side) for side in coded["size"]], "counts": coded["counts"].decode()}
    said = {
        "segmentation": compact if compressed else rle(mask),
        "area": int(mask.sum()),
        "bbox": [float(side) for side in coco_mask.toBbox(coded)],
        "predicted_iou": 0.75,
        "point_coords": [[1.5, 2.5]],
        "stability_score": 0.96875,
        "crop_box": [0, 0, mask.shape[1], mask.shape[0]],
    }
    return {key: value for key, value in (said | keys).items() if value is not ...}


def save(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def picture(path: Path, width: int = 6, height: int = 5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)


@settings(max_examples=40)
@given(masks=st.lists(arrays(bool, (4, 7)), max_size=4), compressed=st.booleans())
def test_pixels_are_those_of_pycocotools(
    tmp_path_factory: pytest.TempPathFactory, masks: list[Mask], compressed: bool
) -> None:
    """`found` codes them with pycocotools, or as SAM's own uncompressed RLE."""
    path = save(tmp_path_factory.mktemp("sam") / "a.json", [found(mask, compressed=compressed) for mask in masks])
    batch = concatenate_batches(list(read(path, format="sam")))
    ours = masks_of_runs(batch.runs, *batch.segment_size)
    assert [each.tolist() for each in ours] == [mask.tolist() for mask in masks]


def test_everything_that_is_said_is_kept(tmp_path: Path) -> None:
    data = read(save(tmp_path / "a.json", [found(), found(~CORNER)]), annotator="vit_h")
    assert data.profile.format == "sam"
    segments = data.segments
    assert segments["segment_id"].tolist() == [1, 2]
    assert segments["category"].tolist() == ["object"] * 2
    assert segments["score"].tolist() == [0.75] * 2
    assert segments["declared_area"].tolist() == [6.0, 24.0]
    assert segments["place"].tolist() == ["/0", "/1"]
    assert {key: json.loads(value) for key, value in segments["attributes"][0]} == {
        "point_coords": [[1.5, 2.5]],
        "stability_score": 0.96875,
        "crop_box": [0, 0, 6, 5],
    }
    assert data.annotations[["source", "annotator"]].values.tolist() == [["model", "vit_h"]]


def test_lists_are_paired_with_images_by_name(tmp_path: Path) -> None:
    """An empty list is an image on which nothing was found; one without a list was not looked at."""
    save(tmp_path / "masks" / "a.json", [found()])
    save(tmp_path / "masks" / "sub" / "b.json", [])
    for name in ("a.jpg", "sub/b.png", "c.png"):
        picture(tmp_path / "images" / name)
    assert detect(tmp_path / "masks") == "sam"
    data = read(tmp_path / "masks")
    assert data.image_ids == ["a.jpg", "c.png", "sub/b.png"]
    assert data.annotations["image_id"].tolist() == ["a.jpg", "sub/b.png"]
    assert data.images["height"].tolist() == [5, 5, 5]
    assert [(each.code, each.image) for each in data.source.defects] == [("SEG011", "c.png")]


def test_files_of_sa_1b(tmp_path: Path) -> None:
    """The image is the one that the file names, and masks have ids."""
    info = {"image_id": 11, "width": 6, "height": 5, "file_name": "sa_11.jpg"}
    save(tmp_path / "x.json", {"image": info, "annotations": [found(id=532)]})
    picture(tmp_path / "sa_11.jpg")
    for root in (tmp_path, tmp_path / "x.json"):
        assert detect(root) == "sam"
        data = read(root)
        assert data.image_ids == ["sa_11.jpg"]
        assert data.segments[["segment_id", "area"]].values.tolist() == [[532, 6]]
        assert data.source.defects == ()


def test_coco_with_sams_scores_is_coco(tmp_path: Path) -> None:
    """As people keep them who make labels of SAM's masks."""
    one = annotation(predicted_iou=0.9, stability_score=0.9)
    save(tmp_path / "labels.json", document(annotations=[one]))
    assert detect(tmp_path) == "coco-instances"
    save(tmp_path / "labels.json", [found(image_id=1, category_id=1, score=0.5)])
    assert detect(tmp_path) == "coco-results"


@pytest.mark.parametrize("category", [None, "cell"])
def test_the_category_is_an_option(tmp_path: Path, category: str | None) -> None:
    path = save(tmp_path / "a.json", [found()])
    options = {} if category is None else {"category": category}
    assert read(path, options=options).segments["category"].tolist() == [category or "object"]
    (tmp_path / "taxonomy.yaml").write_text(
        "categories:\n  - {id: 4, name: cell}\n  - {id: 9, name: void, kind: void}\n"
    )
    assert read(path, options=options).segments["category_id"].tolist() == [4], "there is no other"


def test_of_several_categories_one_must_be_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", [found()])
    (tmp_path / "taxonomy.yaml").write_text("categories:\n  - {id: 1, name: cell}\n  - {id: 2, name: dust}\n")
    with pytest.raises(UnreadableError, match="give --read-option category=NAME: cell, dust"):
        read(path)


def test_it_becomes_coco_results(tmp_path: Path) -> None:
    """With its scores, as a model's."""
    save(tmp_path / "a.json", [found(), found(~CORNER, predicted_iou=0.5)])
    convert(tmp_path / "a.json", tmp_path / "out", to="coco-results")
    back = read(tmp_path / "out")
    assert back.segments["score"].tolist() == [0.75, 0.5]
    assert back.annotations["source"].tolist() == ["model"]


def test_a_folder_without_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no JSON files"):
        read(tmp_path, format="sam")
    with pytest.raises(UnreadableError, match="does not exist"):
        read(tmp_path / "none", format="sam")
