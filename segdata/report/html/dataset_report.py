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


def to_html(whole: DatasetReport, typed: Sequence[str]) -> str:
    """The report as one HTML file; the same input gives the same text.

    `typed`: DATA and the options, as one would type them behind a command. What Unicode cannot encode stays in the text
    as it is: write it with `backslashreplace`.
    """
    told = quality_points(whole)
    there = _parts(whole)
    findings = whole.validation.findings
    return template("dataset_report.html").render(
        dataset=whole.validation.dataset,
        n_images=whole.validation.n_images,
        n_segments=whole.validation.n_segments,
        points=told,
        parts={name: TITLES[name] for name in there},
        missing={
            name: " ".join(["segdata", _FIRST.get(name, word), *typed])
            for name, word in _COMMANDS.items()
            if name not in there
        },
        commands={name: " ".join(["segdata", word, *typed]) for name, word in _COMMANDS.items()},
        groups=[RuleGroup.of(each) for each in group_by_rule(findings)],
        facts=dataset_facts(whole.summary),
        lines=category_lines(whole.summary),
        score_names=[SCORE_NAMES[name] for name in _OF_PAIRS],
        pairs=_pairs(whole),
        noise=whole.flag,
        suspects=_suspects(whole),
        n_more=0 if whole.flag is None else max(len(whole.flag.findings) - _MOST, 0),
        reviewed=[] if whole.progress is None else [ReviewedRule.of(each) for each in whole.progress.rules],
        reviewers=() if whole.progress is None else whole.progress.reviewers,
        costs=[] if whole.costs is None else _costs(whole.costs),
        notes=whole.notes,
        version=segdata.__version__,
        style=asset("report.css") + asset("info.css") + asset("dataset_report.css"),
    )


def _parts(whole: DatasetReport) -> list[Part]:
    """Those of which anything is known."""
    known: dict[Part, bool] = {
        "validation": True,
        "balance": True,
        "agreement": whole.agreement is not None,
        "noise": whole.flag is not None,
        "review": whole.progress is not None,
        "cost": whole.costs is not None and whole.costs.annotation + whole.costs.assurance > 0,
    }
    return [name for name, is_known in known.items() if is_known]


def _pairs(whole: DatasetReport) -> list[PairRow]:
    if whole.agreement is None:
        return []
    return [
        PairRow(each.a, each.b, each.images, tuple(score_with_interval(name, each.scores[name]) for name in _OF_PAIRS))
        for each in whole.agreement.pairs
    ]


def _suspects(whole: DatasetReport) -> list[Finding]:
    return [] if whole.flag is None else [row.finding() for row in whole.flag.findings[:_MOST]]


def _costs(found: Costs) -> list[tuple[str, str, str]]:
    """What was done, how long it took, and what it cost."""
    rows = [
        ("first annotation of each image", found.annotation),
        ("further annotations, for comparison", found.again),
        ("review", found.review),
        ("together", found.annotation + found.assurance),
        ("for each true error found", found.per_error),
    ]
    return [
        (name, format_hours(value), _amount_text(found, value))
        for name, value in rows
        if value and not math.isnan(value)
    ]


def _amount_text(found: Costs, value: float) -> str:
    amount = found.amount(value)
    return "" if amount is None else f"{amount:,.2f} {found.currency}".rstrip()
