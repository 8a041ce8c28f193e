"""Oracle: what a model would say that knows the truth, but blurs it and errs: evidence without any training."""

from dataclasses import replace

import numpy as np

from segdata.core.strokes import shaken
from segdata.noise.evidence.drawn import UNLABELLED, Drawn, Flags
from segdata.noise.evidence.evidence import Evidence, Fields
from segdata.noise.mistakes.injection import Rates, spoiled
from segdata.noise.types import KINDS

ERRING = tuple(kind for kind in KINDS if kind not in ("misaligned", "shift"))
SURE = 3.0  # logits by which a category stands out


def oracle(
    truth: Drawn,
    things: Flags,
    rng: np.random.Generator,
    *,
    errors: float = 0.03,
    blur: float = 1.5,
    noise: float = 1.0,
    jitter: float = 0.7,
) -> Evidence:
    """Evidence of an image whose true segments are known; categories are those of `things` (K,).

    Parameters
    ----------
    errors : the share of segments that the model gets wrong, of each of three kinds
    blur : pixels over which its edges fade
    noise : the standard deviation of its logits, in blots of about 6 pixels
    jitter : that of where its outlines are, in pixels
    """
    from scipy.ndimage import gaussian_filter

    seen, _ = spoiled(truth, things, Rates(errors, ERRING, 3), rng)
    wave = shaken(seen.runs, seen.heights, seen.widths, np.full(len(seen), jitter), rng)
    seen = replace(seen, runs=wave, score=rng.uniform(0.7, 1.0, len(seen)))
    seen = seen.take(np.flatnonzero((seen.areas > 0) & (seen.category > UNLABELLED)))
    shape = (len(things), seen.width, seen.height)
    flat = np.zeros((len(things), seen.width * seen.height))
    flat[seen.categories(), np.arange(flat.shape[1])] = 1.0
    soft = gaussian_filter(flat.reshape(shape), (0, blur, blur))
    blots = gaussian_filter(rng.normal(size=shape), (0, 3, 3))
    logits = 2 * SURE * soft + noise * blots / max(float(blots.std()), 1e-9)
    p = np.exp(logits - logits.max(axis=0))
    p = (p / p.sum(axis=0)).astype(np.float32)
    found = Evidence(p.reshape(len(things), -1), seen, np.zeros(shape[1] * shape[2], np.float32))
    predicted = seen if things.any() else None
    return Evidence.of(p.transpose(0, 2, 1), predicted, _edges(found, blur))


def _edges(found: Evidence, blur: float) -> Fields:
    """(height, width) borders of the segments that the model sees, blurred."""
    from scipy.ndimage import gaussian_filter

    border = found.border.reshape(found.width, found.height).astype(np.float32)
    faded = gaussian_filter(border, blur) * 2.5 * blur
    return np.asarray(np.minimum(faded, 1.0).T, np.float32)
