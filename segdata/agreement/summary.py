"""Summary: from the tables of a comparison to the agreement of annotators, with intervals.

The JSON report of `segdata agreement` is the encoding of `Agreement`, with numbers of six significant digits and null
for what is undefined (NaN), and `schemas/agreement.schema.json` is its schema.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np

from segdata.agreement.annotator_bias import BIAS_KINDS, ImageDeviations
from segdata.agreement.contrasts import PairContrast, StratifiedAgreement
from segdata.agreement.copying import IdenticalWork, UnchangedShare
from segdata.agreement.cvat_quality import CvatJobQuality
from segdata.agreement.drift import AnnotatorDrift
from segdata.agreement.estimates import (
    DEFAULT_RESAMPLING,
    PairAmounts,
    Resampling,
    between_persons,
    category_scores,
    count_images,
    overall_scores,
    pair_scores,
    plugin_scores,
    reliability_scores,
)
from segdata.agreement.gold_standard import rows_against
from segdata.agreement.inference import share_interval
from segdata.agreement.metrics.decomposition import decomposition
from segdata.agreement.planning import SampleSize
from segdata.agreement.repeatability import ProposedTolerance, proposed_tolerance
from segdata.agreement.scores import (
    Count,
    Leading,
    PooledScores,
    PooledScoresWithAccuracy,
    Score,
    Share,
    UndefinedShare,
    column_of,
    leading_score,
    score_meaning,
    table_of_lines,
)
from segdata.agreement.surface_distances import Tolerance
from segdata.agreement.volumes import VolumeAgreement, volume_agreement
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.finding import Finding, sort_findings
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.table import Table
from segdata.core.validation import FailOn, has_failures


class _PairScores(PooledScoresWithAccuracy, frozen=True, kw_only=True):
    """The scores of two annotators."""

    offset: Annotated[Score, score_meaning("offset")]
    count_difference: Annotated[Score, score_meaning("count_difference")]
    metrics: dict[str, Score] | msgspec.UnsetType = msgspec.UNSET
    """Scores of metrics from plugins, by name; missing where none is installed."""


class PairAgreement(_PairScores, frozen=True):
    """The agreement of two annotators on the images that both annotated; `clusters` are independent ones."""

    a: str
    b: str
    images: Count
    clusters: Count


class OverallAgreement(PooledScoresWithAccuracy, frozen=True, kw_only=True):
    """The agreement of all annotators together."""

    fleiss_kappa: Annotated[Score, score_meaning("fleiss_kappa")]
    alpha: Annotated[Score, score_meaning("alpha")]
    instance_alpha: Annotated[Score, score_meaning("instance_alpha")]


class _CategoryScores(PooledScores, frozen=True, kw_only=True):
    """The scores of a category."""

    prevalence: Annotated[Score, score_meaning("prevalence")]


class CategoryAgreement(_CategoryScores, frozen=True):
    """The agreement on one category over all pairs of annotators; `images`: those in which one of the two drew it."""

    category: str
    id: int
    kind: str
    images: Count


class AgainstReference(msgspec.Struct, frozen=True, kw_only=True):
    """An annotator against the reference: the share of the reference's that is missed, and of the annotator's, extra.

    Shares are of segments if `leading` is pq, else of pixels, over all categories; segments or pixels with another
    category are both missed and extra.
    """

    annotator: str
    images: Count
    missed: Score
    extra: Score


class ReferenceAgreement(PooledScoresWithAccuracy, frozen=True, kw_only=True):
    """The agreement of annotators with the reference `name`: the scores over its pairs with each of them."""

    name: str
    annotators: tuple[AgainstReference, ...]
    categories: tuple[CategoryAgreement, ...]


class AnnotatorBias(msgspec.Struct, frozen=True, kw_only=True):
    """The biases of one annotator in one category, against most of the others, or the other one of two.

    The others are those of the same clusters of images; a reference counts as one of them. `boundary_offset`: by how
    many px the annotator draws larger than the median annotator (of two annotators each has half the difference).
    `missed`: the share of what the others have that the annotator lacks. `extra`: the share of what the annotator
    has that the others lack. `confused`: the share of what both have to which the annotator gives another category.
    `p`: by kind (offset, missed, extra, confused) the probability of as much by chance, if it was tested; `found`: the
    kinds that are significant when all tests are taken together; `examples`: by these kinds, the images to look at
    first. `n` counts clusters of images.
    """

    annotator: str
    category: str
    boundary_offset: Score
    missed: Score
    extra: Score
    confused: Score
    p: dict[str, Share]
    found: tuple[str, ...]
    examples: dict[str, tuple[str, ...]] = {}


class DisagreementCauses(msgspec.Struct, frozen=True, kw_only=True):
    """The causes of disputed pixels of A and B in a category, as shares of all `pixels` but those in crowds.

    `pixels`: to which only one of the two gives the category. `missed`: in segments that only A has, `extra`: in
    segments that only B has, `confused`: in segments under two categories, `boundary`: at the edges of segments that
    both have under one category. null: no such pixels.
    """

    a: str
    b: str
    category: str
    pixels: Count
    missed: UndefinedShare
    extra: UndefinedShare
    confused: UndefinedShare
    boundary: UndefinedShare


class Intervals(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the intervals, from resampling `clusters`: sequences, patients, scenes or images."""

    confidence: Share
    resamples: Count
    seed: int
    clusters: Count


