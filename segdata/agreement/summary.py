"""Summary: from the tables of a comparison to the agreement of annotators, with intervals."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
from segdata.agreement.metrics.decomposition import decomposition
from segdata.agreement.repeatability import proposed_tolerance
from segdata.agreement.results import (
    Agreement,
    AnnotatorBias,
    CategoryAgreement,
    DisagreementCauses,
    Intervals,
    OverallAgreement,
    PairAgreement,
    PairContrast,
    SampleSize,
    Score,
    StratifiedAgreement,
    UnchangedShare,
)
from segdata.agreement.surface_distances import Tolerance
from segdata.agreement.volumes import volume_agreement
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.finding import Finding
from segdata.core.runs import Ints
from segdata.core.table import Table

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def disagreement_causes(opposed: AnnotatorPairs) -> tuple[DisagreementCauses, ...]:
    """Of every two annotators and category: how many pixels, and which share of them is due to what.

    Shares are of all pixels together. What lies in segments that count for nothing (crowds) is in `pixels` alone.
    """
    causes, pairs = opposed.causes, opposed.pairs
    if not len(causes):
        return ()
    n_annotators, n_categories = len(opposed.annotators), len(opposed.categories)
    key = (pairs["a"] * n_annotators + pairs["b"])[causes["pair"]] * n_categories + causes["category"]
    keys, which = np.unique(key, return_inverse=True)
    of_a = causes["side"] == 0

    def total(name: str, rows: Flags) -> Floats:
        return np.asarray(np.bincount(which[rows], causes[name][rows].astype(float), len(keys)), float)

    every = np.ones(len(causes), bool)
    missed, extra = total("unmatched", of_a), total("unmatched", ~of_a)
    confused, boundary, ignored = (total(name, every) for name in ("confused", "boundary", "ignored"))
    shares = decomposition(missed, extra, confused, boundary)
    couple, category = np.divmod(keys, n_categories)
    return tuple(
        DisagreementCauses(
            a=opposed.annotators[couple[k] // n_annotators],
            b=opposed.annotators[couple[k] % n_annotators],
            category=opposed.categories[category[k]].name,
            pixels=int(missed[k] + extra[k] + confused[k] + boundary[k] + ignored[k]),
            missed=float(shares.missed[k]),
            extra=float(shares.extra[k]),
            confused=float(shares.confused[k]),
            boundary=float(shares.boundary[k]),
        )
        for k in range(len(keys))
    )


def summarise_agreement(
    opposed: AnnotatorPairs,
    how: Resampling = DEFAULT_RESAMPLING,
    *,
    bias: Table | None = None,
    by: StratifiedAgreement | None = None,
    plan: Sequence[SampleSize] = (),
    contrasts: Sequence[PairContrast] = (),
    unchanged: Sequence[UnchangedShare] = (),
    findings: Sequence[Finding] = (),
    tolerance: Tolerance | None = None,
) -> Agreement:
    """How much the annotators of a panel agree.

    Two passes of one person are compared, but do not count for how much annotators agree, unless there is nobody else.
    `bias` is what `segdata.agreement.annotator_bias.annotator_biases` found, `tolerance` that with which the panel was
    compared (None: the default); `by`, `plan`, `contrasts`, `unchanged` and `findings` are taken as they are.
    """
    amounts = PairAmounts.of(opposed)
    rows = between_persons(amounts)
    frames = opposed.cases["frames"] if len(opposed.cases) else np.zeros(0, np.int64)
    compared = np.unique(amounts.case)
    return Agreement(
        annotators=opposed.annotators,
        images=int(frames[compared].sum()),
        intervals=Intervals(
            confidence=how.confidence,
            resamples=how.n_draws,
            seed=how.seed,
            clusters=len(np.unique(amounts.cluster)),
        ),
        pairs=tuple(
            PairAgreement(
                a=opposed.annotators[a],
                b=opposed.annotators[b],
                images=int(frames[amounts.case[own]].sum()),
                clusters=amounts.units(own)[1],
                metrics=plugin_scores(amounts, own, how),
                **pair_scores(amounts, own, how),
            )
            for a, b, own in amounts.couples(amounts.every)
        ),
        overall=OverallAgreement(**overall_scores(amounts, rows, how), **reliability_scores(opposed, how)),
        categories=_category_agreements(amounts, rows, how),
        annotator_bias=() if bias is None else _bias_rows(opposed, bias),
        disagreement=disagreement_causes(opposed),
        volumes=volume_agreement(opposed, how.confidence),
        by=by,
        plan=tuple(plan),
        contrasts=tuple(contrasts),
        unchanged=tuple(unchanged),
        proposed_tolerance=proposed_tolerance(opposed),
        tolerance=tolerance or Tolerance(),
        findings=tuple(sorted(findings, key=Finding.order)),
    )


def _category_agreements(amounts: PairAmounts, rows: Ints, how: Resampling) -> tuple[CategoryAgreement, ...]:
    """Those that somebody drew."""
    if len(rows) == 0:
        return ()
    unit, n = amounts.units(rows)
    images = count_images("kappa", amounts.sums.grouped(unit, n)).tolist()
    scores = category_scores(amounts, rows, how)
    return tuple(
        CategoryAgreement(category=category.name, id=category.id, kind=category.kind, images=images[k], **scores[k])
        for k, category in enumerate(amounts.opposed.categories)
        if images[k] and category.kind != "void"
    )


def _bias_rows(opposed: AnnotatorPairs, cells: Table) -> tuple[AnnotatorBias, ...]:
    """The cells of each annotator and category as one, in their order."""
    nothing = Score(np.nan, np.nan, np.nan, 0, 0)
    values: dict[tuple[int, int], dict[str, tuple[Score, float, bool]]] = {}
    columns = ("annotator", "category", "kind", "value", "low", "high", "clusters", "p", "found")
    for who, code, kind, value, low, high, clusters, p, found in cells.lines(*columns):
        values.setdefault((who, code), {})[kind] = Score(value, low, high, clusters, 0), p, found
    result = []
    for (who, code), kinds in sorted(values.items()):
        offset, missed, extra, confused = (
            kinds[kind][0] if kind in kinds else nothing for kind in ("offset", "missed", "extra", "confused")
        )
        result.append(
            AnnotatorBias(
                annotator=opposed.annotators[who],
                category=opposed.categories[code].name,
                boundary_offset=offset,
                missed=missed,
                extra=extra,
                confused=confused,
                p={kind: p for kind, (_, p, _) in sorted(kinds.items()) if np.isfinite(p)},
                found=tuple(kind for kind, (_, _, found) in sorted(kinds.items()) if found),
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


def unclear_categories(opposed: AnnotatorPairs, how: Resampling) -> Table:
    """How much annotators agree on each category, and how much they would without the one who lowers it most.

    Columns: category (position), value, low, high (F1 of segments for things, Dice for all else, over all pairs of
    annotators), best (the value without one annotator), without (who: position), clusters. Three annotators are
    needed, since without one of two there is no agreement: there are no rows for fewer.
    """
    amounts = PairAmounts.of(opposed)
    rows = between_persons(amounts)
    if len(opposed.annotators) < 3 or not len(rows):
        return _unclear_table([])
    every = _category_values(amounts, rows, how)
    once = Resampling(n_draws=1, seed=how.seed)
    left = {i: rows[(amounts.a[rows] != i) & (amounts.b[rows] != i)] for i in range(len(opposed.annotators))}
    others = {i: _category_values(amounts, own, once) for i, own in left.items() if len(own)}
    lines = []
    for k, (value, low, high, n) in enumerate(every):
        without = {i: found[k][0] for i, found in others.items() if np.isfinite(found[k][0])}
        if np.isfinite(value) and without:
            worst = max(without, key=lambda i: (without[i], -i))
            lines.append((k, value, low, high, without[worst], worst, n))
    return _unclear_table(lines)


def _category_values(amounts: PairAmounts, rows: Ints, how: Resampling) -> list[tuple[float, float, float, int]]:
    """Of each category the value, the ends of its interval, and the number of clusters with it."""
    countable = amounts.opposed.countable
    scores = category_scores(amounts, rows, how)
    found = []
    for k, of_category in enumerate(scores):
        score = of_category["f1" if countable[k] else "dice"]
        found.append((score.value, score.low, score.high, score.n))
    return found


def _unclear_table(lines: Sequence[tuple[float, ...]]) -> Table:
    columns = list(zip(*lines, strict=True)) if lines else [()] * len(_UNCLEAR_COLUMNS)
    return Table(
        {name: np.array(column, type_) for (name, type_), column in zip(_UNCLEAR_COLUMNS.items(), columns, strict=True)}
    )
