"""Trust: for which categories a ranking is worth a reviewer's time, and from which probability on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.noise.evidence.drawn import Flags, Floats
from segdata.noise.evidence.pixelwise import LEAST_IOU, VAGUE_IOU
from segdata.noise.mistakes.evaluation import auroc
from segdata.noise.scoring.scores import Suspicions

LEAST_AUROC = 0.7
ENOUGH = 10  # injected mistakes of a category below which they say nothing of it alone
USUAL = 20.0  # mistakes that the threshold of all categories together counts for, beside those of one


@dataclass(frozen=True, slots=True)
class Trust:
    """What the model is worth for one category.

    Attributes
    ----------
    category : its row
    iou : of the model, out of sample, with the given labels; NaN where the category occurs nowhere
    auroc : of injected mistakes that were not learnt from; those of all categories where `n_mistakes` are too few
    n_mistakes : injected ones
    reason : why its ranking is not to be trusted; None: it is
    """

    category: int
    iou: float
    auroc: float
    n_mistakes: int
    reason: str | None


def trusts(found: Suspicions, names: Sequence[str]) -> list[Trust]:
    """For each category of `names` (K,), row 0 left out, whether its ranking is to be trusted."""
    score, wrong, category = _held(found)
    overall = float(auroc(score, wrong)[0])
    result = []
    for each in range(1, len(names)):
        mine = category == each
        n = int(wrong[mine].sum())
        own = float(auroc(score[mine], wrong[mine])[0]) if n >= ENOUGH else overall
        iou = float(found.iou[each])
        result.append(Trust(each, iou, own, n, _reason(names[each], iou, own)))
    return result


def _held(found: Suspicions) -> tuple[Floats, Flags, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    held = found.held_out
    return held.score, held.mistake >= 0, found.held_category


def _reason(name: str, iou: float, own: float) -> str | None:
    if np.isnan(iou):
        return f"{name} occurs nowhere in these images, so nothing is known of how well the model sees it"
    if iou < LEAST_IOU:
        return f"the model is too weak for {name}: IoU {iou:.2f} with the given labels, at least {LEAST_IOU} is needed"
    if not own >= LEAST_AUROC:
        return f"the model is too weak for {name}: it tells injected errors with AUROC {own:.2f}, not {LEAST_AUROC}"
    return None


def thresholds(found: Suspicions, n_categories: int) -> Floats:
    """(K,) the probability from which on a candidate of each category is flagged; row 0 is that of all together.

    That with the best F1 on injected mistakes that were not learnt from. One of few mistakes is drawn to that of all
    categories, so that neither a large category drowns a small one nor a small one makes up its own.
    """
    score, wrong, category = _held(found)
    overall = _best_f1(score, wrong)
    result = np.full(n_categories, overall)
    for each in range(1, n_categories):
        mine = category == each
        n = float(wrong[mine].sum())
        if n:
            result[each] = (n * _best_f1(score[mine], wrong[mine]) + USUAL * overall) / (n + USUAL)
    return result


def _best_f1(score: Floats, wrong: Flags) -> float:
    """The greatest score at which twice the wrong ones above are the largest share of all wrong ones and all above."""
    if not wrong.any():
        return 0.5
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(wrong[order])
    f1 = 2 * hits / (wrong.sum() + np.arange(1, len(score) + 1))
    last = np.append(score[order][1:] != score[order][:-1], True)
    return float(score[order][np.where(last, f1, -1).argmax()])


def flagged(found: Suspicions, weak: Sequence[Trust], threshold: Floats) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(r,) the rows of candidates at or above their category's threshold, the worst first; none that is not trusted.

    That is by the category that was given. Of a region that was given otherwise than it is seen, what is seen has to
    mean something as well.
    """
    category = np.where(found.category > 0, found.category, np.maximum(found.seen, 0))
    bad = [each.category for each in weak if each.reason]
    vague = [each.category for each in weak if not each.iou >= VAGUE_IOU]
    trusted = ~np.isin(category, bad) & ~np.isin(found.seen, vague)
    rows = np.flatnonzero((found.probability >= threshold[category]) & trusted)
    return rows[np.argsort(-found.probability[rows], kind="stable")]
