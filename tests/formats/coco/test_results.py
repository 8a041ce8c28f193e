"""COCO results: with the ground truth they are a dataset from a model, and pycocotools reads what is written."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from segdata import convert, read, validate
from segdata.core.config import Option
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect
from tests.generators.coco_documents import SQUARE, annotation, document, write_document

TRUTH = document(
    images=[{"id": k, "file_name": f"{k}.png", "width": 6, "height": 5} for k in (1, 2)],
    categories=[{"id": 3, "name": "cat"}, {"id": 8, "name": "dog"}],
    annotations=[annotation(category_id=3)],
)
COUNTS = coco_mask.encode(np.asfortranarray(np.eye(5, 6, dtype=np.uint8)))["counts"].decode()


def result(**keys: Any) -> dict[str, Any]:
    """A sound result on the diagonal of image 1, with `keys` instead; a key that is `...` is left out."""
    sound = {"image_id": 1, "category_id": 8, "segmentation": {"size": [5, 6], "counts": COUNTS}, "score": 0.25}
    return {key: value for key, value in (sound | keys).items() if value is not ...}


def results(folder: Path, *items: Any) -> Path:
    path = folder / "results.json"
    path.write_text(json.dumps(list(items)))
    return path


def truth_option(folder: Path) -> dict[str, Option]:
    return {"truth": str(write_document(folder, TRUTH, "truth/gt.json"))}


def test_scores_and_provenance_are_kept(tmp_path: Path) -> None:
    """Numbers from 1, as pycocotools gives them; what else an item says is an attribute."""
    path = results(tmp_path, result(), result(image_id=2, segmentation=[SQUARE], score=1, mode="tta"))
    found = read(path, options=truth_option(tmp_path), annotator="net 7")
    assert found.profile.format == "coco-results"
    assert found.image_ids == ["1.png", "2.png"]
    segments = found.segments
    assert segments[["image_id", "segment_id", "category", "score", "area"]].values.tolist() == [
        ["1.png", 1, "dog", 0.25, 5],
        ["2.png", 2, "dog", 1.0, 4],
    ]
    assert segments["place"].tolist() == ["/0", "/1"]
    assert [dict(each) for each in segments["attributes"].dropna()] == [{"mode": '"tta"'}]
    assert found.annotations[["source", "annotator"]].values.tolist() == [["model", "net 7"]] * 2


def test_an_image_without_results_was_looked_at(tmp_path: Path) -> None:
    found = read(results(tmp_path, result()), options=truth_option(tmp_path))
    assert found.annotations["image_id"].tolist() == ["1.png", "2.png"]


def test_results_of_lvis(tmp_path: Path) -> None:
    """Its ground truth names images by URL."""
    entry = {"id": 1, "width": 6, "height": 5, "coco_url": "http://x/val2017/1.jpg", "neg_category_ids": []}
    truth = write_document(tmp_path, TRUTH | {"images": [entry]}, "lvis.json")
    found = read(results(tmp_path, result()), options={"truth": str(truth)})
    assert found.segments[["image_id", "category"]].values.tolist() == [["val2017/1.jpg", "dog"]]


def test_images_may_be_listed_beside_the_results(tmp_path: Path) -> None:
    """As COCO lists those of its test sets."""
    path = results(tmp_path, result())
    write_document(tmp_path, {key: TRUTH[key] for key in ("images", "categories")}, "image_info_test.json")
    assert detect(tmp_path) == "coco-results"
    assert read(path).segments["category"].tolist() == ["dog"]


def test_images_may_be_files_called_by_their_ids(tmp_path: Path) -> None:
    """Zeros at the beginning do not count; categories are those of the taxonomy then."""
    path = results(tmp_path, result(image_id=139), result(image_id="b"), result(image_id=4))
    (tmp_path / "images").mkdir()
    for name in ("000000000139", "b", "0007"):
        Image.new("RGB", (6, 5)).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "taxonomy.yaml").write_text("categories:\n  - {id: 8, name: dog}\n")
    found = read(path, images=tmp_path / "images")
    assert found.image_ids == ["000000000139.png", "b.png"]
    assert found.segments["area"].tolist() == [5, 5]
    assert [(each.code, each.place) for each in validate(found).findings if each.severity == "error"] == [
        ("SEG007", "/2/image_id")
    ]


@pytest.mark.parametrize(
    ("items", "said"),
    [([result()], "truth=FILE.json"), ([result(segmentation=..., bbox=[1, 1, 2, 2])], "boxes alone")],
)
def test_what_cannot_be_read_is_refused_with_a_remedy(tmp_path: Path, items: list[Any], said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        read(results(tmp_path, *items))


def test_a_truth_that_is_none_is_refused(tmp_path: Path) -> None:
    path = results(tmp_path, result())
    for truth in (write_document(tmp_path, b"[]", "a.json"), write_document(tmp_path, {"categories": []}, "b.json")):
        with pytest.raises(UnreadableError, match="no ground truth"):
            read(path, options={"truth": str(truth)})
    with pytest.raises(SegdataError, match=r"c\.json: cannot be read"):
        read(path, options={"truth": str(tmp_path / "c.json")})


def test_two_files_that_may_be_one_image_are_refused(tmp_path: Path) -> None:
    path = results(tmp_path, result(image_id=7))
    for name in ("7.png", "007.png"):
        Image.new("RGB", (6, 5)).save(tmp_path / name)
    (tmp_path / "taxonomy.yaml").write_text("categories:\n  - {id: 8, name: dog}\n")
    with pytest.raises(SegdataError, match=r"007\.png and 7\.png both may be image 7"):
        read(path, images=tmp_path)


def test_results_beside_their_truth_are_not_what_a_folder_means(tmp_path: Path) -> None:
    write_document(tmp_path, TRUTH, "gt.json")
    results(tmp_path, result())
    assert detect(tmp_path) == "coco-instances"
    assert detect(tmp_path / "results.json") == "coco-results"


def test_pycocotools_evaluates_what_is_written(tmp_path: Path) -> None:
    """Without `bbox`, from which it would take the areas."""
    gt = write_document(tmp_path, TRUTH, "gt.json")
    conversion = convert(gt, tmp_path / "out", to="coco-results")
    assert {(loss.kind, loss.count) for loss in conversion.losses} == {
        ("rings", 1),
        ("score", 1),
        ("source", 2),
    }
    items = json.loads((tmp_path / "out" / "results.json").read_bytes())
    assert [set(each) for each in items] == [{"image_id", "category_id", "segmentation", "score"}]
    with contextlib.redirect_stdout(io.StringIO()):
        found = COCO(str(gt)).loadRes(str(tmp_path / "out" / "results.json"))
    assert [found.annToMask(each).sum() for each in found.anns.values()] == [4]
    assert [each["area"] for each in found.anns.values()] == [4]


def test_predictions_come_back_whole(tmp_path: Path) -> None:
    path = results(tmp_path, result(), result(image_id=2, score=0.125))
    found = read(path, options=truth_option(tmp_path))
    assert convert(found, tmp_path / "out", to="coco-results", on_loss="error", verify=True).verified == 2
    assert json.loads((tmp_path / "out" / "results.json").read_bytes()) == json.loads(path.read_bytes())


def test_the_score_of_segments_without_one(tmp_path: Path) -> None:
    gt = write_document(tmp_path, TRUTH, "gt.json")
    convert(gt, tmp_path / "out", to="coco-results", write_options={"score": "0.5"})
    assert [each["score"] for each in json.loads((tmp_path / "out" / "results.json").read_bytes())] == [0.5]
    with pytest.raises(SegdataError, match="score is 'high'"):
        convert(gt, tmp_path / "other", to="coco-results", write_options={"score": "high"})


def test_real_segments_are_found_again(real_data: Path, tmp_path: Path) -> None:
    """All 470 of coco_tiny, with the truth that the option names."""
    truth = real_data / "coco_tiny" / "annotations" / "instances_train2017.json"
    convert(truth, tmp_path / "out", to="coco-results", on_loss="allow")
    found = read(tmp_path / "out" / "results.json", options={"truth": str(truth)})
    before = read(truth)
    assert len(found.segments) == 470
    assert sorted(found.segments["area"]) == sorted(before.segments["area"])
    assert found.images["uri"].notna().all(), "the images lie beside the truth"
