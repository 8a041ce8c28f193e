"""Scores: how probable it is that each segment is wrong, and in which way, learnt from mistakes made on purpose.

What the features of a mistake look like is learnt from mistakes injected into the given labels themselves, always from
other images than those judged. A probability is relative to their rate; verdicts of reviewers move it to the real one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.alignment import moves
from segdata.noise.evidence.candidates import Candidates
from segdata.noise.evidence.drawn import Floats
from segdata.noise.mistakes.evaluation import Ranked
from segdata.noise.reviewing.recalibration import recalibrated
from segdata.noise.scoring.classifier import calibrated, logistic
from segdata.noise.scoring.crossfit import crossed, folds_of, log_loss, together
from segdata.noise.scoring.look import Look, numbered_after
from segdata.noise.scoring.possible import excess, shares
from segdata.noise.scoring.unknown import unknown
from segdata.noise.types import KINDS, TYPE_OF, TYPES

PENALTIES = (10.0, 100.0)
MISALIGNED = 3.0  # log odds that a label is wrong in an image in which all are misaligned
WORST = 5  # candidates that say how bad an image is


@dataclass(frozen=True)
class Suspicions:
    """All candidates of a dataset, with the probability that each is wrong.

    Attributes
    ----------
    image : (n,) the row of the image
    row : (n,) the given segment; -1: a region that was not annotated so
    at : (n,) the row among the annotated candidates, or among the regions, of the image
    category : (n,) as given; 0: nothing
    seen : (n,) what the model sees in a region; -1 for what was annotated
    odds : (n,) log odds, as learnt, of another kind of mistake, which would make its pixels improbable, and of labels
        that are misaligned with all others of their image
    probability : (n,) that it is wrong, at the highest rate that there can be, see `possible`, or as reviewed
    type : (n, T) how probable each of `TYPES` is, if it is wrong
    doubt : (n,) the mean of 1 - p(label) over its pixels, which is what there is without a classifier
    worst : (n,) softmin of its pixels, see `softmin`, as log odds of 1 - p(label)
    softmin : (i,) of the images
    held_out : the injected mistakes, as they were found by what was learnt from other images
    held_category : (h,) the category of each candidate in `held_out`
    iou : (K,) of the model's categories with the given ones, over all images
    believed : (n,) the category that the model sees; 0: nothing
    move : (i, 2) pixels to the right and down by which all labels of an image would have to be moved; 0: they fit
    """

    image: Ints
    row: Ints
    at: Ints
    category: Ints
    seen: Ints
    odds: Floats
    probability: Floats
    type: Floats
    doubt: Floats
    worst: Floats
    softmin: Floats
    held_out: Ranked
    held_category: Ints
    iou: Floats
    found: Sequence[Candidates] = field(repr=False)
    believed: Ints
    move: Ints

    def __len__(self) -> int:
        return len(self.image)

    def reviewed(self, rows: Ints, wrong: Ints) -> "Suspicions":
        """The same after verdicts (r,), 0 or 1, on some rows: what is thought of the injected mistakes, and these."""
        return replace(self, probability=recalibrated(self.odds[rows], wrong).probability(self.odds))

    def images(self) -> Floats:
        """(i,) for each image, 0 to 1: the mean of how probable errors are, and of ranks by what pixels say.

        These are the mean probability of its five worst candidates; the rank by the mean softmin of the five worst by
        that; and the rank by the softmin of the image, which counts twice. The ranks know no kinds of mistake, so that
        they also tell those that nothing was learnt from; then probabilities are low, and leave the order to them.
        """
        learnt, believed = (self._of_worst(values) for values in (self.probability, self.worst))
        pixels = -np.nan_to_num(self.softmin, nan=1.0)
        return (learnt.clip(0, 1) + _ranks(believed) + 2 * _ranks(pixels)) / 4

    def _of_worst(self, values: Floats) -> Floats:
        """(i,) the mean of an image's greatest of values (n,), or of those there are; below all without any."""
        order = np.lexsort((-values, self.image))
        image = self.image[order]
        place = np.arange(len(image)) - np.searchsorted(image, image)
        worst = order[place < WORST]
        n = np.bincount(self.image[worst], minlength=len(self.softmin))
        mean = np.bincount(self.image[worst], values[worst], len(self.softmin)) / np.maximum(n, 1)
        mean[n == 0] = values.min(initial=0.0) - 1
        return mean


def _ranks(values: Floats) -> Floats:
    distinct, row = np.unique(values, return_inverse=True)
    return np.asarray(row.reshape(-1) / max(len(distinct) - 1, 1))


