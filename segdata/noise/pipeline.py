"""Pipeline: from predictions for the images of a dataset to the labels that are probably wrong."""

import math
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.cluster import ImageWorkers
from segdata.core.errors import SegdataError
from segdata.core.executor import n_threads, no_progress, run_ordered, single_threaded_libraries
from segdata.core.finding import Decision
from segdata.core.label_maps import LabelMaps
from segdata.core.processes import ImageProcesses
from segdata.core.rule import Candidates
from segdata.core.runs import Floats, Ints
from segdata.core.table import Table
from segdata.noise.annotator_noise import confusion_table, noisy_group_table
from segdata.noise.appearance import read_picture
from segdata.noise.budget import Budget
from segdata.noise.calibration import Recalibration, recalibrate
from segdata.noise.causes import candidate_boxes
from segdata.noise.corruptions import training_rates
from segdata.noise.error_types import LEARNED_KINDS
from segdata.noise.networks.plan import StageProgress
from segdata.noise.predictor import FilePredictor, NetworkPredictor, Predictor
from segdata.noise.ranking import (
    ImageFeatures,
    RankedCandidates,
    corrupted_copies,
    image_features,
    needed_odds,
    rank_candidates,
    trust_images,
)
from segdata.noise.segments import GivenLabels
from segdata.noise.selection import LabelCheck, Selection, reviewed_candidates, select_candidates, suspected_rows
from segdata.noise.thresholds import CategoryTrust, candidates_above, category_trust, flag_thresholds, judged_candidates
from segdata.noise.trust import RelatedImages, image_fit, known_images

_MAX_SHARE, _MAX_LISTED = 0.02, 20  # of all labels, and at most as many: nobody reads a long list of mere oddities


def unusual_labels(ranked: RankedCandidates, trust: Sequence[CategoryTrust], settled: Ints | None = None) -> Ints:
    """(u,) the rows of unusual labels, the oddest first; none if the model can judge half of the labels.

    A weak model cannot rank labels, but errors are often unusual in size, shape, place or brightness. Such labels are
    worth a look; their probability of error is unknown, so they have none and count as no expected error.

    The evidence that needs no model must be as strong as that of any other finding, and something about the label must
    be rare, so that a finding can name it. `settled` are rows that reviewers have decided. Source of the limit: see
    `STRONG_EVIDENCE`.
    """
    is_label, is_judged = ranked.row >= 0, np.zeros(len(ranked), bool)
    is_judged[candidates_above(ranked, trust)] = True
    n_labels = int(is_label.sum())
    if ranked.alone is None or 2 * int((is_judged & is_label).sum()) >= n_labels:
        return np.empty(0, np.int64)
    is_open = is_label & ~is_judged & (np.exp(ranked.alone) >= needed_odds(n_labels, ranked.prior))
    if ranked.oddest is not None:
        is_open &= ranked.oddest != ""
    is_open[[] if settled is None else settled] = False
    rows = np.flatnonzero(is_open)
    n_most = min(int(_MAX_SHARE * n_labels), _MAX_LISTED)
    return rows[np.argsort(-ranked.alone[rows], kind="stable")][:n_most]


def unusual_table(case: LabelCheck, ranked: RankedCandidates, rows: Ints) -> Table:
    """The table of unusual labels, see `Candidates.unusual`."""
    image = case.images[ranked.image[rows]]
    boxes = candidate_boxes(ranked)[rows]
    areas = np.concatenate([np.empty(0, np.int64), *(candidates.annotated.areas for candidates in ranked.candidates)])
    segment = case.rows.first[image] + ranked.row[rows]
    parts = np.bincount(case.rows.first[case.images[ranked.image]][ranked.row >= 0] + ranked.row[ranked.row >= 0])
    oddest = np.full(len(ranked), "", object) if ranked.oddest is None else ranked.oddest
    return Table(
        {
            "annotation": case.rows.annotation[image],
            "segment": case.rows.segment[segment],
            "category": np.array(case.names, object)[ranked.category[rows]],
            **{name: boxes[:, column] for column, name in enumerate(("x", "y", "width", "height"))},
            "pixels": areas[rows],  # labels come before regions
            "whole": parts[segment] == 1,
            "oddest": oddest[rows],
        }
    )


_GRID_CELLS = 4  # on each side of an image, in which what is seen is averaged


