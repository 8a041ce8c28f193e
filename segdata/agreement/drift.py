"""Drift: changes of an annotator's misses, extras, confusions and offsets over time, with tests against chance.

The work of an annotator on an image is compared with that of the others on the same image, so that a month of hard
images is no drift. Since the others may change too, half of a drift must remain without any one of them, and exceed
chance. A permutation of the dates among the annotator's images removes a trend and nothing else.
Source: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, chapter 3.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import msgspec
import numpy as np

from segdata.agreement.annotator_bias import (
    BIAS_KINDS,
    BiasKind,
    BiasTally,
    ImageDeviations,
    count_deviations,
    outline_shares,
)
from segdata.agreement.estimates import Resampling
from segdata.agreement.inference import (
    ACCUSATION_RATE,
    FALSE_DISCOVERY_RATE,
    MIN_CLUSTERS,
    PERMUTATIONS,
    limits_by_person,
)
from segdata.agreement.scores import Count, Number, Score, UndefinedShare, table_of_lines
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import ratio
from segdata.core.table import Table

_MAX_NUMBERS = 2_000_000  # in memory at a time
_MIN_REMAINDER = 0.5  # share of a change that must remain without any one of the others
_FEW_DRAWS = 999  # permutations for a test at 5 %
_MIN_PERIODS = 3  # with fewer months, weeks are reported, and with fewer weeks, days
_ROUNDING = 1e-9
_BARTLETT = 2.5  # correction to the number of clusters in a likelihood ratio: 1 + (p + q + 1) / 2 with p = q = 1
_NO_INTERVALS = Resampling(n_draws=1)  # for values without intervals


class DriftPeriod(msgspec.Struct, frozen=True):
    """A month of an annotator's work, ``2026-03``; of short campaigns a week, ``2026-W07``, or a day.

    `images`: the number of images, or sequences, with anything to label. `value`: the value of the annotator in these,
    `others`: that of the others in the same images; null: none.
    """

    period: str
    images: Count
    value: Number
    others: Number


class AnnotatorDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The change of one kind of error of an annotator over time, compared with the others on the same images.

    `category` null: all categories together. `kind`: missed, extra, confused (shares) or offset (px, or mm if the
    spacing is known). `first`, `last`: the days of the first and the last annotation. `start`, `end`: the values of a
    straight line on these days, relative to the others. `change`: the difference, whose `n` counts clusters of images.
    `p`: the probability of as large a change by chance; null: not tested. `stands`: it is significant when all tests
    are taken together. `examples`: for a significant drift, the images to look at first, from the half of the time at
    whose end the annotator differs more.
    """

    annotator: str
    category: str | None
    kind: BiasKind
    first: str
    last: str
    start: Number
    end: Number
    change: Score
    p: UndefinedShare
    stands: bool
    periods: tuple[DriftPeriod, ...]
    examples: tuple[str, ...] = ()


