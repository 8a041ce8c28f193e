"""Tables of an agreement, which all of its reports show."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from segdata.agreement.contrasts import PairContrast
from segdata.agreement.copying import COMMON_DRAFT, IdenticalWork
from segdata.agreement.plugin import find_metric
from segdata.agreement.scores import PooledScoresWithAccuracy, Score
from segdata.agreement.summary import Agreement, CategoryAgreement, DisagreementCauses
from segdata.agreement.volumes import VolumePair
from segdata.core.errors import count_noun
from segdata.core.rule import Tables
from segdata.report.agreement.drift import drift_rows
from segdata.report.agreement.wording import (
    DASH,
    SHORT_NAMES,
    format_percent,
    format_score,
    join_words,
    score_with_interval,
)

_CAUSES, _CONTRASTS, _SIZES, _METRICS = 12, 20, 20, 20
_MM3_PER_ML = 1000  # mm3
_MIN_SHARE_IDENTICAL = 0.05  # of a pair's segments, from which its row is listed
_MAX_RANGES_EXPLAINED = 3  # numbers of volumes for which a note explains the range


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table: title, heads, rows of text, the columns that hold names, and notes."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[int, ...]
    note: str


def agreement_tables(result: Agreement, gold: str | None) -> list[ReportTable]:
    """The tables that have rows; `gold`: the name of the reference."""
    tables = (
        reference_table(result),
        metrics_table(result),
        causes_table(result),
        volumes_table(result),
        contrasts_table(result, gold),
        months_table(result),
        identical_table(result),
        unchanged_table(result),
        cvat_table(result),
    )
    return [table for table in tables if table is not None]


def compared_scores(result: Agreement) -> PooledScoresWithAccuracy:
    """The scores over all pairs of annotators, or with a reference over its pairs alone."""
    return result.overall if result.reference is None else result.reference


def compared_categories(result: Agreement) -> tuple[CategoryAgreement, ...]:
    """The scores by category, over the pairs of `compared_scores`."""
    return result.categories if result.reference is None else result.reference.categories


def copied_pairs(result: Agreement) -> list[IdenticalWork]:
    """The pairs of persons whose work counts as one annotator's, the most similar first."""
    copied = [work for work in result.identical if work.stands and not work.model]
    return sorted(copied, key=lambda work: -work.alike.value)


def unranked_pairs(result: Agreement) -> set[tuple[str, str]]:
    """The pairs that are left out of rankings, because copies raise their agreement."""
    return {(work.a, work.b) for work in copied_pairs(result)} if len(result.pairs) > 1 else set()


def names_of_copies(result: Agreement) -> str:
    """The copied pairs in words; empty if there are none."""
    return join_words(f"{a} and {b}" for a, b in sorted(unranked_pairs(result)))


def compared_causes(result: Agreement) -> list[DisagreementCauses]:
    """The causes of disputed pixels, over the pairs of `compared_scores`."""
    name = None if result.reference is None else result.reference.name
    return [causes for causes in result.disagreement if name is None or name in (causes.a, causes.b)]


def reference_table(result: Agreement) -> ReportTable | None:
    """The scores of each annotator against the reference, the least agreement first."""
    if result.reference is None:
        return None
    name, lead = result.reference.name, result.leading
    own = {pair.b if pair.a == name else pair.a: pair for pair in result.pairs if name in (pair.a, pair.b)}
    rows = []
    for annotator in sorted(
        result.reference.annotators, key=lambda annotator: own[annotator.annotator].scores[lead].value
    ):
        pair = own[annotator.annotator]
        sign = 1 if pair.a == name else -1
        rows.append(
            (
                annotator.annotator,
                f"{annotator.images:,}",
                score_with_interval(lead, pair.scores[lead]),
                score_with_interval("missed", annotator.missed),
                score_with_interval("missed", annotator.extra),
                format_score("offset", sign * pair.offset.value, signed=True),
            )
        )
    unit = "segments" if lead == "pq" else "pixels"
    note = (
        f"Misses: the share of {name}'s {unit} that the annotator lacks or labels as another category. Adds: the share "
        f"of the annotator's {unit} that {name} does. Larger: how much further out the annotator draws."
    )
    heads = ("annotator", "images", SHORT_NAMES[lead], "misses", "adds", "larger")
    return ReportTable(f"against {name}, the reference", heads, tuple(rows), (0,), note)


