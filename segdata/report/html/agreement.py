"""The HTML report of an agreement: conclusions on top, then the figures behind them, as one file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import segdata
from segdata.agreement.results import Agreement, CategoryAgreement
from segdata.agreement.scorecard import AnnotatorCard, Scorecard, WorstExample
from segdata.core.dataset import OpenDataset
from segdata.core.errors import count_noun
from segdata.core.finding import Finding
from segdata.core.rule import Tables
from segdata.core.validation import FailOn
from segdata.report.agreement.annotators import BIAS_KINDS, ReportedBias, biases_of_findings, reported_biases
from segdata.report.agreement.conclusions import conclusions, reference_name
from segdata.report.agreement.confusion import Confusion
from segdata.report.agreement.tables import ImageAgreement, agreement_tables
from segdata.report.agreement.wording import (
    DASH,
    HEADINGS,
    SCORE_NAMES,
    Conclusion,
    distance_unit,
    format_interval,
    format_percent,
    format_score,
    images_in_words,
    score_with_interval,
    tolerance_in_words,
)
from segdata.report.findings_text import group_by_rule
from segdata.report.html.agreement_figures import (
    Whisker,
    confusion_heat,
    forest_plot,
    image_histograms,
    pairs_heat,
)
from segdata.report.html.agreement_pictures import (
    WorstImagePictures,
    example_pictures,
    finding_pictures,
    worst_pictures,
)
from segdata.report.html.cards import annotator_sections
from segdata.report.html.findings import RuleGroup, findings_data
from segdata.report.html.templates import asset, template
from segdata.report.pictures.colours import annotator_color, css_color
from segdata.report.pictures.thumbnails import spread_over_rules

WORST, THUMBNAILS = 6, 100
_LARGE = 0.05  # shares that are listed though they may be chance
_MATRIX, _CONFUSED, _OFFSETS, _HABITS, _CATEGORIES, _PLANNED = 24, 14, 28, 30, 60, 16


@dataclass(frozen=True, slots=True)
class BiasCell:
    """A share, what is beside it (interval, what the others do), whether it stands, and is told as a finding."""

    text: str
    beside: str
    stands: bool
    is_told: bool


@dataclass(frozen=True, slots=True)
class BiasTableRow:
    """What an annotator does with a category: what is missed, extra, confused; None: undefined."""

    annotator: str
    color: str
    category: str
    cells: tuple[BiasCell | None, ...]


@dataclass(frozen=True, slots=True)
class CategoryLine:
    """A category: the interval of its IoU in % of the axis from 0 to 1, and scores as text."""

    name: str
    kind: str
    images: int
    iou: Whisker
    scores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgreementPictures:
    """What is drawn: the worst images, and as `data:` URIs findings and annotators' own worst examples."""

    worst: Sequence[WorstImagePictures]
    findings: Mapping[Finding, str]
    examples: Mapping[tuple[str, WorstExample], str] = field(default_factory=dict)


def draw_pictures(
    data: OpenDataset, tables: Tables, findings: Sequence[Finding], jobs: int = 0, cards: Sequence[AnnotatorCard] = ()
) -> AgreementPictures:
    """The pictures of a report, of annotators' examples those on their `cards`.

    Pillow's limit on image sizes is the caller's business.
    """
    opposed = tables.annotator_pairs
    assert opposed is not None
    there = set(data.source.image_ids)
    chosen = spread_over_rules([each for each in findings if each.image in there], THUMBNAILS)
    worst = ImageAgreement.of(opposed).worst(WORST)
    return AgreementPictures(
        worst_pictures(data, opposed, worst, jobs),
        finding_pictures(data, tables, chosen, jobs),
        example_pictures(data, opposed, cards, jobs),
    )


