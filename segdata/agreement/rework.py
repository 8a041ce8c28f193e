"""Rework: what a reviewer's corrections changed, by annotator and category."""

from collections.abc import Iterator

import msgspec
import numpy as np

from segdata.agreement.estimates import DEFAULT_RESAMPLING, Resampling
from segdata.agreement.rates import highest_unseen_rate
from segdata.agreement.results import Count, Score, Share
from segdata.agreement.scores import Flags, column_of
from segdata.agreement.surface_distances import Tolerance
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.resampling import Floats
from segdata.core.runs import Ints

CORRECTED = " (corrected)"  # behind the name of who drew what was corrected
_AMOUNTS = ("before", "deleted", "recategorised", "moved", "added", "changed", "any", "touched", "annotated")
_RATES = ("rework", "pixels", "passed")


class ReworkCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What was corrected in one annotator's work (null: all annotators'), of one category (null: of all).

    `images`: annotations that have something of the category, before or after. `segments`: before the review. Of these
    `deleted` have no counterpart afterwards (none with an IoU above 0.5), `recategorised` have one of another category,
    and `moved` have one whose boundary is somewhere farther away than the tolerance; `added` have none before.
    `rework`: the share that all four are of the segments before and those added; `pixels`: the share of the category's
    pixels that changed (of all: that have another category); `passed`: the share of annotations in which nothing of
    this was done.
    """

    annotator: str | None
    category: str | None
    images: Count
    segments: Count
    deleted: Count
    added: Count
    recategorised: Count
    moved: Count
    rework: Score
    pixels: Score
    passed: Score


class ReworkSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a review changed in `images` annotations, in so many clusters; `unreviewed` have no counterpart.

    `rows`: all annotators together first, then by annotator; of each all categories together first. `tolerance`: a
    boundary moved by less was not corrected.
    """

    images: Count
    clusters: Count
    unreviewed: Count
    rows: tuple[ReworkCounts, ...]
    confidence: Share
    tolerance: Tolerance

    def of(self, annotator: str | None, category: str | None = None) -> ReworkCounts | None:
        """One row; None: there is none."""
        return next((each for each in self.rows if (each.annotator, each.category) == (annotator, category)), None)


def measure_rework(
    opposed: AnnotatorPairs, n_before: int, how: Resampling = DEFAULT_RESAMPLING, tolerance: Tolerance | None = None
) -> ReworkSummary:
    """What a review changed.

    Takes a panel in which the names of annotators whose work was corrected end with `CORRECTED`. An annotation's
    counterpart is the corrected one of the same annotator on the same case, or else the only corrected one there is: a
    reviewer who signs with his own name. `n_before`: annotations before the review. Intervals are over clusters; where
    nothing at all was found, or everything, the share of clusters that can have been missed so (the rule of three).
    `tolerance`: with which the panel was compared; None: the default.
    """
    pairs, turned = counterparts(opposed)
    amounts = _sum_changes(opposed, pairs, turned)
    who = np.where(turned, column_of(opposed.pairs, "b")[pairs], column_of(opposed.pairs, "a")[pairs])
    names, cluster = np.unique(column_of(opposed.cases, "cluster")[_case_rows(opposed, pairs)], return_inverse=True)
    cluster = cluster.reshape(-1)
    rows = list(_rework_rows(opposed, amounts, cluster, None, how))
    for each in np.unique(who).tolist():
        rows += _rework_rows(opposed, amounts[who == each], cluster[who == each], opposed.annotators[each], how)
    return ReworkSummary(
        images=len(pairs),
        clusters=len(names),
        unreviewed=n_before - len(pairs),
        rows=tuple(rows),
        confidence=how.confidence,
        tolerance=tolerance or Tolerance(),
    )


