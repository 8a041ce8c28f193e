"""Summary: from tables of what annotators have in common to how much they agree, with intervals."""

from collections.abc import Sequence

import numpy as np

from segdata.agreement.boundaries.surfaces import Tolerance
from segdata.agreement.habits.repeats import proposed_tolerance
from segdata.agreement.summary.agreed import (
    Agreement,
    AnnotatorBias,
    By,
    CategoryAgreement,
    Contrasted,
    PairAgreement,
    Planned,
    Unchanged,
    Value,
)
from segdata.agreement.summary.disagreements import disagreements
from segdata.agreement.summary.estimates import (
    DEFAULT,
    Amounts,
    Resampling,
    category_scores,
    images_with,
    overall_scores,
    pair_scores,
    reliability,
)
from segdata.agreement.summary.volumes import volume_agreement
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.finding import Finding
from segdata.core.runs import Ints
from segdata.core.table import Table


def summary(
    opposed: AnnotatorPairs,
    how: Resampling = DEFAULT,
    *,
    bias: Table | None = None,
    by: By | None = None,
    plan: Sequence[Planned] = (),
    contrasts: Sequence[Contrasted] = (),
    unchanged: Sequence[Unchanged] = (),
    findings: Sequence[Finding] = (),
    tolerance: Tolerance | None = None,
) -> Agreement:
    """How much the annotators of a panel agree.

    Two passes of one person are compared, but do not count for how much annotators agree, unless there is nobody else.
    `bias` is what `segdata.agreement.habits.bias.biases` found, `tolerance` that with which the panel was compared
    (None: the default); `by`, `plan`, `contrasts`, `unchanged` and `findings` are taken as they are.
    """
    amounts = Amounts.of(opposed)
    rows = between_persons(amounts)
    frames = opposed.cases["frames"] if len(opposed.cases) else np.zeros(0, np.int64)
    compared = np.unique(amounts.case)
    return Agreement(
        annotators=opposed.annotators,
        images=int(frames[compared].sum()),
        clusters=len(np.unique(amounts.cluster)),
        pairs=tuple(
            PairAgreement(
                opposed.annotators[a],
                opposed.annotators[b],
                int(frames[amounts.case[own]].sum()),
                amounts.units(own)[1],
                pair_scores(amounts, own, how),
            )
            for a, b, own in amounts.couples(amounts.every)
        ),
        overall=overall_scores(amounts, rows, how) | reliability(opposed, how),
        categories=_categories(amounts, rows, how),
        annotator_bias=() if bias is None else _biases(opposed, bias),
        disagreement=disagreements(opposed),
        volumes=volume_agreement(opposed, how.confidence),
        by=by,
        plan=tuple(plan),
        contrasts=tuple(contrasts),
        unchanged=tuple(unchanged),
        proposed_tolerance=proposed_tolerance(opposed),
        tolerance=tolerance or Tolerance(),
        findings=tuple(sorted(findings, key=Finding.order)),
        confidence=how.confidence,
        resamples=how.n_draws,
        seed=how.seed,
    )


def between_persons(amounts: Amounts) -> Ints:
    """The pairs of annotations by two persons; all where there is one person."""
    person = np.array(amounts.opposed.persons, np.int64)
    rows = np.flatnonzero(person[amounts.a] != person[amounts.b])
    return rows if len(rows) else amounts.every


def _categories(amounts: Amounts, rows: Ints, how: Resampling) -> tuple[CategoryAgreement, ...]:
    """Those that somebody drew."""
    if len(rows) == 0:
        return ()
    unit, n = amounts.units(rows)
    images = images_with("kappa", amounts.sums.grouped(unit, n)).tolist()
    scores = category_scores(amounts, rows, how)
    return tuple(
        CategoryAgreement(category.name, category.id, category.kind, images[k], scores[k])
        for k, category in enumerate(amounts.opposed.categories)
        if images[k] and category.kind != "void"
    )


def _biases(opposed: AnnotatorPairs, cells: Table) -> tuple[AnnotatorBias, ...]:
    """The cells of each annotator and category as one, in their order."""
    nothing = Value(np.nan, np.nan, np.nan, 0, 0)
    values: dict[tuple[int, int], dict[str, tuple[Value, float, bool]]] = {}
    columns = ("annotator", "category", "kind", "value", "low", "high", "clusters", "p", "found")
    for who, code, kind, value, low, high, clusters, p, found in cells.lines(*columns):
        values.setdefault((who, code), {})[kind] = Value(value, low, high, clusters, 0), p, found
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
