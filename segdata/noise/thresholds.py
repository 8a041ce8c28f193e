"""Thresholds: the categories in which candidates are reliable, and the probability from which they are reported."""

from collections.abc import Sequence

import msgspec
import numpy as np

from segdata.core.runs import Flags, Floats, Ints
from segdata.noise.calibration import logistic
from segdata.noise.evaluation import Count, Share, auroc, finite_or_none
from segdata.noise.features import MIN_IOU
from segdata.noise.ranking import RankedCandidates
from segdata.noise.segments import UNLABELLED

MIN_AUROC = 0.7
_MIN_INJECTED = 10  # injected mistakes of a category below which they say nothing of it alone
_POOLED_WEIGHT = 20.0  # mistakes that the threshold of all categories together counts for, beside those of one


class CategoryTrust(msgspec.Struct, frozen=True, kw_only=True):
    """The reliability of the ranking in a category.

    `iou` is that of the model with the given labels, out of sample; null if the category occurs nowhere. `auroc` is
    that for the `injected` errors in images that were not learnt from, over all categories if these are too few.
    `threshold` is the probability from which on a label is reported, if the evidence is strong. `reason` says why the
    category has no findings.
    """

    category: str
    iou: Share | None
    auroc: Share | None
    injected: Count
    threshold: Share
    reason: str | None


def category_trust(ranked: RankedCandidates, names: Sequence[str], threshold: Floats) -> list[CategoryTrust]:
    """The reliability of the ranking in each category in `names` (K,) but row 0, with its `threshold` (K,)."""
    score, is_wrong, category = _held_out_scores(ranked)
    overall = float(auroc(score, is_wrong)[0])
    result = []
    for row in range(1, len(names)):
        of_category = category == row
        n = int(is_wrong[of_category].sum())
        pooled = n < _MIN_INJECTED
        own_auroc = overall if pooled else float(auroc(score[of_category], is_wrong[of_category])[0])
        error = _auroc_error(own_auroc, is_wrong if pooled else is_wrong[of_category])
        iou = float(ranked.iou[row])
        trust = CategoryTrust(
            category=names[row],
            iou=finite_or_none(iou),
            auroc=finite_or_none(own_auroc),
            injected=n,
            threshold=float(threshold[row]),
            reason=_distrust_reason(names[row], iou, own_auroc, error),
        )
        result.append(trust)
    return result


def _held_out_scores(ranked: RankedCandidates) -> tuple[Floats, Flags, Ints]:
    held_out = ranked.held_out
    return held_out.score, held_out.mistake >= 0, ranked.held_category


def _auroc_error(auroc: float, wrong: Flags) -> float:
    """The standard error of an AUROC. Source: Hanley and McNeil (1982), Radiology 143(1), 29-36."""
    n, m = int(wrong.sum()), int((~wrong).sum())
    of_wrong, of_right = auroc / (2 - auroc) - auroc**2, 2 * auroc**2 / (1 + auroc) - auroc**2
    return float(np.sqrt((auroc * (1 - auroc) + (n - 1) * of_wrong + (m - 1) * of_right) / max(n * m, 1)))


def missed_figure(value: float) -> str:
    """A figure that misses its limit, in hundredths: rounded down, so that it does not read as the limit itself.

    >>> missed_figure(0.4979), missed_figure(0.31)
    ('0.49', '0.31')
    """
    return f"{np.floor(100 * value + 1e-9) / 100:.2f}"


def _distrust_reason(name: str, iou: float, auroc: float, error: float) -> str | None:
    if np.isnan(iou):
        return f"{name} occurs nowhere in these images, so nobody knows how well the model predicts it"
    if iou < MIN_IOU:
        return (
            f"the model is too weak for {name}: IoU {missed_figure(iou)} with the given labels; "
            f"at least {MIN_IOU} is needed"
        )
    if not auroc + error >= MIN_AUROC:  # few errors, or many wrong labels among the right ones, measure it badly
        measured = f"it finds injected errors with AUROC {missed_figure(auroc)}"
        return f"the model is too weak for {name}: {measured}; at least {MIN_AUROC} is needed"
    return None


def flag_thresholds(ranked: RankedCandidates, n_categories: int) -> Floats:
    """(K,) the probability from which a candidate of each category is flagged; row 0 is for all together.

    It has the best F1 on injected errors that were not learnt from. With few errors it is closer to that of all
    categories, so that neither large categories dominate small ones nor small ones follow chance.
    """
    score, is_wrong, category = _held_out_scores(ranked)
    overall = _best_f1(score, is_wrong)
    result = np.full(n_categories, overall)
    for number in range(1, n_categories):
        of_category = category == number
        n = float(is_wrong[of_category].sum())
        if n:
            own = _best_f1(score[of_category], is_wrong[of_category])
            result[number] = (n * own + _POOLED_WEIGHT * overall) / (n + _POOLED_WEIGHT)
    return result


def _best_f1(score: Floats, wrong: Flags) -> float:
    """The greatest score with the best F1 as a threshold."""
    if not wrong.any():
        return 0.5
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(wrong[order])
    f1 = 2 * hits / (wrong.sum() + np.arange(1, len(score) + 1))
    last = np.append(score[order][1:] != score[order][:-1], True)
    return float(score[order][np.where(last, f1, -1).argmax()])


def judged_candidates(ranked: RankedCandidates, trust: Sequence[CategoryTrust]) -> Flags:
    """(n,) the candidates that the model can judge: it knows their image, and every category that they name.

    A candidate names the category of its label and the one that the model sees there. What the report calls too weak,
    or not known, is therefore in no finding, whichever of the two it is. `trust` has an item for each of the rows 1, 2,
    … of the categories.
    """
    weak = np.array([False, *(item.reason is not None for item in trust)])
    names_weak = weak[np.maximum(ranked.category, UNLABELLED)] | weak[np.maximum(ranked.believed, UNLABELLED)]
    return np.asarray(~names_weak & ranked.known_images[ranked.image])


def candidates_above(ranked: RankedCandidates, trust: Sequence[CategoryTrust], threshold: Floats | None = None) -> Ints:
    """(r,) the rows of candidates to report, worst first; without `threshold` (K,) all that the model can judge.

    A candidate is reported if it has strong evidence and is at or above the threshold of its category, so a weak
    ranking reports little. None is a region thinner than the precision of the model. `trust`: see `judged_candidates`.
    """
    reported = judged_candidates(ranked, trust)
    reported[ranked.thin] = False
    if threshold is not None:
        category = np.where(ranked.category > 0, ranked.category, np.maximum(ranked.seen, 0))
        reported &= (logistic(ranked.odds) >= threshold[category]) & ranked.strong
    rows = np.flatnonzero(reported)
    return rows[np.argsort(-ranked.probability[rows], kind="stable")]
