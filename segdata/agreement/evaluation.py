"""Evaluation: the usual figures of a model against a reference: mIoU, Dice, PQ and mask AP.

Pixels that the reference calls void do not count; pixels that the model calls void have no category, since a model
should decide everywhere. mIoU and Dice pool the pixels of all images, then take the mean over categories. PQ follows
panopticapi, whose rules for void and crowds differ between the two sides. Mask AP follows pycocotools.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from segdata.agreement.comparison import load_images
from segdata.agreement.contingency import count_overlaps
from segdata.agreement.estimates import DEFAULT_RESAMPLING, Resampling
from segdata.agreement.instance_matching import Columns, covered_areas, match_table, reference_overlaps, union_of_runs
from segdata.agreement.metrics.average_precision import AveragePrecision, average_precision
from segdata.agreement.metrics.dice import dice
from segdata.agreement.metrics.iou import iou
from segdata.agreement.metrics.panoptic_quality import panoptic_quality
from segdata.agreement.paired_segments import AnnotatorPair, AnnotatorSegments, pair_annotators
from segdata.agreement.panel import SIZES_CODE, Panel
from segdata.agreement.scores import Count, Number, Score, weighted_mean
from segdata.core.errors import SegdataError
from segdata.core.executor import no_progress, run_ordered
from segdata.core.finding import Defect
from segdata.core.profile import Task
from segdata.core.runs import Flags, Floats, Ints, positions_in
from segdata.core.taxonomy import Category


class RecognitionCounts(NamedTuple):
    """Numbers of segments by group and category."""

    tp: Ints  # (n_groups, n_categories) both have them
    fp: Ints  # (n_groups, n_categories) only B, only A has them
    fn: Ints  # (n_groups, n_categories) only B, only A has them
    iou_sum: Floats  # (n_groups, n_categories) of those that both have


def count_recognised(
    matches: Columns, group: Ints, n_groups: int, n_categories: int, *, threshold: float = 0.5
) -> RecognitionCounts:
    """Count the table `matches` by group: a case, a cluster, or a pair of annotators.

    `group` (n,) is the group of each row. A pair counts as matched if it has one category and an IoU above `threshold`,
    which should not be below that of the matching; else both of its segments count as unmatched.

    >>> columns = {"category_a": [0, 1], "category_b": [0, -1], "iou": [0.8, np.nan], "ignored": [False, False]}
    >>> found = count_recognised({name: np.array(column) for name, column in columns.items()}, np.array([0, 0]), 1, 2)
    >>> found.tp.tolist(), found.fn.tolist()
    ([[1, 0]], [[0, 1]])
    """
    a, b, iou = matches["category_a"], matches["category_b"], matches["iou"]
    both = (a == b) & (np.nan_to_num(iou) > threshold)
    counted = ~both & ~matches["ignored"].astype(bool)

    def sum_by_category(rows: Flags, category: Ints, weights: Floats | None = None) -> Floats:
        cell = group[rows] * n_categories + category[rows]
        total = np.bincount(cell, weights=None if weights is None else weights[rows], minlength=n_groups * n_categories)
        return total.reshape(n_groups, n_categories).astype(np.float64)

    return RecognitionCounts(
        sum_by_category(both, a).astype(np.int64),
        sum_by_category(counted & (b >= 0), b).astype(np.int64),
        sum_by_category(counted & (a >= 0), a).astype(np.int64),
        sum_by_category(both, a, iou).astype(np.float64),
    )


THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())  # of IoU, with COCO's rounding errors
MAX_DETECTIONS = 100  # of one category in an image, the best ones
_SMALL, _LARGE = 32**2, 96**2
AREA_RANGES = ((0.0, 1e10), (0.0, _SMALL), (_SMALL, _LARGE), (_LARGE, 1e10))  # all, small, medium, large, in pixels
_ALMOST_ONE = 1 - 1e-10  # so that a rounded IoU of 1 passes a threshold of 1


@dataclass(frozen=True, slots=True)
class DetectionMatches:
    """N detections of B, and whether each is a hit at T thresholds of IoU within A ranges of area."""

    category: Ints  # (N,)
    score: Floats  # (N,)
    rank: Ints  # (N,) how many of its case and category have a higher score
    matched: Flags  # (N, A, T) a segment of the reference is hit
    ignored: Flags  # (N, A, T) counts for nothing
    positives: Ints  # (n_categories, A) segments of the reference that should be found

    @staticmethod
    def together(pieces: Sequence["DetectionMatches"]) -> "DetectionMatches":
        """Join the matches of one or more batches, in order."""
        names = ("category", "score", "rank", "matched", "ignored")
        columns = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in names}
        return DetectionMatches(**columns, positives=np.sum([piece.positives for piece in pieces], axis=0))


def match_detections(
    pair: AnnotatorPair,
    score: Floats,
    *,
    area_a: Floats | Ints | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    areas: Sequence[tuple[float, float]] = AREA_RANGES,
) -> DetectionMatches:
    """Match B's things, with `score` (n_b,) each, with the reference A, as pycocotools' COCOeval does.

    In each case and category the best 100 detections, in the order of their scores, take the free segment of the
    reference with the highest IoU, at least the threshold: first among segments whose area is in range, then among the
    others and crowds, which are ignored together with the detections that take them. A crowd can be taken many times,
    and its IoU is the share of the detection that lies in it. A detection without a segment is ignored if its own area
    is out of range, or if more than half of it lies in void of A, which COCO does not have.

    `area_a` (n_a,) are the areas of A's segments for the ranges, in pixels; COCO takes those that the file declares.
    """
    a, b = pair.a, pair.b
    ranked, rank = _best_by_score(b, score)
    order = positions_in(ranked, len(b))
    overlaps = pair.overlaps
    both = (overlaps.a >= 0) & (overlaps.b >= 0)
    first, second, shared = overlaps.a[both], overlaps.b[both], overlaps.pixels[both]
    kept = (order[second] >= 0) & a.is_thing[first] & (a.category[first] == b.category[second])
    first, second, shared = first[kept], second[kept], shared[kept]
    union = np.where(a.is_crowd[first], b.area[second], a.area[first] + b.area[second] - shared)
    size = a.area if area_a is None else area_a
    bounds = np.array(areas, float).reshape(-1, 2)
    spared = a.is_crowd | _out_of_range(size, bounds)  # (A, n_a)
    min_iou = np.minimum(np.array(thresholds, float), _ALMOST_ONE)
    partner = _take_references(first, order[second], shared / union, rank, spared, a.is_crowd, min_iou)
    void = union_of_runs(a.runs_of(a.is_void, np.arange(len(a))))
    in_void = 2 * covered_areas(b.side, void, len(b)) > b.area
    outside = (in_void | _out_of_range(b.area, bounds))[:, ranked].T  # (N, A)
    matched = partner >= 0
    takes_spared = np.pad(spared, ((0, 0), (0, 1)))[np.arange(len(bounds))[:, None], partner]
    ignored = np.where(matched, takes_spared, outside[..., None])
    cell = a.category[None] + len(pair.categories) * np.arange(len(bounds))[:, None]
    should = ~spared & a.is_thing
    positives = np.bincount(cell[should], minlength=len(bounds) * len(pair.categories))
    return DetectionMatches(
        b.category[ranked],
        score[ranked],
        rank,
        matched,
        ignored,
        positives.reshape(len(bounds), -1).T.astype(np.int64),
    )


def _best_by_score(b: AnnotatorSegments, score: Floats) -> tuple[Ints, Ints]:
    """The rows of the best things in each case and category, best first, and the rank of each among these."""
    things = np.flatnonzero(b.is_thing)
    order = things[np.lexsort((-score[things], b.category[things], b.case[things]))]
    new = (np.diff(b.case[order], prepend=-1) != 0) | (np.diff(b.category[order], prepend=-1) != 0)
    first = np.flatnonzero(new)
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return order[rank < MAX_DETECTIONS], rank[rank < MAX_DETECTIONS]


def _out_of_range(area: Floats | Ints, bounds: Floats) -> Flags:
    """(A, n) whether each area lies outside each range."""
    result: Flags = (area < bounds[:, :1]) | (area > bounds[:, 1:])
    return result


def _take_references(
    a: Ints, b: Ints, iou: Floats, rank: Ints, spared: Flags, is_crowd: Flags, min_iou: Floats
) -> Ints:
    """(N, A, T) the row of A that each detection takes, or -1; cells are pairs of `a` and `b` with their `iou`.

    Detections of one rank have different cases or categories, so that they can choose at the same time.
    """
    n_areas, n_thresholds = len(spared), len(min_iou)
    result = np.full((len(rank), n_areas, n_thresholds), -1, np.int64)
    free = np.ones((len(is_crowd), n_areas, n_thresholds), bool)
    worth = np.empty(len(a), np.int64)
    worth[np.lexsort((a, iou))] = np.arange(len(a))  # of equal IoU the later one is better
    worth = worth[:, None] + np.where(spared.T[a], 0, len(a))  # (cells, A)
    by_rank = np.lexsort((b, rank[b]))
    ends = np.searchsorted(rank[b[by_rank]], np.arange(MAX_DETECTIONS + 1))
    for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        if begin == end:
            continue
        cells = by_rank[begin:end]
        reference = a[cells]
        possible = (iou[cells, None] >= min_iou)[:, None] & (free[reference] | is_crowd[reference, None, None])
        value = np.where(possible, worth[cells][..., None], -1)
        first = np.flatnonzero(np.diff(b[cells], prepend=-1))
        best = np.maximum.reduceat(value, first, axis=0)
        cell_of = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(cells))))
        cell, area, threshold = np.nonzero((value >= 0) & (value == best[cell_of]))
        result[b[cells[cell]], area, threshold] = reference[cell]
        free[reference[cell], area, threshold] = False
    return result


EVALUATION_SCORES = {
    "miou": "mean over categories of the IoU of the pixels of all images",
    "dice": "mean over categories of the Dice of the pixels of all images",
    "pq": "panoptic quality by panopticapi's rules, mean over categories",
    "sq": "segmentation quality, mean over categories",
    "rq": "recognition quality, mean over categories",
}


class CategoryEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of one category: IoU and Dice of the pixels of all images, PQ with SQ and RQ, and COCO's AP."""

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
    """COCO's twelve numbers: average precision and recall of masks; null if the reference has no segments."""

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
    """The scores of a model against the reference `gold`, on the `images`, in `clusters`, that both annotated.

    `left_out` lists in words the images, categories and labels that could not be read or compared.
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
    """The evaluations of models with `curves`, precision and recall by category, which the JSON report leaves out."""

    curves: AveragePrecision


@dataclass(frozen=True, slots=True)
class _ModelCounts:
    """The counts of one model in one portion: amounts (n_cases, n_categories, 7) of `_AMOUNTS`, and detections."""

    clusters: list[str]
    frames: int
    amounts: Floats
    hits: DetectionMatches


_AMOUNTS = ("both", "area_a", "area_b", "tp", "fp", "fn", "iou_sum")


def evaluate_models(
    panel: Panel,
    gold: str,
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
    jobs: int = 0,
    progress: Callable[[int], None] = no_progress,
) -> tuple[Evaluation, ...]:
    """Evaluate every annotator against `gold`, by name, on the images that both annotated.

    A segment without a score gets the score 1. Raises SegdataError if no annotator shares an image with the reference.
    """
    portions: dict[str, list[_ModelCounts]] = {}
    defects = list(panel.defects)
    counts_of_portions = run_ordered(lambda rows: (*_count_chunk(panel, rows, gold), len(rows)), panel.chunks(), jobs)
    for counted, chunk_defects, n_images in counts_of_portions:
        defects += chunk_defects
        for name, counts in counted.items():
            portions.setdefault(name, []).append(counts)
        progress(n_images)
    if not portions:
        sizes = (f"; {defect.image}: {defect.message}" for defect in defects if defect.code == SIZES_CODE)
        why = next(sizes, "; if its images have other names there, pair them with --pair")
        raise SegdataError(f"{panel.profile.files}: no model has an image of the reference {gold}{why}")
    categories = panel.profile.taxonomy.categories
    return tuple(
        _evaluation(gold, name, of_model, categories, resampling, _omissions(defects, {None, name, gold}))
        for name, of_model in sorted(portions.items())
    )


def _omissions(defects: Sequence[Defect], annotators: Container[str | None]) -> tuple[str, ...]:
    """Sentences about defects of the compared data, each kind once, with the first place."""
    messages: dict[str, str] = {}
    for defect in defects:
        if defect.annotator in annotators:
            prefix = f"{defect.annotator}: " if defect.annotator else ""
            messages.setdefault(f"{prefix}{defect.message}", f" (first in {defect.image})" if defect.image else "")
    return tuple(f"{message}{where}" for message, where in messages.items())


def _count_chunk(panel: Panel, rows: Ints, gold: str) -> tuple[dict[str, _ModelCounts], Sequence[Defect]]:
    """Count each model's amounts on some images, and collect the defects of their files."""
    images, task = load_images(panel, rows), panel.profile.task
    counts = {}
    for pair in pair_annotators(images):
        names = [images.annotators[annotator] for annotator in pair.annotators]
        if gold in names:
            turned = pair if names[0] == gold else pair.swap
            counts[names[1 - names.index(gold)]] = _count_model(turned, task)
    return counts, images.batch.defects


