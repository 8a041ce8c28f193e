"""Candidates: labels that a model contradicts, which was not trained on their image, as rows that rules filter."""

import msgspec

from segdata.core.finding import Correction
from segdata.core.table import Table

CONFIDENCE = 0.95  # of the interval from `low` to `high`


def excludes_nothing(low: float, high: float) -> bool:
    """Whether a 95 % interval of a probability holds 0.05 and 0.95, so that it says nothing but a rank."""
    return low <= 1 - CONFIDENCE and high >= CONFIDENCE


class Candidates(msgspec.Struct, frozen=True):
    """All labels of a dataset that may be wrong, with the probability that they are."""

    # annotation, segment (rows; segment is -1 where nothing is annotated so), type ("missing", "extra", "category",
    # "boundary", "merge", "split" or "shift"), probability (that the label is wrong), low, high (its 95 % interval, as
    # real errors may be rarer or harder to find than injected ones), category, seen (names: as given and as the model
    # sees it; "" for nothing), x, y, width, height, pixels (of what is suspected), flagged (whether it is above the
    # threshold of a category that is to be trusted, and within the budget), whole (not only a part of the segment),
    # believed, believed_seen (the mean probability of `category` and of `seen` over the pixels), right, down (pixels by
    # which the model sees it elsewhere), seam (pixels of the edge that the model sees through it), is_sampled (drawn at
    # random, so that all errors can be estimated)
    suspects: Table
    corrections: tuple[Correction, ...]  # one for each suspect
    # pairs of categories that labels confuse, the worst first: given, seen (names), n (segments given the one that look
    # like the other), reverse, expected (how many of both were to be given so), images, p
    confusions: Table | None = None
    # groups of annotations that are doubted more than others of the same sort, the worst first: column (what tells the
    # groups apart: "annotator", "month" …), name, difference (in the mean probability of an error), usual (that mean of
    # all), n (images compared), p
    doubted: Table | None = None
    # labels to look at where the model does not know the dataset, the oddest first: annotation, segment (rows),
    # category, x, y, width, height, pixels, whole (not only a part of the segment), oddest (in words)
    unusual: Table | None = None


def describe_shift(right: float, down: float) -> str:
    """A shift by whole pixels to the right and down, in words; empty where both round to 0.

    >>> describe_shift(5, -3.4)
    '5 px to the right and 3 px up'
    """
    across, along = round(right), round(down)
    words = [(across, "to the right" if across > 0 else "to the left"), (along, "down" if along > 0 else "up")]
    return " and ".join(f"{abs(by)} px {where}" for by, where in words if by)
