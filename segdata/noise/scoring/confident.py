"""Confident: from which confidence on a model is right as often as is asked for, category by category."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Ints, Runs
from segdata.noise.evidence.drawn import UNLABELLED, VOID, Drawn, Flags, Floats, shared
from segdata.noise.evidence.given import Given
from segdata.noise.networks.predictions import PredictedInstances, Predictions

BINS = 1000
ENOUGH = {"pixels": 1000, "instances": 20}  # of a category, below which nothing is claimed of it
HIT = 0.5  # IoU from which on a predicted instance is one that was given


@dataclass
class Tally:
    """How often a model was right, by category and confidence.

    Attributes
    ----------
    right, seen : (K, BINS) counts; confidence goes from 0 to 1
    """

    right: Ints
    seen: Ints
    enough: int

    @staticmethod
    def of(n_categories: int, what: str) -> "Tally":
        """Nothing counted yet; `what`: pixels or instances."""
        empty = np.zeros((n_categories, BINS), np.int64)
        return Tally(empty, empty.copy(), ENOUGH[what])

    def add(self, category: Ints, confidence: NDArray[np.floating], right: Flags) -> None:
        """Count predictions of some categories (n,), with their confidence, and whether each was right."""
        place = category * BINS + np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
        self.seen += np.bincount(place, minlength=self.seen.size).reshape(self.seen.shape)
        self.right += np.bincount(place[right], minlength=self.seen.size).reshape(self.seen.shape)

    def bars(self, precision: float) -> Floats:
        """(K,) the lowest confidence from which on predictions are right at least so often; infinite: there is none.

        >>> tally = Tally.of(1, "instances")
        >>> tally.add(np.zeros(40, int), np.repeat([0.25, 0.75], 20), np.arange(40) >= 15)
        >>> tally.bars(0.9), tally.bars(0.6)
        (array([0.75]), array([0.25]))
        """
        right, seen = (np.cumsum(each[:, ::-1], axis=1)[:, ::-1] for each in (self.right, self.seen))
        fits = (seen >= self.enough) & (right >= precision * seen) & (self.seen > 0)
        return np.where(fits.any(axis=1), fits.argmax(axis=1) / BINS, np.inf)


@dataclass(frozen=True)
class Confident:
    """What a model says where it is sure enough.

    Attributes
    ----------
    found : the predictions
    bars : (K,) of pixels, or of instances where these are told apart; infinite: never sure of this category
    """

    found: Predictions
    bars: Floats = field(repr=False)

    @staticmethod
    def learnt(found: Predictions, given: Given, rows: Iterable[int], precision: float) -> "Confident":
        """Judged by images `rows` that were annotated, each predicted by a network that had not seen it."""
        n = len(found.categories) + 1
        tally = Tally.of(n, "instances" if found.plan.instances else "pixels")
        for row in rows:
            labels, instances = given.drawn(row), found.instances(row)
            if instances is None:
                tally.add(*_pixels(found.probabilities(row), labels))
            else:
                tally.add(*_instances(instances, found.categories, labels))
        return Confident(found, tally.bars(precision))

    def drawn(self, row: int) -> Drawn:
        """The segments of an image, one a category or one an instance; the last is `VOID`, where the model is not sure.

        The score of an instance is its confidence, of everything else NaN.
        """
        instances, probability = self.found.instances(row), self.found.probabilities(row)
        _, height, width = probability.shape
        if instances is None:
            return self._of_pixels(probability, height, width)
        channel = _channels(instances, self.found.categories)
        sure = instances.score >= self.bars[channel]
        unsure = np.empty(0 if sure.all() else 1)
        number = np.where(sure, np.cumsum(sure) - 1, int(sure.sum())).astype(np.int32)
        category = np.append(channel[sure], np.full_like(unsure, VOID)).astype(np.int64)
        score = np.append(instances.score[sure], np.full_like(unsure, np.nan)).astype(np.float64)
        runs = instances.runs
        order = np.lexsort((runs.start, number[runs.owner]))
        together = Runs(runs.start[order], runs.length[order], number[runs.owner][order])
        return Drawn(_touching(together, height), category, score, height, width)

    def _of_pixels(self, probability: NDArray[np.float16], height: int, width: int) -> Drawn:
        best, unsure = probability.argmax(axis=0), len(probability)
        sure = probability.max(axis=0) >= self.bars[best]
        start, length, value = kernels.label_runs(np.where(sure, best, unsure).astype(np.int32))
        kept = np.flatnonzero(value != UNLABELLED)
        category, owner = np.unique(value[kept], return_inverse=True)
        runs = Runs(start[kept], length[kept], owner.reshape(-1).astype(np.int32)).sorted_by_owner(len(category))
        category = np.where(category == unsure, VOID, category).astype(np.int64)
        return Drawn(runs, category, np.full(len(category), np.nan), height, width)


def _touching(runs: Runs, height: int) -> Runs:
    """The same pixels, with runs of one owner that follow each other in a column made one."""
    end = runs.start + runs.length
    follows = (runs.start[1:] == end[:-1]) & (runs.owner[1:] == runs.owner[:-1]) & (runs.start[1:] % height != 0)
    first = np.flatnonzero(np.append(np.ones(min(len(end), 1), bool), ~follows))
    last = np.append(first[1:], len(end)) - 1
    return Runs(runs.start[first], end[last] - runs.start[first], runs.owner[first])


def _pixels(probability: NDArray[np.float16], labels: Drawn) -> tuple[Ints, NDArray[np.float16], Flags]:
    """The category that is seen in each pixel that is not void, how surely, and whether it was given."""
    label = labels.categories()
    flat = probability.transpose(0, 2, 1).reshape(len(probability), -1)[:, label != VOID]
    best = flat.argmax(axis=0)
    return best, flat.max(axis=0), best == label[label != VOID]


def _instances(
    instances: PredictedInstances, categories: tuple[int, ...], labels: Drawn
) -> tuple[Ints, NDArray[np.float32], Flags]:
    """The category of each instance outside void, how surely it is seen, and whether one like it was given."""
    channel = _channels(instances, categories)
    seen = Drawn.of(instances.runs, channel, labels.height, labels.width)
    met = shared(seen, labels)
    area, theirs = seen.areas.astype(np.float64), labels.areas.astype(np.float64)
    iou = met.pixels / (area[met.a] + theirs[met.b] - met.pixels)
    hit = (iou >= HIT) & (labels.category[met.b] == channel[met.a])
    void = labels.category[met.b] == VOID
    ignored = np.bincount(met.a[void], met.pixels[void], len(seen)) > area / 2
    right = np.bincount(met.a[hit], minlength=len(seen)) > 0
    kept = ~ignored | right
    return channel[kept], instances.score[kept], right[kept]


def _channels(instances: PredictedInstances, categories: tuple[int, ...]) -> Ints:
    known = {id_: at for at, id_ in enumerate(categories, 1)}
    return np.array([known.get(each, UNLABELLED) for each in instances.category.tolist()], np.int64)