def cvat_table(result: Agreement) -> ReportTable | None:
    """CVAT's quality reports, job by job, with our figures of the same frames below each."""
    if not result.cvat:
        return None
    rows = []
    for report in result.cvat:
        job, frames = report.job or report.file, DASH if report.frames is None else f"{report.frames:,}"
        for source, n, figures in ((f"CVAT {job}", frames, report.cvat), ("  here", f"{report.images:,}", report.ours)):
            values = (figures.accuracy, figures.precision, figures.recall, figures.mean_iou)
            rows.append((source, n, *(DASH if math.isnan(value) else f"{value:.2f}" for value in values)))
    thresholds = sorted({report.iou_threshold for report in result.cvat if math.isfinite(report.iou_threshold)})
    above = " or ".join(f"{value:g}" for value in thresholds) or "a threshold of its own"
    note = (
        f"CVAT matches shapes with an IoU of {above} whatever their label, including other types of annotation, and "
        "counts a wrong label as invalid. segdata matches segments of one category with an IoU above 0.5, for all "
        "annotators against the reference. Accuracy: the share of matched segments among all that either has. Mean "
        "IoU: CVAT includes unmatched shapes, each with its closest; segdata takes matched segments only."
    )
    heads = ("job", "frames", "accuracy", "precision", "recall", "mean IoU")
    return ReportTable("CVAT's quality reports, and the same frames here", heads, tuple(rows), (0,), note)


def metrics_table(result: Agreement) -> ReportTable | None:
    """The registered metrics that have no table of their own, pair by pair."""
    scores = [(pair, pair.metrics) for pair in result.pairs if isinstance(pair.metrics, dict)]
    if not scores:
        return None
    metrics = {name: find_metric(name) for name in scores[0][1]}
    rows = tuple(
        (pair.a, pair.b, *(score_with_interval(name, of_pair[name]) for name in metrics))
        for pair, of_pair in scores[:_METRICS]
    )
    notes = [
        f"{name}: {metric.summary.removesuffix('.')}; {'higher' if metric.higher_is_better else 'lower'} is better "
        f"({metric.source})."
        for name, metric in metrics.items()
    ]
    if len(scores) > _METRICS:
        notes.append(f"{len(scores) - _METRICS:,} more pairs: --format csv has all.")
    return ReportTable("further metrics", ("annotators", "", *metrics), rows, (0, 1), " ".join(notes))


def causes_table(result: Agreement) -> ReportTable | None:
    """The causes of disputed pixels by category, over all pairs of annotators."""
    pixels: dict[str, int] = defaultdict(int)
    due: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for causes in compared_causes(result):
        pixels[causes.category] += causes.pixels
        for k, share in enumerate(_shares(causes)):
            due[causes.category][k] += share * causes.pixels if math.isfinite(share) else 0.0
    ranked = sorted((name for name in pixels if pixels[name]), key=lambda name: -pixels[name])
    if not ranked or (len(ranked) == 1 and not any(due[ranked[0]][:3])):
        return None  # of one category of pixels there is nothing to tell
    total, pair = sum(pixels.values()), result.pairs[0] if len(result.pairs) == 1 else None
    alone = ("one only",) if pair is None else tuple(f"only {annotator}" for annotator in (pair.a, pair.b))
    rows = []
    for name in ranked[:_CAUSES]:
        missed, extra, confused, boundary = due[name]
        one_sided = [missed + extra] if pair is None else [missed, extra]
        n_due = sum(due[name])
        shares = (format_percent(count / n_due) if n_due else DASH for count in (*one_sided, confused, boundary))
        rows.append((name, f"{pixels[name]:,}", format_percent(pixels[name] / total), *shares))
    more = len(ranked) - len(rows)
    note = (
        "Pixels that only one of two annotators gives the category, in all images. The other has no such segment (one "
        "only), gives it another category (category), or ends it at another boundary (boundary). For stuff, and in "
        "class masks, a segment is all of a category in an image, so an omitted part of it counts under boundary."
    )
    note += f" {count_noun(more, 'category', 'categories')} with fewer: in the JSON report." if more else ""
    heads = ("category", "pixels", "of all", *alone, "category", "boundary")
    return ReportTable("why pixels are disputed", heads, tuple(rows), (0,), note)


def _shares(causes: DisagreementCauses) -> tuple[float, ...]:
    return causes.missed, causes.extra, causes.confused, causes.boundary


