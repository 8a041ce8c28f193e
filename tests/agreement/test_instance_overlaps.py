"""Segments judged by a reference, against panopticapi's rules, and what those make of known and of real pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from segdata.agreement.evaluation import RecognitionCounts, count_recognised
from segdata.agreement.instance_matching import Columns, instance_overlaps, match_table, reference_overlaps
from segdata.agreement.metrics.panoptic_quality import panoptic_quality
from segdata.agreement.paired_segments import AnnotatorPair, pair_annotators
from segdata.api.read import read
from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.runs import Runs
from segdata.testing.pictures import masks_of_runs
from tests.generators.panels import Panel, panel, scenes


def both(given_: Panel) -> AnnotatorPair:
    return next(iter(pair_annotators(given_)))


def counted(opposite: AnnotatorPair, found: Columns) -> RecognitionCounts:
    return count_recognised(found, found["pair"].astype(np.int64), opposite.n_cases, len(opposite.categories))


def panoptic_counts(opposite: AnnotatorPair, case: int) -> dict[int, list[float]]:
    """TP, FP, FN and the sum of IoU by category, as panopticapi counts them: A is the ground truth, 0 its void."""
    every = masks_of_runs(opposite.batch.runs, *opposite.batch.segment_size)
    maps, infos = [], []
    for drawn in (opposite.a, opposite.b):
        picture = np.zeros((int(opposite.line.height[case]), int(opposite.line.width[case])), np.int64)
        info = {}
        for row in np.flatnonzero((drawn.case == case) & ~drawn.is_void):
            picture[every[drawn.segment[row]]] = row + 1
            info[int(row) + 1] = (int(drawn.category[row]), bool(drawn.is_crowd[row]))
        maps.append(picture)
        infos.append(info)
    gt, pred = infos
    shared: dict[tuple[int, int], int] = {}
    for x, y in zip(maps[0].ravel().tolist(), maps[1].ravel().tolist(), strict=True):
        shared[x, y] = shared.get((x, y), 0) + 1
    area = [{label: int((picture == label).sum()) for label in info} for picture, info in zip(maps, infos, strict=True)]
    stat: dict[int, list[float]] = {k: [0, 0, 0, 0.0] for k in range(len(opposite.categories))}
    gt_matched, pred_matched = set(), set()
    for (x, y), pixels in shared.items():
        if x not in gt or y not in pred or gt[x][1] or gt[x][0] != pred[y][0]:
            continue
        iou = pixels / (area[1][y] + area[0][x] - pixels - shared.get((0, y), 0))
        if iou > 0.5:
            stat[gt[x][0]][0] += 1
            stat[gt[x][0]][3] += iou
            gt_matched.add(x)
            pred_matched.add(y)
    crowds = {}
    for x, (category, is_crowd) in gt.items():
        if x not in gt_matched:
            if is_crowd:
                crowds[category] = x
            else:
                stat[category][2] += 1
    for y, (category, _) in pred.items():
        if y not in pred_matched:
            pixels = shared.get((0, y), 0)
            if category in crowds:
                pixels += shared.get((crowds[category], y), 0)
            if pixels / area[1][y] <= 0.5:
                stat[category][1] += 1
    return stat


@settings(max_examples=40)
@given(scenes(overlaps=False))
def test_a_reference_judges_as_panopticapi_does(given_: Panel) -> None:
    opposite = both(given_)
    found = counted(opposite, match_table(opposite, reference_overlaps(opposite)))
    for case in range(opposite.n_cases):
        for category, expected in panoptic_counts(opposite, case).items():
            assert [each[case, category] for each in found] == pytest.approx(expected)


def test_real_panoptic_images_with_crowds(real_data: Path) -> None:
    """Shorter runs, and some categories mixed up, judged by what was published."""
    dataset = read(next(iter((real_data / "coco_panoptic_sample").glob("**/panoptic_examples.json"))))
    truth = concatenate_batches(list(dataset.batches()))
    rng = np.random.default_rng(0)
    ids = np.array(truth.segments["category_id"].to_pylist())
    mixed = np.where(rng.random(len(ids)) < 0.2, rng.choice(ids, len(ids)), ids)
    length = np.maximum(truth.runs.length - rng.integers(0, 30, truth.n_segments)[truth.runs.owner], 1)
    runs = Runs(truth.runs.start, length, truth.runs.owner)
    said = replace(truth, segments=replace_column(truth.segments, "category_id", mixed), runs=runs)
    pieces = [
        replace(each, annotations=replace_column(each.annotations, "annotator", [who] * each.annotations.num_rows))
        for who, each in (("a", truth), ("b", said))
    ]
    every = concatenate_batches(pieces)
    annotations = replace_column(every.annotations, "image", every.annotation_image % truth.images.num_rows)
    batch = Batch(truth.images, annotations, every.segments, every.runs)
    opposite = both(Panel(batch, ("a", "b"), dataset.profile.taxonomy.categories))
    found = counted(opposite, match_table(opposite, reference_overlaps(opposite)))
    assert opposite.a.is_crowd.sum() == 3
    assert all(each.sum() > 0 for each in found)
    for case in range(opposite.n_cases):
        for category, expected in panoptic_counts(opposite, case).items():
            assert [each[case, category] for each in found] == pytest.approx(expected)


_TRUTH = "aaaabbbb\n" * 4 + "{0}{0}{0}{0}....\n" * 4
_SAID = "aaa.bbbb\n" * 4 + "ee..dddd\n" * 4
_NAMES = "\na, c, d, e: one\nb: two"


@pytest.mark.parametrize(
    ("truth", "said", "one", "two", "quality"),
    [
        (_TRUTH.format("c") + _NAMES, _SAID + _NAMES, (1, 1, 1, 0.75), (1, 0, 0, 1), (0.6875, 0.875, 0.75)),
        (
            _TRUTH.format("c") + "\na: one\nc: one (crowd)\nb: two",
            _SAID + _NAMES,
            (1, 0, 0, 0.75),
            (1, 0, 0, 1),
            (0.875, 0.875, 1),
        ),
        (
            _TRUTH.format(".") + _NAMES,
            "aaaabbbb\n" * 4 + "aaaa....\n" * 2 + "........\n" * 2 + _NAMES,
            (1, 0, 0, 1),
            (1, 0, 0, 1),
            (1, 1, 1),
        ),
    ],
)
def test_known_panoptic_qualities(
    truth: str, said: str, one: tuple[float, ...], two: tuple[float, ...], quality: tuple[float, ...]
) -> None:
    opposite = both(panel(truth, said))
    found = counted(opposite, match_table(opposite, reference_overlaps(opposite)))
    at = {each.name: k for k, each in enumerate(opposite.categories)}
    assert [each[0, at["one"]] for each in found] == pytest.approx(one)
    assert [each[0, at["two"]] for each in found] == pytest.approx(two)
    assert [float(np.nanmean(each)) for each in panoptic_quality(*found)] == pytest.approx(quality)


def test_a_known_quality_of_one_class() -> None:
    """As panoptica has it, where what nobody labelled is background."""
    said = "aaa.bbbb\n" * 4 + "....dddd\n" * 4 + "\na, b, c, d: cell"
    opposite = both(panel(_TRUTH.format("c") + "\na, b, c, d: cell", said))
    for found in (instance_overlaps(opposite), reference_overlaps(opposite, unlabelled_is_void=False)):
        total = counted(opposite, match_table(opposite, found))
        assert [int(each.sum()) for each in total[:3]] == [2, 1, 1]
        quality = panoptic_quality(*(each.sum() for each in total))
        assert [float(each) for each in quality] == pytest.approx([0.5833333, 0.875, 0.6666667], abs=1e-6)