def to_html(
    found: Agreement,
    tables: Tables,
    drawn: AgreementPictures,
    typed: Sequence[str],
    fail_on: FailOn = "error",
    cards: Scorecard | None = None,
) -> str:
    """The report as one HTML file; the same input gives the same text.

    `typed`: what comes after `segdata`, word by word; `cards`: what each annotator did, for a section of each. What
    Unicode cannot encode stays in the text as it is: write it with `backslashreplace`.
    """
    opposed = tables.annotator_pairs
    assert opposed is not None
    annotators = found.annotators
    every = reported_biases(found, tables)
    confusion = Confusion.of(opposed)
    groups = [RuleGroup.of(group) for group in group_by_rule(found.findings)]
    offsets = forest_plot(every, annotators, _OFFSETS)
    return template("agreement.html").render(
        found=found,
        title=", ".join(annotators[:6]) + (f" and {len(annotators) - 6} more" if len(annotators) > 6 else ""),
        extent=images_in_words(opposed),
        people=[(name, css_color(annotator_color(k))) for k, name in enumerate(annotators)],
        conclusions=[(HEADINGS[each.topic], each, _finding_filter(each)) for each in conclusions(found, tables)],
        verdict=_verdict(found, fail_on),
        typed=" ".join(["segdata", *typed]),
        matrix=pairs_heat(found) if 2 < len(annotators) <= _MATRIX else None,
        confused=confusion_heat(confusion.reduced(_CONFUSED)) if len(confusion.names) > 2 else None,
        n_confused=len(confusion.names) - min(len(confusion.names), _CONFUSED),
        worst_confused=confusion.worst(6),
        spreads=image_histograms(ImageAgreement.of(opposed), annotators),
        worst=drawn.worst,
        forest=offsets,
        rows=_bias_rows(every, found),
        n_cells=len({(each.annotator, each.category) for each in every if each.kind != "offset"}),
        categories=_category_lines(found.categories),
        cards=[] if cards is None else annotator_sections(cards, annotators, drawn.examples),
        unit=distance_unit(opposed),
        near=tolerance_in_words(found.tolerance),
        gold=reference_name(found, tables),
        sheets=agreement_tables(found, reference_name(found, tables)),
        data=findings_data("", [("new", found.findings)], groups, drawn.findings),
        n_pictures=len(drawn.findings),
        names=SCORE_NAMES,
        dash=DASH,
        shown=format_score,
        percent=format_percent,
        with_interval=score_with_interval,
        most_planned=_PLANNED,
        version=segdata.__version__,
        style=asset("report.css") + asset("info.css") + asset("agreement.css"),
        script=asset("report.js"),
    )


def _verdict(found: Agreement, fail_on: FailOn) -> tuple[str, str]:
    """How it went, in a word for the style, and in a line; nothing where nobody asked whether it passes."""
    if not found.findings:
        return "good", "nothing found"
    n = count_noun(len(found.findings), "finding")
    if fail_on == "never":
        return "info", n
    return ("error", f"failed: {n}") if found.fails(fail_on) else ("good", f"passed: {n}")


def _finding_filter(each: Conclusion) -> tuple[str, str] | None:
    """Which findings a conclusion is made of, as a filter of the list."""
    if each.annotator is not None:
        return "annotator", each.annotator
    if each.category is not None and each.codes:
        return "category", each.category
    return ("code", each.codes[0]) if len(each.codes) == 1 else None


def _bias_rows(every: Sequence[ReportedBias], found: Agreement) -> list[BiasTableRow]:
    """What annotators miss, add and call otherwise: what stands first, then what is large."""
    cells: dict[tuple[str, str], dict[str, ReportedBias]] = {}
    for each in every:
        if each.kind != "offset":
            cells.setdefault((each.annotator, each.category), {})[each.kind] = each
    told, shares = biases_of_findings(found.findings), [kind for kind in BIAS_KINDS if kind != "offset"]
    return [
        BiasTableRow(
            who,
            css_color(annotator_color(found.annotators.index(who))),
            what,
            tuple(_bias_cell(kinds[kind], (who, what, kind) in told) if kind in kinds else None for kind in shares),
        )
        for (who, what), kinds in list(cells.items())[:_HABITS]
        if any(each.stands or each.weight >= _LARGE for each in kinds.values())
    ]


def _bias_cell(habit: ReportedBias, is_told: bool) -> BiasCell:
    others = f"others {format_percent(habit.others)}" if math.isfinite(habit.others) else ""
    ends = format_interval(habit.kind, habit.value)
    text = format_score(habit.kind, habit.value.value)
    return BiasCell(text, "; ".join(filter(None, [ends, others])), habit.stands, is_told)


def _category_lines(categories: Sequence[CategoryAgreement]) -> list[CategoryLine]:
    """The categories, the least agreed first; those without a value last."""
    ranked = sorted(categories, key=lambda each: (math.isnan(each.iou.value), each.iou.value))
    return [_category_line(each) for each in ranked[:_CATEGORIES]]


def _category_line(each: CategoryAgreement) -> CategoryLine:
    iou = each.iou
    low, mid, high = (100 * end if math.isfinite(end) else None for end in (iou.low, iou.value, iou.high))
    whisker = Whisker("", each.category, "", low, mid or 0.0, high, score_with_interval("iou", iou), False, mid is None)
    scores = tuple(
        format_score(name, each.scores[name].value) for name in ("dice", "pq", "kappa", "nsd", "offset_size")
    )
    return CategoryLine(each.category, each.kind, each.images, whisker, scores)
