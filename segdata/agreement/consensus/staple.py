"""STAPLE: the most likely truth behind several masks, and how well each annotator sees it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segdata.core.runs import Ints, unique_inverse

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_SURE = 1e-12  # no rate is nearer to 0 or 1, so that no vote is infinitely strong
_LEAST = 0.5  # pixels: a rate is not known of fewer
_MOST = 1000  # iterations


@dataclass(frozen=True, slots=True)
class Staple:
    """What STAPLE found in U fields.

    Attributes
    ----------
    probability : (N,) that a pattern's pixels are truly of the category
    sensitivity, specificity : (U, R) the share of pixels that truly are, and truly are not, of the category, to which
        each annotator gave it, or did not; NaN where there are no such pixels, or none that the annotator judged
    prior : (U,) the mean share of a field's pixels to which annotators gave the category
    """

    probability: Floats
    sensitivity: Floats
    specificity: Floats
    prior: Floats


def staple(
    says: Flags, there: Flags, pixels: ArrayLike, field: ArrayLike | None = None, *, tolerance: float = 1e-8
) -> Staple:
    """STAPLE of one category, in one field or several at once, by expectation maximisation.

    In turn, until no rate of a field changes by more than `tolerance`: rates from probabilities W,
    p_r = sum of W d_r / sum of W and q_r = sum of (1 - W) (1 - d_r) / sum of (1 - W); and probabilities from rates,
    W = f A / (f A + (1 - f) B), A = product of p_r where d_r, else 1 - p_r, B = product of 1 - q_r where d_r, else q_r.
    W begins as the share of votes, f is its mean. The result depends on the field: over a large background q nears 1,
    and what a single annotator drew is believed; see `segdata.agreement.consensus.fields`.

    Parameters
    ----------
    says : (N, R) d_r: whether annotator r gave the pixels of a pattern the category
    there : (N, R) whether the annotator judged them; who did not has no say
    pixels : (N,) how many pixels of the field have the pattern
    field : (N,) which field, ascending from 0; by default all are of one

    Source: Warfield, Zou, Wells (2004), IEEE Transactions on Medical Imaging 23(7), 903-921.
    """
    of = np.asarray(np.zeros(len(says)) if field is None else field, np.int64)
    for k in range(says.shape[1]):  # few different things are said of one category, in however many patterns
        of = unique_inverse(3 * of + there[:, k] + (says & there)[:, k])[1]
    row = np.zeros(int(of.max(initial=-1)) + 1, np.int64)
    row[of] = np.arange(len(of))
    n = np.bincount(of, np.asarray(pixels, float) * there.any(axis=1), len(row)).astype(np.float64)
    at = np.zeros(len(row), np.int64) if field is None else np.asarray(field, np.int64)[row]
    found = _maximised((says & there)[row], there[row], n[:, None], at, tolerance)
    return replace(found, probability=found.probability[of])


def _maximised(yes: Flags, there: Flags, n: Floats, at: Ints, tolerance: float) -> Staple:
    """STAPLE of N different answers that n (N, 1) pixels of field `at` (N,) got."""
    first = np.flatnonzero(np.diff(at, prepend=-1))
    no = there & ~yes

    def total(amount: Floats) -> Floats:
        """(U, R) sums over the patterns of each field."""
        return np.asarray(np.add.reduceat(amount, first, axis=0)) if len(first) else amount[:0]

    share = _rate(yes.sum(axis=1).astype(float), there.sum(axis=1).astype(float), 0.0)[:, None]
    prior = _rate(total(n * share), total(n * np.ones_like(share)), 0.5)
    believed = share
    rates, going = np.full((2, len(first), yes.shape[1]), np.inf), np.ones(len(first), bool)
    for _ in range(_MOST):
        truly, falsely = n * believed, n * (1 - believed)
        sums = [total(truly * yes), total(truly * there), total(falsely * no), total(falsely * there)]
        p, q = _rate(sums[0], sums[1], 1.0), _rate(sums[2], sums[3], 1.0)
        # A field that is done stays: what becomes of it does not depend on others.
        before, rates = rates, np.where(going[:, None], [p, q], rates)
        going &= np.abs(rates - before).max(axis=(0, 2), initial=0) > tolerance
        if not going.any():
            break
        f, p, q = (np.clip(each, _SURE, 1 - _SURE) for each in (prior, *rates))
        odds = np.log(f / (1 - f))[at, 0]
        odds += (yes * np.log(p / (1 - q))[at]).sum(axis=1) + (no * np.log((1 - p) / q)[at]).sum(axis=1)
        likely = 1 / (1 + np.exp(-np.clip(odds, -700, 700)))
        believed = np.where(going[at], likely, believed[:, 0])[:, None]
    known = [np.where(sums[k] > _LEAST, rates[k // 2], np.nan) for k in (1, 3)]
    return Staple(believed[:, 0], known[0], known[1], prior[:, 0])


def _rate(part: Floats, whole: Floats, otherwise: float) -> Floats:
    """`otherwise` where there is nothing."""
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, otherwise), where=whole > 0))
