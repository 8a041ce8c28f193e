"""Alignment: images in which all labels are shifted relative to the prediction, and the shift."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Floats, Ints
from segdata.noise.appearance import edge_strength
from segdata.noise.features import MIN_IOU, MIN_PROBABILITY, VAGUE_IOU
from segdata.noise.predictor import ImagePrediction, PixelValues
from segdata.noise.segments import UNLABELLED, VOID, SegmentSet, outline_pixels

COARSE_SIDE = 512  # pixels of the longer side in the first comparison; of larger images every n-th pixel counts
_MAX_SHIFT_SHARE = 16  # labels are moved by up to a 16th of the longer side
_MIN_SHIFT = 3.0  # pixels: nearer than that honest outlines differ as well
# The least gain by moving, above the lower quartile of the gains of all images times a factor.
_MIN_GAIN, _GAIN_FACTOR = 0.06, 4
_PEAK_HEIGHT = 0.5  # of the peak of fit above the median of all shifts: what is higher belongs to the peak
_MAX_PEAK_SHARE = 0.3  # of all shifts, that may belong to a peak: of a wider one nobody knows where it is
_MIN_FITTED = 0.05  # IoU that the labels gain by the move


@dataclass(frozen=True, slots=True)
class Alignment:
    """The shift after which all labels of an image fit best, and how well they fit."""

    right: int = 0  # pixels by which they would have to move
    down: int = 0
    gain: float = 0.0  # the gain of it: 0 nothing, 1 as much as the labels gain by their position over a random one
    by: tuple[float, ...] = ()  # (K,) the part of each category in the gain; this and all below only of a large gain
    iou: float = 1.0  # of the labels with the prediction after the move, over all categories that are labelled
    iou_before: float = 0.0  # and where they are
    peak: float = 0.0  # the share of all shifts that fit at least half as well
    at_limit: bool = False  # whether they would fit best at the limit of the shifts that were tried
    edges: float | None = None  # by what factor the image's edges are stronger under the moved outlines; None: no image

    @property
    def is_convincing(self) -> bool:
        """Whether the labels fit well after the shift, clearly better than before, and nowhere else as well."""
        fits = self.iou >= MIN_IOU and self.iou >= self.iou_before + _MIN_FITTED
        return fits and self.peak <= _MAX_PEAK_SHARE and not self.at_limit and (self.edges is None or self.edges > 1)


def align_labels(given: SegmentSet, prediction: ImagePrediction, picture: PixelValues | None = None) -> Alignment:
    """Find the shift of all labels of an image, in whole pixels, after which they fit the prediction best.

    The score is the sum of log p minus its mean over the categories, so that labels that leave the image do not
    count. Each category is weighted by the square root of its pixels, or a single misplaced road would move
    everything else. Computed as a cross-correlation by Fourier transforms. `picture`: (width, height) grey values of
    the image, if there is one.
    """
    step = max(-(-max(given.height, given.width) // COARSE_SIDE), 1)
    rough = _best_alignment(given, prediction, step, picture)
    return rough if step == 1 or rough.gain <= _MIN_GAIN else _best_alignment(given, prediction, 1, picture)


def _best_alignment(
    given: SegmentSet, prediction: ImagePrediction, step: int, picture: PixelValues | None
) -> Alignment:
    shape = given.width, given.height
    label = given.categories().reshape(shape)[::step, ::step]
    belief = np.log(np.maximum(prediction.probability.reshape(-1, *shape)[:, ::step, ::step], MIN_PROBABILITY))
    belief -= belief.mean(axis=0)
    fit = _cross_correlation(label, belief, max(max(shape) // _MAX_SHIFT_SHARE // step, 1))
    reach = fit.shape[0] // 2
    x, y = (int(place) - reach for place in np.unravel_index(fit.argmax(), fit.shape))
    if not (x or y):  # they lie where they fit best, as nearly always
        return Alignment(by=(0.0,) * len(belief))
    height = max(float(fit.max() - np.median(fit)), 1e-9)
    gain = float(fit.max() - fit[reach, reach]) / height
    if gain <= _MIN_GAIN:  # no image with so little is reported, whatever else is measured
        return Alignment(right=x * step, down=y * step, gain=gain, by=(0.0,) * len(belief))
    won = (_fit_by_category(label, belief, x, y) - _fit_by_category(label, belief, 0, 0)) / height
    best = prediction.best.reshape(shape)[::step, ::step]
    return Alignment(
        right=x * step,
        down=y * step,
        gain=gain,
        by=tuple(won.tolist()),
        iou=_iou_moved(label, best, x, y),
        iou_before=_iou_moved(label, best, 0, 0),
        peak=float((fit > fit.max() - (1 - _PEAK_HEIGHT) * height).mean()),
        at_limit=max(abs(x), abs(y)) == reach,
        edges=None if picture is None else _edge_gain(label, picture[::step, ::step], x, y),
    )


def _cross_correlation(label: Ints, belief: PixelValues, reach: int) -> Floats:
    """(2 reach + 1, 2 reach + 1) the sum of `belief` (K, width, height) under shifted labels (width, height)."""
    from scipy import fft

    room = [fft.next_fast_len(side + reach, real=True) for side in label.shape]
    total = np.zeros((room[0], room[1] // 2 + 1), np.complex64)
    for category in np.unique(label[label != VOID]).tolist():
        mask = label == category
        weight = mask.astype(np.float32) / np.sqrt(mask.sum(dtype=np.float32))
        total += fft.rfft2(weight, room).conj() * fft.rfft2(belief[category], room)
    in_reach = np.ix_(*[np.arange(-reach, reach + 1)] * 2)
    return np.asarray(fft.irfft2(total, room)[in_reach], np.float64)


def _windows(shape: tuple[int, ...], x: int, y: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The windows of labels (width, height) that stay in the image after a shift by (x, y): target and source."""
    (x0, x1), (y0, y1) = ((max(-by, 0), side - max(by, 0)) for by, side in zip((x, y), shape, strict=True))
    return np.s_[x0 + x : x1 + x, y0 + y : y1 + y], np.s_[x0:x1, y0:y1]