def counterparts(opposed: AnnotatorPairs) -> tuple[Ints, Flags]:
    """Rows (n,) of the pairs of annotations before and after, and (n,) whether it is B that is the one before."""
    after = np.array([name.endswith(CORRECTED) for name in opposed.annotators], bool)
    number = {name: k for k, name in enumerate(opposed.annotators)}
    own = np.array([number.get(f"{name}{CORRECTED}", -1) for name in opposed.annotators], np.int64)
    a, b, case = (column_of(opposed.pairs, name) for name in ("a", "b", "case"))
    rows = np.flatnonzero(after[a] != after[b])
    swapped = after[a[rows]]
    first, second = np.where(swapped, b[rows], a[rows]), np.where(swapped, a[rows], b[rows])
    is_own = own[first] == second
    _, which = np.unique(np.stack([case[rows], first]), axis=1, return_inverse=True)
    which = which.reshape(-1)
    has_own = np.bincount(which, is_own)[which] > 0
    alone = np.bincount(which)[which] == 1
    kept = is_own | (~has_own & alone)
    return rows[kept], swapped[kept]


def reworked_annotations(opposed: AnnotatorPairs) -> tuple[Ints, Flags]:
    """Rows (n,) of the annotations before a review, and (n,) whether anything was corrected in them."""
    pairs, turned = counterparts(opposed)
    sides = [column_of(opposed.pairs, f"annotation_{side}")[pairs] for side in "ab"]
    return np.where(turned, sides[1], sides[0]), _sum_changes(opposed, pairs, turned)[
        :, -1, _AMOUNTS.index("touched")
    ] > 0


def _case_rows(opposed: AnnotatorPairs, pairs: Ints) -> Ints:
    return np.asarray(column_of(opposed.pairs, "case")[pairs], np.int64)


def _sum_changes(opposed: AnnotatorPairs, pairs: Ints, swapped: Flags) -> Floats:
    """(n, n_categories + 1, 9) of `_AMOUNTS` for pairs of annotations (n,); all categories together come last."""
    wide = len(opposed.categories)
    found = np.zeros((len(pairs), wide + 1, len(_AMOUNTS)))
    at = np.full(len(opposed.pairs), -1, np.int64)
    at[pairs] = np.arange(len(pairs))
    turned = np.zeros(len(opposed.pairs), bool)
    turned[pairs] = swapped
    matches = opposed.matches
    pair = column_of(matches, "pair")
    of = [column_of(matches, f"category_{side}") for side in "ab"]
    old, new = np.where(turned[pair], of[1], of[0]), np.where(turned[pair], of[0], of[1])
    counted = (at[pair] >= 0) & ~column_of(matches, "ignored").astype(bool)
    matched = counted & (old >= 0) & (new >= 0)
    events = {
        "before": (counted & (old >= 0), old),
        "deleted": (counted & (new < 0), old),
        "recategorised": (matched & (old != new), old),
        "moved": (matched & (old == new) & _is_moved(opposed), old),
        "added": (counted & (old < 0), new),
    }
    for name, (rows, category) in events.items():
        np.add.at(found[:, :, _AMOUNTS.index(name)], (at[pair[rows]], category[rows]), 1)
    found[:, -1] = found[:, :-1].sum(axis=1)
    _add_changed_pixels(found, opposed, at)
    found[:, :, 7] = found[:, :, 1:5].any(axis=2)
    found[:, :, 8] = (found[:, :, 0] + found[:, :, 4] > 0) | (found[:, :, 6] > 0)
    found[:, -1, 8] = 1  # an annotation without anything passes, too
    return found