def suspicions(
    looks: Iterable[Look], groups: Sequence[str] | None = None, penalties: Sequence[float] = PENALTIES
) -> Suspicions:
    """How probable it is that each candidate of some images is wrong.

    `groups` (i,): images of one group (a patient, a scene) are never learnt from to judge each other; each image is
    its own by default. Of a single group it is learnt from itself. Of the `penalties` on large weights that one is
    taken under which injected mistakes in other images were told best (log loss): the fewer there are, the higher.
    """
    looks = list(looks)
    fold = folds_of(groups if groups is not None else [str(at) for at in range(len(looks))])
    sorts = [_judged(looks, sort, fold, penalties) for sort in (0, 1)]
    first = np.cumsum([0, *(len(each.kinds) for each in looks)])
    mistake, told = (np.concatenate([getattr(sort, name) for sort in sorts]) for name in ("held_mistake", "held_odds"))
    less = excess(told, mistake >= 0)
    held = Ranked(
        logistic(told - less),
        np.concatenate([sort.held_image for sort in sorts]),
        mistake,
        [TYPE_OF[KINDS[at]] for each in looks for at in each.kinds.tolist()],
        np.repeat(np.arange(len(looks)), np.diff(first)),
        len(looks),
    )
    every = [[each.found.drawn, each.found.regions] for each in looks]
    shared, either = (sum((getattr(each, name) for each in looks), np.zeros(1)) for name in ("shared", "either"))
    columns = [np.concatenate([getattr(sort, name) for sort in sorts]) for name in ("image", "odds", "doubt", "worst")]
    regions = np.concatenate([np.empty(0, np.int64), *(each.found.regions.category for each in looks)])
    iou = shared / np.maximum(either, 1)
    move = moves([each.alignment for each in looks], iou)
    annotated = np.arange(len(columns[0])) < len(columns[0]) - len(regions)
    astray = annotated & (move != 0).any(axis=1)[columns[0]]
    odds = np.where(astray, np.logaddexp(columns[1] - less, MISALIGNED), columns[1] - less)
    shift = np.array([each == "shift" for each in TYPES], float)
    return Suspicions(
        columns[0],
        np.concatenate([*(each.found.row for each in looks), np.full(len(regions), -1)]).astype(np.int64),
        np.concatenate([np.arange(len(pair[sort])) for sort in (0, 1) for pair in every]),
        np.concatenate([*(each.found.drawn.category for each in looks), *(each.found.label for each in looks)]),
        np.append(np.full(len(columns[0]) - len(regions), -1), regions),
        odds,
        logistic(odds),
        np.where(astray[:, None], shift, np.concatenate([sort.type for sort in sorts])),
        columns[2],
        columns[3],
        np.array([each.softmin for each in looks]),
        held,
        np.concatenate([sort.held_category for sort in sorts]),
        iou,
        [each.found for each in looks],
        np.concatenate([*(each.believed for each in looks), regions]),
        move,
    )


@dataclass(frozen=True, slots=True)
class _Sort:
    """What was learnt of annotated candidates, or of regions."""

    image: Ints
    odds: Floats
    type: Floats
    doubt: Floats
    worst: Floats
    held_odds: Floats
    held_image: Ints
    held_mistake: Ints
    held_category: Ints


def _judged(looks: Sequence[Look], sort: int, fold: Ints, penalties: Sequence[float]) -> _Sort:
    first = np.cumsum([0, *(len(each.kinds) for each in looks)])
    x, image = _stacked([each.given[sort].x for each in looks])
    z, held_image = _stacked([each.spoilt[sort].x for each in looks])
    told = [numbered_after(each.spoilt[sort].mistake, at) for each, at in zip(looks, first.tolist(), strict=False)]
    mistake = np.concatenate(told).astype(np.int64)
    kinds = np.concatenate([*(each.kinds for each in looks), np.full(1, -1)])
    kind = kinds[mistake]  # of mistake -1 it is the last one
    wrong = (mistake >= 0).astype(np.int64)
    tried = [crossed(x, fold[image], z, kind, fold[held_image], l2) for l2 in penalties]
    common = [shares(held, kind) for _, held in tried]
    odds = [together(held, share) for (_, held), share in zip(tried, common, strict=True)]
    best = int(np.argmin([log_loss(each, wrong) for each in odds]))
    calibration = calibrated(odds[best], wrong)
    ratio, share = tried[best][0], common[best]
    names = list(looks[0].names[sort])
    doubt = x[:, names.index("given" if sort else "doubt")]
    worst, held_worst = (
        -each[:, names.index("given_worst")] if sort else each[:, names.index("worst")] for each in (x, z)
    )
    category = np.concatenate([each.spoilt[sort].category for each in looks])
    usual = held_worst[wrong == 0]
    return _Sort(
        image,
        np.logaddexp(calibration.odds(together(ratio, share)), unknown(worst, usual)),
        _types(ratio + np.log(share), np.unique(kind[kind >= 0])),
        1 - doubt if sort else doubt,
        worst,
        np.logaddexp(calibration.odds(odds[best]), unknown(held_worst, usual)),
        held_image,
        mistake,
        category,
    )


def _stacked(tables: Sequence[Floats]) -> tuple[Floats, Ints]:
    return np.concatenate(tables), np.repeat(np.arange(len(tables)), [len(each) for each in tables])


def _types(ratio: Floats, kinds: Ints) -> Floats:
    """(n, T) how probable each type is of what is wrong, from the logs (n, K) of how likely each of some kinds is."""
    found = np.zeros((len(ratio), len(TYPES)))
    for column, kind in enumerate(kinds.tolist()):
        found[:, TYPES.index(TYPE_OF[KINDS[kind]])] += np.exp(ratio[:, column] - ratio.max(axis=1))
    total = found.sum(axis=1, keepdims=True)
    return np.where(total > 0, found / np.maximum(total, 1e-300), 1 / len(TYPES))