def annotator_drifts(
    comparison: AnnotatorPairs, annotations: Table, resampling: Resampling
) -> tuple[AnnotatorDrift, ...]:
    """The drift of every annotator, kind and category, and of all categories together; empty without dates.

    `annotations` are the rows that the pairs name, with `created` (ISO 8601). Annotators are tested who worked on 8
    clusters of images or more, on two days or more, that two others annotated as well; with fewer than three annotators
    it is unknown who changes. The p-values of an annotator are adjusted for all kinds and categories by the largest
    statistic of each permutation (Westfall and Young, 1993, Resampling-Based Multiple Testing), and over annotators by
    `limits_by_person`, at `ACCUSATION_RATE`. A drift that one of the others causes alone is not significant: see
    `_DriftFamily.remains`.
    """
    days = _cluster_days(comparison, annotations)
    if int(comparison.is_first_pass.sum()) < 3 or not np.isfinite(days).any():
        return ()
    tally = count_deviations(comparison)
    families = _weigh_outlines(list(_families(comparison, tally, days)), comparison.countable)
    persons = {
        family.annotator: [other for other in families if other.annotator == family.annotator] for family in families
    }
    p_values = {name: _p_values(own, resampling.seed) for name, own in persons.items()}
    least = {name: min(p.values()) for name, p in p_values.items() if p}
    limits = limits_by_person(np.array(list(least.values())), np.array(list(least), np.int64), ACCUSATION_RATE)
    limit = dict(zip(least, limits.tolist(), strict=True))
    drifts = []
    for family in families:
        for code in family.codes:
            p = p_values[family.annotator].get((family.kind, code), np.nan)
            stands = p <= limit.get(family.annotator, 0.0) and family.remains(code, resampling.seed)
            drifts.append((family, code, family.result(code, comparison, resampling, p, stands)))
    if not any(drift.stands for _, _, drift in drifts):
        return tuple(drift for _, _, drift in drifts)
    images = ImageDeviations.from_pairs(comparison)
    days = _cluster_days(images.comparison, annotations)
    return tuple(
        msgspec.structs.replace(drift, examples=_examples(images, family.annotator, code, drift, days))
        if drift.stands
        else drift
        for family, code, drift in drifts
    )


def _examples(
    images: ImageDeviations, annotator: int, category: int | None, drift: AnnotatorDrift, days: Floats
) -> tuple[str, ...]:
    """The images with the largest deviations from the half of a drift in which the annotator differs more.

    `days` (n_cases, n_annotators) are those of each image.
    """
    own = days[:, annotator]
    middle = (_day(drift.first) + _day(drift.last)) / 2
    is_last = abs(drift.end) >= abs(drift.start)
    sign = -1.0 if (drift.end if is_last else drift.start) < 0 else 1.0
    is_example = own >= middle if is_last else own <= middle
    return images.worst(annotator, category, drift.kind, sign=sign, chosen=is_example)


def _cluster_days(comparison: AnnotatorPairs, annotations: Table) -> Floats:
    """(n_clusters, n_annotators) the mean day of each annotator's work in a cluster; NaN: unknown."""
    n_clusters = int(comparison.cases["cluster"].max(initial=-1)) + 1 if len(comparison.cases) else 0
    n = len(comparison.annotators)
    total, count = np.zeros((2, n_clusters, n))
    created = np.array([_day(text) for text in annotations["created"].tolist()], np.float64)
    pairs = comparison.pairs
    if not len(pairs):
        return np.full((n_clusters, n), np.nan)
    cluster = comparison.cases["cluster"][pairs["case"]]
    for side in "ab":
        _, first = np.unique(pairs[f"annotation_{side}"], return_index=True)
        day = created[pairs[f"annotation_{side}"][first]]
        dated = first[np.isfinite(day)]
        np.add.at(total, (cluster[dated], pairs[side][dated]), day[np.isfinite(day)])
        np.add.at(count, (cluster[dated], pairs[side][dated]), 1)
    return ratio(total, count)


def _day(text: str | None) -> float:
    """The day of a date in ISO 8601, counted from 1970; NaN: none."""
    try:
        day = np.datetime64((text or "NaT")[:10], "D")
    except ValueError:
        return float("nan")
    return float("nan") if np.isnat(day) else float(day.astype(np.int64))