def mean_entropy(probability: NDArray[np.floating]) -> float:
    """The uncertainty of a model about an image, (K, height, width): the mean entropy of its pixels, from 0 to 1.

    >>> mean_entropy(np.full((2, 1, 3), 0.5)), mean_entropy(np.array([[[1.0]], [[0.0]]]))
    (1.0, 0.0)
    """
    p = np.asarray(probability, np.float64)
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=0)
    return abs(float(entropy.mean() / np.log(max(len(p), 2)))) if entropy.size else 0.0


def predicted_layout(probability: NDArray[np.floating]) -> Floats:
    """(K * 16,) what a model predicts in an image, (K, height, width), and roughly where.

    These are square roots of the mean probabilities in 4 x 4 cells, so that distances between images are Hellinger
    distances. An image smaller than the grid has cells of one pixel, which repeat.
    """
    height, width = probability.shape[1:]
    sides = [np.linspace(0, side, _GRID_CELLS + 1)[:-1].astype(np.int64) for side in (height, width)]
    lengths = [np.maximum(np.diff(first, append=side), 1) for first, side in zip(sides, (height, width), strict=True)]
    p = np.asarray(probability, np.float64)
    mean = np.add.reduceat(np.add.reduceat(p, sides[0], axis=1), sides[1], axis=2) / np.outer(*lengths)
    return np.asarray(np.sqrt(np.clip(mean, 0, 1)).ravel() / _GRID_CELLS)


_N_APART = 1_000  # images that are ordered one by one: all are compared with each of them


def annotation_order(features: Floats, unsure: Floats, n: int | None = None, known: Floats | None = None) -> Ints:
    """(n,) the rows of images in the order in which to annotate them; all by default.

    Parameters
    ----------
    features : (i, F) of each image, see `predicted_layout`
    unsure : (i,) the uncertainty about each, see `mean_entropy`; only the order counts
    known : (m, F) features of images that are annotated already

    The next image is always the one furthest from all annotated or chosen images, times the rank of its uncertainty, so
    that the first ones are difficult and yet unlike each other. Copies come last, the more uncertain first. After
    the first `_N_APART` the others come by their distance to these, times that rank. The same images give the same
    order; of equal ones the first comes first.
    Sources: Gonzalez (1985), Theoretical Computer Science 38, 293-306 (furthest first); Sener and Savarese (2018), ICLR
    (for active learning).
    """
    total = len(features)
    rank = (np.unique(unsure, return_inverse=True)[1] + 1.0) / max(len(np.unique(unsure)), 1)
    away = np.full(total, np.inf)
    for one_known in np.empty((0, features.shape[1])) if known is None else known:
        away = np.minimum(away, _layout_distance(features, one_known))
    score, order = np.where(np.isinf(away), 1.0, away) * rank, list[int]()
    for _ in range(min(total, _N_APART)):
        best = int(np.argmax(np.where(score == score.max(), rank, -1)))
        order.append(best)
        away = np.minimum(away, _layout_distance(features, features[best]))
        away[best] = -1  # never again
        score = away * rank
    rest = np.lexsort((-rank, -score))[: total - len(order)]
    return np.append(np.array(order, np.int64), rest)[:n]


def _layout_distance(features: Floats, image_features: Floats) -> Floats:
    """(i,) distances to one image, rounded so that the last digits of sums decide nothing."""
    return np.asarray(np.round(np.sqrt(((features - image_features) ** 2).sum(axis=1)), 9))


@dataclass(frozen=True, slots=True)
class _Layouts:
    """`predicted_layout` and `mean_entropy` of images; see `segdata.core.cluster.ImageWork`."""

    predictor: Predictor

    def measure(self, image: int) -> tuple[Floats, float]:
        """Both, of the image at a row of the dataset."""
        prediction = self.predictor.predict(image)
        p = prediction.probability.reshape(-1, prediction.width, prediction.height).transpose(0, 2, 1)
        return predicted_layout(p), mean_entropy(p)

    def __call__(self, maps: LabelMaps, images: Ints) -> list[tuple[Floats, float]]:
        return [self.measure(image) for image in images.tolist()]