def _count_model(pair: AnnotatorPair, task: Task) -> _ModelCounts:
    """Count the amounts of a model, B, against the reference, A."""
    b = pair.b
    labelled = ~b.is_void
    plain = replace(pair, b=replace(b, side=b.runs_of(labelled, np.arange(len(b))), is_void=np.zeros(len(b), bool)))
    n, n_categories = pair.n_cases, len(pair.categories)
    amounts = np.zeros((n, n_categories, len(_AMOUNTS)))
    columns = count_overlaps(plain)
    for k, name in enumerate(_AMOUNTS[:3]):
        amounts[columns["pair"], columns["category"], k] = columns[name]
    matched = match_table(pair, reference_overlaps(pair, unlabelled_is_void=task == "panoptic"))
    recognised = count_recognised(matched, matched["pair"], n, n_categories)
    amounts[:, :, 3:] = np.stack([recognised.tp, recognised.fp, recognised.fn, recognised.iou_sum], axis=-1)
    names = (pair.batch.images[column].to_pylist() for column in ("group", "sequence", "image_id"))
    clusters = [group or sequence or image for group, sequence, image in zip(*names, strict=True)]
    score = pair.batch.segments["score"].fill_null(1.0).to_numpy()[b.segment]
    declared = pair.batch.segments["declared_area"].to_numpy()[pair.a.segment]
    area = np.where(np.isfinite(declared), declared, pair.a.area)
    hits = match_detections(pair, np.asarray(score, np.float64), area_a=area)
    if task == "semantic":  # nothing is there to be found one by one
        hits = replace(hits, positives=np.zeros_like(hits.positives))
    return _ModelCounts([clusters[row] for row in pair.case.tolist()], len(pair.case_of_frame), amounts, hits)


