"""Evaluation: a model as an annotator against the reference, with the figures that models are reported with.

Pixels that the reference calls void do not count; pixels that the model calls void have no category, since a model
should decide everywhere. mIoU and Dice pool the pixels of all images, then take the mean over categories. PQ follows
panopticapi, whose rules for void and crowds differ between the two sides. Mask AP follows pycocotools.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np

from segdata.agreement.annotator_pairs import AnnotatorPair, pair_annotators
from segdata.agreement.comparison import load_images
from segdata.agreement.contingency import count_overlaps
from segdata.agreement.detections import DetectionMatches, count_recognised, match_detections
from segdata.agreement.estimates import DEFAULT_RESAMPLING, Resampling
from segdata.agreement.instance_matching import match_table, reference_overlaps
from segdata.agreement.metrics.average_precision import AveragePrecision, average_precision
from segdata.agreement.metrics.dice import dice
from segdata.agreement.metrics.iou import iou
from segdata.agreement.metrics.panoptic_quality import panoptic_quality
from segdata.agreement.panel import SIZES_CODE, Panel
from segdata.agreement.results import Count, Number, Score
from segdata.agreement.scores import weighted_mean
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.finding import Defect
from segdata.core.profile import Task
from segdata.core.resampling import Floats
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category

EVALUATION_SCORES = {
    "miou": "mean over categories of the IoU of the pixels of all images",
    "dice": "mean over categories of the Dice of the pixels of all images",
    "pq": "panoptic quality by panopticapi's rules, mean over categories",
    "sq": "segmentation quality, mean over categories",
    "rq": "recognition quality, mean over categories",
}


class CategoryEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """One category: IoU and Dice of the pixels of all images, PQ and what it is made of, and COCO's AP."""

    category: str
    id: int
    kind: str
    iou: Number
    dice: Number
    pq: Number
    sq: Number
    rq: Number
    tp: Count
    fp: Count
    fn: Count
    ap: Number


class EvaluationScores(msgspec.Struct, frozen=True, kw_only=True):
    """A model's figures over all categories, with intervals over clusters of images."""

    miou: Annotated[Score, msgspec.Meta(description=EVALUATION_SCORES["miou"])]
    dice: Annotated[Score, msgspec.Meta(description=EVALUATION_SCORES["dice"])]
    pq: Annotated[Score, msgspec.Meta(description=EVALUATION_SCORES["pq"])]
    sq: Annotated[Score, msgspec.Meta(description=EVALUATION_SCORES["sq"])]
    rq: Annotated[Score, msgspec.Meta(description=EVALUATION_SCORES["rq"])]


class CocoNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """COCO's twelve numbers: average precision and recall of masks; null: there is nothing to be found."""

    AP: Number
    AP50: Number
    AP75: Number
    AP_small: Number
    AP_medium: Number
    AP_large: Number
    AR1: Number
    AR10: Number
    AR100: Number
    AR_small: Number
    AR_medium: Number
    AR_large: Number


class ModelEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """A model against the reference `gold`, on the `images` that both annotated, in so many `clusters`.

    `left_out` says in words what could not be read or compared: images, categories and labels.
    """

    gold: str
    model: str
    images: Count
    clusters: Count
    scores: EvaluationScores
    ap: CocoNumbers
    categories: tuple[CategoryEvaluation, ...]
    left_out: tuple[str, ...]


class Evaluation(ModelEvaluation, frozen=True, kw_only=True):
    """The same with `curves`, the precision and recall of each category, which the JSON report leaves out."""

    curves: AveragePrecision


@dataclass(frozen=True, slots=True)
class _ModelCounts:
    """What one portion has of one model: amounts (n_cases, n_categories, 7) of `_AMOUNTS`, and detections."""

    clusters: list[str]
    frames: int
    amounts: Floats
    found: DetectionMatches


_AMOUNTS = ("both", "area_a", "area_b", "tp", "fp", "fn", "iou_sum")


def evaluate_models(
    panel: Panel,
    gold: str,
    *,
    how: Resampling = DEFAULT_RESAMPLING,
    jobs: int = 0,
    progress: Callable[[int], None] = lambda n_images: None,
) -> tuple[Evaluation, ...]:
    """Every annotator but `gold` against it, by name; on the images that both annotated.

    A segment without a score has that of 1. Raises SegdataError where nobody shares an image with the reference.
    """
    portions: dict[str, list[_ModelCounts]] = {}
    defects = list(panel.defects)
    every = run_ordered(lambda rows: (*_count_chunk(panel, rows, gold), len(rows)), panel.chunks(), jobs)
    for counted, met, n_images in every:
        defects += met
        for name, each in counted.items():
            portions.setdefault(name, []).append(each)
        progress(n_images)
    if not portions:
        sizes = (f"; {each.image}: {each.message}" for each in defects if each.code == SIZES_CODE)
        raise SegdataError(f"{panel.profile.files}: nobody else annotated an image of {gold}{next(sizes, '')}")
    categories = panel.profile.taxonomy.categories
    return tuple(
        _evaluation(gold, name, each, categories, how, _omissions(defects, {None, name, gold}))
        for name, each in sorted(portions.items())
    )


def _omissions(defects: Sequence[Defect], whose: Container[str | None]) -> tuple[str, ...]:
    """What could not be read or compared of some annotators' work, each once, with the first place."""
    told: dict[str, str] = {}
    for each in defects:
        if each.annotator in whose:
            who = f"{each.annotator}: " if each.annotator else ""
            told.setdefault(f"{who}{each.message}", f" (first in {each.image})" if each.image else "")
    return tuple(f"{said}{where}" for said, where in told.items())


