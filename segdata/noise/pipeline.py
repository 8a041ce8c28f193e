"""Pipeline: from predictions for the images of a dataset to the labels that are probably wrong."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from segdata.core.candidates import Candidates
from segdata.core.executor import n_threads, run_ordered
from segdata.core.finding import Decision
from segdata.core.runs import Ints
from segdata.core.split_assignment import group_images
from segdata.core.table import Table
from segdata.noise.annotation_order import order_unannotated
from segdata.noise.annotator_noise import confusion_table, noisy_group_table
from segdata.noise.budget import Budget
from segdata.noise.calibration import Recalibration, recalibrate
from segdata.noise.corruptions import LEARNED_KINDS, training_rates
from segdata.noise.networks.settings import StageProgress
from segdata.noise.ranking import (
    CategoryTrust,
    ImageFeatures,
    RankedCandidates,
    category_trust,
    flag_thresholds,
    image_features,
    rank_candidates,
)
from segdata.noise.review_labels import reviewed_candidates
from segdata.noise.segments import Floats
from segdata.noise.selection import LabelCheck, Selection, select_candidates, suspected_rows


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Within it numpy's linear algebra takes one thread, where threadpoolctl is installed to tell it so."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        yield
        return
    with threadpool_limits(1):
        yield


_BYTES_PER_PROBABILITY = 8  # bytes for each of an image's probabilities, in floats of 32 bits, while it is looked at


@dataclass(frozen=True)
class FlagOutcome:
    """The result of the pipeline, before findings are made.

    Attributes
    ----------
    found : all candidates, with probabilities as reviewers' decisions have them
    calibration : how these follow from log odds
    trust : of each category, with the thresholds of these probabilities
    choice : the selected candidates
    suspected : the same as rows, with corrections
    next_images : (u,) rows of the unannotated images, the first to annotate first
    """

    found: RankedCandidates
    calibration: Recalibration
    trust: list[CategoryTrust]
    choice: Selection
    suspected: Candidates
    next_images: Ints


def find_label_errors(
    case: LabelCheck,
    budget: Budget | None = None,
    *,
    group: tuple[str, ...] = (),
    seed: int = 0,
    jobs: int = 0,
    memory: int | None = None,
    decisions: Sequence[Decision] = (),
    progress: Callable[[StageProgress], None] = lambda stage: None,
) -> FlagOutcome:
    """Find the labels that are probably wrong.

    Each image is loaded once to compute features, and again if one of its candidates is selected; only features stay in
    memory. `memory` in bytes bounds how many images are processed at once, by `jobs` threads (0: one per core). An
    image is judged by what was learnt from others, and from none of its `group`, a column as in
    `networks.settings.Settings`. Valid `decisions`, in order of time, move the probabilities and thresholds, not their
    order; decided candidates are not selected again.
    """
    threads = _n_images_at_once(case, jobs, memory)
    with single_threaded_blas():
        looks = list(_image_features(case, seed, threads, progress))
        ranked = rank_candidates(looks, _image_groups(case, group))
        threshold = flag_thresholds(ranked, len(case.names))
        trust = category_trust(ranked, case.names, threshold)
        settled, is_wrong = reviewed_candidates(case, ranked, decisions)
        selection = select_candidates(ranked, trust, threshold, case.predictor.things, budget, seed, settled)
        recalibration = recalibrate(ranked.odds[settled], is_wrong)
        ranked = replace(ranked, probability=recalibration.probability(ranked.odds))
        moved = recalibration.probability(_log_odds(threshold)).tolist()
        trust = [
            msgspec.structs.replace(trust_of_category, threshold=bound)
            for trust_of_category, bound in zip(trust, moved[1:], strict=True)
        ]
        timed = _StageTimer("correct", len(np.unique(ranked.image[selection.rows])), progress)
        rows = suspected_rows(case, ranked, selection.rows, selection.by_lot, threads, timed)
        pairs, groups = _systematic_errors(ranked, case, trust)
        rows = replace(rows, confusions=pairs, doubted=groups)
        later = order_unannotated(case, threads)
    return FlagOutcome(ranked, recalibration, trust, selection, rows, later)


def _log_odds(probability: Floats) -> Floats:
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(p) - np.log1p(-p))


def _systematic_errors(
    ranked: RankedCandidates, case: LabelCheck, trust: list[CategoryTrust]
) -> tuple[Table | None, Table | None]:
    """Systematic errors of the dataset, in categories that the model predicts reliably."""
    weak = {item.category for item in trust if item.reason is not None}
    if len(weak) == len(trust):
        return None, None
    pairs = confusion_table(ranked, case)
    sound = np.array([not weak & {labelled, predicted} for labelled, predicted in pairs.lines("given", "seen")], bool)
    return pairs.take(sound), noisy_group_table(ranked, case)


def _image_features(
    case: LabelCheck, seed: int, threads: int, progress: Callable[[StageProgress], None]
) -> Iterator[ImageFeatures]:
    kinds = set(case.predictor.kinds)
    rates = training_rates(tuple(kind for kind in LEARNED_KINDS if kind in kinds))

    def looked(image: int) -> ImageFeatures:
        given, prediction = case.given.drawn(image), case.predictor.predict(image)
        return image_features(given, prediction, case.predictor.things, np.random.default_rng([seed, image]), rates)

    timed = _StageTimer("look", len(case.images), progress)
    for features in run_ordered(looked, case.images.tolist(), threads):
        timed(1)
        yield features


def _n_images_at_once(case: LabelCheck, jobs: int, memory: int | None) -> int:
    """How many images are processed at once: no more than fit into memory."""
    maps = case.given.maps
    if memory is None or not len(case.images):
        return n_threads(jobs)
    largest = (
        int((maps.height[case.images] * maps.width[case.images]).max()) * len(case.names) * 4 * _BYTES_PER_PROBABILITY
    )
    return max(min(n_threads(jobs), memory // max(largest, 1)), 1)


def _image_groups(case: LabelCheck, columns: tuple[str, ...]) -> list[str] | None:
    """The group of each judged image; None if all are in one."""
    unit: Ints = group_images(case.tables, columns)[case.images]
    return None if len(np.unique(unit)) < 2 else [str(number) for number in unit.tolist()]


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
