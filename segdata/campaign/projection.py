"""Projection: what a campaign of many images holds, from a sample of them, as a range that is right 19 times in 20.

The sample is of m units, drawn at random: images, or sequences and groups of images that resemble each other. Each
rate is of the ratio form, total over images, so that units of unequal size count as what they are.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, chdtri, stdtrit

from segdata.agreement.scores import Number
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
CONFIDENCE = 0.95
_ROUNDS = 30


class ProjectedRange(msgspec.Struct, frozen=True):
    """The best guess of a number and the ends of a range that holds it in 19 of 20 campaigns; NaN, null: undefined."""

    value: Number
    low: Number
    high: Number

    def __iter__(self) -> Iterator[float]:
        return iter((self.value, self.low, self.high))


@dataclass(frozen=True, slots=True)
class ProjectedRates:
    """Rates per image: (k,) the best guess of each, and the ends of its range."""

    value: Floats
    low: Floats
    high: Floats

    def of(self, row: int, times: float = 1.0) -> "ProjectedRange":
        """One of the k, times a number of images."""
        return ProjectedRange(*(float(each[row]) * times for each in (self.value, self.low, self.high)))


@dataclass(frozen=True, slots=True)
class SampleUnits:
    """What was sampled.

    Attributes
    ----------
    of : (n_images,) the unit that each image belongs to, counted from 0
    images : (m,) how many images each unit has
    """

    of: Ints
    images: Floats

    @staticmethod
    def by(of: Ints) -> "SampleUnits":
        """The units that images (n,) belong to."""
        which = np.unique(of, return_inverse=True)[1]
        return SampleUnits(which, np.bincount(which).astype(np.float64))

    def totals(self, values: Floats) -> Floats:
        """(m, k) sums of the values (n_images, k) of each unit's images."""
        sums = np.zeros((len(self.images), values.shape[1]))
        np.add.at(sums, self.of, values)
        return sums


def project_shares(
    units: SampleUnits, has: NDArray[np.bool_], campaign: float, confidence: float = CONFIDENCE
) -> ProjectedRates:
    """The shares of a campaign's images that have each of k things.

    `has` (n_images, k) says it of the sample's; `campaign` is how many images the campaign has, those of the sample
    among them; infinity: no end. Clopper and Pearson's exact range of a rate, at the number of independent images
    that would be as uncertain as these units: Korn and Graubard (1998), Survey Methodology 24(2), 193-201. Of n
    units without a thing it is the rule of three, 3 / n.
    """
    n, m = len(has), len(units.images)
    share = has.mean(axis=0)
    spread = _ratio_variance(units, has.astype(np.float64))
    alone = share * (1 - share) / n  # what the variance of independent images would be
    with np.errstate(divide="ignore", invalid="ignore"):
        independent = np.where((alone > 0) & (spread > 0), n * alone / spread, m)
    t_ratio = (stdtrit(max(n - 1, 1), 0.975) / stdtrit(max(m - 1, 1), 0.975)) ** 2
    worth = np.clip(independent * t_ratio, 1, n) / max(1 - n / campaign, 1e-12)
    with_it, alpha = share * worth, 1 - confidence
    low = np.where(with_it > 0, betaincinv(np.maximum(with_it, 1e-300), worth - with_it + 1, alpha / 2), 0)
    high = np.where(share < 1, betaincinv(with_it + 1, np.maximum(worth - with_it, 1e-300), 1 - alpha / 2), 1)
    return ProjectedRates(share, low, high)


def project_amounts(
    units: SampleUnits, amount: Floats, campaign: float, confidence: float = CONFIDENCE, *, uneven: bool = False
) -> ProjectedRates:
    """The mean amounts per image (segments, pixels, seconds) of k things in a campaign.

    `amount` (n_images, k) are the sample's; `campaign` as in `project_shares`. A gamma distribution with the mean and
    variance of the sample, and at the upper end with one more unit like the largest: Fay and Feuer (1997), Statistics
    in Medicine 16(7), 791-801; it is exact for a Poisson count, and right for few and skewed counts, where a normal
    range or a plain bootstrap is too narrow. The variance is that between units, larger by what Student's t adds for
    their small number. The unit more has no less than a unit has of the median thing, or on average of all where sizes
    differ by magnitudes (`uneven`), so a thing that the sample lacks has an upper end, too. Where all images have the
    same amount, the lower end is that of its share of the images. NaN of a lone unit.
    """
    n, m = len(amount), len(units.images)
    alpha = 1 - confidence
    left = max(1 - n / campaign, 1e-12)  # of the campaign nobody has looked at yet
    wider = (stdtrit(max(m - 1, 1), 1 - alpha / 2) / NormalDist().inv_cdf(1 - alpha / 2)) ** 2
    rate = amount.mean(axis=0)
    variance = _ratio_variance(units, amount) * left * wider
    totals = units.totals(amount)
    one_more = np.maximum(totals.max(axis=0, initial=0), _typical_amount(totals, uneven)) / n * np.sqrt(left)
    share = project_shares(units, amount > 0, campaign, confidence)
    low = np.minimum(
        _gamma_quantile(rate, variance, 1 - alpha / 2), rate * share.low / np.where(rate > 0, share.value, 1)
    )
    high = _gamma_quantile(rate + one_more, variance + one_more**2, alpha / 2)
    return ProjectedRates(rate, low, high)


