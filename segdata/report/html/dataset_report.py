"""The HTML report of `segdata report`: conclusions, then what they are from, with links between them, as one file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import segdata
from segdata.agreement.rates import wilson_interval
from segdata.campaign.costs import Costs
from segdata.core.finding import Finding
from segdata.report.agreement.wording import SCORE_NAMES, score_with_interval
from segdata.report.dataset_report import DatasetReport, Part, format_hours, quality_points
from segdata.report.findings_text import group_by_rule
from segdata.report.html.findings import RuleGroup
from segdata.report.html.info import category_lines
from segdata.report.html.templates import asset, template
from segdata.report.info import dataset_facts
from segdata.review.states import RuleProgress

_MOST = 40  # suspected labels and images that are listed
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


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two annotators, how many images both annotated, and their scores as text."""

    a: str
    b: str
    images: int
    scores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReviewedRule:
    """A rule, what was decided of its findings, and how often it was right, as text."""

    code: str
    name: str
    decided: int
    open: int
    right: int
    precision: str

    @staticmethod
    def of(rule: RuleProgress) -> "ReviewedRule":
        """What a progress says of a rule."""
        precision = "-"
        if rule.decided:
            low, high = (float(end) for end in wilson_interval(np.array(rule.right), np.array(rule.decided)))
            precision = f"{rule.right / rule.decided:.0%} ({low:.0%} to {high:.0%})"
        return ReviewedRule(rule.code, rule.name, rule.decided, rule.open, rule.right, precision)


def to_html(report: DatasetReport, typed: Sequence[str]) -> str:
    """The report as one HTML file; the same input gives the same text.

    `typed`: DATA and the options, as one would type them behind a command. What Unicode cannot encode stays in the text
    as it is: write it with `backslashreplace`.
    """
    conclusions = quality_points(report)
    available = _parts(report)
    findings = report.validation.findings
    return template("dataset_report.html").render(
        dataset=report.validation.dataset,
        n_images=report.validation.n_images,
        n_segments=report.validation.n_segments,
        points=conclusions,
        parts={name: TITLES[name] for name in available},
        missing={
            name: " ".join(["segdata", _FIRST.get(name, command), *typed])
            for name, command in _COMMANDS.items()
            if name not in available
        },
        commands={name: " ".join(["segdata", command, *typed]) for name, command in _COMMANDS.items()},
        groups=[RuleGroup.of(group) for group in group_by_rule(findings)],
        facts=dataset_facts(report.summary),
        lines=category_lines(report.summary),
        score_names=[SCORE_NAMES[name] for name in _OF_PAIRS],
        pairs=_pairs(report),
        noise=report.flag,
        suspects=_suspects(report),
        n_more=0 if report.flag is None else max(len(report.flag.findings) - _MOST, 0),
        reviewed=[] if report.progress is None else [ReviewedRule.of(rule) for rule in report.progress.rules],
        reviewers=() if report.progress is None else report.progress.reviewers,
        costs=[] if report.costs is None else _costs(report.costs),
        notes=report.notes,
        version=segdata.__version__,
        style=asset("report.css") + asset("info.css") + asset("dataset_report.css"),
    )


def _parts(report: DatasetReport) -> list[Part]:
    """Those of which anything is known."""
    is_known: dict[Part, bool] = {
        "validation": True,
        "balance": True,
        "agreement": report.agreement is not None,
        "noise": report.flag is not None,
        "review": report.progress is not None,
        "cost": report.costs is not None and report.costs.annotation + report.costs.assurance > 0,
    }
    return [name for name, is_available in is_known.items() if is_available]


def _pairs(report: DatasetReport) -> list[PairRow]:
    if report.agreement is None:
        return []
    return [
        PairRow(pair.a, pair.b, pair.images, tuple(score_with_interval(name, pair.scores[name]) for name in _OF_PAIRS))
        for pair in report.agreement.pairs
    ]


def _suspects(report: DatasetReport) -> list[Finding]:
    return [] if report.flag is None else [row.finding() for row in report.flag.findings[:_MOST]]


def _costs(costs: Costs) -> list[tuple[str, str, str]]:
    """What was done, how long it took, and what it cost."""
    rows = [
        ("first annotation of each image", costs.annotation),
        ("further annotations, for comparison", costs.again),
        ("review", costs.review),
        ("together", costs.annotation + costs.assurance),
        ("for each true error found", costs.per_error),
    ]
    return [
        (name, format_hours(value), _amount_text(costs, value))
        for name, value in rows
        if value and not math.isnan(value)
    ]


def _amount_text(costs: Costs, value: float) -> str:
    amount = costs.amount(value)
    return "" if amount is None else f"{amount:,.2f} {costs.currency}".rstrip()
