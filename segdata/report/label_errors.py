"""Label errors: how many labels are wrong or missing in all, from what reviewers said of those chosen by `flag`."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import Decision, Finding
from segdata.core.runs import Ints
from segdata.core.validation import finding_key
from segdata.noise.budget import ErrorEstimate, ReviewSample, estimate_errors
from segdata.noise.flag_result import SampledReview
from segdata.noise.segments import Flags
from segdata.report.flag_json import FlagReport
from segdata.review.states import RIGHT_VERDICTS, review_states

_VAGUE = 0.5  # an interval that is wider tells no rate


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """How many labels are wrong in all, by the review.

    Attributes
    ----------
    every : of all candidates, labels and regions
    labels : wrong ones among what is annotated
    regions : regions that are to be labelled, among those in which the model sees something and nothing is annotated
    apart : whether it is known how many of the candidates are labels; else `of` of both is that of all
    """

    every: ErrorEstimate
    labels: ErrorEstimate
    regions: ErrorEstimate
    apart: bool

    @property
    def is_vague(self) -> bool:
        """Whether next to nothing is known."""
        rate, low, high = self.every.rate
        return bool(np.isnan(rate) or high - low > _VAGUE)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """How many of labels, or of regions, are wrong, and the ends of the 95 % interval; `of` is null where not known."""

    value: float | None
    low: float
    high: float
    of: int | None


class ErrorRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many candidates are wrong, by the review, and the ends of the 95 % interval; null where nothing tells.

    Candidates are `labels`, and `regions` in which the model sees something and nothing is annotated.
    """

    value: float | None
    low: float
    high: float
    of: int
    labels: Part
    regions: Part

    @staticmethod
    def of_errors(found: LabelErrors) -> "ErrorRow":
        """The row of what is known."""
        every = found.every
        labels, regions = (_part(each, found.apart) for each in (found.labels, found.regions))
        return ErrorRow(
            value=_finite(every.n), low=every.low, high=every.high, of=every.of, labels=labels, regions=regions
        )


def _part(found: ErrorEstimate, apart: bool) -> Part:
    return Part(value=_finite(found.n), low=found.low, high=found.high, of=found.of if apart else None)


def _finite(value: float) -> float | None:
    return None if np.isnan(value) else value


def label_errors(report: FlagReport, decisions: Sequence[Decision]) -> LabelErrors | None:
    """How many labels are wrong, those included that were not chosen, with a 95 % interval.

    None where the report has no sample of labels (it was made without a budget, or of whole images), leaves findings
    out, or nobody has decided on any of them. A verdict counts though the label was changed by it since.
    """
    sample = report.flag.sample
    if sample is None or sample.images is not None or len(sample.findings) != len(sample.stratum):
        return None
    if max(sample.findings, default=-1) >= len(report.findings):
        return None
    told = [report.findings[at].finding() if at >= 0 else None for at in sample.findings]
    wrong: dict[Hashable, bool] = {}
    for each in review_states(decisions):
        if each.decision is not None and each.decision.finding is not None:
            wrong[finding_key(each.decision.finding)] = each.decision.verdict in RIGHT_VERDICTS
    said = {
        at: wrong[finding_key(each)] for at, each in enumerate(told) if each is not None and finding_key(each) in wrong
    }
    if not said:
        return None
    return _estimated(sample, told, np.array([*said]), np.array([*said.values()], bool))


def _estimated(sample: SampledReview, told: Sequence[Finding | None], place: Ints, wrong: Flags) -> LabelErrors:
    """The estimates from verdicts `wrong` (v,) on the things at `place` (v,) of the sample."""
    chosen = ReviewSample(np.arange(len(told)), np.array(sample.stratum, np.int64), np.array(sample.size, np.int64))
    every = estimate_errors(chosen, place, wrong)
    parts = []
    for is_label, of in ((True, sample.labels), (False, None if sample.labels is None else every.of - sample.labels)):
        mine = np.array([each is None or bool(each.segments) == is_label for each in told])
        found = _among(chosen, mine, place, wrong)
        n = every.of if of is None else of
        parts.append(replace(found, low=min(found.low, n), high=min(found.high, n), of=n))
    labels, regions = parts
    return LabelErrors(every, labels, regions, sample.labels is not None)


def _among(chosen: ReviewSample, mine: Flags, place: Ints, wrong: Flags) -> ErrorEstimate:
    """How many of some things only are wrong: the others count as right, and not at all where they were no lot."""
    kept = mine | (chosen.stratum >= 0)
    number, judged = np.cumsum(kept) - 1, kept[place]
    some = ReviewSample(np.arange(int(kept.sum())), chosen.stratum[kept], chosen.size)
    return estimate_errors(some, number[place[judged]], (wrong & mine[place])[judged])


def in_words(found: LabelErrors) -> str:
    """The estimate in words."""
    rate, low, high = found.every.rate
    if np.isnan(rate):
        what = f"{found.every.of:,} labels and regions that nobody labelled"
        return f"between {low:.1%} and {high:.1%} of {what} are wrong: of those drawn by lot none is decided"
    told = [_share(found.labels, "label", "wrong"), _share(found.regions, "region", "missing", "that nobody labelled")]
    if not found.apart:
        return _numbers(found)
    why = "; few were drawn by lot and decided" if found.is_vague else ""
    return f"{', and '.join(filter(None, told))}, with 95 % confidence{why}"


def _share(found: ErrorEstimate, thing: str, what: str, more: str = "") -> str:
    """How many of some things; nothing where there are none, and no value where it says next to nothing."""
    if not found.of:
        return ""
    rate, low, high = found.rate
    of = f"{count_noun(found.of, thing)}{more and f' {more}'}"
    if high - low > _VAGUE:
        return f"from {low:.1%} to {high:.1%} of {of} are {what}"
    return f"about {rate:.1%} of {of} are {what} ({low:.1%} to {high:.1%})"


def _numbers(found: LabelErrors) -> str:
    """Where it is not known how many labels and regions there are."""
    labels, regions = found.labels, found.regions
    return (
        f"about {labels.n:,.0f} labels are wrong ({labels.low:,.0f} to {labels.high:,.0f}), and about {regions.n:,.0f} "
        f"are missing ({regions.low:,.0f} to {regions.high:,.0f}), with 95 % confidence"
    )