def images_needed(units: SampleUnits, amount: Floats, wanted: int, confidence: float = CONFIDENCE) -> Floats:
    """(k,) how many images, drawn as these were, hold `wanted` of each thing in 19 of 20 cases.

    `amount` (n_images, k) are the sample's. The lower end, one-sided, of what `project_amounts` says, with the variance
    of the images that are still to be drawn as well. Infinity where the sample has none.
    """
    n, m = len(amount), len(units.images)
    wider = (stdtrit(max(m - 1, 1), confidence) / NormalDist().inv_cdf(confidence)) ** 2
    rate, variance = amount.mean(axis=0), _ratio_variance(units, amount) * wider
    share = project_shares(units, amount > 0, math.inf, 2 * confidence - 1)
    most = rate * share.low / np.where(rate > 0, share.value, 1)
    needed = np.full(len(rate), np.inf)
    with np.errstate(divide="ignore"):
        for _ in range(_ROUNDS):  # the fewer images are needed, the more they vary
            needed = wanted / np.minimum(_gamma_quantile(rate, variance * (1 + n / needed), confidence), most)
    return needed


def _typical_amount(totals: Floats, uneven: bool) -> float:
    """What a unit has of a thing that it has at all: of the median thing, or on average; 0 where there is none."""
    some = (totals > 0).sum(axis=0)
    seen = some > 0
    if not seen.any():
        return 0.0
    return float(totals.sum() / some.sum()) if uneven else float(np.median(totals.sum(axis=0)[seen] / some[seen]))


def _gamma_quantile(mean: Floats, variance: Floats, above: float) -> Floats:
    """(k,) the value of a gamma distribution that a share `above` of it exceeds; the mean where it has no variance."""
    certain = variance <= 0  # a lone unit has none: NaN stays NaN
    spread, centre = np.where(certain, 1, variance), np.where(mean > 0, mean, 1)
    found = spread / (2 * centre) * chdtri(2 * centre**2 / spread, above)
    return np.where(certain, mean, np.where(mean > 0, found, 0))


def _ratio_variance(units: SampleUnits, values: Floats) -> Floats:
    """(k,) the variance of the mean per image, between units, of a ratio of totals (Cochran, 1977, chapter 6)."""
    m, n = len(units.images), len(values)
    if m < 2:
        return np.full(values.shape[1], np.nan)
    apart = units.totals(values) - units.images[:, None] * values.mean(axis=0)
    found: Floats = m / (m - 1) * (apart**2).sum(axis=0) / n**2
    return found


def range_in_words(found: ProjectedRange) -> str:
    """A range of counts in words.

    >>> range_in_words(ProjectedRange(1200.0, 310.4, 2801.0)), range_in_words(ProjectedRange(0.0, 0.0, 7.2))
    ('310 to 2,801', 'at most 7')
    """
    return f"{found.low:,.0f} to {found.high:,.0f}" if found.low >= 0.5 else f"at most {found.high:,.0f}"


def percent_in_words(share: float) -> str:
    """A share in percent, in few digits.

    >>> percent_in_words(0.0704), percent_in_words(0.0024), percent_in_words(0)
    ('7', '0.2', '0')
    """
    return f"{100 * share:.0f}" if share >= 0.0095 or share == 0 else f"{100 * share:.1g}"


def round_up(number: int) -> str:
    """A large number with two digits that count.

    >>> round_up(83), round_up(422408)
    ('83', '430,000')
    """
    step = 10 ** max(len(str(number)) - 2, 0)
    return f"{-(-number // step) * step:,}"


def share_range_in_words(found: ProjectedRange) -> str:
    """A range of shares in words.

    >>> share_range_in_words(ProjectedRange(0.05, 0.031, 0.082))
    '3.1 % to 8.2 %'
    """
    return f"{100 * found.low:.1f} % to {100 * found.high:.1f} %"
