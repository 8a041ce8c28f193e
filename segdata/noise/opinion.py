"""Opinion: from what is to be seen in the images of a dataset to the labels that are suspected."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from segdata.core.deal import grouped
from segdata.core.decision import Decision
from segdata.core.executor import n_threads, run_ordered
from segdata.core.runs import Ints
from segdata.core.suspected import Suspected
from segdata.core.table import Table
from segdata.noise.evidence.drawn import Floats
from segdata.noise.mistakes.injection import LEARNT, lesson
from segdata.noise.networks.stage import Stage
from segdata.noise.reviewing.budget import Budget
from segdata.noise.reviewing.choice import Choice, choice
from segdata.noise.reviewing.recalibration import Recalibrated, recalibrated
from segdata.noise.reviewing.reviewed import reviewed
from segdata.noise.reviewing.unannotated import unannotated
from segdata.noise.scoring.look import Look, look
from segdata.noise.scoring.scores import Suspicions, suspicions
from segdata.noise.scoring.threads import one_thread
from segdata.noise.scoring.trust import Trust, thresholds, trusts
from segdata.noise.suspects import Case, suspects
from segdata.noise.systematic.systematic import confused, doubted

_TIMES = 8  # bytes for each of an image's probabilities, in floats of 32 bits, while it is looked at


@dataclass(frozen=True)
class Opinion:
    """What is thought of the labels.

    Attributes
    ----------
    found : all candidates, with probabilities as reviewers' decisions have them
    calibration : how these follow from log odds
    trust, threshold : of each category; thresholds of the probabilities as they are told
    choice : what is told
    suspected : the same as rows, with corrections
    next_images : (u,) rows of the images that nobody has annotated, the first to annotate first
    """

    found: Suspicions
    calibration: Recalibrated
    trust: list[Trust]
    threshold: Floats
    choice: Choice
    suspected: Suspected
    next_images: Ints


def opinion(
    case: Case,
    budget: Budget | None = None,
    *,
    group: tuple[str, ...] = (),
    seed: int = 0,
    jobs: int = 0,
    memory: int | None = None,
    decisions: Sequence[Decision] = (),
    progress: Callable[[Stage], None] = lambda stage: None,
) -> Opinion:
    """Which labels are suspected.

    Each image is loaded to be looked at, and again if something in it is told; of the others only features stay in
    memory. `memory` in bytes bounds how many are looked at at once, by `jobs` threads (0: one per core). What is said
    of an image is learnt from others, and from none of its `group`, a column as of `networks.settings.Settings`.
    What is told follows from thresholds. `decisions` that hold, in the order of time, move the probabilities and the
    thresholds with them, not their order; what they are about is not told again.
    """
    threads = _threads(case, jobs, memory)
    with one_thread():
        looks = list(_looks(case, seed, threads, progress))
        found = suspicions(looks, _groups(case, group))
        trust = trusts(found, case.names)
        threshold = thresholds(found, len(case.names))
        settled, wrong = reviewed(case, found, decisions)
        told = choice(found, trust, threshold, case.witness.things, budget, seed, settled)
        known = recalibrated(found.odds[settled], wrong)
        found = replace(found, probability=known.probability(found.odds))
        threshold = known.probability(_log_odds(threshold))
        timed = Timed("correct", len(np.unique(found.image[told.rows])), progress)
        rows = suspects(case, found, told.rows, told.by_lot, threads, timed)
        pairs, groups = _systematic(found, case, trust)
        rows = replace(rows, confusions=pairs, doubted=groups)
        later = unannotated(case, threads)
    return Opinion(found, known, trust, threshold, told, rows, later)


def _log_odds(probability: Floats) -> Floats:
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(p) - np.log1p(-p))


def _systematic(found: Suspicions, case: Case, trust: list[Trust]) -> tuple[Table | None, Table | None]:
    """What is wrong in the dataset as a whole, as far as the model can be trusted to tell."""
    weak = {case.names[each.category] for each in trust if each.reason is not None}
    if len(weak) == len(trust):
        return None, None
    pairs = confused(found, case)
    sound = np.array([not weak & {given, seen} for given, seen in pairs.lines("given", "seen")], bool)
    return pairs.take(sound), doubted(found, case)


def _looks(case: Case, seed: int, threads: int, progress: Callable[[Stage], None]) -> Iterator[Look]:
    kinds = set(case.witness.kinds)
    rates = lesson(tuple(kind for kind in LEARNT if kind in kinds))

    def looked(image: int) -> Look:
        given, evidence = case.given.drawn(image), case.witness.evidence(image)
        return look(given, evidence, case.witness.things, np.random.default_rng([seed, image]), rates)

    timed = Timed("look", len(case.images), progress)
    for each in run_ordered(looked, case.images.tolist(), threads):
        timed(1)
        yield each


def _threads(case: Case, jobs: int, memory: int | None) -> int:
    """How many images are looked at at once: no more than fit into memory."""
    maps = case.given.maps
    if memory is None or not len(case.images):
        return n_threads(jobs)
    largest = int((maps.height[case.images] * maps.width[case.images]).max()) * len(case.names) * 4 * _TIMES
    return max(min(n_threads(jobs), memory // max(largest, 1)), 1)


def _groups(case: Case, columns: tuple[str, ...]) -> list[str] | None:
    """The group of each image that was looked at; None where they are all of one."""
    unit: Ints = grouped(case.tables, columns)[case.images]
    return None if len(np.unique(unit)) < 2 else [str(each) for each in unit.tolist()]


class Timed:
    """Counts what is done of a stage, and says how long the rest takes as it went so far."""

    def __init__(self, what: str, total: int, progress: Callable[[Stage], None]) -> None:
        self._what, self._total, self._progress = what, total, progress
        self._done, self._begun = 0, time.monotonic()

    def __call__(self, n: int) -> None:
        """So many more are done."""
        self._done += n
        each = (time.monotonic() - self._begun) / max(self._done, 1)
        self._progress(Stage(self._what, self._done, self._total, each * (self._total - self._done)))