class HiddenPixels(msgspec.Struct, frozen=True, kw_only=True):
    """Pixels of an annotator's categories below another category of the same annotator, which do not count.

    `images`: the number of images, or volumes, with such pixels. `share`: of the pixels of all categories in these.
    """

    annotator: str
    images: Count
    pixels: Count
    share: Share


class OverlappingCategories(msgspec.Struct, frozen=True, kw_only=True):
    """Overlapping categories, in figures with one category a pixel (kappa, accuracy, alpha, confusion).

    `layered_images`: images, or volumes, whose categories are drawn in layers: each layer counts by itself, and a
    pixel once for each. `hidden`: annotators with pixels that do not count.
    """

    layered_images: Count
    hidden: tuple[HiddenPixels, ...]


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """The agreement of annotators, with biases, causes of disagreement, and intervals.

    `images`: the number that two or more annotators annotated; each slice of a volume counts. `categories`: those that
    any annotator drew, in the order of the taxonomy. `leading`: the score that reports show first: pq if nearly all
    segments are things, since the IoU of categories does not see where one thing ends and the next begins.
    `by`, `plan` and `contrasts` are present on request, `unchanged` if an annotator is a model, `identical` for every
    two annotators with segments to compare, `drift` if annotations have dates, `proposed_tolerance` if an annotator
    annotated images twice, `volumes` if there are any. `tolerance`: the largest distance at which boundaries
    match. `overlap`: overlapping categories, if there are any. `cvat`: the given reports of CVAT, with our figures of
    the same frames. `findings`: the most severe first.
    """

    version: Literal[1] = 1
    annotators: tuple[str, ...]
    images: Count
    intervals: Intervals
    leading: Leading = "iou"
    tolerance: Tolerance
    proposed_tolerance: tuple[ProposedTolerance, ...]
    overall: OverallAgreement
    reference: ReferenceAgreement | None = None
    pairs: tuple[PairAgreement, ...]
    categories: tuple[CategoryAgreement, ...]
    annotator_bias: tuple[AnnotatorBias, ...]
    disagreement: tuple[DisagreementCauses, ...]
    volumes: tuple[VolumeAgreement, ...]
    by: StratifiedAgreement | None
    plan: tuple[SampleSize, ...]
    contrasts: tuple[PairContrast, ...]
    unchanged: tuple[UnchangedShare, ...]
    identical: tuple[IdenticalWork, ...] = ()
    drift: tuple[AnnotatorDrift, ...] = ()
    cvat: tuple[CvatJobQuality, ...] = ()
    overlap: OverlappingCategories | None = None
    findings: tuple[Finding, ...]

    def fails(self, fail_on: FailOn) -> bool:
        """Whether there is a finding at or above this severity."""
        return has_failures(self.findings, fail_on)


