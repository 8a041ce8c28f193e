"""Rework: the changes that a reviewer's corrections made, by annotator and category."""

from collections.abc import Iterator

import msgspec
import numpy as np

from segdata.agreement.estimates import DEFAULT_RESAMPLING, Resampling
from segdata.agreement.inference import share_with_interval
from segdata.agreement.scores import Count, Score, Share, column_of
from segdata.agreement.surface_distances import Tolerance
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Flags, Floats, Ints, positions_in, unique_inverse

CORRECTED = " (corrected)"  # after the name of an annotator whose work was corrected
_AMOUNTS = ("before", "deleted", "recategorised", "moved", "added", "changed", "any", "touched", "annotated")


class ReworkCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Corrections of one annotator's work (null: of all annotators), in one category (null: in all).

    `images`: annotations with the category before or after. `segments`: before the review. Of these `deleted` have no
    counterpart afterwards (none with an IoU above 0.5), `recategorised` have one of another category, and `moved` have
    one whose boundary is farther away than the tolerance somewhere; `added` segments have none before.
    `rework`: the share of all four among the segments before and those added; `pixels`: the share of the category's
    pixels that changed (over all categories: that have another category); `passed`: the share of annotations without
    such a change.
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
    """Changes of a review in `images` annotations and their `clusters`; `unreviewed` have no counterpart.

    `rows`: all annotators together first, then by annotator; for each, all categories together first. `tolerance`: a
    boundary moved by less counts as uncorrected.
    """

    images: Count
    clusters: Count
    unreviewed: Count
    rows: tuple[ReworkCounts, ...]
    confidence: Share
    tolerance: Tolerance

    def find(self, annotator: str | None, category: str | None = None) -> ReworkCounts | None:
        """The row of an annotator and category; None if there is none."""
        return next((row for row in self.rows if (row.annotator, row.category) == (annotator, category)), None)


def measure_rework(
    comparison: AnnotatorPairs,
    n_before: int,
    resampling: Resampling = DEFAULT_RESAMPLING,
    tolerance: Tolerance | None = None,
) -> ReworkSummary:
    """Measure the changes of a review.

    Takes a panel in which the names of annotators whose work was corrected end with `CORRECTED`. An annotation's
    counterpart is the corrected one of the same annotator on the same case, or else the only corrected one, by a
    reviewer who signs with another name. `n_before`: annotations before the review. Intervals are over clusters; for
    shares of 0 and 1 they follow the rule of three. `tolerance`: that of the comparison; None: the default.
    """
    pairs, turned = counterparts(comparison)
    amounts = _sum_changes(comparison, pairs, turned)
    annotator_of = np.where(turned, column_of(comparison.pairs, "b")[pairs], column_of(comparison.pairs, "a")[pairs])
    case = column_of(comparison.pairs, "case")[pairs]
    names, cluster = unique_inverse(column_of(comparison.cases, "cluster")[case])
    rows = list(_rework_rows(comparison, amounts, cluster, None, resampling))
    for annotator in np.unique(annotator_of).tolist():
        rows += _rework_rows(
            comparison,
            amounts[annotator_of == annotator],
            cluster[annotator_of == annotator],
            comparison.annotators[annotator],
            resampling,
        )
    return ReworkSummary(
        images=len(pairs),
        clusters=len(names),
        unreviewed=n_before - len(pairs),
        rows=tuple(rows),
        confidence=resampling.confidence,
        tolerance=tolerance or Tolerance(),
    )


def counterparts(comparison: AnnotatorPairs) -> tuple[Ints, Flags]:
    """Rows (n,) of the pairs of annotations before and after, and (n,) whether B is the one before."""
    after = np.array([name.endswith(CORRECTED) for name in comparison.annotators], bool)
    number = {name: k for k, name in enumerate(comparison.annotators)}
    own = np.array([number.get(f"{name}{CORRECTED}", -1) for name in comparison.annotators], np.int64)
    a, b, case = (column_of(comparison.pairs, name) for name in ("a", "b", "case"))
    rows = np.flatnonzero(after[a] != after[b])
    swapped = after[a[rows]]
    first, second = np.where(swapped, b[rows], a[rows]), np.where(swapped, a[rows], b[rows])
    is_own = own[first] == second
    _, inverse = np.unique(np.stack([case[rows], first]), axis=1, return_inverse=True)
    has_own = np.bincount(inverse, is_own)[inverse] > 0
    alone = np.bincount(inverse)[inverse] == 1
    kept = is_own | (~has_own & alone)
    return rows[kept], swapped[kept]