def causes_in_words(result: Agreement, tables: Tables) -> str:
    """The causes of disputed pixels of things in words; empty if nothing is disputed or there are no things."""
    comparison = tables.annotator_pairs
    if comparison is None:
        return ""
    things = {
        category.name
        for category, is_thing in zip(comparison.categories, comparison.countable, strict=True)
        if is_thing
    }
    finite = [
        causes for causes in compared_causes(result) if causes.category in things and math.isfinite(causes.missed)
    ]
    missed, extra, confused, boundary = (sum(_shares(causes)[k] * causes.pixels for causes in finite) for k in range(4))
    n_due = missed + extra + confused + boundary
    if not n_due:
        return ""
    kinds = {"along boundaries": boundary, "drawn by one only": missed + extra, "labelled differently": confused}
    shares = [
        f"{format_percent(n / n_due)} {kind}"
        for kind, n in sorted(kinds.items(), key=lambda item: -item[1])
        if n / n_due >= 0.005
    ]
    with_gold = "" if result.reference is None else f" with {result.reference.name}"
    return f"disputed pixels of things{with_gold}: {', '.join(shares)}"


def volumes_table(result: Agreement) -> ReportTable | None:
    """Sizes in volumes for every pair of annotators; the one who draws larger comes first."""
    if not result.volumes:
        return None
    largest = max(
        (size for volumes in result.volumes for pair in volumes.pairs for size in (pair.size_a, pair.size_b)), default=0
    )
    in_mm = result.volumes[0].unit == "mm3"
    unit, of_one = ("ml", _MM3_PER_ML) if in_mm and largest >= _MM3_PER_ML else ("mm³" if in_mm else "voxels", 1)
    rows = [
        (volumes.category, *_volume_cells(pair, of_one))
        for volumes in result.volumes
        for pair in volumes.pairs
        if pair.volumes
    ]
    correlations = [
        f"{volumes.category} {format_score('iou', volumes.icc.value)}"
        for volumes in result.volumes
        if volumes.icc.value == volumes.icc.value
    ]
    note = (
        f"The mean size in a volume of each annotator in {unit}, how much more the first draws, and the smallest and "
        "largest difference. "
    )
    within = sorted(
        {(pair.volumes, pair.within) for volumes in result.volumes for pair in volumes.pairs if pair.volumes > 1}
    )
    if within:
        shares = [f"{format_percent(share)} ({count_noun(n, 'volume')})" for n, share in within[:_MAX_RANGES_EXPLAINED]]
        note += f"At least this share of all such volumes lies between these two: {', '.join(shares)}; confidence "
        note += f"{format_percent(result.intervals.confidence)}. "
    note += (
        f"Agreement of sizes over all annotators (ICC, at best 1; without an interval, since a few large volumes may "
        f"decide it): {', '.join(correlations)}."
        if correlations
        else "There are too few volumes for the agreement of sizes (ICC)."
    )
    heads = ("category", "who", "more than", "volumes", f"its {unit}", "other's", "by", "least and most")
    return ReportTable("who draws more, in volumes", heads, tuple(rows[:_SIZES]), (0, 1, 2), note)


def _volume_cells(pair: VolumePair, of_one: int) -> tuple[str, ...]:
    way = -1 if pair.size_b < pair.size_a else 1
    more, less = (pair.b, pair.a) if way > 0 else (pair.a, pair.b)
    both = sorted((pair.size_a, pair.size_b), reverse=True)
    ends = sorted(way * bound / of_one for bound in (pair.smallest, pair.largest))
    limits = f"{_format_size(ends[0])} and {_format_size(ends[1])}" if all(map(math.isfinite, ends)) else DASH
    return (
        more,
        less,
        f"{pair.volumes:,}",
        *(_format_size(size / of_one) for size in both),
        format_percent(way * pair.difference),
        limits,
    )


def _format_size(value: float) -> str:
    if not math.isfinite(value):
        return DASH
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, 3)}f}".replace("-", "−")


def contrasts_table(result: Agreement, gold: str | None) -> ReportTable | None:
    """Contrasts of annotators against the reference, or of pairs; the better one comes first."""
    if not result.contrasts:
        return None
    ranked = sorted(result.contrasts, key=lambda contrast: not contrast.stands)  # within these by score, as they come
    rows = tuple(tuple(_contrast_cells(contrast, gold)) for contrast in ranked[:_CONTRASTS])
    heads = ("better", "than", "score", "its", "other's", "difference", "p", "")
    title = "which two agree better" if gold is None else f"who agrees better with {gold}"
    note = (
        "On the images that all of them annotated. ●: significant at a false discovery rate of 5% over all contrasts "
        "of a score."
    )
    if len(ranked) > len(rows):
        note += f" {len(ranked) - len(rows):,} more: --format csv has all."
    return ReportTable(title, heads, rows, (0, 1, 2), note)