def disagreement_causes(comparison: AnnotatorPairs) -> tuple[DisagreementCauses, ...]:
    """The number of disputed pixels of every two annotators and category, and the share of each cause.

    Shares are of all pixels together. Pixels in ignored segments (crowds) are only in `pixels`.
    """
    causes, pairs = comparison.causes, comparison.pairs
    if not len(causes):
        return ()
    n_annotators, n_categories = len(comparison.annotators), len(comparison.categories)
    key = (pairs["a"] * n_annotators + pairs["b"])[causes["pair"]] * n_categories + causes["category"]
    keys, inverse = np.unique(key, return_inverse=True)
    of_a = causes["side"] == 0

    def total(name: str, rows: Flags) -> Floats:
        return np.asarray(np.bincount(inverse[rows], causes[name][rows].astype(float), len(keys)), float)

    all_rows = np.ones(len(causes), bool)
    missed, extra = total("unmatched", of_a), total("unmatched", ~of_a)
    confused, boundary, ignored = (total(name, all_rows) for name in ("confused", "boundary", "ignored"))
    shares = decomposition(missed, extra, confused, boundary)
    couple, category = np.divmod(keys, n_categories)
    return tuple(
        DisagreementCauses(
            a=comparison.annotators[couple[k] // n_annotators],
            b=comparison.annotators[couple[k] % n_annotators],
            category=comparison.categories[category[k]].name,
            pixels=int(missed[k] + extra[k] + confused[k] + boundary[k] + ignored[k]),
            missed=float(shares.missed[k]),
            extra=float(shares.extra[k]),
            confused=float(shares.confused[k]),
            boundary=float(shares.boundary[k]),
        )
        for k in range(len(keys))
    )


def summarise_agreement(
    comparison: AnnotatorPairs,
    resampling: Resampling = DEFAULT_RESAMPLING,
    *,
    bias: Table | None = None,
    by: StratifiedAgreement | None = None,
    plan: Sequence[SampleSize] = (),
    contrasts: Sequence[PairContrast] = (),
    unchanged: Sequence[UnchangedShare] = (),
    identical: Sequence[IdenticalWork] = (),
    drift: Sequence[AnnotatorDrift] = (),
    cvat: tuple[CvatJobQuality, ...] = (),
    findings: Sequence[Finding] = (),
    tolerance: Tolerance | None = None,
    gold: int | None = None,
) -> Agreement:
    """Summarise the agreement of a panel.

    Two passes of one person are compared, but do not count in the agreement of all, unless there is no other annotator.
    `bias` is the result of `segdata.agreement.annotator_bias.annotator_biases`, `tolerance` that of the comparison
    (None: the default), `gold` the position of the reference; `by`, `plan`, `contrasts`, `unchanged`,
    `identical`, `cvat` and `findings` are included unchanged.
    """
    amounts = PairAmounts.from_pairs(comparison)
    rows = between_persons(amounts)
    frames = comparison.cases["frames"] if len(comparison.cases) else np.zeros(0, np.int64)
    compared = np.unique(amounts.case)
    return Agreement(
        annotators=comparison.annotators,
        images=int(frames[compared].sum()),
        intervals=Intervals(
            confidence=resampling.confidence,
            resamples=resampling.n_draws,
            seed=resampling.seed,
            clusters=len(np.unique(amounts.cluster)),
        ),
        pairs=tuple(
            PairAgreement(
                a=comparison.annotators[a],
                b=comparison.annotators[b],
                images=int(frames[amounts.case[own]].sum()),
                clusters=amounts.units(own)[1],
                metrics=plugin_scores(amounts, own, resampling),
                **pair_scores(amounts, own, resampling),
            )
            for a, b, own in amounts.couples(amounts.all_rows)
        ),
        overall=OverallAgreement(
            **overall_scores(amounts, rows, resampling), **reliability_scores(comparison, resampling)
        ),
        reference=None if gold is None else _reference_agreement(amounts, gold, resampling),
        categories=_category_agreements(amounts, rows, resampling),
        annotator_bias=() if bias is None else _bias_rows(comparison, bias),
        disagreement=disagreement_causes(comparison),
        volumes=volume_agreement(comparison, resampling.confidence),
        by=by,
        plan=tuple(plan),
        contrasts=tuple(contrasts),
        unchanged=tuple(unchanged),
        identical=tuple(identical),
        drift=tuple(drift),
        cvat=cvat,
        proposed_tolerance=proposed_tolerance(comparison),
        tolerance=tolerance or Tolerance(),
        leading=leading_score(comparison),
        overlap=_overlapping_categories(comparison),
        findings=tuple(sort_findings(findings)),
    )


def _overlapping_categories(comparison: AnnotatorPairs) -> OverlappingCategories | None:
    """The overlapping categories; None if there are none."""
    pairs, hidden = comparison.pairs, comparison.hidden
    counted = np.zeros(len(pairs), np.int64)
    np.add.at(counted, column_of(comparison.cells, "pair"), column_of(comparison.cells, "pixels"))
    is_layered = counted > column_of(pairs, "pixels") - column_of(pairs, "void")
    layered = len(np.unique(column_of(pairs, "case")[is_layered]))
    annotator = column_of(hidden, "annotator")
    below = []
    for k in np.unique(annotator).tolist():
        pixels = int(hidden["pixels"][annotator == k].sum())
        share = pixels / int(hidden["labelled"][annotator == k].sum())
        images = int((annotator == k).sum())
        below.append(HiddenPixels(annotator=comparison.annotators[k], images=images, pixels=pixels, share=share))
    return OverlappingCategories(layered_images=layered, hidden=tuple(below)) if layered or below else None


def _reference_agreement(amounts: PairAmounts, gold: int, resampling: Resampling) -> ReferenceAgreement:
    """The agreement of all annotators with the reference, and of each."""
    comparison, rows_of_annotator = amounts.comparison, rows_against(amounts, gold)
    rows = np.sort(np.concatenate([np.empty(0, np.int64), *rows_of_annotator.values()]))
    frames = comparison.cases["frames"] if len(comparison.cases) else np.zeros(0, np.int64)
    return ReferenceAgreement(
        name=comparison.annotators[gold],
        annotators=tuple(
            AgainstReference(
                annotator=comparison.annotators[annotator],
                images=int(frames[amounts.case[own]].sum()),
                **_missed_and_extra(amounts, own, gold, resampling),
            )
            for annotator, own in sorted(rows_of_annotator.items())
        ),
        categories=_category_agreements(amounts, rows, resampling),
        **overall_scores(amounts, rows, resampling),
    )


def _missed_and_extra(amounts: PairAmounts, rows: Ints, gold: int, resampling: Resampling) -> dict[str, Score]:
    """The shares of segments, or pixels, that an annotator misses of the reference, and has in addition to it."""
    unit, n = amounts.units(rows)
    sums = amounts.sums.group(unit, n).weigh(np.eye(n))
    is_first = bool(amounts.a[rows[0]] == gold)
    if leading_score(amounts.comparison) == "pq":
        both, only_a, only_b = (sums[name].sum(axis=1) for name in ("tp", "fn", "fp"))
    else:
        both, area_a, area_b = (sums[name].sum(axis=1) for name in ("both", "area_a", "area_b"))
        only_a, only_b = area_a - both, area_b - both
    missed, extra = (only_a, only_b) if is_first else (only_b, only_a)
    trials = leading_score(amounts.comparison) == "pq"
    result = {}
    for name, hits in (("missed", missed), ("extra", extra)):
        total = both + hits
        counted = total > 0
        value = float(hits.sum() / total.sum()) if counted.any() else np.nan
        ends = share_interval(
            hits[counted], total[counted], resampling.confidence, trials=float(total.sum()) if trials else None
        )
        result[name] = Score(value, *ends, int(counted.sum()), int((~counted).sum()))
    return result


def _category_agreements(amounts: PairAmounts, rows: Ints, resampling: Resampling) -> tuple[CategoryAgreement, ...]:
    """The agreement on each category that any annotator drew."""
    if len(rows) == 0:
        return ()
    unit, n = amounts.units(rows)
    images = count_images("kappa", amounts.sums.group(unit, n)).tolist()
    scores = category_scores(amounts, rows, resampling)
    return tuple(
        CategoryAgreement(category=category.name, id=category.id, kind=category.kind, images=images[k], **scores[k])
        for k, category in enumerate(amounts.comparison.categories)
        if images[k] and category.kind != "void"
    )


def _bias_rows(comparison: AnnotatorPairs, cells: Table) -> tuple[AnnotatorBias, ...]:
    """Join the cells of each annotator and category to one row, in their order."""
    nothing = Score.undefined()
    values: dict[tuple[int, int], dict[str, tuple[Score, float, bool]]] = {}
    columns = ("annotator", "category", "kind", "value", "low", "high", "clusters", "p", "found")
    for annotator, code, kind, value, low, high, clusters, p, significant in cells.lines(*columns):
        values.setdefault((annotator, code), {})[kind] = Score(value, low, high, clusters, 0), p, significant
    images = ImageDeviations.from_pairs(comparison) if len(cells) and cells["found"].any() else None
    result = []
    for (annotator, code), kinds in sorted(values.items()):
        offset, missed, extra, confused = (
            kinds[kind][0] if kind in kinds else nothing for kind in ("offset", "missed", "extra", "confused")
        )
        biased_kinds = tuple(kind for kind in BIAS_KINDS if kind in kinds and kinds[kind][2])
        result.append(
            AnnotatorBias(
                annotator=comparison.annotators[annotator],
                category=comparison.categories[code].name,
                boundary_offset=offset,
                missed=missed,
                extra=extra,
                confused=confused,
                p={kind: p for kind, (_, p, _) in sorted(kinds.items()) if np.isfinite(p)},
                found=tuple(sorted(biased_kinds)),
                examples={
                    kind: images.worst(annotator, code, kind, sign=-1.0 if kinds[kind][0].value < 0 else 1.0)
                    for kind in biased_kinds
                    if images is not None
                },
            )
        )
    return tuple(result)


_UNCLEAR_COLUMNS = {
    "category": int,
    "value": float,
    "low": float,
    "high": float,
    "best": float,
    "without": int,
    "clusters": int,
}


def unclear_categories(comparison: AnnotatorPairs, resampling: Resampling) -> Table:
    """The agreement on each category, and without the annotator who lowers it most.

    Columns: category (position), value, low, high (F1 of segments for things, Dice for all else, over all pairs of
    annotators), best (the value without one annotator), without (that annotator's position), clusters. There are no
    rows for fewer than three annotators, since without one of two there is no agreement.
    """
    amounts = PairAmounts.from_pairs(comparison)
    rows = between_persons(amounts)
    if len(comparison.annotators) < 3 or not len(rows):
        return table_of_lines(_UNCLEAR_COLUMNS, [])
    pooled = _category_values(amounts, rows, resampling)
    one_draw = Resampling(n_draws=1, seed=resampling.seed)
    left = {i: rows[(amounts.a[rows] != i) & (amounts.b[rows] != i)] for i in range(len(comparison.annotators))}
    others = {i: _category_values(amounts, own, one_draw) for i, own in left.items() if len(own)}
    lines = []
    for k, (value, low, high, n) in enumerate(pooled):
        without = {i: values[k][0] for i, values in others.items() if np.isfinite(values[k][0])}
        if np.isfinite(value) and without:
            worst = max(without, key=lambda i: (without[i], -i))
            lines.append((k, value, low, high, without[worst], worst, n))
    return table_of_lines(_UNCLEAR_COLUMNS, lines)


def _category_values(amounts: PairAmounts, rows: Ints, resampling: Resampling) -> list[tuple[float, float, float, int]]:
    """For each category, the value, the ends of its interval, and the number of clusters with it."""
    countable = amounts.comparison.countable
    scores = category_scores(amounts, rows, resampling)
    result = []
    for k, of_category in enumerate(scores):
        score = of_category["f1" if countable[k] else "dice"]
        result.append((score.value, score.low, score.high, score.n))
    return result
