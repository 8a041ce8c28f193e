"""The HTML report of an agreement: conclusions and figures in one file, with spreadsheets beside it."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import segdata
from segdata.agreement.estimates import ImageAgreement, PairAmounts, image_values
from segdata.agreement.scorecard import AnnotatorCard, Scorecard, WorstExample
from segdata.agreement.scores import Score
from segdata.agreement.summary import Agreement, CategoryAgreement
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.dataset import OpenDataset
from segdata.core.errors import count_noun, list_names
from segdata.core.finding import Finding
from segdata.core.rule import Tables
from segdata.core.validation import FailOn
from segdata.report.agreement.annotators import BIAS_KINDS, ReportedBias, biases_of_findings, reported_biases
from segdata.report.agreement.charts import (
    ChartRow,
    ChartValue,
    Confusion,
    confusion_chart,
    offsets_chart,
    shares_chart,
)
from segdata.report.agreement.conclusions import conclusions, reference_name
from segdata.report.agreement.drift import drift_charts
from segdata.report.agreement.tables import agreement_tables, compared_categories, unranked_pairs
from segdata.report.agreement.wording import (
    DASH,
    HEADINGS,
    SCORE_NAMES,
    SHORT_NAMES,
    Conclusion,
    distance_unit,
    format_interval,
    format_percent,
    format_score,
    gold_row,
    images_in_words,
    intervals_in_words,
    score_with_interval,
    tolerance_in_words,
)
from segdata.report.encoding import csv_number, csv_text
from segdata.report.findings import group_by_rule
from segdata.report.html import asset, template
from segdata.report.html.findings import RuleGroup, findings_data
from segdata.report.pictures.annotators import WorstImagePictures, example_pictures, finding_pictures, worst_pictures
from segdata.report.pictures.colors import annotator_color, css_color
from segdata.report.pictures.scene import fair_share, spread_over_rules
from segdata.report.scorecard import annotator_sections

IMAGE_SCORES = (
    *("iou", "dice", "pq", "covering", "nsd", "segment_nsd", "hd95", "offset", "count_difference"),
    *("adjusted_rand", "variation_of_information"),
)
IMAGE_COLUMNS = ("image", "annotator_a", "annotator_b", *IMAGE_SCORES, "worst_category", "worst_score")
ANNOTATOR_COLUMNS = (
    *("annotator", "category", "kind", "value", "low", "high"),
    *("others", "clusters", "p", "stands"),
)
_BINS = 20
_AXIS_ENDS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # of boundary offsets
_INTERVALS_ON_AXIS = 0.9  # share of intervals that the axis includes


def spreadsheet_paths(page: Path) -> tuple[Path, Path]:
    """The paths of the spreadsheets of images and of annotators beside a page.

    >>> [path.name for path in spreadsheet_paths(Path("out/agreement.html"))]
    ['agreement_images.csv', 'agreement_annotators.csv']
    """
    return page.with_name(f"{page.stem}_images.csv"), page.with_name(f"{page.stem}_annotators.csv")


def images_csv(result: Agreement, comparison: AnnotatorPairs) -> str:
    """A row for each image, or volume, and pair of annotators: scores over its categories, and its worst category.

    `offset` and `count_difference` are positive if `annotator_b` has more. Cells of undefined values are empty.
    """
    return csv_text(IMAGE_COLUMNS, _image_rows(result, comparison))


def _image_rows(result: Agreement, comparison: AnnotatorPairs) -> Iterator[list[object]]:
    amounts = PairAmounts.from_pairs(comparison)
    rows = amounts.all_rows
    of_categories, of_all = image_values(amounts, rows, IMAGE_SCORES)
    is_void = np.array([category.kind == "void" for category in comparison.categories], bool)
    lead = np.where(is_void, np.nan, of_categories[:, IMAGE_SCORES.index(result.leading)])
    order = np.lexsort((amounts.b, amounts.a, amounts.case))
    names = comparison.cases["name"].tolist() if len(comparison.cases) else []
    for row in order.tolist():
        worst = int(np.nanargmin(lead[row])) if np.isfinite(lead[row]).any() else None
        yield [
            names[int(amounts.case[row])],
            comparison.annotators[int(amounts.a[row])],
            comparison.annotators[int(amounts.b[row])],
            *map(csv_number, of_all[row].tolist()),
            "" if worst is None else comparison.categories[worst].name,
            "" if worst is None else csv_number(float(lead[row, worst])),
        ]


def annotators_csv(result: Agreement, tables: Tables) -> str:
    """Rows by annotator: the leading score with each other annotator, and biases by category and kind.

    Kinds: the leading score (`others` names the other annotator), and missed, extra, confused (shares) and offset (px
    or mm that the annotator draws larger), whose `others` is the value of all others.
    """
    return csv_text(ANNOTATOR_COLUMNS, _annotator_rows(result, tables))


def _annotator_rows(result: Agreement, tables: Tables) -> Iterator[list[object]]:
    order = {name: k for k, name in enumerate(result.annotators)}
    for name in result.annotators:
        for pair in result.pairs:
            if name in (pair.a, pair.b):
                score = pair.scores[result.leading]
                other = pair.b if pair.a == name else pair.a
                yield [name, "", result.leading, *_ends(score), other, pair.clusters, "", ""]
    biases = reported_biases(result, tables)
    for bias in sorted(biases, key=lambda bias: (order[bias.annotator], bias.category, BIAS_KINDS.index(bias.kind))):
        others = csv_number(bias.others) if bias.kind != "offset" else ""
        tested = math.isfinite(bias.p)
        yield [
            *(bias.annotator, bias.category, bias.kind, *_ends(bias.value), others, bias.value.n),
            *(csv_number(bias.p), ("yes" if bias.stands else "no") if tested else ""),
        ]


def _ends(value: Score) -> list[str]:
    return [csv_number(number) for number in (value.value, value.low, value.high)]


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A cell of a heat map: its text, darkness in %, and tooltip."""

    text: str
    far: int
    title: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A heat map: column heads, and rows of (name, cells); None: an empty cell."""

    heads: tuple[str, ...]
    rows: list[tuple[str, list[HeatCell | None]]]


@dataclass(frozen=True, slots=True)
class HistogramBar:
    """A bar of a histogram in % of the width and height."""

    x: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """The distribution of images' scores; `middle` in % of the axis from 0 to 1."""

    name: str
    color: str
    bars: tuple[HistogramBar, ...]
    middle: float
    median: str
    worst: str
    n: int