def better_first(contrast: PairContrast) -> PairContrast:
    """The contrast with the pair that agrees better first."""
    if contrast.values[0] >= contrast.values[1]:
        value = contrast.difference
        turned = Score(-value.value, -value.high, -value.low, value.n, value.n_undefined)
        return PairContrast(
            contrast.first, contrast.second, contrast.score, contrast.values, turned, contrast.p, contrast.stands
        )
    values = contrast.values[1], contrast.values[0]
    return PairContrast(
        contrast.second, contrast.first, contrast.score, values, contrast.difference, contrast.p, contrast.stands
    )


def pair_in_words(pair: tuple[str, str], gold: str | None) -> str:
    """Two annotators in words; if one is the reference, the other alone."""
    return next((name for name in pair if name != gold), pair[0]) if gold in pair else ", ".join(pair)


def _contrast_cells(contrast: PairContrast, gold: str | None) -> Iterator[str]:
    ordered = better_first(contrast)
    yield from (pair_in_words(pair, gold) for pair in (ordered.first, ordered.second))
    yield SHORT_NAMES[ordered.score]
    yield from (format_score(ordered.score, value) for value in ordered.values)
    yield score_with_interval(ordered.score, ordered.difference)
    yield f"{ordered.p:.2g}" if math.isfinite(ordered.p) else DASH
    yield "●" if ordered.stands else ""


def unchanged_table(result: Agreement) -> ReportTable | None:
    """The share of each annotator's segments that are a model's."""
    if not result.unchanged:
        return None
    rows = [
        (
            unchanged.annotator,
            unchanged.model,
            f"{unchanged.images:,}",
            f"{unchanged.segments:,}",
            score_with_interval("missed", unchanged.share),
            score_with_interval("missed", unchanged.persons),
        )
        for unchanged in sorted(result.unchanged, key=lambda unchanged: -unchanged.share.value)
    ]
    heads = ("annotator", "model", "images", "segments", "unchanged", "two persons")
    note = "Unchanged: the share of the annotator's segments that equal the model's, pixel for pixel. Two persons: the "
    note += "share that two persons have equal without the model; expect as many from an annotator who draws."
    return ReportTable("segments of a model, kept unchanged", heads, tuple(rows), (0, 1), note)


def months_table(result: Agreement) -> ReportTable | None:
    """The biases of each annotator by month."""
    heads, rows = drift_rows(result)
    if not rows:
        return None
    note = (
        "All categories together, compared with what more than half of the others have in the same images. Misses: "
        "the share of what these have. Adds, confuses: the share of what the annotator has. Offset: how much larger "
        "the annotator draws."
    )
    return ReportTable("each annotator by month", heads, tuple(rows), (0, 1), note)


def identical_table(result: Agreement) -> ReportTable | None:
    """Identical segments by pair; None if there are hardly any."""
    rows = tuple(_identical_rows(result))
    if not rows:
        return None
    heads = ("pair", "", "images", "identical", "alike", "usual", "as one")
    note = (
        "Identical: the same pixels. Alike: also outlines that are 0.1 px apart on average. Rectangles and segments "
        "under 64 px do not count. Usual: the share that other pairs have alike. As one: images in which the two count "
        "as one annotator."
    )
    return ReportTable("identical segments, by pair", heads, rows, (0, 1), note)


def _identical_rows(result: Agreement) -> list[tuple[str, ...]]:
    """The rows of the table of identical segments, the largest shares first; empty if all shares are small."""
    if not any(work.stands or (work.usual >= COMMON_DRAFT and not work.model) for work in result.identical):
        return []
    shown = [work for work in result.identical if work.stands or work.alike.value >= _MIN_SHARE_IDENTICAL]
    return [
        (
            work.a,
            work.b,
            f"{work.images:,}",
            score_with_interval("missed", work.identical),
            score_with_interval("missed", work.alike),
            format_percent(work.usual),
            f"{work.one_voice:,}" if work.stands else "",
        )
        for work in sorted(shown, key=lambda work: (not work.stands, -work.alike.value))
    ]
