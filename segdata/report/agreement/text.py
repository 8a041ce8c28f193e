"""The text report of an agreement: conclusions in words, tables of figures, and what to do next."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from segdata.agreement.results import Agreement, Score
from segdata.core.errors import count_noun
from segdata.core.finding import Finding
from segdata.core.rule import Tables
from segdata.core.validation import FailOn
from segdata.report.agreement.annotators import reported_biases
from segdata.report.agreement.conclusions import conclusions, reference_name
from segdata.report.agreement.tables import ImageAgreement, ReportTable, agreement_tables
from segdata.report.agreement.wording import (
    DASH,
    HEADINGS,
    SCORE_NAMES,
    Conclusion,
    distance_unit,
    format_interval,
    format_percent,
    format_score,
    score_with_interval,
    tolerance_in_words,
)
from segdata.report.console import Console, shorten, table
from segdata.report.findings import command_lines

_NAME = 18  # columns of a name
_HEAD = 11  # columns of a head
_MATRIX = 7  # annotators side by side
_PAIRS, _CATEGORIES, _HABITS, _IMAGES, _PLANNED = 10, 40, 20, 8, 12


def agreement_text(
    found: Agreement, tables: Tables, typed: Sequence[str], paper: Console, fail_on: FailOn = "error"
) -> str:
    """The report, in lines of at most `paper.width` columns; `typed`: what comes after `segdata`, word by word."""
    opposed = tables.annotator_pairs
    assert opposed is not None
    lines = [paper.paint("segdata agreement", "bold"), ""]
    for each in conclusions(found, tables):
        lines += [*_conclusion(each, paper), ""]
    for block in (
        _matrix(found, paper),
        _categories(found, distance_unit(opposed), paper),
        _habits(found, tables, paper),
        _strata(found, paper),
        *(_sheet(each, paper) for each in agreement_tables(found, reference_name(found, tables))),
        _plan(found, paper),
        _worst(ImageAgreement.of(opposed), opposed.annotators, paper),
        _codes(found.findings, paper),
    ):
        told = list(block)
        lines += [*told, ""] if told else []
    lines += [*_verdict(found, fail_on, paper), *_legend(found, paper), "", *_next(found, typed, paper)]
    return "\n".join(lines) + "\n"


def _conclusion(each: Conclusion, paper: Console) -> Iterator[str]:
    style = "good" if each.topic == "agreement" else each.severity
    yield from paper.pieces((f"{HEADINGS[each.topic]}:", style), (each.head, "bold"))
    yield from paper.wrap(each.said, "  ")
    if each.act:
        yield from paper.wrap(f"→ {each.act}", "  ", "    ")


def _matrix(found: Agreement, paper: Console) -> Iterator[str]:
    pairs, names = {(each.a, each.b): each for each in found.pairs}, found.annotators
    if len(names) > _MATRIX:
        least = sorted(found.pairs, key=lambda pair: _least_first(pair.scores))
        rows = [
            [
                shorten(each.a, _NAME),
                shorten(each.b, _NAME),
                f"{each.images:,}",
                *_scores(each.scores, ("iou", "kappa")),
            ]
            for each in least[:_PAIRS]
        ]
        heading = f"the {len(rows)} of {count_noun(len(least), 'pair')} that agree least"
        yield from _titled(heading, ("annotators", "", "images", "IoU", "kappa"), rows, paper, left=(0, 1))
        return
    rows, room = [], min(_NAME, (paper.width - _NAME - 2) // len(names) - 2)
    for row, one in enumerate(names):
        cells = [shorten(one, _NAME)]
        for column, other in enumerate(names):
            pair = pairs.get((one, other)) or pairs.get((other, one))
            score = "iou" if row < column else "kappa"
            cells.append(
                " " if row == column else DASH if pair is None else format_score(score, pair.scores[score].value)
            )
        rows.append(cells)
    heading = "annotator by annotator: IoU above the diagonal, kappa below"
    yield from _titled(heading, ("", *(shorten(name, room) for name in names)), rows, paper)


def _scores(scores: Mapping[str, Score], names: Sequence[str]) -> list[str]:
    return [score_with_interval(name, scores[name]) for name in names]


def _least_first(scores: Mapping[str, Score]) -> tuple[bool, float]:
    value = scores["iou"].value
    return math.isnan(value), value


def _categories(found: Agreement, measure: str, paper: Console) -> Iterator[str]:
    if not found.categories:
        return
    ranked = sorted(found.categories, key=lambda each: _least_first(each.scores))
    rows = [
        [
            shorten(each.category, _NAME),
            f"{each.images:,}",
            score_with_interval("iou", each.iou),
            *(format_score(name, each.scores[name].value) for name in ("pq", "kappa", "nsd", "offset_size")),
        ]
        for each in ranked[:_CATEGORIES]
    ]
    heads = ("category", "images", "IoU", "PQ", "kappa", "near", f"offset {measure}")
    yield from _titled("by category, the least agreed first", heads, rows, paper)
    if len(ranked) > _CATEGORIES:
        yield from paper.wrap(f"{len(ranked) - _CATEGORIES:,} more agree better: --format csv has all", style="dim")


def _habits(found: Agreement, tables: Tables, paper: Console) -> Iterator[str]:
    """What stands of what annotators do differently."""
    standing = [each for each in reported_biases(found, tables) if each.stands]
    if not standing:
        return
    rows = [
        [
            shorten(each.annotator, _NAME),
            shorten(each.category, _NAME),
            each.kind,
            f"{format_score(each.score, each.value.value, signed=each.kind == 'offset')} "
            f"{format_interval(each.score, each.value, signed=each.kind == 'offset')}",
            format_percent(each.others) if each.kind != "offset" else "",
            f"{each.p:.2g}",
        ]
        for each in standing[:_HABITS]
    ]
    heads = ("annotator", "category", "what", "how much", "others", "p")
    yield from _titled("what stands when all tests are taken together", heads, rows, paper, left=(0, 1, 2))
    if len(standing) > _HABITS:
        yield from paper.wrap(f"{len(standing) - _HABITS:,} more: --format csv has all", style="dim")


def _strata(found: Agreement, paper: Console) -> Iterator[str]:
    if found.by is None:
        return
    rows = [
        [shorten(each.name, _NAME), f"{each.images:,}", *_scores(each.scores, ("iou", "kappa", "pq"))]
        for each in found.by.strata
    ]
    yield from _titled(f"by {found.by.column}", (found.by.column, "images", "IoU", "kappa", "PQ"), rows, paper)
    if found.by.unknown:
        yield from paper.wrap(f"in none of them: {count_noun(found.by.unknown, 'pair')} of annotations", style="dim")


def _sheet(each: ReportTable, paper: Console) -> Iterator[str]:
    rows = [[shorten(cell, each.room) if k in each.left else cell for k, cell in enumerate(row)] for row in each.rows]
    heads = [shorten(head, _HEAD) for head in each.heads]
    yield from _titled(each.title, heads, rows, paper, left=each.left)
    yield from paper.wrap(each.note, style="dim")


def _plan(found: Agreement, paper: Console) -> Iterator[str]:
    if not found.plan:
        return
    ranked = sorted(found.plan, key=lambda each: (each.category is not None, -(each.images or 0)))
    rows = [
        [
            SCORE_NAMES[each.score],
            shorten(each.category or "(all)", _NAME),
            f"±{format_score(each.score, each.now)}" if each.now == each.now else DASH,
            DASH if each.images is None else f"{each.images:,}",
            DASH if each.instances is None else f"{each.instances:,}",
        ]
        for each in ranked[:_PLANNED]
    ]
    heading = f"what intervals of ±{found.plan[0].half_width:g} take, of images like these"
    yield from _titled(heading, ("score", "category", "now", "images", "segments"), rows, paper, left=(0, 1))


def _worst(images: ImageAgreement, annotators: Sequence[str], paper: Console) -> Iterator[str]:
    worst = images.worst(_IMAGES)
    if len(worst) < 2:
        return
    rows = [
        [
            shorten(each.name, 26),
            format_score("iou", each.value),
            shorten(each.category, 14),
            format_score("iou", each.low),
            shorten(f"{annotators[each.a]}, {annotators[each.b]}", 20),
        ]
        for each in worst
    ]
    heads = ("image", "IoU", "worst category", "IoU", "who differs most")
    yield from _titled("the images that agree least", heads, rows, paper, left=(0, 2, 4))


def _codes(findings: Sequence[Finding], paper: Console) -> Iterator[str]:
    if not findings:
        return
    count = Counter((each.code, each.rule, each.severity) for each in findings)
    rows = [[code, rule, severity, f"{n:,}"] for (code, rule, severity), n in sorted(count.items())]
    yield from _titled("findings", ("code", "rule", "severity", "findings"), rows, paper, left=(0, 1, 2))


def _titled(
    heading: str, heads: Sequence[str], rows: Sequence[Sequence[str]], paper: Console, left: Sequence[int] = (0,)
) -> Iterator[str]:
    yield paper.paint(heading, "bold")
    head, *lines = table(heads, rows, left=left)
    yield paper.paint(f"  {head}", "dim")
    yield from (f"  {line}" for line in lines)


def _verdict(found: Agreement, fail_on: FailOn, paper: Console) -> list[str]:
    if not found.findings:
        return [paper.paint("nothing found", "good")]
    said, style = ("failed:", "error") if found.fails(fail_on) else ("passed:", "good")
    return paper.pieces(
        (said, style), (count_noun(len(found.findings), "finding"), None), (f"(--fail-on {fail_on})", None)
    )


def _legend(found: Agreement, paper: Console) -> Iterator[str]:
    of = count_noun(
        found.intervals.clusters, "sequence, patient or single image", "sequences, patients or single images"
    )
    said = f"[ ]: {found.intervals.confidence:.0%} intervals from {found.intervals.resamples:,} resamples of {of}."
    yield from paper.wrap(said, style="dim")
    undefined = f"{DASH}: undefined, as where neither of two drew the category, or nothing varies; it is in no mean."
    yield from paper.wrap(undefined, style="dim")
    near = f"near: the share of both boundaries within the tolerance ({tolerance_in_words(found.tolerance)}); offset: "
    near += "by how much one of the two draws larger."
    yield from paper.wrap(near, style="dim")


def _next(found: Agreement, typed: Sequence[str], paper: Console) -> Iterator[str]:
    yield paper.paint("next", "bold")
    steps = [(["--format", "html", "-o", "agreement.html"], "the same with pictures, for the browser")]
    if not found.plan:
        steps.append((["--plan", "0.02"], "how many images must be labelled twice"))
    for more, why in steps:
        yield from command_lines(["segdata", *typed, *more], paper)
        yield from paper.wrap(why, "      ", style="dim")
    if found.findings:
        yield from command_lines(["segdata", "explain", found.findings[0].code], paper)
        yield from paper.wrap("what it means, and what to do", "      ", style="dim")