def order_unannotated(case: LabelCheck, threads: int = 1, on: ImageWorkers | None = None) -> Ints:
    """(u,) the rows of unannotated images that have a prediction, the first to annotate first.

    The judged images are loaded again, since the first images are unlike them; `on` a cluster, or by threads. Returns
    no rows if all images are annotated. See `segdata.noise.pipeline.annotation_order`.
    """
    open_ = np.array(case.predictor.usable, bool)
    open_[case.tables.annotations["image"]] = False
    rows = np.flatnonzero(open_)
    if not len(rows):
        return rows
    work, every = _Layouts(case.predictor), np.union1d(rows, case.images)
    looked = list(run_ordered(work.measure, every.tolist(), threads) if on is None else on.run(work, every))
    features, unsure = np.array([layout for layout, _ in looked]), np.array([entropy for _, entropy in looked])
    is_open = np.isin(every, rows)
    return rows[annotation_order(features[is_open], unsure[is_open], known=features[np.isin(every, case.images)])]


_N_COPIES = 8  # arrays of the size of an image's probabilities, in floats of 32 bits, while its features are computed


@dataclass(frozen=True)
class FlagOutcome:
    """The result of the pipeline, before findings are made."""

    ranked: RankedCandidates  # all candidates, with probabilities as reviewers' decisions have them
    calibration: Recalibration  # how these follow from log odds
    trust: list[CategoryTrust]  # of each category, with the thresholds of these probabilities
    choice: Selection  # the selected candidates
    suspected: Candidates  # the same as rows, with corrections
    next_images: Ints  # (u,) rows of the unannotated images, the first to annotate first