def _add_changed_pixels(found: Floats, opposed: AnnotatorPairs, at: Ints) -> None:
    """Pixels that changed, and all that are of the category before or after."""
    overlaps, cells = opposed.overlaps, opposed.cells
    rows = np.flatnonzero(at[column_of(overlaps, "pair")] >= 0)
    pair, category, both, area_a, area_b = (
        column_of(overlaps, name)[rows] for name in ("pair", "category", "both", "area_a", "area_b")
    )
    found[at[pair], category, 5] = area_a + area_b - 2 * both
    found[at[pair], category, 6] = area_a + area_b - both
    pair, of_a, of_b, pixels = (column_of(cells, name) for name in ("pair", "category_a", "category_b", "pixels"))
    drawn = (at[pair] >= 0) & ((of_a >= 0) | (of_b >= 0))
    np.add.at(found[:, -1, 6], at[pair[drawn]], pixels[drawn])
    drawn &= of_a != of_b
    np.add.at(found[:, -1, 5], at[pair[drawn]], pixels[drawn])


def _is_moved(opposed: AnnotatorPairs) -> Flags:
    """(n_matches,) whose boundaries are not within the tolerance of each other: their own, or those of the category."""
    surfaces, matches = opposed.surfaces, opposed.matches
    pair, category, match = (column_of(surfaces, name) for name in ("pair", "category", "match"))
    edge, near = (column_of(surfaces, f"{name}_a") + column_of(surfaces, f"{name}_b") for name in ("edge", "near"))
    apart = near < edge
    wide = len(opposed.categories)
    whole = np.unique((pair * wide + category)[apart & (match < 0)])
    found = np.isin(column_of(matches, "pair") * wide + column_of(matches, "category_a"), whole)
    single = match >= 0
    found[match[single]] = apart[single]
    found &= column_of(matches, "iou") < 1
    return np.asarray(found, bool)


def _rework_rows(
    opposed: AnnotatorPairs, amounts: Floats, cluster: Ints, annotator: str | None, how: Resampling
) -> Iterator[ReworkCounts]:
    """One annotator's, or everybody's: of all categories, and of each."""
    _, unit = np.unique(cluster, return_inverse=True)
    n = int(unit.max(initial=-1)) + 1
    summed = np.zeros((n, *amounts.shape[1:]))
    np.add.at(summed, unit.reshape(-1), amounts)
    flat = summed.reshape(n, -1)

    def statistic(weights: Floats) -> Floats:
        return _rework_rates((weights @ flat).reshape(-1, *summed.shape[1:]))

    support = np.asarray((summed[:, :, 8] > 0).sum(axis=0), np.int64)
    ends = how.interval(statistic, n, flat.shape[1], np.repeat(support[:, None], len(_RATES), axis=1))
    every = amounts.sum(axis=0).astype(np.int64)
    images = (amounts[:, :, 8] > 0).sum(axis=0)
    names = [*(each.name for each in opposed.categories), None]
    for k in [len(names) - 1, *range(len(names) - 1)]:
        if n == 0 or not images[k]:
            continue
        of = [
            _rate_score(float(ends.value[k, j]), float(ends.low[k, j]), float(ends.high[k, j]), int(support[k]), how)
            for j in range(len(_RATES))
        ]
        before, deleted, other, moved, added = every[k, :5].tolist()
        counts = {"deleted": deleted, "added": added, "recategorised": other, "moved": moved}
        yield ReworkCounts(
            annotator=annotator,
            category=names[k],
            images=int(images[k]),
            segments=before,
            **counts,
            rework=of[0],
            pixels=of[1],
            passed=of[2],
        )


def _rework_rates(sums: Floats) -> Floats:
    """(B, n_categories + 1, 3) of `_RATES`, from sums (B, n_categories + 1, 9)."""
    before, deleted, other, moved, added, changed, drawn, touched, annotated = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rework = (deleted + other + moved + added) / (before + added)
        return np.stack([rework, changed / drawn, 1 - touched / annotated], axis=-1)


def _rate_score(value: float, low: float, high: float, n: int, how: Resampling) -> Score:
    """With an interval that does not pretend to be sure where there is no, or nothing but, rework."""
    unseen = highest_unseen_rate(n, how.confidence)
    if value == 0:
        low, high = 0.0, unseen
    elif value == 1:
        low, high = 1 - unseen, 1.0
    return Score(value, low, high, n, 0)