def _count_chunk(panel: Panel, rows: Ints, gold: str) -> tuple[dict[str, _ModelCounts], Sequence[Defect]]:
    """Each model of some images, and what was met while reading them."""
    batch, categories, asked = load_images(panel, rows)
    names = sorted(set(batch.annotations["annotator"].to_pylist()))
    volumes = frozenset(each.name for each in panel.profile.sequences if each.kind == "volume")
    task = panel.profile.task
    found = {}
    for opposite in pair_annotators(
        batch, names, categories, asked=asked, volumes=volumes, is_semantic=task == "semantic"
    ):
        whose = [names[each] for each in opposite.annotators]
        if gold in whose:
            turned = opposite if whose[0] == gold else opposite.swapped
            found[whose[1 - whose.index(gold)]] = _count_model(turned, task)
    return found, batch.defects


def _count_model(opposite: AnnotatorPair, task: Task) -> _ModelCounts:
    """The amounts of A, the reference, and B."""
    b = opposite.b
    said = ~b.is_void
    plain = replace(opposite, b=replace(b, side=b.runs_of(said, np.arange(len(b))), is_void=np.zeros(len(b), bool)))
    n, wide = opposite.n_cases, len(opposite.categories)
    amounts = np.zeros((n, wide, len(_AMOUNTS)))
    columns = count_overlaps(plain)
    for k, name in enumerate(_AMOUNTS[:3]):
        amounts[columns["pair"], columns["category"], k] = columns[name]
    matched = match_table(opposite, reference_overlaps(opposite, unlabelled_is_void=task == "panoptic"))
    found = count_recognised(matched, matched["pair"], n, wide)
    amounts[:, :, 3:] = np.stack([found.tp, found.fp, found.fn, found.iou_sum], axis=-1)
    names = (opposite.batch.images[each].to_pylist() for each in ("group", "sequence", "image_id"))
    clusters = [group or sequence or image for group, sequence, image in zip(*names, strict=True)]
    score = opposite.batch.segments["score"].fill_null(1.0).to_numpy()[b.segment]
    declared = opposite.batch.segments["declared_area"].to_numpy()[opposite.a.segment]
    area = np.where(np.isfinite(declared), declared, opposite.a.area)
    hits = match_detections(opposite, np.asarray(score, np.float64), area_a=area)
    if task == "semantic":  # nothing is there to be found one by one
        hits = replace(hits, positives=np.zeros_like(hits.positives))
    return _ModelCounts([clusters[row] for row in opposite.case.tolist()], len(opposite.case_of_frame), amounts, hits)


def _evaluation(
    gold: str,
    model: str,
    portions: Sequence[_ModelCounts],
    categories: Sequence[Category],
    how: Resampling,
    left_out: tuple[str, ...],
) -> Evaluation:
    """The figures of one model, from all portions."""
    amounts = np.concatenate([each.amounts for each in portions])[:, : len(categories)]
    names, cluster = np.unique([name for each in portions for name in each.clusters], return_inverse=True)
    summed = np.zeros((len(names), *amounts.shape[1:]))
    np.add.at(summed, cluster.reshape(-1), amounts)
    is_void = np.array([each.kind == "void" for each in categories], bool)
    summed[:, is_void] = 0
    flat = summed.reshape(len(names), -1)

    def statistic(weights: Floats) -> Floats:
        values = _category_scores((weights @ flat).reshape(-1, *summed.shape[1:]))
        return np.stack([weighted_mean(values[name]) for name in ("iou", "dice", "pq", "sq", "rq")], axis=1)

    found = how.interval(statistic, len(names), flat.shape[1])
    values = {name: each[0] for name, each in _category_scores(summed.sum(axis=0)[None]).items()}
    curves = _curves(DetectionMatches.together([each.found for each in portions]))
    known = [int(np.isfinite(values[name]).sum()) for name in ("iou", "dice", "pq", "sq", "rq")]
    ends = zip(found.value.tolist(), found.low.tolist(), found.high.tolist(), known, strict=True)
    scores = {
        name: Score(*each, int((~is_void).sum()) - each[-1]) for name, each in zip(EVALUATION_SCORES, ends, strict=True)
    }
    return Evaluation(
        gold=gold,
        model=model,
        images=sum(each.frames for each in portions),
        clusters=len(names),
        scores=EvaluationScores(**scores),
        ap=CocoNumbers(**curves.summary()),
        categories=_category_evaluations(categories, values, summed.sum(axis=0), curves),
        left_out=left_out,
        curves=curves,
    )


def _category_scores(sums: Floats) -> dict[str, Floats]:
    """(B, n_categories) each, from sums (B, n_categories, 7)."""
    both, area_a, area_b, tp, fp, fn, iou_sum = np.moveaxis(sums, -1, 0)
    quality = panoptic_quality(tp, fp, fn, iou_sum)
    return {"iou": iou(both, area_a, area_b), "dice": dice(both, area_a, area_b), **quality._asdict()}


def _curves(found: DetectionMatches) -> AveragePrecision:
    return average_precision(found.category, found.score, found.rank, found.matched, found.ignored, found.positives)


def _category_evaluations(
    categories: Sequence[Category], values: Mapping[str, Floats], sums: Floats, curves: AveragePrecision
) -> tuple[CategoryEvaluation, ...]:
    """Those that either side has."""
    ap = curves.of_categories()
    return tuple(
        CategoryEvaluation(
            category=each.name,
            id=each.id,
            kind=each.kind,
            **{name: float(values[name][k]) for name in ("iou", "dice", "pq", "sq", "rq")},
            tp=int(sums[k, 3]),
            fp=int(sums[k, 4]),
            fn=int(sums[k, 5]),
            ap=float(ap[k]),
        )
        for k, each in enumerate(categories)
        if each.kind != "void" and sums[k].any()
    )
