"""Wording: scores, intervals and conclusions as the reports of an agreement write them; undefined values are a dash."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from segdata.agreement.scores import Score
from segdata.agreement.summary import Intervals
from segdata.agreement.surface_distances import CategoryTolerance, Tolerance
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.errors import count_noun
from segdata.core.finding import Finding, Severity
from segdata.core.resampling import least_clusters
from segdata.core.rule import Tables, rules
from segdata.report.reference_pages import page_paragraph

DASH = "–"
LENGTHS = ("hd95", "assd", "offset", "offset_size", "boundary_offset")
COUNTS = ("count_gap", "count_difference")
SHARES = ("accuracy", "missed", "extra", "confused")
SCORE_NAMES = {
    "iou": "IoU",
    "dice": "Dice",
    "boundary_iou": "boundary IoU",
    "nsd": "boundaries within the tolerance",
    "segment_nsd": "boundaries of matched segments within the tolerance",
    "hd95": "HD95",
    "assd": "mean distance of boundaries",
    "offset": "boundary offset",
    "offset_size": "boundary offset",
    "boundary_offset": "boundary offset",
    "count_gap": "difference of counts",
    "count_difference": "difference of counts",
    "covering": "segmentation covering",
    "adjusted_rand": "adjusted Rand index",
    "variation_of_information": "variation of information",
    "iou_micro": "IoU of all pixels",
    "dice_micro": "Dice of all pixels",
    "pq": "PQ",
    "sq": "SQ",
    "rq": "RQ",
    "f1": "F1 of things",
    "kappa": "kappa",
    "accuracy": "pixels with the same label",
    "fleiss_kappa": "Fleiss' kappa",
    "alpha": "Krippendorff's alpha of pixels",
    "instance_alpha": "Krippendorff's alpha of things",
}


SHORT_NAMES = {"iou": "IoU", "nsd": "near", "segment_nsd": "near", "pq": "PQ", "kappa": "kappa", "f1": "F1"}


def gold_row(tables: Tables) -> int | None:
    """The row of the gold standard among the annotators; None without one."""
    return None if tables.assessment is None else tables.assessment.gold


def format_score(score: str, value: float, *, signed: bool = False) -> str:
    """Format a value of a score with two or three significant digits.

    >>> format_score("iou", 0.6274), format_score("missed", 0.708)
    ('0.63', '71%')
    >>> format_score("hd95", 12.34), format_score("iou", float("nan"))
    ('12', '–')
    >>> format_score("offset", -0.42, signed=True), format_score("iou", 0.9973), format_score("iou", 1.0)
    ('−0.42', '0.997', '1.00')
    """
    if not math.isfinite(value):
        return DASH
    if score in SHARES:
        return format_percent(value)
    size = abs(value)
    if score in LENGTHS + COUNTS:
        digits = 2 if size < 0.995 else 1 if size < 9.95 else 0
    else:
        digits = 2 if not 0.995 <= size < 0.99995 else 3 if size < 0.9995 else 4
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    return text.replace("-", "−") if float(text.replace(",", "")) else text.lstrip("+-")


def format_percent(share: float) -> str:
    """Format a share as a percentage; small shares have one more digit.

    >>> format_percent(0.708), format_percent(0.0042), format_percent(0.9996)
    ('71%', '0.4%', '99.96%')
    >>> format_percent(1.0), format_percent(0.000004)
    ('100%', '0%')
    """
    if not math.isfinite(share):
        return DASH
    rest = min(abs(share), abs(1 - share))
    digits = 0 if rest >= 0.0095 or rest < 0.00005 else 1 if rest >= 0.00095 else 2
    return f"{share:.{digits}%}"


def format_interval(score: str, value: Score, *, signed: bool = False) -> str:
    """Format the ends of an interval in brackets; empty without an interval.

    >>> format_interval("iou", Score(0.63, 0.611, 0.654, 9, 0))
    '[0.61, 0.65]'
    """
    if not (math.isfinite(value.low) and math.isfinite(value.high)):
        return ""
    low, high = (format_score(score, bound, signed=signed) for bound in (value.low, value.high))
    return f"[{low}, {high}]"


def score_with_interval(score: str, value: Score, *, signed: bool = False) -> str:
    """Format a value, with its interval if it has one.

    >>> score_with_interval("missed", Score(0.71, 0.653, 0.771, 9, 0))
    '71% [65%, 77%]'
    >>> score_with_interval("pq", Score(0.5, 0.5, float("nan"), 1, 0))
    '0.50'
    """
    return " ".join(
        filter(None, [format_score(score, value.value, signed=signed), format_interval(score, value, signed=signed)])
    )


def intervals_in_words(intervals: Intervals, n_images: int) -> str:
    """Explain the intervals in brackets, or why scores have none; `n_images`: the number of compared images.

    >>> intervals_in_words(Intervals(confidence=0.95, resamples=2000, seed=0, clusters=3), 12)
    '[ ]: 95% intervals; scores have none, since there are 3 sequences, patients or single images.'
    >>> intervals_in_words(Intervals(confidence=0.95, resamples=2000, seed=0, clusters=40), 40)
    '[ ]: 95% intervals from 2,000 resamples of 40 images.'
    """
    units = count_noun(intervals.clusters, "sequence, patient or single image", "sequences, patients or single images")
    if intervals.clusters == n_images:
        units = count_noun(n_images, "image")
    if intervals.clusters >= least_clusters(intervals.confidence):
        source = f" from {intervals.resamples:,} resamples of {units}"
    else:
        source = f"; scores have none, since there {'is' if intervals.clusters == 1 else 'are'} {units}"
    return f"[ ]: {intervals.confidence:.0%} intervals{source}."


def distance_unit(comparison: AnnotatorPairs) -> str:
    """The unit of boundary distances: mm if every spacing is known, px if none is."""
    has_spacing = np.isfinite(comparison.cases["spacing_x"]) if len(comparison.cases) else np.zeros(1, bool)
    return "mm" if has_spacing.all() else "px or mm" if has_spacing.any() else "px"


def tolerance_in_words(near: Tolerance) -> str:
    """The tolerance of boundaries in words.

    >>> tolerance_in_words(Tolerance(2.0)), tolerance_in_words(Tolerance(2.0, 0.5, {"car": CategoryTolerance(3.0)}))
    ('2 px', '2 px, 0.5 mm where the spacing is known; car 3 px')
    """
    own = (f"{name} {_limits_in_words(limits)}" for name, limits in near.categories.items())
    return "; ".join([_limits_in_words(near), *own])


def tolerance_cells(near: Tolerance) -> tuple[str, str]:
    """A tolerance in pixels and mm as cells of a spreadsheet; empty if no mm are given."""
    return f"{near.pixels:g}", "" if near.mm is None else f"{near.mm:g}"


def _limits_in_words(near: CategoryTolerance) -> str:
    mm = "" if near.mm is None else f", {near.mm:g} mm where the spacing is known"
    return f"{near.pixels:g} px{mm}"


def images_in_words(comparison: AnnotatorPairs) -> str:
    """The number of images, and of volumes with their slices."""
    frames = comparison.cases["frames"] if len(comparison.cases) else np.zeros(0, np.int64)
    deep = frames[frames > 1]
    images = len(frames) - len(deep)
    volumes = f"{count_noun(len(deep), 'volume')} of {count_noun(int(deep.sum()), 'slice')}"
    return join_words(
        [*([volumes] if len(deep) else []), *([count_noun(images, "image")] if images or not len(deep) else [])]
    )


def join_words(words: Iterable[str], most: int = 4) -> str:
    """Join words as in a sentence; words beyond `most` are counted.

    >>> join_words(["a"]), join_words(["a", "b"]), join_words(["a", "b", "c"]), join_words("abcdef", 3)
    ('a', 'a and b', 'a, b and c', 'a, b, c and 3 more')
    """
    all_words: Sequence[str] = list(words)
    if len(all_words) > most + 1:
        all_words = [*all_words[:most], f"{len(all_words) - most:,} more"]
    return (
        all_words[0] if len(all_words) == 1 else f"{', '.join(all_words[:-1])} and {all_words[-1]}" if all_words else ""
    )


Topic = Literal[
    "repair", "agreement", "person", "guideline", "place", "model", "tolerance", "contrast", "portion", "plan", "limit"
]

HEADINGS: dict[Topic, str] = {
    "repair": "fix first",
    "agreement": "agreement",
    "person": "annotator",
    "guideline": "guideline",
    "place": "to settle",
    "model": "accepted",
    "tolerance": "tolerance",
    "contrast": "compared",
    "portion": "portions",
    "plan": "plan",
    "limit": "left out",
}


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A conclusion of the report, with its figures and what to do."""

    topic: Topic  # the heading under which it is listed
    severity: Severity  # of the findings behind it; info where it is only a figure
    head: str  # the conclusion, in a few words
    details: str = ""  # the numbers
    act: str = ""  # what to do; empty if nothing
    codes: tuple[str, ...] = ()  # of the findings behind it; none: all
    annotator: str | None = None  # None: all
    category: str | None = None  # None: all


def findings_of_code(findings: Iterable[Finding], code: str) -> list[Finding]:
    """The findings with a code, in their order."""
    return [finding for finding in findings if finding.code == code]


def most_disputed_images(findings: Iterable[Finding], most: int) -> list[str]:
    """The images with most pixels in dispute."""
    pixels: dict[str, int] = {}
    for finding in findings:
        if finding.image is not None:
            pixels[finding.image] = pixels.get(finding.image, 0) + (finding.pixels or 0)
    return sorted(pixels, key=lambda image: (-pixels[image], image))[:most]


def rule_remedy(code: str) -> str:
    """The remedy on the rule's page, as a sentence."""
    rule = rules().get(code)
    text = "" if rule is None else page_paragraph(rule.page, "Remedy")
    return text[:1].upper() + text[1:]
