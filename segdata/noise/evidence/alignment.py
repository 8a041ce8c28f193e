"""Alignment: whether all labels of an image lie beside what the model sees, and where they would fit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import UNLABELLED, VOID, Drawn, Floats
from segdata.noise.evidence.evidence import Evidence, Fields
from segdata.noise.evidence.features import LOWEST
from segdata.noise.evidence.pixelwise import VAGUE_IOU

SIDE = 512  # pixels of the longer side of what is compared at first; of larger images every n-th pixel of both axes
REACH = 16  # labels are moved by up to a 16th of the longer side
LEAST = 3.0  # pixels: nearer than that honest outlines differ as well
GAIN, TIMES = 0.06, 4  # what must be won by moving: this much more than so often what is won in a quarter of all images


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where all labels of an image fit best.

    Attributes
    ----------
    right, down : pixels by which they would have to be moved
    gain : what is won by it: 0 nothing, 1 as much as the labels win by lying where they do rather than anywhere
    by : (K,) how much of that each category wins
    """

    right: int = 0
    down: int = 0
    gain: float = 0.0
    by: tuple[float, ...] = ()


def alignment(given: Drawn, evidence: Evidence) -> Alignment:
    """Where the labels of an image fit best, to the pixel.

    All labels are moved as one, and judged by the sum of log p, less its mean over the categories, so that what leaves
    the image counts neither way. Each category counts by the root of its pixels: else a road alone that was drawn
    beside its place would move all else. Cross-correlation, by Fourier transforms.
    """
    step = max(-(-max(given.height, given.width) // SIDE), 1)
    rough = _best(given, evidence, step)
    return rough if step == 1 or rough.gain <= GAIN else _best(given, evidence, 1)


def _best(given: Drawn, evidence: Evidence, step: int) -> Alignment:
    shape = given.width, given.height
    label = given.categories().reshape(shape)[::step, ::step]
    belief = np.log(np.maximum(evidence.probability.reshape(-1, *shape)[:, ::step, ::step], LOWEST))
    belief -= belief.mean(axis=0)
    fit = _correlated(label, belief, max(max(shape) // REACH // step, 1))
    reach = fit.shape[0] // 2
    x, y = (int(at) - reach for at in np.unravel_index(fit.argmax(), fit.shape))
    if not (x or y):  # they lie where they fit best, as nearly always
        return Alignment(by=(0.0,) * len(belief))
    won = (_fit_by(label, belief, x, y) - _fit_by(label, belief, 0, 0)) / max(float(fit.max() - np.median(fit)), 1e-9)
    return Alignment(x * step, y * step, float(won.sum()), tuple(won.tolist()))


def _correlated(label: Ints, belief: Fields, reach: int) -> Floats:
    """(2 reach + 1, 2 reach + 1) the belief (K, width, height) in labels (width, height) moved by so much."""
    from scipy import fft

    room = [fft.next_fast_len(side + reach, real=True) for side in label.shape]
    total = np.zeros((room[0], room[1] // 2 + 1), np.complex64)
    for category in np.unique(label[label != VOID]).tolist():
        mask = label == category
        weight = mask.astype(np.float32) / np.sqrt(mask.sum(dtype=np.float32))
        total += fft.rfft2(weight, room).conj() * fft.rfft2(belief[category], room)
    near = np.ix_(*[np.arange(-reach, reach + 1)] * 2)
    return np.asarray(fft.irfft2(total, room)[near], np.float64)


def _fit_by(label: Ints, belief: Fields, x: int, y: int) -> Floats:
    """(K,) how much each category adds to the fit of labels (width, height) that are moved by so much."""
    (x0, x1), (y0, y1) = ((max(-by, 0), side - max(by, 0)) for by, side in zip((x, y), label.shape, strict=True))
    mine, there = label[x0:x1, y0:y1], belief[:, x0 + x : x1 + x, y0 + y : y1 + y]
    at = np.nonzero(mine != VOID)
    category = mine[at]
    pixels = np.bincount(label[label != VOID], minlength=len(belief))
    return np.bincount(category, there[category, *at], len(belief)) / np.sqrt(np.maximum(pixels, 1))


def moves(found: Sequence[Alignment], iou: Floats) -> Ints:
    """(i, 2) pixels to the right and down by which all labels of each image are to be moved; 0 where they fit.

    They are where the model sees them better, and those of most others are not: a model that knows little fits
    anywhere, and then it does so for most images. What all images have in common is the model's own. Of what is won,
    without what is not labelled, at least half is by categories of which the model has an idea, by their `iou` (K,)
    with all given labels: the others fit anywhere, too.
    """
    gain = np.array([each.gain for each in found])
    best = np.array([(each.right, each.down) for each in found], np.int64).reshape(-1, 2)
    if not len(best):
        return best
    beside = best - np.median(best, axis=0).round().astype(np.int64)
    by = np.array([each.by for each in found])
    by[:, UNLABELLED] = 0.0
    trusted = by[:, iou >= VAGUE_IOU].sum(axis=1) >= np.maximum(by.sum(axis=1) / 2, 1e-9)
    told = (np.hypot(*beside.T) >= LEAST) & (gain > GAIN + TIMES * np.quantile(gain, 0.25)) & trusted
    return np.where(told[:, None], beside, 0)