def _sum_changes(comparison: AnnotatorPairs, pairs: Ints, swapped: Flags) -> Floats:
    """(n, n_categories + 1, 9) of `_AMOUNTS` for pairs of annotations (n,); all categories together come last."""
    n_categories = len(comparison.categories)
    sums = np.zeros((len(pairs), n_categories + 1, len(_AMOUNTS)))
    place = positions_in(pairs, len(comparison.pairs))
    turned = np.zeros(len(comparison.pairs), bool)
    turned[pairs] = swapped
    matches = comparison.matches
    pair = column_of(matches, "pair")
    categories = [column_of(matches, f"category_{side}") for side in "ab"]
    old = np.where(turned[pair], categories[1], categories[0])
    new = np.where(turned[pair], categories[0], categories[1])
    counted = (place[pair] >= 0) & ~column_of(matches, "ignored").astype(bool)
    redrawn = counted & (old >= 0) & (new >= 0) & (column_of(matches, "iou") <= 0.5)  # deleted, and another one added
    matched = counted & (old >= 0) & (new >= 0) & ~redrawn
    events = {
        "before": (counted & (old >= 0), old),
        "deleted": ((counted & (new < 0)) | redrawn, old),
        "recategorised": (matched & (old != new), old),
        "moved": (matched & (old == new) & _is_moved(comparison), old),
        "added": ((counted & (old < 0)) | redrawn, new),
    }
    for name, (rows, category) in events.items():
        np.add.at(sums[:, :, _AMOUNTS.index(name)], (place[pair[rows]], category[rows]), 1)
    sums[:, -1] = sums[:, :-1].sum(axis=1)
    _add_changed_pixels(sums, comparison, place)
    sums[:, :, 7] = sums[:, :, 1:5].any(axis=2)
    sums[:, :, 8] = (sums[:, :, 0] + sums[:, :, 4] > 0) | (sums[:, :, 6] > 0)
    sums[:, -1, 8] = 1  # an annotation without anything passes, too
    return sums


def _add_changed_pixels(sums: Floats, comparison: AnnotatorPairs, place: Ints) -> None:
    """Add the pixels that changed, and all pixels of the category before or after, to `sums`."""
    overlaps, cells = comparison.overlaps, comparison.cells
    rows = np.flatnonzero(place[column_of(overlaps, "pair")] >= 0)
    pair, category, both, area_a, area_b = (
        column_of(overlaps, name)[rows] for name in ("pair", "category", "both", "area_a", "area_b")
    )
    sums[place[pair], category, 5] = area_a + area_b - 2 * both
    sums[place[pair], category, 6] = area_a + area_b - both
    pair, of_a, of_b, pixels = (column_of(cells, name) for name in ("pair", "category_a", "category_b", "pixels"))
    labelled = (place[pair] >= 0) & ((of_a >= 0) | (of_b >= 0))
    np.add.at(sums[:, -1, 6], place[pair[labelled]], pixels[labelled])
    labelled &= of_a != of_b
    np.add.at(sums[:, -1, 5], place[pair[labelled]], pixels[labelled])


def _is_moved(comparison: AnnotatorPairs) -> Flags:
    """(n_matches,) whether the boundaries are farther apart than the tolerance, their own or the category's."""
    surfaces, matches = comparison.surfaces, comparison.matches
    pair, category, match = (column_of(surfaces, name) for name in ("pair", "category", "match"))
    edge, near = (column_of(surfaces, f"{name}_a") + column_of(surfaces, f"{name}_b") for name in ("edge", "near"))
    apart = near < edge
    n_categories = len(comparison.categories)
    moved_categories = np.unique((pair * n_categories + category)[apart & (match < 0)])
    moved = np.isin(column_of(matches, "pair") * n_categories + column_of(matches, "category_a"), moved_categories)
    single = match >= 0
    moved[match[single]] = apart[single]
    moved &= column_of(matches, "iou") < 1
    return np.asarray(moved, bool)


def _rework_rows(
    comparison: AnnotatorPairs, amounts: Floats, cluster: Ints, annotator: str | None, resampling: Resampling
) -> Iterator[ReworkCounts]:
    """The rows of one annotator, or of all: over all categories, and by category."""
    _, unit = np.unique(cluster, return_inverse=True)
    n = int(unit.max(initial=-1)) + 1
    summed = np.zeros((n, *amounts.shape[1:]))
    np.add.at(summed, unit, amounts)
    totals = amounts.sum(axis=0).astype(np.int64)
    images = (amounts[:, :, 8] > 0).sum(axis=0)
    names = [*(category.name for category in comparison.categories), None]
    for k in [len(names) - 1, *range(len(names) - 1)]:
        if n == 0 or not images[k]:
            continue
        rework, pixels, passed = _rework_shares(summed[summed[:, k, 8] > 0, k], resampling.confidence)
        before, deleted, other, moved, added = totals[k, :5].tolist()
        yield ReworkCounts(
            annotator=annotator,
            category=names[k],
            images=int(images[k]),
            segments=before,
            deleted=deleted,
            added=added,
            recategorised=other,
            moved=moved,
            rework=rework,
            pixels=pixels,
            passed=passed,
        )


def _rework_shares(sums: Floats, confidence: float) -> tuple[Score, Score, Score]:
    """The shares of segments, of pixels, and of annotations that passed, from the sums (n, 9) of n clusters."""
    before, deleted, other, moved, added, changed, labelled, touched, annotated = sums.T
    corrected = deleted + other + moved + added
    counts = (corrected, before + added, True), (changed, labelled, False), (annotated - touched, annotated, True)
    rework, pixels, passed = (_share_score(*count, confidence) for count in counts)
    return rework, pixels, passed


def _share_score(hits: Floats, total: Floats, is_counted: bool, confidence: float) -> Score:
    """The share of hits (n,) with its interval over clusters; `is_counted`: of things that are counted, not pixels."""
    n, n_total = len(total), float(total.sum())
    if n_total <= 0:
        return Score.undefined(n)
    return Score(*share_with_interval(hits, total, confidence, trials=n_total if is_counted else None), n, 0)
