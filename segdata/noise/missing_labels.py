"""Missing labels: predicted parts without a label of their own that look like those with one.

Errors that are common teach a classifier of injected errors that they are correct: they stand among the labels left as
they are. Here nothing counts as correct. Parts without a label are a mixture of missing labels, which look like parts
with a label, and of what the model takes for one; the look of each, and how much of the mixture can be missing labels,
say which it is.
"""

from collections.abc import Sequence

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.calibration import error_rate_bound, fit_calibration, fit_logistic
from segdata.noise.left_out import SeenParts
from segdata.noise.segments import Flags, Floats

_MIN_PARTS = 10  # with and without a label, to learn from
_MIN_SURER = 30  # parts with a label that look as much like one; how likely what looks more so is, nobody knows
_PENALTY = 10.0
_MAX_PROBABILITY = 0.95  # the model may be sure of something that nobody labels


def missing_label_probability(seen: Sequence[SeenParts], fold: Ints, known: Flags, reliable: Flags) -> list[Floats]:
    """For each image (p,) the probability that the label of each part is missing; 0 of parts that have one.

    Parameters
    ----------
    seen : of the images
    fold : (i,) images of one fold do not teach how to judge each other
    known : (i,) in which the model knows what it sees; others teach nothing, and lack nothing
    reliable : (K,) the categories in which it does

    Learning from positive and unlabelled examples: a logistic regression for each category tells parts with a label
    from those without, in other images. If f is the density of looks with a label, g without, and s the share of the
    latter that lack one, then the probability is s f / g. It takes the greatest s that the looks allow, so it is too
    high where the model takes for one what looks just like it; it is too low where labels are missing rather of what
    is hard to see.
    Sources: Elkan and Noto (2008), KDD, 213-220; Blanchard, Lee and Scott (2010), Journal of Machine Learning Research
    11, 2973-3009 (the share).
    """
    image = np.repeat(np.arange(len(seen)), [len(item.category) for item in seen])
    probability = np.zeros(len(image))
    if len(image):
        x = np.concatenate([item.x for item in seen])
        category, with_label, without = (
            np.concatenate([getattr(item, name) for item in seen]) for name in ("category", "confirmed", "alone")
        )
        judged = known[image] & reliable[category] & (with_label | without)
        for id_ in np.unique(category[judged]):
            rows = np.flatnonzero(judged & (category == id_))
            if with_label[rows].sum() >= _MIN_SURER and without[rows].sum() >= _MIN_PARTS:
                found = _of_category(x[rows], with_label[rows], fold[image[rows]])
                probability[rows] = np.where(without[rows], found, 0.0)
    return np.split(probability, np.cumsum([len(item.category) for item in seen])[:-1])


def _of_category(x: Floats, with_label: Flags, fold: Ints) -> Floats:
    """(p,) the probability that each part without a label lacks one."""
    away = x - np.median(x[with_label], axis=0)
    away = np.column_stack([away, away**2])
    odds, is_labelled = np.zeros(len(x)), with_label.astype(np.int64)
    for number in np.unique(fold):
        taught, own = fold != number, fold == number
        n = int(is_labelled[taught].sum())
        if min(n, int(taught.sum()) - n) >= _MIN_PARTS:
            model = fit_logistic(away[taught], is_labelled[taught], _PENALTY)
            odds[own] = model.margin(away[own]) - np.log(n / (taught.sum() - n))
    odds = fit_calibration(odds, is_labelled).odds(odds) - np.log(with_label.sum() / (~with_label).sum())
    share = error_rate_bound(odds, with_label)
    odds = np.minimum(odds, np.sort(odds[with_label])[-_MIN_SURER])
    return np.asarray(np.minimum(share * np.exp(odds), _MAX_PROBABILITY))