@dataclass(frozen=True, slots=True)
class _DriftFamily:
    """Deviations of an annotator of one kind in C clusters of known days: n rows, each of a cluster and a category."""

    annotator: int
    kind: BiasKind
    day: Floats  # (C,)
    cluster: Ints  # (n,)
    category: Ints  # (n,)
    value: Floats  # (n,)
    weight: Floats  # (n,)
    controls: tuple[Floats, ...]  # (n,) what others did: all of them, and all but one each; NaN: none was there

    @property
    def codes(self) -> list[int | None]:
        """The tests: of all categories together (None), and of each where there are several."""
        own = np.unique(self.category).tolist()
        return [None, *own] if len(own) > 1 else own

    def trend(self, code: int | None, control: Floats) -> "_Trend":
        """The annotator's values minus those of the others, for one category or all."""
        kept = np.isfinite(control)
        if code is not None:
            kept &= self.category == code
        group = np.unique(self.category[kept], return_inverse=True)[1]
        return _Trend(self.day, self.cluster[kept], group, (self.value - control)[kept], self.weight[kept])

    def remains(self, code: int | None, seed: int) -> bool:
        """Whether half of the change remains, and exceeds chance at 5 %, without any one of the others.

        If one annotator drifts, all others seem to drift too. If fewer than half of the clusters remain without one,
        that one is not tested.
        """
        trend = self.trend(code, self.controls[0])
        change = trend.change(1.0, _NO_INTERVALS).value
        for control in self.controls[1:]:
            left = self.trend(code, control)
            if 2 * len(left.clusters) < len(trend.clusters):
                continue
            if left.change(1.0, _NO_INTERVALS).value / change < _MIN_REMAINDER:
                return False
            if _adjusted_p_values(self.day, [left], seed, _FEW_DRAWS)[0] > FALSE_DISCOVERY_RATE:
                return False
        return True

    def result(
        self, code: int | None, comparison: AnnotatorPairs, resampling: Resampling, p: float, stands: bool
    ) -> AnnotatorDrift:
        """The drift of a category, or of all, for reports."""
        trend = self.trend(code, self.controls[0])
        days = self.day[trend.clusters]
        low, high = (float(days.min()), float(days.max())) if len(days) else (np.nan, np.nan)
        start, end = trend.ends(low, high)
        return AnnotatorDrift(
            annotator=comparison.annotators[self.annotator],
            category=None if code is None else comparison.categories[code].name,
            kind=self.kind,
            first=_date(low),
            last=_date(high),
            start=start,
            end=end,
            change=trend.change(high - low, resampling)
            if code is None or stands
            else trend.change(high - low, _NO_INTERVALS),
            p=p,
            stands=bool(stands),
            periods=tuple(self._periods(code)),
        )

    def _periods(self, code: int | None) -> Iterator[DriftPeriod]:
        labels = _period_labels(self.day)
        own, control = labels[self.cluster], self.controls[0]
        for label in np.unique(own).tolist():
            rows = (own == label) & np.isfinite(control) & (True if code is None else self.category == code)
            if rows.any():
                weight = self.weight[rows]
                value, others = (float(np.average(column[rows], weights=weight)) for column in (self.value, control))
                yield DriftPeriod(str(label), len(np.unique(self.cluster[rows])), value, others)