@dataclass(frozen=True, slots=True)
class Whisker:
    """An interval on the axis from 0 to 1: ends and value in % of its width (None: undefined), and its text."""

    low: float | None
    mid: float | None
    high: float | None
    text: str


@dataclass(frozen=True, slots=True)
class ForestPlot:
    """Boundary offsets on one axis from `-end` to `end`; `n_more` are not shown."""

    end: float
    rows: list[ChartRow]
    n_more: int


def pairs_heat(result: Agreement) -> HeatMap:
    """The heat map of the leading score by pairs of annotators; the less agreement, the darker."""
    pairs, lead = {frozenset((pair.a, pair.b)): pair for pair in result.pairs}, result.leading
    copies = {frozenset(pair) for pair in unranked_pairs(result)}
    values = [value for pair in result.pairs if math.isfinite(value := pair.scores[lead].value)]
    least = math.floor(10 * min(values, default=0.0)) / 10
    rows = []
    for row in result.annotators:
        cells: list[HeatCell | None] = []
        for column in result.annotators:
            pair = pairs.get(frozenset((row, column))) if row != column else None
            cell = None if pair is None else _pair_cell(lead, pair.scores[lead], least, f"{row} and {column}")
            if cell is not None and frozenset((row, column)) in copies:
                cell = HeatCell("same", 0, f"{cell.title}; their segments are the same, pixel for pixel")
            cells.append(cell)
        rows.append((row, cells))
    return HeatMap(result.annotators, rows)


def _pair_cell(score: str, value: Score, least: float, names: str) -> HeatCell:
    far = (1 - value.value) / (1 - least) if math.isfinite(value.value) and least < 1 else 0.0
    title = f"{names}: {SHORT_NAMES[score]} {score_with_interval(score, value)}"
    return HeatCell(format_score(score, value.value), round(100 * far), title)


def image_histograms(images: ImageAgreement, annotators: Sequence[str], gold: int | None = None) -> list[Histogram]:
    """Histograms of images' scores, over all pairs and by annotator; none for a single image."""
    _, every = images.of_cases
    if len(every) < 2:
        return []
    own = [images.of_annotator(k) for k in range(len(annotators))]
    rows = [_histogram("all", "", every)]
    if len(annotators) > 2:
        rows += [
            _histogram(name, css_color(annotator_color(k)), values)
            for k, (name, values) in enumerate(zip(annotators, own, strict=True))
            if len(values) and k != gold
        ]
    return rows


