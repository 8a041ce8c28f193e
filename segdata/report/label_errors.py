"""Label errors: how many labels of a dataset are wrong in all, from what reviewers said of those chosen by `flag`."""

from collections.abc import Hashable, Sequence

import msgspec
import numpy as np

from segdata.core.baseline import content
from segdata.core.decision import Decision
from segdata.noise.reviewing.estimates import Estimate, total
from segdata.noise.reviewing.sampling import Chosen
from segdata.report.flag_json import FlagReport
from segdata.review.progress import RIGHT
from segdata.review.standing import latest


class ErrorRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many of all labels are wrong, by the review, and the ends of the 95 % interval; null where nothing tells."""

    value: float | None
    low: float
    high: float
    of: int

    @staticmethod
    def of_estimate(found: Estimate) -> "ErrorRow":
        """The row of an estimate."""
        return ErrorRow(value=None if np.isnan(found.n) else found.n, low=found.low, high=found.high, of=found.of)


def label_errors(report: FlagReport, decisions: Sequence[Decision]) -> Estimate | None:
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
    for each in latest(decisions):
        if each.decision is not None and each.decision.finding is not None:
            wrong[content(each.decision.finding)] = each.decision.verdict in RIGHT
    said = {at: wrong[content(each)] for at, each in enumerate(told) if each is not None and content(each) in wrong}
    if not said:
        return None
    chosen = Chosen(np.arange(len(told)), np.array(sample.stratum, np.int64), np.array(sample.size, np.int64))
    return total(chosen, np.array([*said]), np.array([*said.values()], bool))


def in_words(found: Estimate) -> str:
    """The estimate in words."""
    rate, low, high = found.rate
    if np.isnan(rate):
        return (
            f"between {low:.1%} and {high:.1%} of {found.of:,} labels are wrong: of those drawn by lot none is decided"
        )
    return f"about {rate:.1%} of {found.of:,} labels are wrong ({low:.1%} to {high:.1%}, with 95 % confidence)"
