"""Models against a reference: mask AP is pycocotools', PQ panopticapi's rules, mIoU and Dice the pixels'."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from msgspec.structs import astuple
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segdata.api.evaluate import evaluate
from segdata.core.errors import SegdataError
from tests.generators.sample.dataset import make


def perturbed(truth: COCO, rng: np.random.Generator) -> list[dict[str, Any]]:
    """What a middling model says: masks grown or eaten, missed, called otherwise, made up, with scores that tie."""
    said = []
    categories = sorted(truth.cats)
    for each in truth.anns.values():
        if rng.random() < 0.15:
            continue
        mask = truth.annToMask(each)
        size = int(rng.integers(1, 8))
        kernel = np.ones((size, size), np.uint8)
        mask = (cv2.dilate if rng.random() < 0.5 else cv2.erode)(mask, kernel)
        category = int(rng.choice(categories)) if rng.random() < 0.1 else each["category_id"]
        for _ in range(1 + (rng.random() < 0.2)):  # some twice
            moved = np.roll(mask, rng.integers(-3, 4, 2), axis=(0, 1))
            rle = coco_mask.encode(np.asfortranarray(moved))
            rle["counts"] = rle["counts"].decode()
            score = float(rng.random())
            said.append({"image_id": each["image_id"], "category_id": category, "segmentation": rle, "score": score})
    return said


def test_mask_ap_is_pycocotools_on_real_files(real_data: Path, tmp_path: Path) -> None:
    """All twelve numbers, and the AP of each category, of a results file."""
    path = real_data / "coco_tiny" / "annotations" / "instances_train2017.json"
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        results = perturbed(truth, np.random.default_rng(5))
        (tmp_path / "results.json").write_text(json.dumps(results))
        judge = COCOeval(truth, truth.loadRes(str(tmp_path / "results.json")), "segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    (found,) = evaluate({"model": tmp_path / "results.json"}, path, resamples=100)
    np.testing.assert_allclose(np.nan_to_num(list(astuple(found.ap)), nan=-1), judge.stats, atol=1e-12)
    assert 0.2 < found.ap.AP < 0.9
    assert (found.images, found.model) == (50, "model")
    precision = judge.eval["precision"][:, :, :, 0, -1]
    names = [truth.cats[each]["name"] for each in judge.params.catIds]
    expected = {name: precision[:, :, k] for k, name in enumerate(names) if (precision[:, :, k] > -1).any()}
    for each in found.categories:
        if each.category in expected:
            assert each.ap == pytest.approx(float(expected[each.category].mean()), abs=1e-12)
        else:
            assert np.isnan(each.ap)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("street")
    make(folder, images=6, only=("annotators",))
    return folder / "annotators"


def maps(folder: Path) -> tuple[dict[int, tuple[Any, dict[int, int]]], dict[str, int]]:
    """Of COCO panoptic data the id image and the category of each id, by image; and the ids of categories by name."""
    document = json.loads((folder / "panoptic.json").read_text())
    found = {}
    for each in document["annotations"]:
        image = cv2.imread(str(folder / "panoptic" / each["file_name"]))[:, :, ::-1].astype(np.int64)
        ids = image[:, :, 0] + 256 * image[:, :, 1] + 65536 * image[:, :, 2]
        found[each["image_id"]] = ids, {part["id"]: part["category_id"] for part in each["segments_info"]}
    return found, {each["name"]: each["id"] for each in document["categories"]}


def quality(ids: Any, parts: dict[int, int], other: Any, theirs: dict[int, int], void: int) -> dict[int, list[float]]:
    """Category -> sum of IoU, and TP + FP / 2 + FN / 2, by panopticapi's rules; what is void or unlabelled is void."""
    nothing = (ids == 0) | np.isin(ids, [number for number, code in parts.items() if code == void])
    free = {number: code for number, code in theirs.items() if code != void}
    found: dict[int, list[float]] = {}
    for number, code in parts.items():
        if code == void:
            continue
        sums = found.setdefault(code, [0.0, 0.0])
        sums[1] += 0.5
        for candidate in [each for each, of in free.items() if of == code]:
            shared = int(((ids == number) & (other == candidate)).sum())
            union = int((ids == number).sum() + ((other == candidate) & ~nothing).sum()) - shared
            if shared / union > 0.5:
                sums[0] += shared / union
                sums[1] += 0.5
                del free[candidate]
    for candidate, code in free.items():
        region = other == candidate
        if 2 * (region & nothing).sum() <= region.sum():
            found.setdefault(code, [0.0, 0.0])[1] += 0.5
    return found


def test_panoptic_quality_and_miou_are_those_of_pixels(street: Path) -> None:
    """PQ by panopticapi's rules, mIoU and Dice from dense maps; void of the reference counts for nothing."""
    (reference, codes), (said, _) = maps(street / "gold"), maps(street / "biased")
    both, area, sums = ({code: np.zeros(2) for code in codes.values()} for _ in range(3))
    for image, (ids, parts) in reference.items():
        other, theirs = said[image]
        for code, amounts in quality(ids, parts, other, theirs, codes["void"]).items():
            sums[code] += amounts
        labels, answers = (np.vectorize({0: 0, **of}.get)(each) for each, of in ((ids, parts), (other, theirs)))
        kept = labels != codes["void"]
        for code in codes.values():
            mine, yours = (labels == code) & kept, (answers == code) & kept
            both[code] += (mine & yours).sum()
            area[code] += (mine.sum(), yours.sum())
    (found,) = evaluate({"biased": street / "biased"}, street / "gold", resamples=100)
    assert len(found.categories) > 8
    for each in found.categories:
        code = codes[each.category]
        assert each.iou == pytest.approx(both[code][0] / (area[code].sum() - both[code][0]))
        assert each.dice == pytest.approx(2 * both[code][0] / area[code].sum())
        assert each.pq == pytest.approx(sums[code][0] / sums[code][1])
    for name, of in (("miou", "iou"), ("dice", "dice"), ("pq", "pq")):
        score = getattr(found.scores, name)
        assert score.value == pytest.approx(np.mean([getattr(each, of) for each in found.categories]))
        assert score.low < score.value < score.high


def test_the_reference_itself_is_perfect(street: Path) -> None:
    (found,) = evaluate({"copy": street / "gold"}, street / "gold", resamples=100)
    assert [getattr(found.scores, name).value for name in ("miou", "dice", "pq", "sq", "rq")] == [1.0] * 5
    assert found.ap.AP == 1.0


def test_several_models_and_none(street: Path) -> None:
    found = evaluate({name: street / name for name in ("careful", "hurried")}, street / "gold", resamples=100)
    assert [(each.model, each.images) for each in found] == [("careful", 6), ("hurried", 5)]
    with pytest.raises(SegdataError, match="nobody else annotated an image of gold"):
        evaluate(street / "hurried", street / "gold", only="street004.jpg")  # which hurried skipped