def _fit_by_category(label: Ints, belief: PixelValues, x: int, y: int) -> Floats:
    """(K,) the contribution of each category to the fit of labels (width, height) shifted by (x, y)."""
    there, here = _windows(label.shape, x, y)
    labels, beliefs = label[here], belief[(slice(None), *there)]
    labelled = np.nonzero(labels != VOID)
    category = labels[labelled]
    pixels = np.bincount(label[label != VOID], minlength=len(belief))
    return np.bincount(category, beliefs[category, *labelled], len(belief)) / np.sqrt(np.maximum(pixels, 1))


def _iou_moved(label: Ints, best: Ints, x: int, y: int) -> float:
    """The IoU of labels (width, height) shifted by (x, y) with predicted categories, over labelled categories."""
    there, here = _windows(label.shape, x, y)
    moved, predicted = label[here], best[there]
    judged = moved != VOID
    labelled = np.isin(predicted, np.unique(moved[moved > UNLABELLED])) & (predicted > UNLABELLED) & judged
    shared = int(np.count_nonzero((moved == predicted) & labelled))
    return shared / max(int(np.count_nonzero(labelled | ((moved > UNLABELLED) & judged))), 1)


def _edge_gain(label: Ints, picture: PixelValues, x: int, y: int) -> float:
    """The factor by which the image's edges under the outlines of labels are stronger after a shift by (x, y)."""
    there, here = _windows(label.shape, x, y)
    strength, outline = edge_strength(picture), outline_pixels(label)[here]
    if not outline.any():
        return 1.0
    return float((strength[there][outline].mean() + 1e-9) / (strength[here][outline].mean() + 1e-9))


def label_shifts(alignments: Sequence[Alignment], iou: Floats) -> Ints:
    """(i, 2) pixels to the right and down by which all labels of each image should be shifted; 0 if they fit.

    A shift counts if the labels fit the prediction well after it, at this place only, and on edges of the image, and if
    most other images need none: a weak model fits anywhere, in most images. A shift that all images share is caused by
    the model. At least half of the gain, without unlabelled pixels, must come from categories that the model knows, by
    their `iou` (K,) with all given labels; others fit anywhere.
    """
    gain = np.array([alignment.gain for alignment in alignments])
    best = np.array([(alignment.right, alignment.down) for alignment in alignments], np.int64).reshape(-1, 2)
    if not len(best):
        return best
    beside = best - np.median(best, axis=0).round().astype(np.int64)
    by = np.array([alignment.by for alignment in alignments])
    by[:, UNLABELLED] = 0.0
    trusted = by[:, iou >= VAGUE_IOU].sum(axis=1) >= np.maximum(by.sum(axis=1) / 2, 1e-9)
    stands_out = gain > _MIN_GAIN + _GAIN_FACTOR * np.quantile(gain, 0.25)
    convincing = np.array([alignment.is_convincing for alignment in alignments])
    is_moved = (np.hypot(*beside.T) >= _MIN_SHIFT) & stands_out & trusted & convincing
    return np.where(is_moved[:, None], beside, 0)