def _evaluation(
    gold: str,
    model: str,
    portions: Sequence[_ModelCounts],
    categories: Sequence[Category],
    resampling: Resampling,
    left_out: tuple[str, ...],
) -> Evaluation:
    amounts = np.concatenate([portion.amounts for portion in portions])[:, : len(categories)]
    names, cluster = np.unique([name for portion in portions for name in portion.clusters], return_inverse=True)
    summed = np.zeros((len(names), *amounts.shape[1:]))
    np.add.at(summed, cluster, amounts)
    is_void = np.array([category.kind == "void" for category in categories], bool)
    summed[:, is_void] = 0
    flat = summed.reshape(len(names), -1)

    def statistic(weights: Floats) -> Floats:
        values = _category_scores((weights @ flat).reshape(-1, *summed.shape[1:]))
        return np.stack([weighted_mean(values[name]) for name in ("iou", "dice", "pq", "sq", "rq")], axis=1)

    interval = resampling.interval(statistic, len(names), flat.shape[1])
    values = {name: values[0] for name, values in _category_scores(summed.sum(axis=0)[None]).items()}
    hits = DetectionMatches.together([portion.hits for portion in portions])
    curves = average_precision(hits.category, hits.score, hits.rank, hits.matched, hits.ignored, hits.positives)
    n_defined = [int(np.isfinite(values[name]).sum()) for name in ("iou", "dice", "pq", "sq", "rq")]
    ends = zip(interval.value.tolist(), interval.low.tolist(), interval.high.tolist(), n_defined, strict=True)
    scores = {
        name: Score(*numbers, int((~is_void).sum()) - numbers[-1])
        for name, numbers in zip(EVALUATION_SCORES, ends, strict=True)
    }
    return Evaluation(
        gold=gold,
        model=model,
        images=sum(portion.frames for portion in portions),
        clusters=len(names),
        scores=EvaluationScores(**scores),
        ap=CocoNumbers(**curves.summary()),
        categories=_category_evaluations(categories, values, summed.sum(axis=0), curves),
        left_out=left_out,
        curves=curves,
    )


def _category_scores(sums: Floats) -> dict[str, Floats]:
    """The scores, (B, n_categories) each, from sums (B, n_categories, 7)."""
    both, area_a, area_b, tp, fp, fn, iou_sum = np.moveaxis(sums, -1, 0)
    quality = panoptic_quality(tp, fp, fn, iou_sum)
    return {"iou": iou(both, area_a, area_b), "dice": dice(both, area_a, area_b), **quality._asdict()}


def _category_evaluations(
    categories: Sequence[Category], values: Mapping[str, Floats], sums: Floats, curves: AveragePrecision
) -> tuple[CategoryEvaluation, ...]:
    """The evaluations of categories that either side has."""
    ap = curves.of_categories()
    return tuple(
        CategoryEvaluation(
            category=category.name,
            id=category.id,
            kind=category.kind,
            **{name: float(values[name][k]) for name in ("iou", "dice", "pq", "sq", "rq")},
            tp=int(sums[k, 3]),
            fp=int(sums[k, 4]),
            fn=int(sums[k, 5]),
            ap=float(ap[k]),
        )
        for k, category in enumerate(categories)
        if category.kind != "void" and sums[k].any()
    )