def find_label_errors(
    case: LabelCheck,
    budget: Budget | None = None,
    *,
    related: RelatedImages | None = None,
    seed: int = 0,
    jobs: int = 0,
    memory: int | None = None,
    decisions: Sequence[Decision] = (),
    on: ImageWorkers | None = None,
    progress: Callable[[StageProgress], None] = no_progress,
) -> FlagOutcome:
    """Find the labels that are probably wrong.

    Each image is loaded once to compute features, and again if one of its candidates is selected; only features stay in
    memory. `memory` in bytes bounds how many images are processed at once, by `jobs` threads (0: one per core). An
    image is judged by what was learnt from others, and from none that it is `related` to, by default none of its
    sequence. Valid `decisions`, in order of time, move the probabilities and thresholds, not their order; decided
    candidates are not selected again. `on` a cluster, workers compute the features; else processes or threads here.
    """
    threads = _n_images_at_once(case, jobs, memory)
    on = on or _processes(case, threads)
    with single_threaded_libraries():
        related = (RelatedImages.from_tables(case.tables) if related is None else related).take(case.images)
        looks = _image_features(case, related, seed, threads, on, progress)
        progress(StageProgress("rank", 0, 0, math.nan))
        ranked = rank_candidates(looks, related, jobs=n_threads(jobs))
        threshold = flag_thresholds(ranked, len(case.names))
        trust = category_trust(ranked, case.names, threshold)
        settled, is_wrong = reviewed_candidates(case, ranked, decisions)
        selection = select_candidates(ranked, trust, threshold, case.predictor.things, budget, seed, settled)
        recalibration = recalibrate(ranked.reported_odds[settled], is_wrong, base=ranked.base_odds)
        ranked = replace(ranked, probability=recalibration.probability(ranked.reported_odds))
        p = np.clip(threshold, 1e-12, 1 - 1e-12)
        moved = recalibration.probability(np.log(p) - np.log1p(-p)).tolist()[1:]
        trust = [msgspec.structs.replace(item, threshold=bound) for item, bound in zip(trust, moved, strict=True)]
        timed = _StageTimer("correct", len(np.unique(ranked.image[selection.rows])), progress)
        ends = recalibration.probability_range(ranked.reported_odds[selection.rows])
        rows = suspected_rows(case, ranked, selection.rows, selection.is_sampled, ends, threads, timed)
        judged = judged_candidates(ranked, trust)
        odd = unusual_labels(ranked, trust, settled) if budget is None else settled[:0]
        rows = msgspec.structs.replace(
            rows,
            confusions=confusion_table(ranked, case, judged) if judged.any() else None,
            doubted=noisy_group_table(ranked, case, judged) if judged.any() else None,
            unusual=unusual_table(case, ranked, odd) if len(odd) else None,
        )
        later = order_unannotated(case, threads, on)
    return FlagOutcome(ranked, recalibration, trust, selection, rows, later)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The features of images; see `segdata.core.cluster.ImageWork`.

    Without `complete` they are brief in images whose own labels say that the model does not know them.
    """

    predictor: Predictor
    channel: Ints  # of `GivenLabels`
    seed: int
    complete: bool
    max_copies: int  # of `image_features`

    def measure(self, maps: LabelMaps, row: int, image: int) -> ImageFeatures:
        """The features of the image at a row of the dataset; its labels are at `row` of `maps`."""
        given, prediction = GivenLabels(maps, self.channel).image_segments(row), self.predictor.predict(image)
        rates = training_rates(tuple(kind for kind in LEARNED_KINDS if kind in self.predictor.kinds))
        rng, picture = np.random.default_rng([self.seed, image]), read_picture(maps, row)
        fit = image_fit(given, prediction.confusion(given))
        brief = not self.complete and not known_images(np.array([fit.informed]))[0]
        return image_features(
            given, prediction, self.predictor.things, rng, rates, picture, brief=brief, max_copies=self.max_copies
        )

    def __call__(self, maps: LabelMaps, images: Ints) -> list[ImageFeatures]:
        with single_threaded_libraries():
            return [self.measure(maps, row, image) for row, image in enumerate(images.tolist())]


_MAX_TEACHERS = 16  # images with injected errors, if the model knows no image and nothing of it is reported


def _image_features(
    case: LabelCheck,
    related: RelatedImages,
    seed: int,
    threads: int,
    on: ImageWorkers | None,
    progress: Callable[[StageProgress], None],
) -> list[ImageFeatures]:
    """The features of the judged images: brief ones where they say that the model knows neither them nor others alike.

    If it knows none, some images teach what an unusual label is, and rank images by their labels.
    """
    copies = corrupted_copies(case.n_labels)

    def measure(images: Ints, complete: bool) -> Iterator[ImageFeatures]:
        work = _Evidence(case.predictor, case.given.channel, seed, complete, copies)
        looks = (
            run_ordered(lambda image: work.measure(case.given.maps, image, image), images.tolist(), threads)
            if on is None
            else on.run(work, images)
        )
        timed = _StageTimer("look again" if complete else "look", len(images), progress)
        for features in looks:
            timed(1)
            yield features

    result = list(measure(case.images, False))
    trust, is_wanted = trust_images(result, related), np.zeros(len(result), bool)
    is_wanted[trust.reported] = True
    if not known_images(trust.informed).any():
        is_wanted[np.linspace(0, len(result) - 1, _MAX_TEACHERS).round().astype(np.int64)] = True
    rows = np.flatnonzero(is_wanted & np.array([item.is_brief for item in result]))
    for row, features in zip(rows.tolist(), measure(case.images[rows], True), strict=True):
        result[row] = features
    return result


def _n_images_at_once(case: LabelCheck, jobs: int, memory: int | None) -> int:
    """How many images are processed at once: no more than fit into memory."""
    maps = case.given.maps
    if memory is None or not len(case.images):
        return n_threads(jobs)
    pixels = int((maps.height[case.images] * maps.width[case.images]).max())
    image_bytes = pixels * len(case.names) * np.dtype(np.float32).itemsize * _N_COPIES
    return max(min(n_threads(jobs), memory // max(image_bytes, 1)), 1)


_FEW_THREADS = 2  # more wait for Python's lock: 16 threads of 16 cores do 7 images a second


def _processes(case: LabelCheck, n: int) -> ImageProcesses | None:
    """Processes that compute features, if many threads are wanted, and the predictor reads files by itself."""
    if n <= _FEW_THREADS or not isinstance(case.predictor, (NetworkPredictor, FilePredictor)):
        return None
    try:
        pickle.dumps(case.predictor)
    except (SegdataError, TypeError, AttributeError, pickle.PicklingError):  # its data are in memory
        return None
    return ImageProcesses(case.given.maps, n)


class _StageTimer:
    """Counts the progress of a stage, and estimates the remaining time."""

    def __init__(self, stage: str, total: int, progress: Callable[[StageProgress], None]) -> None:
        self._what, self._total, self._progress = stage, total, progress
        self._done, self._begun = 0, time.monotonic()

    def __call__(self, n: int) -> None:
        """Count `n` more as done."""
        self._done += n
        seconds_each = (time.monotonic() - self._begun) / max(self._done, 1)
        self._progress(StageProgress(self._what, self._done, self._total, seconds_each * (self._total - self._done)))
