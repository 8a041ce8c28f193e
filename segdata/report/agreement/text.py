"""The reports of an agreement as text (conclusions, tables of figures, what to do next), JSON and CSV."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from segdata.agreement.estimates import ImageAgreement
from segdata.agreement.scores import Score
from segdata.agreement.summary import Agreement
from segdata.agreement.surface_distances import CategoryTolerance
from segdata.core.errors import count_noun
from segdata.core.finding import Finding
from segdata.core.rule import Tables
from segdata.core.validation import FailOn
from segdata.report.agreement.annotators import reported_biases
from segdata.report.agreement.conclusions import conclusions, reference_name
from segdata.report.agreement.tables import ReportTable, agreement_tables, compared_categories, unranked_pairs
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
from segdata.report.encoding import csv_number, csv_text, encode_result, format_json
from segdata.report.findings import FindingRow, command_lines

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


HEAD = (
    *("scope", "annotator_a", "annotator_b", "category", "portion"),
    *("score", "value", "low", "high", "n", "n_undefined", "p", "stands"),
)
_KINDS = ("missed", "extra", "confused", "boundary_offset")
Row = dict[str, str | int]


class AgreementReport(Agreement, frozen=True, kw_only=True):
    """The JSON report of an agreement; its findings are rows, as in every JSON report."""

    findings: tuple[FindingRow, ...]  # type: ignore[assignment]  # a row has the fields of a finding


def agreement_json(result: Agreement) -> str:
    """The report as JSON, a line per pair, category, annotator and finding; the same input gives the same text."""
    rows = [
        FindingRow(**{name: getattr(finding, name) for name in FindingRow.__struct_fields__})
        for finding in result.findings
    ]
    plain = encode_result(msgspec.structs.replace(result, findings=()), rounded=True)
    return format_json({**plain, "findings": msgspec.to_builtins(rows)})


def agreement_csv(result: Agreement) -> str:
    """The report as CSV, with rows of the following scopes; cells that do not apply, or are undefined, are empty.

    overall, pair, category: the scores of the JSON report. reference: scores against the reference `annotator_b`.
    annotator: biases of `annotator_a` in a category, with p and whether they are significant. portion: scores of a
    portion of --group-by. difference: whether a score differs by portions; its value is that of `portion`. plan: the
    number of images for an interval; low and high are empty. disagreement: causes of the disputed pixels of two
    annotators and a category. volume: sizes in volumes. contrast: by how much the pair `annotator_b` agrees more than
    the pair `annotator_a`. unchanged: the share of `annotator_a`'s work that is the model `annotator_b`'s. identical:
    the share of identical segments of two annotators. cvat, cvat here: figures of a report of CVAT, whose job is
    `portion`, and ours of the same frames. tolerance: of boundaries, in px and mm. proposed tolerance: the tolerance
    that annotators need against themselves, from n boundaries that they drew twice.
    """
    return csv_text(HEAD, ([row.get(name, "") for name in HEAD] for row in _rows(result)))


def _rows(result: Agreement) -> Iterator[Row]:
    yield from _score_rows({"scope": "overall"}, result.overall.scores)
    yield from _reference_rows(result)
    for pair in result.pairs:
        two: Row = {"scope": "pair", "annotator_a": pair.a, "annotator_b": pair.b}
        yield from _score_rows(two, pair.scores)
        yield from _score_rows(two, pair.metrics if isinstance(pair.metrics, dict) else {})
    for category in result.categories:
        yield from _score_rows({"scope": "category", "category": category.category}, category.scores)
    yield from _bias_rows(result)
    yield from _portion_rows(result)
    for need in result.plan:
        score = f"images for {need.score} ± {need.half_width:g}"
        n_images = "" if need.images is None else need.images
        yield {"scope": "plan", "category": need.category or "", "score": score, "value": n_images}
    yield from _disagreement_rows(result)
    yield from _volume_rows(result)
    for contrast in result.contrasts:
        pairs: Row = {"annotator_a": ", ".join(contrast.first), "annotator_b": ", ".join(contrast.second)}
        tested: Row = {"p": csv_number(contrast.p), "stands": _flag(contrast.stands)}
        yield {"scope": "contrast"} | pairs | _score(contrast.score, contrast.difference) | tested
    for work in result.identical:
        about: Row = {"scope": "identical", "annotator_a": work.a, "annotator_b": work.b, "stands": _flag(work.stands)}
        yield from _score_rows(about, {"identical": work.identical, "alike": work.alike})
    yield from _drift_rows(result)
    yield from _cvat_rows(result)
    for unchanged in result.unchanged:
        about = {"scope": "unchanged", "annotator_a": unchanged.annotator, "annotator_b": unchanged.model}
        yield from _score_rows(about, {"share": unchanged.share, "persons": unchanged.persons})
    yield from _tolerance(result.tolerance)
    for name, own in result.tolerance.categories.items():
        yield from _tolerance(own, name)
    yield from _proposal_rows(result)


def _reference_rows(result: Agreement) -> Iterator[Row]:
    if result.reference is None:
        return
    about: Row = {"scope": "reference", "annotator_b": result.reference.name}
    yield from _score_rows(about, result.reference.scores)
    for annotator in result.reference.annotators:
        of_one: Row = about | {"annotator_a": annotator.annotator}
        yield from _score_rows(of_one, {"missed": annotator.missed, "extra": annotator.extra})


def _bias_rows(result: Agreement) -> Iterator[Row]:
    for bias in result.annotator_bias:
        about: Row = {"scope": "annotator", "annotator_a": bias.annotator, "category": bias.category}
        for name in _KINDS:
            kind = name.removeprefix("boundary_")
            tested: Row = {"p": csv_number(bias.p.get(kind, math.nan)), "stands": _flag(kind in bias.found)}
            yield about | _score(name, getattr(bias, name)) | (tested if kind in bias.p else {})


def _portion_rows(result: Agreement) -> Iterator[Row]:
    if result.by is None:
        return
    for portion in result.by.strata:
        yield from _score_rows({"scope": "portion", "portion": portion.name}, portion.scores)
    for difference in result.by.differences:
        about: Row = {"scope": "difference", "category": difference.category or "", "score": difference.score}
        tested: Row = {"p": csv_number(difference.p), "stands": _flag(difference.stands)}
        for portion, value in zip(result.by.strata, difference.values, strict=True):
            yield about | tested | {"portion": portion.name, "value": csv_number(value)}


def _disagreement_rows(result: Agreement) -> Iterator[Row]:
    for due in result.disagreement:
        about: Row = {"scope": "disagreement", "annotator_a": due.a, "annotator_b": due.b, "category": due.category}
        yield about | {"score": "pixels", "value": due.pixels}
        for name in ("missed", "extra", "confused", "boundary"):
            yield about | {"score": name, "value": csv_number(getattr(due, name))}


def _volume_rows(result: Agreement) -> Iterator[Row]:
    for volumes in result.volumes:
        category: Row = {"scope": "volume", "category": volumes.category}
        yield from _score_rows(category, {"icc": volumes.icc, "icc_consistency": volumes.icc_consistency})
        for two in volumes.pairs:
            about = category | {"annotator_a": two.a, "annotator_b": two.b}
            for name in ("size_a", "size_b", "difference", "smallest", "largest", "within"):
                yield about | {"score": name, "value": csv_number(getattr(two, name)), "n": two.volumes}
            yield from _score_rows(about, {name: getattr(two, name) for name in ("median", "bias", "lower", "upper")})


def _drift_rows(result: Agreement) -> Iterator[Row]:
    for drift in result.drift:
        about: Row = {"scope": "drift", "annotator_a": drift.annotator, "category": drift.category or ""}
        yield about | _score(drift.kind, drift.change) | {"p": csv_number(drift.p), "stands": _flag(drift.stands)}
        for period in drift.periods:
            of_period: Row = {"scope": "period", "n": period.images, "portion": period.period, "score": drift.kind}
            yield about | of_period | {"value": csv_number(period.value)}


def _cvat_rows(result: Agreement) -> Iterator[Row]:
    for report in result.cvat:
        for scope, figures, n in (("cvat", report.cvat, report.frames), ("cvat here", report.ours, report.images)):
            about: Row = {"scope": scope, "portion": report.job or report.file, "n": "" if n is None else n}
            for name in figures.__struct_fields__:
                yield about | {"score": name, "value": csv_number(getattr(figures, name))}


def _proposal_rows(result: Agreement) -> Iterator[Row]:
    for proposal in result.proposed_tolerance:
        yield {
            "scope": "proposed tolerance",
            "score": proposal.unit,
            "value": csv_number(proposal.value),
            "n": proposal.boundaries,
        }


def _tolerance(near: CategoryTolerance, category: str = "") -> Iterator[Row]:
    for name, value in (("px", near.pixels), ("mm", near.mm)):
        if value is not None:
            yield {"scope": "tolerance", "category": category, "score": name, "value": csv_number(value)}


def _score_rows(about: Row, scores: Mapping[str, Score]) -> Iterator[Row]:
    return (about | _score(name, value) for name, value in scores.items())


def _score(name: str, value: Score) -> Row:
    ends = {"value": csv_number(value.value), "low": csv_number(value.low), "high": csv_number(value.high)}
    return {"score": name, **ends, "n": value.n, "n_undefined": value.n_undefined}


def _flag(value: bool) -> str:
    return "yes" if value else "no"
