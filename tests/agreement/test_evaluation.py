"""Models against a reference: mask AP is pycocotools', PQ panopticapi's rules, mIoU and Dice the pixels'."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segdata.agreement.evaluation import AREA_RANGES, DetectionMatches, match_detections
from segdata.agreement.metrics.average_precision import AveragePrecision, average_precision
from segdata.agreement.paired_segments import AnnotatorPair, PanelBatch, pair_annotators
from segdata.api.evaluate import evaluate
from segdata.api.read import read
from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.errors import SegdataError
from segdata.core.runs import Runs
from segdata.core.schema import runs_to_rle
from tests.generators.panels import Panel, panel, panel_of_masks, scenes
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
    with pytest.raises(SegdataError, match="no model has an image of the reference gold"):
        evaluate(street / "hurried", street / "gold", only="street004.jpg")  # which hurried skipped


Scores = NDArray[np.float64]
SMALL = ((0.0, 1e10), (0.0, 4.0), (4.0, 9.0), (9.0, 1e10))
THINGS = ("thing", "thing", "thing")


def both(given_: Panel) -> AnnotatorPair:
    return next(iter(pair_annotators(given_)))


def by_coco(opposite: AnnotatorPair, score: Scores, areas: tuple[tuple[float, float], ...]) -> COCOeval:
    """What COCOeval makes of the same segments."""
    batch = opposite.batch
    counts = runs_to_rle(batch.runs, *batch.segment_size).to_pylist()
    height, width = (each.tolist() for each in batch.image_size)
    annotations: list[list[dict[str, object]]] = [[], []]
    for found, drawn in zip(annotations, (opposite.a, opposite.b), strict=True):
        for row, segment in enumerate(drawn.segment.tolist()):
            image = int(batch.segment_image[segment])
            rle = {"size": [height[image], width[image]], "counts": counts[segment]}
            category = int(drawn.category[row]) + 1
            found.append({"image_id": image + 1, "category_id": category, "segmentation": rle, "id": row + 1})
            found[-1]["area"], found[-1]["iscrowd"] = int(drawn.area[row]), int(drawn.is_crowd[row])
    truth = COCO()
    truth.dataset = {
        "images": [{"id": k + 1, "height": h, "width": w} for k, (h, w) in enumerate(zip(height, width, strict=True))],
        "categories": [{"id": k + 1, "name": each.name} for k, each in enumerate(opposite.categories)],
        "annotations": annotations[0],
        "info": {},
    }
    results = [
        {name: each[name] for name in ("image_id", "category_id", "segmentation")} | {"score": float(value)}
        for each, value in zip(annotations[1], score, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(results) if results else COCO(), "segm")
        judge.params.areaRng = [list(each) for each in areas]
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


def ours(opposite: AnnotatorPair, score: Scores, areas: tuple[tuple[float, float], ...]) -> AveragePrecision:
    found = match_detections(opposite, score, areas=areas)
    columns = (found.category, found.score, found.rank, found.matched, found.ignored, found.positives)
    return average_precision(*columns)


def assert_equal(
    opposite: AnnotatorPair, score: Scores, areas: tuple[tuple[float, float], ...] = SMALL
) -> AveragePrecision:
    found, expected = ours(opposite, score, areas), by_coco(opposite, score, areas)
    for mine, theirs in ((found.precision, expected.eval["precision"]), (found.recall, expected.eval["recall"])):
        np.testing.assert_array_equal(np.isnan(mine), theirs == -1)
        np.testing.assert_allclose(np.nan_to_num(mine, nan=-1), theirs, atol=1e-12)
    stats = np.nan_to_num(list(found.summary().values()), nan=-1)
    np.testing.assert_allclose(stats, expected.stats, atol=1e-12)
    return found


@settings(max_examples=40)
@given(scenes(kinds=THINGS), st.lists(st.sampled_from([0.1, 0.5, 0.5, 0.9]), min_size=8, max_size=8))
def test_every_number_is_cocos(given_: Panel, scores: list[float]) -> None:
    opposite = both(given_)
    if len(opposite.b):
        assert_equal(opposite, np.array(scores)[np.arange(len(opposite.b)) % 8])


def test_many_detections_of_one_category() -> None:
    """More than count, of all sizes, with crowds and categories mixed up."""
    rng = np.random.default_rng(2)
    size = (120, 140)
    layers: list[list[list[tuple[int, NDArray[np.bool_]]]]] = [[], []]
    for _ in range(2):
        truth, said = [], []
        for k in range(60):
            side = int(rng.choice([5, 20, 40, 100]))
            y, x = (int(each) for each in rng.integers(0, 100, 2))
            mask = np.zeros(size, bool)
            mask[y : y + side, x : x + side] = True
            truth.append((k % 2, mask))
            for _ in range(4):
                moved = np.roll(mask, rng.integers(-4, 5, 2), axis=(0, 1))
                said.append((0 if rng.random() < 0.9 else 1, moved))
        layers[0].append(truth)
        layers[1].append(said)
    given_ = panel_of_masks([size, size], layers, ("thing", "thing"))
    crowd = rng.random(given_.batch.n_segments) < 0.1
    batch = replace(given_.batch, segments=replace_column(given_.batch.segments, "iscrowd", crowd.tolist()))
    opposite = both(replace(given_, batch=batch))
    found = assert_equal(opposite, rng.random(len(opposite.b)).round(2), AREA_RANGES)
    assert 0 < found.summary()["AP"] < 1


def shaved(batch: Batch, rng: np.random.Generator) -> Batch:
    """A batch in which every run is shorter at one end, some segments are missing, and some are called otherwise."""
    shorter = rng.integers(0, 3, batch.n_segments)[batch.runs.owner]
    length = np.maximum(batch.runs.length - shorter, 1)
    runs = Runs(batch.runs.start, length, batch.runs.owner)
    ids = np.array(batch.segments["category_id"].to_pylist())
    other = np.where(rng.random(len(ids)) < 0.1, rng.choice(ids, len(ids)), ids)
    kept = np.flatnonzero(rng.random(len(ids)) < 0.8)
    changed = Batch(batch.images, batch.annotations, replace_column(batch.segments, "category_id", other), runs)
    return changed.take_segments(kept)


@pytest.mark.parametrize(("name", "n_images"), [("coco_tiny", 50), ("gbm40_nuclei", 5)])
def test_real_data_with_masks_that_were_changed(real_data: Path, name: str, n_images: int) -> None:
    path = next(iter(sorted((real_data / name).rglob("*.json"))))
    dataset = read(path)
    truth = concatenate_batches(list(dataset.batches())).take_images(np.arange(n_images))
    rng = np.random.default_rng(0)
    model = shaved(truth, rng)
    annotated = [
        replace(each, annotations=replace_column(each.annotations, "annotator", [who] * each.annotations.num_rows))
        for who, each in (("model", model), ("truth", truth))
    ]
    every = concatenate_batches(annotated)
    n = truth.images.num_rows
    moved = replace_column(every.annotations, "image", every.annotation_image % n)
    batch = Batch(truth.images, moved, every.segments, every.runs)
    opposite = next(iter(pair_annotators(PanelBatch(batch, ["truth", "model"], dataset.profile.taxonomy.categories))))
    found = assert_equal(opposite, rng.random(len(opposite.b)), AREA_RANGES)
    assert 0.2 < found.summary()["AP"] < 0.9


def test_pieces_put_together_are_the_whole() -> None:
    text = ["aaaa\nbb..\n\ncccc\n....\n\na, c: car\nb: dog", "aaa.\nbbb.\n\ncc..\n....\n\na, c: car\nb: dog"]
    whole = match_detections(both(panel(*text)), np.array([0.5, 0.7, 0.6]))
    parts = []
    for image, score in ((0, [0.5, 0.7]), (1, [0.6])):
        given_ = panel(*text)
        only = replace(given_, batch=given_.batch.take_images(np.array([image])))
        parts.append(match_detections(both(only), np.array(score)))
    joined = DetectionMatches.together(parts)
    for name in ("category", "score", "rank", "matched", "ignored", "positives"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


def test_nothing_to_find_and_nothing_found() -> None:
    given_ = panel("aa\n\na: car", "aa\n\na: car")
    batch = given_.batch
    first = np.flatnonzero(batch.segment_annotation == 0)
    only_truth = both(replace(given_, batch=batch.take_segments(first)))
    assert ours(only_truth, np.empty(0), AREA_RANGES).summary()["AP"] == 0
    assert np.isnan(ours(only_truth.swap, np.array([0.5]), AREA_RANGES).summary()["AP"])


def test_what_lies_in_void_counts_for_nothing() -> None:
    opposite = both(panel("aavv\n\na: car\nv: fog (void)", "aabb\n\na, b: car"))
    assert ours(opposite, np.array([0.5, 0.9]), AREA_RANGES).summary()["AP"] == pytest.approx(1)
