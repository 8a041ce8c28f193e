"""The text report of an agreement: conclusions in words, tables of figures, and what to do next."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from segdata.agreement.image_agreement import ImageAgreement
from segdata.agreement.scores import Score
from segdata.agreement.summary import Agreement
from segdata.core.errors import count_noun
from segdata.core.finding import Finding
from segdata.core.rule import Tables
from segdata.core.validation import FailOn
from segdata.report.agreement.annotators import reported_biases
from segdata.report.agreement.conclusions import conclusions, reference_name
from segdata.report.agreement.copying import unranked_pairs
from segdata.report.agreement.tables import ReportTable, agreement_tables, compared_categories
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
    intervals_in_words,
    score_with_interval,
    tolerance_in_words,
)
from segdata.report.console import Console, table
from segdata.report.findings import command_lines

_MAX_MATRIX_SIDE = 7  # annotators side by side
_PAIRS, _CATEGORIES, _BIASES, _IMAGES, _PLANNED = 10, 40, 20, 8, 12


def agreement_text(
    result: Agreement, tables: Tables, typed: Sequence[str], console: Console, fail_on: FailOn = "error"
) -> str:
    """The report in lines of at most `console.width` columns; `typed`: the words of the command after `segdata`."""
    comparison = tables.annotator_pairs
    assert comparison is not None
    lines = [console.paint("segdata agreement", "bold"), ""]
    for conclusion in conclusions(result, tables):
        lines += [*_conclusion(conclusion, console), ""]
    for block in (
        _matrix(result, console),
        _categories(result, distance_unit(comparison), console),
        _biases(result, tables, console),
        _strata(result, console),
        *(_sheet(sheet, console) for sheet in agreement_tables(result, reference_name(result, tables))),
        _plan(result, console),
        _worst(ImageAgreement.from_pairs(comparison, gold_row(tables)), comparison.annotators, console),
        _codes(result.findings, console),
    ):
        block_lines = list(block)
        lines += [*block_lines, ""] if block_lines else []
    lines += [*_verdict(result, fail_on, console), *_legend(result, console), "", *_next(result, typed, console)]
    return "\n".join(lines) + "\n"


def _conclusion(conclusion: Conclusion, console: Console) -> Iterator[str]:
    style = "good" if conclusion.topic == "agreement" else conclusion.severity
    yield from console.pieces((f"{HEADINGS[conclusion.topic]}:", style), (conclusion.head, "bold"))
    yield from console.wrap(conclusion.details, "  ")
    if conclusion.act:
        yield from console.wrap(f"→ {conclusion.act}", "  ", "    ")


def _matrix(result: Agreement, console: Console) -> Iterator[str]:
    pairs, names = {(pair.a, pair.b): pair for pair in result.pairs}, result.annotators
    lead, below = result.leading, "f1" if result.leading == "pq" else "kappa"
    if len(names) > _MAX_MATRIX_SIDE:
        least = sorted(result.pairs, key=lambda pair: _least_first(pair.scores, lead))
        rows = [
            [
                pair.a,
                pair.b,
                f"{pair.images:,}",
                *_scores(pair.scores, (lead, below)),
            ]
            for pair in least[:_PAIRS]
        ]
        heading = f"the {len(rows)} of {count_noun(len(least), 'pair')} that agree least"
        heads = ("annotators", "", "images", SHORT_NAMES[lead], SHORT_NAMES[below])
        yield from _titled_table(heading, heads, rows, console, left=(0, 1))
        return
    copies = unranked_pairs(result)
    rows = []
    for row, row_name in enumerate(names):
        cells = [row_name]
        for column, column_name in enumerate(names):
            pair = pairs.get((row_name, column_name)) or pairs.get((column_name, row_name))
            score = lead if row < column else below
            is_copy = pair is not None and (pair.a, pair.b) in copies
            value = DASH if pair is None else "same" if is_copy else format_score(score, pair.scores[score].value)
            cells.append(" " if row == column else value)
        rows.append(cells)
    heading = f"annotator by annotator: {SHORT_NAMES[lead]} above the diagonal, {SHORT_NAMES[below]} below"
    yield from _titled_table(heading, ("", *names), rows, console)


def _scores(scores: Mapping[str, Score], names: Sequence[str]) -> list[str]:
    return [score_with_interval(name, scores[name]) for name in names]


def _least_first(scores: Mapping[str, Score], lead: str) -> tuple[bool, float]:
    value = scores[lead].value
    return math.isnan(value), value


def _categories(result: Agreement, measure: str, console: Console) -> Iterator[str]:
    if not compared_categories(result):
        return
    lead = result.leading
    shown = {"pq": ("f1", "iou", "segment_nsd", "offset_size"), "iou": ("pq", "kappa", "nsd", "offset_size")}[lead]
    ranked = sorted(compared_categories(result), key=lambda category: _least_first(category.scores, lead))
    rows = [
        [
            category.category,
            f"{category.images:,}",
            score_with_interval(lead, category.scores[lead]),
            *(format_score(name, category.scores[name].value) for name in shown),
        ]
        for category in ranked[:_CATEGORIES]
    ]
    names = SHORT_NAMES | {"offset_size": f"offset {measure}"}
    heads = ("category", "compared", names[lead], *(names[name] for name in shown))
    partner = "" if result.reference is None else f"against {result.reference.name} "
    yield from _titled_table(f"{partner}by category, the least agreed first", heads, rows, console)
    if len(ranked) > _CATEGORIES:
        yield from console.wrap(f"{len(ranked) - _CATEGORIES:,} more agree better: --format csv has all", style="dim")


def _biases(result: Agreement, tables: Tables, console: Console) -> Iterator[str]:
    """The significant deviations of annotators."""
    standing = [bias for bias in reported_biases(result, tables) if bias.stands]
    if not standing:
        return
    rows = [
        [
            bias.annotator,
            bias.category,
            bias.kind,
            f"{format_score(bias.score, bias.value.value, signed=bias.kind == 'offset')} "
            f"{format_interval(bias.score, bias.value, signed=bias.kind == 'offset')}",
            format_percent(bias.others) if bias.kind != "offset" else "",
            f"{bias.p:.2g}",
        ]
        for bias in standing[:_BIASES]
    ]
    heads = ("annotator", "category", "what", "how much", "others", "p")
    yield from _titled_table("significant deviations, corrected for all tests", heads, rows, console, left=(0, 1, 2))
    if len(standing) > _BIASES:
        yield from console.wrap(f"{len(standing) - _BIASES:,} more: --format csv has all", style="dim")


def _strata(result: Agreement, console: Console) -> Iterator[str]:
    if result.by is None:
        return
    shown = ("pq", "f1", "iou") if result.leading == "pq" else ("iou", "kappa", "pq")
    rows = [[stratum.name, f"{stratum.images:,}", *_scores(stratum.scores, shown)] for stratum in result.by.strata]
    heads = (result.by.column, "images", *(SHORT_NAMES[name] for name in shown))
    yield from _titled_table(f"by {result.by.column}", heads, rows, console)
    if result.by.unknown:
        yield from console.wrap(
            f"in none of these groups: {count_noun(result.by.unknown, 'pair')} of annotations", style="dim"
        )


def _sheet(sheet: ReportTable, console: Console) -> Iterator[str]:
    yield from _titled_table(sheet.title, sheet.heads, sheet.rows, console, left=sheet.left)
    yield from console.wrap(sheet.note, style="dim")


def _plan(result: Agreement, console: Console) -> Iterator[str]:
    if not result.plan:
        return
    ranked = sorted(
        result.plan, key=lambda size: (size.category is not None, size.score != result.leading, -(size.images or 0))
    )
    rows = [
        [
            SCORE_NAMES[size.score],
            size.category or "(all)",
            f"±{format_score(size.score, size.now)}" if size.now == size.now else DASH,
            DASH if size.images is None else f"{size.images:,}",
            DASH if size.instances is None else f"{size.instances:,}",
        ]
        for size in ranked[:_PLANNED]
    ]
    heading = f"images that intervals of ±{result.plan[0].half_width:g} take, if they are like these"
    yield from _titled_table(heading, ("score", "category", "now", "images", "segments"), rows, console, left=(0, 1))


def _worst(images: ImageAgreement, annotators: Sequence[str], console: Console) -> Iterator[str]:
    worst = images.worst(_IMAGES)
    if not worst or len(images.of_cases[0]) < 2:
        return
    rows = [
        [
            image.name,
            format_score(images.score, image.value),
            image.category,
            format_score(images.score, image.low),
            f"{annotators[image.a]}, {annotators[image.b]}",
        ]
        for image in worst
    ]
    name = SHORT_NAMES[images.score]
    heads: tuple[str, ...] = ("image", name, "worst category", name, "least alike")
    if len(annotators) == 2:  # then it is always both
        rows, heads = [row[:-1] for row in rows], heads[:-1]
    yield from _titled_table("the images that agree least", heads, rows, console, left=(0, 2, 4))


def _codes(findings: Sequence[Finding], console: Console) -> Iterator[str]:
    if not findings:
        return
    count = Counter((finding.code, finding.rule, finding.severity) for finding in findings)
    rows = [[code, rule, severity, f"{n:,}"] for (code, rule, severity), n in sorted(count.items())]
    yield from _titled_table("findings", ("code", "rule", "severity", "findings"), rows, console, left=(0, 1, 2))


def _titled_table(
    heading: str, heads: Sequence[str], rows: Sequence[Sequence[str]], console: Console, left: Sequence[int] = (0,)
) -> Iterator[str]:
    yield console.paint(heading, "bold")
    head, *lines = table(heads, rows, left=left, width=console.width - 2)
    yield console.paint(f"  {head}", "dim")
    yield from (f"  {line}" for line in lines)


def _verdict(result: Agreement, fail_on: FailOn, console: Console) -> list[str]:
    if not result.findings:
        return [console.paint("no findings", "good")]
    verdict, style = ("failed:", "error") if result.fails(fail_on) else ("passed:", "good")
    return console.pieces(
        (verdict, style), (count_noun(len(result.findings), "finding"), None), (f"(--fail-on {fail_on})", None)
    )


def _legend(result: Agreement, console: Console) -> Iterator[str]:
    yield from console.wrap(intervals_in_words(result.intervals, result.images), style="dim")
    undefined = f"{DASH}: undefined, for example where neither annotator drew the category; means leave it out."
    yield from console.wrap(undefined, style="dim")
    if len(result.pairs) > 1 and compared_categories(result):
        compared = "compared: pairs of annotations of one image in which either annotator drew the category."
        yield from console.wrap(compared, style="dim")
    near = f"near: the share of both boundaries within the tolerance ({tolerance_in_words(result.tolerance)}); offset: "
    near += "by how much one draws larger, whoever it is in each image."
    yield from console.wrap(near, style="dim")


def _next(result: Agreement, typed: Sequence[str], console: Console) -> Iterator[str]:
    yield console.paint("next", "bold")
    steps = [(["--format", "html", "-o", "agreement.html"], "the same with pictures, for the browser")]
    if not result.plan:
        steps.append((["--plan", "0.02"], "how many images must be labelled twice"))
    for more, why in steps:
        yield from command_lines(["segdata", *typed, *more], console)
        yield from console.wrap(why, "      ", style="dim")
    if result.findings:
        yield from command_lines(["segdata", "explain", result.findings[0].code], console)
        yield from console.wrap("what it means, and what to do", "      ", style="dim")
