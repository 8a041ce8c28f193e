"""Dataset report: the results of all commands on a dataset's quality, and the conclusions, as text, JSON and HTML.

`schemas/report.schema.json` is made from these types.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import msgspec

import segdata
from segdata.agreement.summary import Agreement
from segdata.campaign.projection import USUAL_SHARE, Costs
from segdata.core.errors import count_noun
from segdata.core.finding import Severity
from segdata.core.validation import Validation
from segdata.measure.summary import Summary
from segdata.report.agreement.wording import SCORE_NAMES, Conclusion, join_words, score_with_interval
from segdata.report.console import Console, shorten
from segdata.report.findings import command_lines, group_by_rule
from segdata.report.flag import ErrorRow, FlagReport, LabelErrors, errors_in_words
from segdata.report.html import asset, template
from segdata.report.html.findings import RuleGroup
from segdata.report.info import category_lines, dataset_facts, share_in_words
from segdata.report.review import rule_precision
from segdata.review.decision_log import FLAG_CODES, ReviewProgress, RuleProgress

Part = Literal["validation", "balance", "agreement", "noise", "review", "cost"]
PointSeverity = Severity | Literal["good"]
_RARE_SHARE = 0.01  # of all labelled pixels, below which a category is rare
_MIN_DECISIONS = 10  # decisions that the precision of a rule needs
_LOW_PRECISION = 0.5  # precision of a doubtful rule


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """The results of all commands on a dataset; None: the command did not run."""

    validation: Validation  # findings of the rules
    summary: Summary  # content of the dataset
    agreement: Agreement | None = None  # agreement of the annotators, with its conclusions in `agreed`
    agreed: Sequence[Conclusion] = ()
    flag: FlagReport | None = None  # report of a run of `segdata flag`
    progress: ReviewProgress | None = None
    errors: LabelErrors | None = None  # estimate of all wrong labels, from the review
    costs: Costs | None = None  # cost of the work
    notes: Sequence[str] = field(default=())  # on parts that were left out, and why


class QualityPoint(msgspec.Struct, frozen=True):
    """One conclusion: its part of the report, severity, headline, details, and what to do."""

    part: Part
    severity: PointSeverity
    head: str
    details: str = msgspec.field(name="said")
    act: str


Point = tuple[PointSeverity, *tuple[str, ...]]  # severity, headline, and if there are any details and what to do


def quality_points(report: DatasetReport) -> list[QualityPoint]:
    """The conclusions in the order of the report."""
    parts: dict[Part, Iterator[Point]] = {
        "validation": _validation(report.validation),
        "balance": _balance(report.summary),
        "agreement": (
            (conclusion.severity, conclusion.head, conclusion.details, conclusion.act)
            for conclusion in report.agreed[:6]
        ),
        "noise": iter(()) if report.flag is None else _noise(report.flag),
        "review": iter(()) if report.progress is None else _review(report.progress, report.errors),
        "cost": iter(()) if report.costs is None else _cost(report.costs),
    }
    rows = []
    for part, points in parts.items():
        for severity, *words in points:
            head, details, act = [*words, "", ""][:3]
            rows.append(QualityPoint(part, severity, head, details, act))
    return rows


def _validation(validation: Validation) -> Iterator[Point]:
    n_errors, n_warnings = validation.count("error"), validation.count("warning")
    severe = [finding for finding in validation.findings if finding.severity != "info"]
    most = Counter(f"{finding.code} {finding.rule}" for finding in severe).most_common(3)
    text = f"Most frequent: {', '.join(f'{name} ({count:,})' for name, count in most)}."
    images = len({finding.image for finding in severe if finding.severity == "error" and finding.image})
    if n_errors:
        where = f" in {count_noun(images, 'image')}" if images else ""  # no error is about an image
        head = f"{count_noun(n_errors, 'error')}{where} to fix before training"
        n_safe = sum(finding.fix == "safe" for finding in severe if finding.severity == "error")
        fixes = f"; `segdata validate --fix` can correct {n_safe:,} of {n_errors:,}" if n_safe else ""
        yield "error", head, text, f"Look at {'it' if n_errors == 1 else 'them'} first{fixes}."
    elif n_warnings:
        yield "warning", f"No errors, {count_noun(n_warnings, 'warning')}", text
    else:
        n_infos, n = validation.count("info"), validation.decided
        silent = f"{count_noun(n, 'finding')} decided by reviewers left out." if n else ""
        head = f"No errors or warnings, {count_noun(n_infos, 'info')}" if n_infos else "The rules find nothing wrong"
        yield "good", head, silent


def _balance(summary: Summary) -> Iterator[Point]:
    rows = summary.categories[summary.categories["kind"] != "void"]
    unused = rows[rows["segments"] == 0]["name"].tolist()
    if unused:
        yield "warning", f"{count_noun(len(unused), 'category')} without segments", f"{join_words(unused, 6)}."
    used = rows[rows["segments"] > 0]
    rare = used[used["share"] < _RARE_SHARE].sort_values("share")
    if len(used) > 1 and len(rare):
        listed = [f"{name} {share_in_words(share)}" for name, share in zip(rare["name"], rare["share"], strict=True)]
        head = f"{count_noun(len(rare), 'category')} with less than {_RARE_SHARE:.0%} of the labelled pixels"
        yield "info", head, f"{join_words(listed, 6)}.", "Weight them in the loss: segdata info --weights."
    for advice in summary.advice:
        yield "info", "The task may not fit the labels", advice
    for name in ("from models", "accepted unchanged"):
        if name in summary.facts:
            yield "info", name.capitalize(), f"{summary.facts[name]}."


def _noise(report: FlagReport) -> Iterator[Point]:
    n_labels = sum(finding.correction is not None for finding in report.findings) + report.omitted
    expected = report.flag.expected_errors
    weak = [trust.category for trust in report.flag.trust if trust.reason]
    if n_labels:
        head = f"{count_noun(n_labels, 'label')} of {report.flag.n_judged:,} to review"
        text = ""
        if expected.value is not None and expected.low is not None and expected.high is not None:
            text = f"{math.floor(expected.low)} to {math.ceil(expected.high)} of them are wrong, "
            text += f"about {expected.value:.0f} if real errors look like the injected ones."
        yield "warning", head, text, "Review them, worst first."
    else:
        yield "good", "No label stands out as wrong"
    if weak:
        text = "Their labels are not judged; this does not mean that they are right."
        yield "info", f"The model cannot judge {', '.join(weak[:5])}", text


def _review(progress: ReviewProgress, errors: LabelErrors | None) -> Iterator[Point]:
    if errors is not None:
        text = errors_in_words(errors)
        text = f"{text[0].upper()}{text[1:]}."
        if errors.is_vague:
            act = "Decide on more findings of segdata flag, or give it a larger budget."
            yield "info", "The total number of wrong labels is not known yet", text, act
        else:
            yield "info", f"About {errors.every.n:,.0f} labels are wrong or missing in total", text
    decided, open_ = sum(rule.decided for rule in progress.rules), sum(rule.open for rule in progress.rules)
    if progress.n_findings:
        yield "info", f"{count_noun(decided, 'finding')} decided, {open_:,} open"
    if progress.disputed:
        head = f"Reviewers disagree on {count_noun(len(progress.disputed), 'finding')}"
        yield "warning", head, "", "Let an adjudicator settle them; segdata review report lists them."
    for rule in progress.rules:
        is_rule = not rule.code.startswith(FLAG_CODES)  # the findings of flag were selected, in part at random
        if is_rule and rule.decided >= _MIN_DECISIONS and rule.right / rule.decided < _LOW_PRECISION:
            head = f"{rule.code} {rule.name} was right in {rule.right} of {rule.decided}"
            text = f"At most {rule_precision(rule).high:.0%}, with 95% confidence."
            yield "info", head, text, "Relax its options, or ignore the rule, in segdata.yaml."


def _cost(costs: Costs) -> Iterator[Point]:
    total = costs.annotation + costs.assurance
    if not total:
        return
    spent = f"{format_hours(costs.annotation)} of annotation and {format_hours(costs.assurance)} of quality assurance"
    if costs.assumed or costs.known < 1:
        untimed = f"annotations without a time ({1 - costs.known:.0%})"
        spent += f"; {untimed} are {f'assumed to take {costs.assumed}' if costs.assumed else 'not counted'}"
    amount = costs.amount(total)
    paid = "" if amount is None else f", {amount:,.0f} {costs.currency}".rstrip()
    yield "info", f"{format_hours(total)} of work{paid}", f"{spent}."
    if costs.assurance and (costs.assumed or costs.known == 1):  # otherwise most of the work may be missing
        low, high = USUAL_SHARE
        where = "within" if low <= costs.share <= high else "below" if costs.share < low else "above"
        text = f"This is {where} the usual range: {low:.0%} to {high:.0%} is usual."
        yield "info", f"Quality assurance is {costs.share:.0%} of it", text
    if costs.n_errors and costs.review:
        per = costs.amount(costs.per_error)
        cost = format_hours(costs.per_error) if per is None else f"{per:,.2f} {costs.currency}".rstrip()
        yield "info", f"Finding a true error has cost {cost}", f"{count_noun(costs.n_errors, 'error')} so far."


def format_hours(value: float) -> str:
    """Hours in words.

    >>> format_hours(0.007), format_hours(0.25), format_hours(3.21), format_hours(120)
    ('25 s', '15 min', '3.2 h', '120 h')
    """
    if 0 < value < 1 / 60:
        return f"{3600 * value:.0f} s"
    if value < 1:
        return f"{60 * value:.0f} min"
    return f"{value:.1f} h" if value < 100 else f"{value:,.0f} h"


_HOURS = {"annotation": "annotation_hours", "again": "double_annotation_hours", "review": "review_hours"}
_OF_COSTS = {"share": "assurance_share", "per_error": "hours_per_error", "n_errors": "errors"}


class CostRow(msgspec.Struct, frozen=True, kw_only=True, rename=_HOURS | _OF_COSTS):
    """Hours of work, the share of quality assurance, and the cost at the rate in `segdata.yaml`.

    `known` is the share of annotations with a time; `assumed` is the time assumed for the others.
    """

    annotation: float
    again: float
    review: float
    share: float | None
    per_error: float | None
    n_errors: int
    known: float | None
    assumed: str
    rate: float | None
    currency: str


class DatasetReportJson(msgspec.Struct, frozen=True, kw_only=True):
    """The quality of a dataset in words; the reports of the commands have all figures."""

    version: Literal[1]
    dataset: str
    images: int
    segments: int
    findings: dict[str, int]
    points: tuple[QualityPoint, ...]
    label_errors: ErrorRow | None
    cost: CostRow | None
    notes: tuple[str, ...]


def dataset_report_json(report: DatasetReport) -> str:
    """The report as JSON."""
    validation = report.validation
    encoded = DatasetReportJson(
        version=1,
        dataset=validation.dataset,
        images=validation.n_images,
        segments=validation.n_segments,
        findings=validation.by_code,
        points=tuple(quality_points(report)),
        label_errors=None if report.errors is None else ErrorRow.of_errors(report.errors),
        cost=None if report.costs is None else msgspec.convert(report.costs, CostRow, from_attributes=True),
        notes=tuple(report.notes),
    )
    return msgspec.json.format(msgspec.json.encode(encoded), indent=2).decode()


def dataset_report_text(report: DatasetReport, typed: Sequence[str], console: Console) -> str:
    """The conclusions in lines of at most `console.width` columns; `typed`: the words of the command."""
    validation = report.validation
    lines = [console.paint(f"segdata report {shorten(validation.dataset, console.width - 15)}", "bold")]
    lines += console.wrap(
        f"{count_noun(validation.n_images, 'image')}, {count_noun(validation.n_segments, 'segment')}", style="dim"
    )
    for part, points in groupby(quality_points(report), key=lambda point: point.part):
        lines += ["", console.paint(part, "bold")]
        for point in points:
            lines += console.wrap(point.head, "  ", "    ", None if point.severity == "info" else point.severity)
            for text in filter(None, (point.details, point.act)):
                lines += console.wrap(text, "    ", "    ", "dim" if text == point.details else None)
    for note in report.notes:
        lines += ["", *console.wrap(note, "", "  ", "dim")]
    command = ["segdata", *typed, "--format", "html", "--output", "report.html"]
    return "\n".join([*lines, *console.next_block(command_lines(command, console))]) + "\n"


_MAX_LISTED = 40  # suspected labels, and images
_OF_PAIRS = ("iou", "dice", "kappa", "pq", "boundary_iou")
TITLES: dict[Part, str] = {
    "validation": "Validation",
    "balance": "What is in it",
    "agreement": "Agreement",
    "noise": "Suspected labels",
    "review": "Review",
    "cost": "Cost",
}
_COMMANDS: dict[Part, str] = {
    "validation": "validate",
    "balance": "info",
    "agreement": "agreement",
    "noise": "flag",
    "review": "review report",
}
_FIRST: dict[Part, str] = {"review": "browse"}  # where nothing is there to report yet


def dataset_report_html(report: DatasetReport, typed: Sequence[str]) -> str:
    """The report as one HTML file; the same input gives the same text.

    `typed`: DATA and the options, as typed after a command. The text may contain characters that Unicode cannot encode:
    write it with `backslashreplace`.
    """
    available = _parts(report)
    pairs = () if report.agreement is None else report.agreement.pairs
    flagged = () if report.flag is None else report.flag.findings
    return template("dataset_report.html").render(
        dataset=report.validation.dataset,
        n_images=report.validation.n_images,
        n_segments=report.validation.n_segments,
        points=quality_points(report),
        parts={name: TITLES[name] for name in available},
        missing={
            name: " ".join(["segdata", _FIRST.get(name, command), *typed])
            for name, command in _COMMANDS.items()
            if name not in available
        },
        commands={name: " ".join(["segdata", command, *typed]) for name, command in _COMMANDS.items()},
        groups=[RuleGroup.from_findings(group) for group in group_by_rule(report.validation.findings)],
        facts=dataset_facts(report.summary),
        lines=category_lines(report.summary),
        score_names=[SCORE_NAMES[name] for name in _OF_PAIRS],
        pairs=[(pair, [score_with_interval(name, pair.scores[name]) for name in _OF_PAIRS]) for pair in pairs],
        noise=report.flag,
        suspects=[row.finding() for row in flagged[:_MAX_LISTED]],
        n_more=max(len(flagged) - _MAX_LISTED, 0),
        reviewed=[] if report.progress is None else [(rule, _precision_text(rule)) for rule in report.progress.rules],
        reviewers=() if report.progress is None else report.progress.reviewers,
        costs=[] if report.costs is None else _costs(report.costs),
        notes=report.notes,
        version=segdata.__version__,
        style=asset("report.css") + asset("info.css") + asset("dataset_report.css"),
    )


def _precision_text(rule: RuleProgress) -> str:
    precision = rule_precision(rule)
    return "-" if precision.value is None else f"{precision.value:.0%} ({precision.low:.0%} to {precision.high:.0%})"


def _parts(report: DatasetReport) -> list[Part]:
    is_known: dict[Part, bool] = {
        "validation": True,
        "balance": True,
        "agreement": report.agreement is not None,
        "noise": report.flag is not None,
        "review": report.progress is not None,
        "cost": report.costs is not None and report.costs.annotation + report.costs.assurance > 0,
    }
    return [name for name, is_available in is_known.items() if is_available]


def _costs(costs: Costs) -> list[tuple[str, str, str]]:
    rows = [
        ("first annotation of each image", costs.annotation),
        ("further annotations, for comparison", costs.again),
        ("review", costs.review),
        ("together", costs.annotation + costs.assurance),
        ("for each true error found", costs.per_error),
    ]
    known = [(name, value) for name, value in rows if value and not math.isnan(value)]
    return [(name, format_hours(value), _amount_text(costs, value)) for name, value in known]


def _amount_text(costs: Costs, value: float) -> str:
    amount = costs.amount(value)
    return "" if amount is None else f"{amount:,.2f} {costs.currency}".rstrip()
