"""Dataset report: everything that is known of a dataset's quality, and the conclusions from it.

`schemas/report.schema.json` is made from these types.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

import msgspec
import numpy as np

from segdata.agreement.rates import wilson_interval
from segdata.agreement.results import Agreement
from segdata.campaign.costs import USUAL_SHARE, Costs
from segdata.core.errors import count_noun
from segdata.core.finding import Severity
from segdata.core.validation import Validation
from segdata.measure.summary import Summary
from segdata.report.agreement.wording import Conclusion
from segdata.report.console import Console, shorten
from segdata.report.flag_json import FlagReport
from segdata.report.label_errors import ErrorRow, LabelErrors, in_words
from segdata.review.states import FLAG_CODES, ReviewProgress

Part = Literal["validation", "balance", "agreement", "noise", "review", "cost"]
_RARE_SHARE = 0.01  # of all pixels or segments: a category below is rare
_MIN_DECISIONS = 10  # decisions on a rule's findings, below which nothing is said of its precision
_LOW_PRECISION = 0.5  # a rule that was right less often


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What is known; None: nobody looked.

    Attributes
    ----------
    validation : what the rules found
    summary : what is in it
    agreement : of its annotators, and what follows from it in words
    flag : the report of a run of `segdata flag`
    progress : of the review
    errors : how many labels are wrong in all, by the review
    costs : of the work
    notes : what was left out, and why
    """

    validation: Validation
    summary: Summary
    agreement: Agreement | None = None
    agreed: Sequence[Conclusion] = ()
    flag: FlagReport | None = None
    progress: ReviewProgress | None = None
    errors: LabelErrors | None = None
    costs: Costs | None = None
    notes: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class QualityPoint:
    """One conclusion: the part of the report that it is from, how grave it is, what is so, and what to do about it."""

    part: Part
    severity: Severity | Literal["good"]
    head: str
    said: str = ""
    act: str = ""


def quality_points(whole: DatasetReport) -> list[QualityPoint]:
    """The conclusions, in the order of the report's parts."""
    return [
        *_validation(whole.validation),
        *_balance(whole.summary),
        *_agreement(whole.agreement, whole.agreed),
        *_noise(whole.flag),
        *_review(whole.progress, whole.errors),
        *_cost(whole.costs),
    ]


def _validation(found: Validation) -> Iterator[QualityPoint]:
    n_errors, n_warnings = found.count("error"), found.count("warning")
    most = Counter(f"{each.code} {each.rule}" for each in found.findings if each.severity != "info").most_common(3)
    said = ", ".join(f"{name} ({count:,})" for name, count in most)
    images = len({each.image for each in found.findings if each.severity == "error" and each.image})
    if n_errors:
        where = f" in {count_noun(images, 'image')}" if images else ""  # none is about an image
        head = f"{count_noun(n_errors, 'error')}{where} to be mended before training"
        yield QualityPoint(
            "validation", "error", head, f"Most frequent: {said}.", "Look at them first; many can be fixed."
        )
    elif n_warnings:
        yield QualityPoint(
            "validation", "warning", f"No errors, {count_noun(n_warnings, 'warning')}", f"Most frequent: {said}."
        )
    else:
        silent = f"{count_noun(found.decided, 'finding')} decided by reviewers not counted." if found.decided else ""
        yield QualityPoint("validation", "good", "The rules find nothing wrong", silent)


def _balance(found: Summary) -> Iterator[QualityPoint]:
    rows = found.categories[found.categories["kind"] != "void"]
    unused = rows[rows["segments"] == 0]["name"].tolist()
    if unused:
        named = ", ".join(unused[:6]) + (" …" if len(unused) > 6 else "")
        yield QualityPoint(
            "balance", "warning", f"{count_noun(len(unused), 'category')} without a segment", f"{named}."
        )
    used = rows[rows["segments"] > 0]
    rare = used[used["share"] < _RARE_SHARE].sort_values("share")
    if len(used) > 1 and len(rare):
        listed = [f"{name} {share:.2%}" for name, share in zip(rare["name"][:6], rare["share"][:6], strict=True)]
        head = f"{count_noun(len(rare), 'category')} with less than {_RARE_SHARE:.0%} of the labelled pixels"
        yield QualityPoint(
            "balance", "info", head, f"{', '.join(listed)}.", "Weigh them in the loss: segdata info --weights."
        )
    for said in found.advice:
        yield QualityPoint("balance", "info", "The task may not fit what was drawn", said)
    for name in ("from models", "accepted unchanged"):
        if name in found.facts:
            yield QualityPoint("balance", "info", name.capitalize(), f"{found.facts[name]}.")


