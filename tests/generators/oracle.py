"""A model that knows the truth but blurs it and errs, in place of a trained one; and images to try it on."""

from dataclasses import replace

import numpy as np

from segdata.core.dataset import OpenDataset
from segdata.core.runs import Flags
from segdata.noise.corruptions import CorruptionRates, corrupt_labels
from segdata.noise.error_types import KINDS, CorruptionKind
from segdata.noise.predictor import ImagePrediction, PixelValues
from segdata.noise.segments import (
    UNLABELLED,
    GivenLabels,
    SegmentSet,
    perturb_outlines,
    runs_of_pixels,
    segments_of_map,
)

# What networks get wrong: they draw no copies, boxes or rings.
ERRING: tuple[CorruptionKind, ...] = (
    "missing", "extra", "category", "merge", "split", "dilate", "erode", "coarse", "wobble",
)  # fmt: skip
SURE = 3.0  # logits by which a category stands out


def oracle_evidence(
    truth: SegmentSet,
    things: Flags,
    rng: np.random.Generator,
    *,
    errors: float = 0.03,
    blur: float = 1.5,
    noise: float = 1.0,
    jitter: float = 0.7,
) -> ImagePrediction:
    """Evidence of an image whose true segments are known; categories are those of `things` (K,).

    Parameters
    ----------
    errors : the share of segments that the model gets wrong, of each of three kinds
    blur : pixels over which its edges fade
    noise : the standard deviation of its logits, in blots of about 6 pixels
    jitter : that of where its outlines are, in pixels
    """
    from scipy.ndimage import gaussian_filter

    seen_segments, _ = corrupt_labels(truth, things, CorruptionRates(errors, ERRING, 3), rng)
    wave = perturb_outlines(
        seen_segments.runs, seen_segments.heights, seen_segments.widths, np.full(len(seen_segments), jitter), rng
    )
    seen_segments = replace(seen_segments, runs=wave, score=rng.uniform(0.7, 1.0, len(seen_segments)))
    seen_segments = seen_segments.take(
        np.flatnonzero((seen_segments.areas > 0) & (seen_segments.category > UNLABELLED))
    )
    shape = (len(things), seen_segments.width, seen_segments.height)
    flat = np.zeros((len(things), seen_segments.width * seen_segments.height))
    flat[seen_segments.categories(), np.arange(flat.shape[1])] = 1.0
    soft = gaussian_filter(flat.reshape(shape), (0, blur, blur))
    blots = gaussian_filter(rng.normal(size=shape), (0, 3, 3))
    logits = 2 * SURE * soft + noise * blots / max(float(blots.std()), 1e-9)
    p = np.exp(logits - logits.max(axis=0))
    p = (p / p.sum(axis=0)).astype(np.float32)
    prediction = ImagePrediction(p.reshape(len(things), -1), seen_segments, np.zeros(shape[1] * shape[2], np.float32))
    predicted = seen_segments if things.any() else None
    return ImagePrediction.from_probabilities(p.transpose(0, 2, 1), predicted, _edges(prediction, blur))


def _edges(prediction: ImagePrediction, blur: float) -> PixelValues:
    """(height, width) borders of the segments that the model sees, blurred."""
    from scipy.ndimage import gaussian_filter

    border = prediction.border.reshape(prediction.width, prediction.height).astype(np.float32)
    faded = gaussian_filter(border, blur) * 2.5 * blur
    return np.asarray(np.minimum(faded, 1.0).T, np.float32)


class OracleModel:
    """Knows the clean labels of a dataset, but blurs them and errs; see `tests.generators.oracle.oracle_evidence`.

    A `segdata.noise.predictor.Predictor` for labels of the same images and taxonomy. `errors` is the share of segments
    that it gets wrong, of each of three kinds; the same `seed` errs in the same way.
    """

    kinds = KINDS
    agnostic = False

    def __init__(self, clean: OpenDataset, *, errors: float = 0.02, seed: int = 0) -> None:
        maps = clean.maps()
        kind = {category.id: category.kind for category in clean.taxonomy.categories}
        countable = clean.profile.task != "semantic"
        self.categories = maps.classes
        self.things = np.array([False, *(countable and kind[each] == "thing" for each in maps.classes)])
        self.usable = np.ones(len(maps), bool)
        self._given, self._errors, self._seed = GivenLabels.from_maps(maps, self.categories), errors, seed

    def predict(self, row: int) -> ImagePrediction:
        """What it says of the image at a row."""
        rng = np.random.default_rng([self._seed, row])
        return oracle_evidence(self._given.image_segments(row), self.things, rng, errors=self._errors)


def blobs(
    rng: np.random.Generator, *, height: int = 160, width: int = 180, n: int = 24, n_categories: int = 2
) -> SegmentSet:
    """Things of categories 1 to `n_categories` - 1 that share no pixels, each a disc or what others leave of one."""
    y, x = rng.uniform(0, height, n), rng.uniform(0, width, n)
    radius = rng.uniform(5, 11, n)
    rows, columns = np.mgrid[:height, :width]
    away = np.hypot(rows[..., None] - y, columns[..., None] - x) / radius  # (height, width, n)
    owner = np.where(away.min(axis=2) < 1, away.argmin(axis=2), -1).T.ravel()
    covered = np.flatnonzero(owner >= 0)
    number, inverse = np.unique(owner[covered], return_inverse=True)
    runs = runs_of_pixels(covered, inverse.reshape(-1).astype(np.int64), height)
    kept = np.flatnonzero(runs.areas(len(number)) >= 40)
    return SegmentSet.from_runs(runs.take(kept, len(number)), rng.integers(1, n_categories, len(kept)), height, width)


def patches(rng: np.random.Generator, *, height: int = 160, width: int = 180, n_categories: int = 4) -> SegmentSet:
    """A map of categories 1 to `n_categories` - 1 without any gap, in connected parts: cells around random centres."""
    n = 40
    y, x = rng.uniform(0, height, n), rng.uniform(0, width, n)
    rows, columns = np.mgrid[:height, :width]
    cell = np.hypot(rows[..., None] - y, columns[..., None] - x).argmin(axis=2)
    category = rng.integers(1, n_categories, n)[cell]
    return segments_of_map(category.T.ravel().astype(np.int64), height, width)