def _histogram(name: str, color: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Histogram:
    count = np.histogram(values, _BINS, (0, 1))[0]
    step = 100 / _BINS
    bars = tuple(
        HistogramBar(k * step, step, 100 * n / count.max(), f"{n} from {k / _BINS:.2f} to {(k + 1) / _BINS:.2f}")
        for k, n in enumerate(count.tolist())
        if n
    )
    median, low = np.percentile(values, (50, 10)).tolist()
    return Histogram(
        name, color, bars, 100 * median, format_score("iou", median), format_score("iou", low), len(values)
    )


def forest_plot(biases: Iterable[ReportedBias], annotators: Sequence[str], most: int) -> ForestPlot | None:
    """The boundary offsets, largest significant ones first; None without any."""
    offsets = [bias for bias in biases if bias.kind == "offset"]
    if not offsets:
        return None
    ends = [abs(end) for offset in offsets for end in (offset.value.low, offset.value.high) if math.isfinite(end)]
    reach = float(np.quantile(ends or [abs(offset.value.value) for offset in offsets], _INTERVALS_ON_AXIS))
    reach = max([reach, *(abs(offset.value.value) for offset in offsets if offset.stands)])
    end = next((limit for limit in _AXIS_ENDS if limit >= reach), reach)
    shown_first = sorted(offsets, key=lambda offset: (not offset.stands, -abs(offset.value.value)))[:most]
    order = {name: k for k, name in enumerate(annotators)}
    ranked = sorted(shown_first, key=lambda offset: (order[offset.annotator], -offset.value.value))
    return ForestPlot(
        end, [_offset_row(offset, order[offset.annotator]) for offset in ranked], len(offsets) - len(ranked)
    )


def _offset_row(bias: ReportedBias, number: int) -> ChartRow:
    value = bias.value
    text = score_with_interval("offset", value, signed=True)
    mark = ChartValue(value.value, value.low, value.high, math.nan, bias.stands, text)
    return ChartRow(bias.annotator, css_color(annotator_color(number)), bias.category, (mark,))


WORST, THUMBNAILS = 6, 100
MAX_LISTED_FINDINGS = 2_000  # findings in the page; with more it is large, and nobody reads them
_OF_CATEGORIES = {
    "iou": ("dice", "pq", "kappa", "nsd", "offset_size"),
    "pq": ("f1", "covering", "iou", "segment_nsd", "offset_size"),
}
_OF_STRATA = {"iou": ("iou", "pq", "kappa"), "pq": ("pq", "f1", "iou")}
_HEADS = {**SHORT_NAMES, "dice": "Dice", "covering": "covering", "offset_size": "offset"}
_LARGE_SHARE = 0.05  # listed even if it may be chance
_MATRIX, _CONFUSED, _OFFSETS, _BIASES, _CATEGORIES, _PLANNED = 24, 14, 28, 30, 60, 16


@dataclass(frozen=True, slots=True)
class BiasCell:
    """A share, its interval and the others' share, whether it is significant, and reported as a finding."""

    text: str
    beside: str
    stands: bool
    is_reported: bool


@dataclass(frozen=True, slots=True)
class BiasTableRow:
    """The shares of a category that an annotator misses, adds and confuses; None: undefined."""

    annotator: str
    color: str
    category: str
    cells: tuple[BiasCell | None, ...]


@dataclass(frozen=True, slots=True)
class AgreementPictures:
    """The pictures: the worst images, and as `data:` URIs findings and annotators' own worst examples."""

    worst: Sequence[WorstImagePictures]
    findings: Mapping[Finding, str]
    examples: Mapping[tuple[str, WorstExample], str] = field(default_factory=dict)


def draw_pictures(
    data: OpenDataset, tables: Tables, findings: Sequence[Finding], jobs: int = 0, cards: Sequence[AnnotatorCard] = ()
) -> AgreementPictures:
    """Draw the pictures of a report; those of annotators' examples are the ones on their `cards`."""
    comparison = tables.annotator_pairs
    assert comparison is not None
    image_ids = set(data.source.image_ids)
    listed = listed_findings(findings)
    pictured = spread_over_rules([finding for finding in listed if finding.image in image_ids], THUMBNAILS)
    worst = ImageAgreement.from_pairs(comparison, gold_row(tables)).worst(WORST)
    return AgreementPictures(
        worst_pictures(data, comparison, worst, jobs),
        finding_pictures(data, tables, pictured, jobs),
        example_pictures(data, comparison, cards, jobs),
    )


def listed_findings(findings: Sequence[Finding]) -> Sequence[Finding]:
    """The findings that the page lists, worst first: all, or if there are many, a fair share of every rule's."""
    return fair_share(findings, MAX_LISTED_FINDINGS)


def agreement_html(
    result: Agreement,
    data: OpenDataset,
    tables: Tables,
    typed: Sequence[str],
    fail_on: FailOn = "error",
    cards: Scorecard | None = None,
    jobs: int = 0,
    hashes: Mapping[Finding, str] | None = None,
    beside: Sequence[str] = (),
) -> str:
    """The report as one HTML file, with pictures of the worst images, of findings and of annotators' examples.

    See `render_agreement`. Pillow's limit on image sizes is the caller's business.
    """
    pictures = draw_pictures(data, tables, result.findings, jobs, () if cards is None else cards.cards)
    return render_agreement(result, tables, pictures, typed, fail_on, cards, hashes, beside, data.profile.files)


def render_agreement(
    result: Agreement,
    tables: Tables,
    pictures: AgreementPictures,
    typed: Sequence[str],
    fail_on: FailOn = "error",
    cards: Scorecard | None = None,
    hashes: Mapping[Finding, str] | None = None,
    beside: Sequence[str] = (),
    files: str = "",
) -> str:
    """The report as one HTML file; the same input gives the same text.

    `typed`: the words of the command after `segdata`; `cards`: the work of each annotator, for a section of each;
    `hashes`: hashes of the labels of the listed findings, with which the page takes decisions; `beside`: names of files
    next to the page, to link; `files`: the paths of the data, which identify their decisions. The text may contain
    characters that Unicode cannot encode: write it with `backslashreplace`.
    """
    comparison = tables.annotator_pairs
    assert comparison is not None
    annotators, unit = result.annotators, distance_unit(comparison)
    listed = listed_findings(result.findings)
    groups = [RuleGroup.from_findings(group) for group in group_by_rule(result.findings)]
    return template("agreement.html").render(
        result=result,
        title=list_names(annotators, 6),
        extent=images_in_words(comparison),
        people=[(name, css_color(annotator_color(k))) for k, name in enumerate(annotators)],
        conclusions=[
            (HEADINGS[conclusion.topic], conclusion, _finding_filter(conclusion))
            for conclusion in conclusions(result, tables)
        ],
        verdict=_verdict(result, fail_on),
        typed=" ".join(["segdata", *typed]),
        **_charts(result, tables, comparison, unit),
        worst=pictures.worst,
        lead=SHORT_NAMES[result.leading],
        of_categories=[_HEADS[name] for name in _OF_CATEGORIES[result.leading]],
        of_strata=_OF_STRATA[result.leading],
        categories=_category_lines(result),
        cards=[] if cards is None else annotator_sections(cards, annotators, pictures.examples),
        unit=unit,
        intervals=intervals_in_words(result.intervals, result.images),
        near=tolerance_in_words(result.tolerance),
        gold=reference_name(result, tables),
        sheets=agreement_tables(result, reference_name(result, tables)),
        data=findings_data(files, [("new", listed)], groups, pictures.findings, hashes=hashes),
        n_unlisted=len(result.findings) - len(listed),
        beside=beside,
        n_pictures=len(pictures.findings),
        names=SCORE_NAMES,
        dash=DASH,
        shown=format_score,
        percent=format_percent,
        with_interval=score_with_interval,
        most_planned=_PLANNED,
        version=segdata.__version__,
        style=asset("report.css") + asset("info.css") + asset("agreement.css"),
        script=asset("report.js") if hashes is None else asset("decide.js") + asset("report.js"),
    )


def _charts(result: Agreement, tables: Tables, comparison: AnnotatorPairs, unit: str) -> dict[str, object]:
    """The charts of the page, by their names in the template."""
    annotators, biases, confusion = result.annotators, reported_biases(result, tables), Confusion.from_pairs(comparison)
    offsets, rows, gold = forest_plot(biases, annotators, _OFFSETS), _bias_rows(biases, result), gold_row(tables)
    return {
        "matrix": pairs_heat(result) if 2 < len(annotators) <= _MATRIX else None,
        "confused": confusion_chart(confusion.most_confused(_CONFUSED)) if len(confusion.names) > 2 else None,
        "n_confused": len(confusion.names) - min(len(confusion.names), _CONFUSED),
        "spreads": image_histograms(ImageAgreement.from_pairs(comparison, gold), annotators, gold),
        "forest": offsets,
        "offsets": None if offsets is None else offsets_chart(offsets.rows, offsets.end, unit),
        "rows": rows,
        "shares": shares_chart(_share_rows(rows, biases), _share_titles(result)) if rows else None,
        "drift_charts": drift_charts(result, tables),
        "n_cells": len({(bias.annotator, bias.category) for bias in biases if bias.kind != "offset"}),
    }


def _verdict(result: Agreement, fail_on: FailOn) -> tuple[str, str]:
    """The result as the name of a style and a line; without --fail-on, the count of findings."""
    if not result.findings:
        return "good", "no findings"
    n = count_noun(len(result.findings), "finding")
    if fail_on == "never":
        return "info", n
    return ("error", f"failed: {n}") if result.fails(fail_on) else ("info", f"{n}, none of level {fail_on}")


def _finding_filter(conclusion: Conclusion) -> tuple[str, str] | None:
    if conclusion.annotator is not None:
        return "annotator", conclusion.annotator
    if conclusion.category is not None and conclusion.codes:
        return "category", conclusion.category
    return ("code", conclusion.codes[0]) if len(conclusion.codes) == 1 else None


def _bias_rows(biases: Sequence[ReportedBias], result: Agreement) -> list[BiasTableRow]:
    """The shares that annotators miss, add and confuse: significant ones first, then large ones."""
    cells: dict[tuple[str, str], dict[str, ReportedBias]] = {}
    for bias in biases:
        if bias.kind != "offset":
            cells.setdefault((bias.annotator, bias.category), {})[bias.kind] = bias
    reported, shares = biases_of_findings(result.findings), [kind for kind in BIAS_KINDS if kind != "offset"]
    return [
        BiasTableRow(
            annotator,
            css_color(annotator_color(result.annotators.index(annotator))),
            category,
            tuple(
                _bias_cell(kinds[kind], (annotator, category, kind) in reported) if kind in kinds else None
                for kind in shares
            ),
        )
        for (annotator, category), kinds in list(cells.items())[:_BIASES]
        if any(kind.stands or kind.weight >= _LARGE_SHARE for kind in kinds.values())
    ]


def _share_titles(result: Agreement) -> tuple[str, ...]:
    """The panels of the chart of shares; with one category nothing can be confused."""
    return ("misses", "adds", "confuses")[: 3 if len(result.categories) > 1 else 2]


def _share_rows(rows: Sequence[BiasTableRow], biases: Sequence[ReportedBias]) -> list[ChartRow]:
    """The rows of the chart of misses, extras and confusions, grouped by annotator."""
    by_cell = {(bias.annotator, bias.category, bias.kind): bias for bias in biases}
    order = {name: k for k, name in reversed(list(enumerate(row.annotator for row in rows)))}
    result = []
    for row in sorted(rows, key=lambda row: order[row.annotator]):
        marks: list[ChartValue | None] = []
        for kind in (kind for kind in BIAS_KINDS if kind != "offset"):
            bias = by_cell.get((row.annotator, row.category, kind))
            if bias is None:
                marks.append(None)
                continue
            value = bias.value
            others = f"; others {format_percent(bias.others)}" if math.isfinite(bias.others) else ""
            text = f"{score_with_interval(kind, value)}{others}"
            marks.append(ChartValue(value.value, value.low, value.high, bias.others, bias.stands, text))
        result.append(ChartRow(row.annotator, row.color, row.category, tuple(marks)))
    return result


def _bias_cell(bias: ReportedBias, is_reported: bool) -> BiasCell:
    others = f"others {format_percent(bias.others)}" if math.isfinite(bias.others) else ""
    ends = format_interval(bias.kind, bias.value)
    text = format_score(bias.kind, bias.value.value)
    return BiasCell(text, "; ".join(filter(None, [ends, others])), bias.stands, is_reported)


def _category_lines(result: Agreement) -> list[tuple[CategoryAgreement, Whisker, list[str]]]:
    """The categories, the least agreed first, with the leading interval in % of the axis from 0 to 1, and scores."""
    lead, lines = result.leading, []
    for category in sorted(compared_categories(result), key=lambda category: _least_first(category.scores[lead]))[
        :_CATEGORIES
    ]:
        value = category.scores[lead]
        low, mid, high = (100 * end if math.isfinite(end) else None for end in (value.low, value.value, value.high))
        whisker = Whisker(low, mid, high, score_with_interval(lead, value))
        scores = [format_score(name, category.scores[name].value) for name in _OF_CATEGORIES[lead]]
        lines.append((category, whisker, scores))
    return lines


def _least_first(value: Score) -> tuple[bool, float]:
    return math.isnan(value.value), value.value