def _agreement(found: Agreement | None, agreed: Sequence[Conclusion]) -> Iterator[QualityPoint]:
    if found is None:
        return
    for each in agreed[:6]:
        yield QualityPoint("agreement", each.severity, each.head, each.said, each.act)


def _noise(found: FlagReport | None) -> Iterator[QualityPoint]:
    if found is None:
        return
    n_told = sum(each.correction is not None for each in found.findings) + found.omitted
    expected = found.flag.expected_errors
    weak = [each.category for each in found.flag.trust if each.reason]
    if n_told:
        head = f"{count_noun(n_told, 'label')} of {found.flag.judged:,} to look at again"
        about = ""
        if expected.value is not None and expected.low is not None and expected.high is not None:
            about = f"About {expected.value:.0f} of them are wrong ({expected.low:.0f} to {expected.high:.0f})."
        yield QualityPoint("noise", "warning", head, about, "Review them, the worst first.")
    else:
        yield QualityPoint("noise", "good", "No label stands out as wrong")
    if weak:
        yield QualityPoint(
            "noise",
            "info",
            f"The model is too weak for {', '.join(weak[:5])}",
            "Nothing is told of their labels; that does not mean that they are right.",
        )


def _review(found: ReviewProgress | None, errors: LabelErrors | None) -> Iterator[QualityPoint]:
    if found is None:
        return
    if errors is not None:
        yield _errors(errors)
    decided, open_ = sum(each.decided for each in found.rules), sum(each.open for each in found.rules)
    if found.n_findings:
        yield QualityPoint("review", "info", f"{count_noun(decided, 'finding')} decided, {open_:,} open")
    if found.disputed:
        head = f"Reviewers disagree on {count_noun(len(found.disputed), 'finding')}"
        yield QualityPoint(
            "review", "warning", head, "", "Somebody else is to settle them: segdata review report lists them."
        )
    for rule in found.rules:
        is_rule = not rule.code.startswith(FLAG_CODES)  # what flag tells was chosen, in part by lot
        if is_rule and rule.decided >= _MIN_DECISIONS and rule.right / rule.decided < _LOW_PRECISION:
            _, high = (float(each) for each in wilson_interval(np.array(rule.right), np.array(rule.decided)))
            yield QualityPoint(
                "review",
                "info",
                f"{rule.code} {rule.name} was right in {rule.right} of {rule.decided}",
                "" if math.isnan(high) else f"At most {high:.0%}, with 95 % confidence.",
                "Loosen its option, or ignore it, in segdata.yaml.",
            )


def _errors(found: LabelErrors) -> QualityPoint:
    """How many labels are wrong in all."""
    said = in_words(found)
    said = f"{said[0].upper()}{said[1:]}."
    if found.is_vague:
        act = "Decide on more of what segdata flag chose, or give it a larger budget."
        return QualityPoint("review", "info", "How many labels are wrong in all is not known yet", said, act)
    return QualityPoint("review", "info", f"About {found.every.n:,.0f} labels are wrong or missing in all", said)


def _cost(found: Costs | None) -> Iterator[QualityPoint]:
    if found is None or not found.annotation + found.assurance:
        return
    total = found.annotation + found.assurance
    spent = f"{format_hours(found.annotation)} of annotation and {format_hours(found.assurance)} of quality assurance"
    if found.assumed:
        spent += f"; for {1 - found.known:.0%} of the annotations, which do not say it, {found.assumed} were taken"
    elif found.known < 1:
        spent += f"; {1 - found.known:.0%} of the annotations do not say how long they took, and are not counted"
    amount = found.amount(total)
    paid = "" if amount is None else f", {amount:,.0f} {found.currency}".rstrip()
    yield QualityPoint("cost", "info", f"{format_hours(total)} of work{paid}", f"{spent}.")
    if found.assurance and (found.assumed or found.known == 1):  # else most of the work may not be in it
        low, high = USUAL_SHARE
        usual = f"{low:.0%} to {high:.0%} are usual"
        where = "within" if low <= found.share <= high else "below" if found.share < low else "above"
        yield QualityPoint(
            "cost", "info", f"Quality assurance is {found.share:.0%} of it", f"That is {where} what is usual: {usual}."
        )
    if found.n_errors and found.review:
        per = found.amount(found.per_error)
        cost = f"{60 * found.per_error:.1f} minutes" if per is None else f"{per:,.2f} {found.currency}".rstrip()
        yield QualityPoint(
            "cost", "info", f"A true error found has cost {cost}", f"{count_noun(found.n_errors, 'error')} so far."
        )