@dataclass(frozen=True, slots=True)
class _Trend:
    """Values (n,) of clusters and categories, with weights, and the day of each cluster (C,)."""

    day: Floats
    cluster: Ints
    group: Ints
    value: Floats
    weight: Floats

    @property
    def clusters(self) -> Ints:
        """The clusters that have a value."""
        return np.unique(self.cluster)

    def likelihoods(self, days: Floats) -> Floats:
        """(B,) twice the log likelihood ratio of a line through the values and of a constant; days are (B, C).

        Bartlett's factor makes it comparable between categories of few and of many clusters.
        Source: Bartlett (1938), Further aspects of the theory of multiple regression, Mathematical Proceedings of the
        Cambridge Philosophical Society 34, 33-40.
        """
        n, m = len(self.day), int(self.group.max(initial=-1)) + 1
        # The values of a category sum to 0, so that its mean day does not matter.
        away = self.value - _group_mean(self.value, self.weight, self.group)
        pull = np.bincount(self.cluster, self.weight * away, n)
        weight = np.bincount(self.cluster * m + self.group, self.weight, n * m).reshape(n, m)
        of_group = weight.sum(axis=0)
        spread = days**2 @ weight.sum(axis=1) - ((days @ weight) ** 2 / np.where(of_group > 0, of_group, 1)).sum(axis=1)
        size = spread * float((self.weight * away**2).sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(size > _ROUNDING, (days @ pull) ** 2 / size, 0.0)
        return np.asarray(-(len(self.clusters) - _BARTLETT) * np.log1p(-np.minimum(share, 1 - _ROUNDING)))

    def change(self, span: float, resampling: Resampling) -> Score:
        """The rise of the line over `span` days, with its interval over clusters."""
        clusters, number = np.unique(self.cluster, return_inverse=True)
        n, k = len(clusters), int(self.group.max(initial=-1)) + 1
        if not n or not span > 0:
            return Score.undefined(n)
        day = (self.day - self.day[clusters].mean())[self.cluster]
        cell = number * k + self.group
        sums = [
            np.bincount(cell, self.weight * column, n * k).reshape(n, k)
            for column in (np.ones(len(day)), day, self.value, day * self.value, day * day)
        ]

        def slope(weights: Floats) -> Floats:
            w, t, y, ty, tt = (weights @ column for column in sums)
            with np.errstate(divide="ignore", invalid="ignore"):
                above = np.nansum(np.where(w > 0, ty - t * y / w, 0.0), axis=1)
                below = np.nansum(np.where(w > 0, tt - t * t / w, 0.0), axis=1)
                return np.asarray(np.where(below > _ROUNDING, above / below, np.nan) * span)

        ends = resampling.interval(slope, n)
        return Score(float(ends.value), float(ends.low), float(ends.high), n, 0)

    def ends(self, low: float, high: float) -> tuple[float, float]:
        """The values of the line at two days."""
        if not len(self.value) or not high > low:
            return float("nan"), float("nan")
        day = self.day[self.cluster]
        centred = day - _group_mean(day, self.weight, self.group)
        below = float((self.weight * centred**2).sum())
        slope = float((self.weight * centred * self.value).sum()) / below if below > _ROUNDING else 0.0
        mean_day, mean = (float(np.average(column, weights=self.weight)) for column in (day, self.value))
        return mean + slope * (low - mean_day), mean + slope * (high - mean_day)


def _p_values(families: Sequence[_DriftFamily], seed: int) -> dict[tuple[BiasKind, int | None], float]:
    """The p-values of an annotator's tested kinds and categories, against all others."""
    trends = {
        (family.kind, code): family.trend(code, family.controls[0]) for family in families for code in family.codes
    }
    day = families[0].day
    tested = {
        cell: trend
        for cell, trend in trends.items()
        if len(trend.clusters) >= MIN_CLUSTERS and len(np.unique(day[trend.clusters])) > 1
    }
    if not tested:
        return {}
    p = _adjusted_p_values(day, list(tested.values()), seed, PERMUTATIONS)
    return dict(zip(tested, p.tolist(), strict=True))


def _adjusted_p_values(day: Floats, trends: Sequence[_Trend], seed: int, n_draws: int) -> Floats:
    """(k,) the share of permutations of the days in which any trend has a statistic as large as each of k."""
    clusters, place = np.unique(np.concatenate([trend.cluster for trend in trends]), return_inverse=True)
    parts = np.split(place, np.cumsum([len(trend.cluster) for trend in trends])[:-1])
    days = day[clusters] - day[clusters].mean()
    moved = [replace(trend, day=days, cluster=part) for trend, part in zip(trends, parts, strict=True)]
    least = np.array([trend.likelihoods(days[None])[0] for trend in moved]) * (1 - _ROUNDING) - _ROUNDING
    beyond = np.zeros(len(trends), np.int64)
    for order in _orders(len(clusters), seed, n_draws):
        highest = np.max([trend.likelihoods(days[order]) for trend in moved], axis=0)
        beyond += (highest[:, None] >= least).sum(axis=0)
    return np.asarray((1 + beyond) / (1 + n_draws))


def _orders(n: int, seed: int, n_draws: int) -> Iterable[Ints]:
    """Yield `n_draws` permutations of n items, in portions (B, n); the same for all cells of a campaign."""
    return _few_orders(n, seed, n_draws) if n * n_draws <= _MAX_NUMBERS else _draw_orders(n, seed, n_draws)


@lru_cache(maxsize=8)
def _few_orders(n: int, seed: int, n_draws: int) -> tuple[Ints, ...]:
    return tuple(_draw_orders(n, seed, n_draws))


def _draw_orders(n: int, seed: int, n_draws: int) -> Iterator[Ints]:
    rng, left = np.random.default_rng(seed), n_draws
    while left > 0:
        n_orders = min(left, max(1, _MAX_NUMBERS // n))
        yield rng.permuted(np.tile(np.arange(n), (n_orders, 1)), axis=1)
        left -= n_orders


def _group_mean(value: Floats, weight: Floats, group: Ints) -> Floats:
    """(n,) the weighted mean of each value's group."""
    total, sums = np.bincount(group, weight), np.bincount(group, weight * value)
    return np.asarray(sums / np.where(total > 0, total, 1.0))[group]


def _families(comparison: AnnotatorPairs, tally: BiasTally, days: Floats) -> Iterator[_DriftFamily]:
    """Yield the deviations of every annotator and kind."""
    n, countable, outlines = len(comparison.annotators), comparison.countable, _outline_lengths(comparison)
    for number, kind in enumerate(BIAS_KINDS):
        rows = np.flatnonzero((tally.kind == number) & (tally.total > 0))
        cell = tally.cluster[rows] * len(comparison.categories) + tally.category[rows]
        cells, place = np.unique(cell, return_inverse=True)
        hits, total = np.zeros((2, len(cells), n))
        hits[place, tally.annotator[rows]] = tally.hits[rows]
        total[place, tally.annotator[rows]] = tally.total[rows]
        cluster, category = np.divmod(cells, max(len(comparison.categories), 1))
        for i in range(n):
            mine = np.flatnonzero((total[:, i] > 0) & np.isfinite(days[cluster, i]))
            if not len(mine):
                continue
            # A large image is no more evidence than a small one; a long outline may be.
            alone = outlines[cells[mine]] if kind == "offset" else 1.0
            weight = np.where(countable[category[mine]], total[mine, i], alone)
            others = [j for j in range(n) if j != i and total[mine, j].any()]
            left_out = [[j for j in others if j != k] for k in others] if len(others) > 1 else []
            controls = tuple(_control(hits[mine], total[mine], controls_of) for controls_of in (others, *left_out))
            value = hits[mine, i] / total[mine, i]
            yield _DriftFamily(i, kind, days[:, i], cluster[mine], category[mine], value, weight, controls)


def _weigh_outlines(families: Sequence[_DriftFamily], countable: Flags) -> list[_DriftFamily]:
    """Replace the weights of offsets of stuff, which are the lengths of outlines so far, by inverse variances.

    An offset varies between images, and more with shorter outlines: its variance is a + b / length.
    Both are fitted to the offsets of all annotators by least squares.
    """
    alone = [np.zeros(len(family.weight), bool) for family in families]
    square, inverse = [np.zeros(0)], [np.zeros(0)]
    for family, own in zip(families, alone, strict=True):
        if family.kind == "offset":
            own[:] = ~countable[family.category]
            rows = np.flatnonzero(own & np.isfinite(family.controls[0]))
            away, group = (family.value - family.controls[0])[rows], family.category[rows]
            square.append((away - _group_mean(away, np.ones(len(rows)), group)) ** 2)
            inverse.append(1 / family.weight[rows])
    base, slope = _variance_line(np.concatenate(inverse), np.concatenate(square))
    return [
        replace(family, weight=np.where(own, 1 / (base + slope / family.weight), family.weight))
        for family, own in zip(families, alone, strict=True)
    ]


def _variance_line(inverse: Floats, square: Floats) -> tuple[float, float]:
    """Fit a and b of variances a + b x, neither below 0 and not both 0; a constant if they cannot be fitted."""
    spread = float(inverse.var()) if len(inverse) else 0.0
    slope = float(np.mean((inverse - inverse.mean()) * (square - square.mean()))) / spread if spread > 0 else 0.0
    if slope <= 0:
        return 1.0, 0.0
    base = float(square.mean()) - slope * float(inverse.mean())
    return (base, slope) if base > 0 else (0.0, 1.0)


def _outline_lengths(comparison: AnnotatorPairs) -> Floats:
    """(n_clusters * n_categories,) the mean boundary pixels of two annotators' drawings of a category; at least 1."""
    n_categories = len(comparison.categories)
    size = (int(comparison.cases["cluster"].max(initial=-1)) + 1) * n_categories
    surfaces = comparison.surfaces
    if not len(surfaces):
        return np.ones(size)
    rows = np.flatnonzero(surfaces["match"] < 0)
    cluster = comparison.cases["cluster"][comparison.pairs["case"][surfaces["pair"][rows]]]
    cell = cluster * n_categories + surfaces["category"][rows]
    length = np.bincount(cell, (surfaces["edge_a"] + surfaces["edge_b"])[rows] / 2, size)
    return np.asarray(np.maximum(length / np.maximum(np.bincount(cell, minlength=size), 1), 1.0))


def _control(hits: Floats, total: Floats, others: Sequence[int]) -> Floats:
    """(n,) the mean over some other annotators; NaN if none of them was present."""
    counts = total[:, others]
    share = ratio(hits[:, others], counts, 0.0)
    return ratio(share.sum(axis=1), (counts > 0).sum(axis=1))


def _date(day: float) -> str:
    return str(np.datetime64(round(day), "D")) if np.isfinite(day) else ""


def _period_labels(day: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.str_]]:
    """(C,) the month of each cluster; its week or day if the campaign has fewer than three months or weeks."""
    dates = [None if not np.isfinite(value) else np.datetime64(round(value), "D").item() for value in day.tolist()]
    labels = np.zeros(0, str)
    for form in ("%Y-%m", "%G-W%V", "%Y-%m-%d"):
        labels = np.array(["" if date is None else date.strftime(form) for date in dates])
        if len(set(labels.tolist()) - {""}) >= _MIN_PERIODS:
            break
    return labels


_COLUMNS = {
    "annotator": int,
    "category": int,
    "kind": object,
    "start": float,
    "end": float,
    "change": float,
    "low": float,
    "high": float,
    "p": float,
    "stands": bool,
    "clusters": int,
    "first": object,
    "last": object,
}


def drift_table(comparison: AnnotatorPairs, drifts: Sequence[AnnotatorDrift]) -> Table:
    """The drifts as the table `drifts` of `segdata.core.annotator_pairs.PanelAssessment`; category -1: all.

    `outline`: the share of a change that the change of the annotator's offset in the same category explains.
    """
    position = {name: k for k, name in enumerate(comparison.annotators)}
    code = {category.name: k for k, category in reversed(list(enumerate(comparison.categories)))}
    lines = [
        (
            position[drift.annotator],
            -1 if drift.category is None else code[drift.category],
            drift.kind,
            drift.start,
            drift.end,
            drift.change.value,
            drift.change.low,
            drift.change.high,
            drift.p,
            drift.stands,
            drift.change.n,
            drift.first,
            drift.last,
        )
        for drift in drifts
    ]
    table = table_of_lines(_COLUMNS, lines)
    outline, rows = np.zeros(len(table)), np.flatnonzero(table["category"] >= 0)
    names = {"annotator": "annotator", "category": "category", "kind": "kind", "value": "change", "found": "stands"}
    outline[rows] = outline_shares(comparison, Table({name: table[column][rows] for name, column in names.items()}))
    return table.beside(outline=outline)