def format_hours(value: float) -> str:
    """A time in words.

    >>> hours(0.25), hours(3.21), hours(120)
    ('15 min', '3.2 h', '120 h')
    """
    if value < 1:
        return f"{60 * value:.0f} min"
    return f"{value:.1f} h" if value < 100 else f"{value:,.0f} h"


class PointRow(msgspec.Struct, frozen=True, kw_only=True):
    """One conclusion: which part it is from, how grave it is, what is so, the figures, and what to do."""

    part: Part
    severity: Severity | Literal["good"]
    head: str
    said: str
    act: str


class CostRow(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of work, the share of quality assurance in them, and what they cost at the rate in `segdata.yaml`.

    `known` is the share of annotations that say how long they took; `assumed` what was taken for the others.
    """

    annotation_hours: float
    double_annotation_hours: float
    review_hours: float
    assurance_share: float | None
    hours_per_error: float | None
    errors: int
    known: float | None
    assumed: str
    rate: float | None
    currency: str


class DatasetReportJson(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a dataset's quality, in words; the reports of the single commands have all figures."""

    version: Literal[1]
    dataset: str
    images: int
    segments: int
    findings: dict[str, int]
    points: tuple[PointRow, ...]
    label_errors: ErrorRow | None
    cost: CostRow | None
    notes: tuple[str, ...]


def dataset_report_json(whole: DatasetReport) -> str:
    """The report as JSON."""
    found = whole.validation
    report = DatasetReportJson(
        version=1,
        dataset=found.dataset,
        images=found.n_images,
        segments=found.n_segments,
        findings=found.by_code,
        points=tuple(
            PointRow(part=each.part, severity=each.severity, head=each.head, said=each.said, act=each.act)
            for each in quality_points(whole)
        ),
        label_errors=None if whole.errors is None else ErrorRow.of_errors(whole.errors),
        cost=None if whole.costs is None else _cost_row(whole.costs),
        notes=tuple(whole.notes),
    )
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def dataset_report_schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(DatasetReportJson)


def _cost_row(found: Costs) -> CostRow:
    return CostRow(
        annotation_hours=found.annotation,
        double_annotation_hours=found.again,
        review_hours=found.review,
        assurance_share=_finite_or_none(found.share),
        hours_per_error=_finite_or_none(found.per_error),
        errors=found.n_errors,
        known=_finite_or_none(found.known),
        assumed=found.assumed,
        rate=found.rate,
        currency=found.currency,
    )


def _finite_or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def dataset_report_text(whole: DatasetReport, typed: Sequence[str], paper: Console) -> str:
    """The conclusions in lines of at most `paper.width` columns; `typed`: the command, word by word."""
    found = whole.validation
    lines = [paper.paint(f"segdata report {shorten(found.dataset, paper.width - 15)}", "bold")]
    lines += paper.wrap(f"{found.n_images:,} images, {found.n_segments:,} segments", style="dim")
    for part, those in groupby(quality_points(whole), key=lambda each: each.part):
        lines += ["", paper.paint(part, "bold")]
        for each in those:
            lines += paper.wrap(each.head, "  ", "    ", None if each.severity == "info" else each.severity)
            for text in filter(None, (each.said, each.act)):
                lines += paper.wrap(text, "    ", "    ", "dim" if text == each.said else None)
    for note in whole.notes:
        lines += ["", *paper.wrap(note, "", "  ", "dim")]
    command = " ".join(["segdata", *typed, "--format html --output report.html"])
    return "\n".join([*lines, "", paper.paint("next", "bold"), f"  {command}"]) + "\n"
