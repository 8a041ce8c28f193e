"""The JSON report of an agreement."""

from collections.abc import Mapping
from typing import Any

import msgspec

from segdata.agreement.results import (
    Agreement,
    AnnotatorBias,
    CategoryAgreement,
    DisagreementCauses,
    PairAgreement,
    PairContrast,
    ProposedTolerance,
    SampleSize,
    StratifiedAgreement,
    UnchangedShare,
    VolumeAgreement,
)
from segdata.agreement.results import Score as Value
from segdata.report.agreement_types import (
    VERSION,
    Accepted,
    Apart,
    Bias,
    Category,
    Contrast,
    Due,
    Made,
    Need,
    Overall,
    Pair,
    Portion,
    Portions,
    Proposed,
    Report,
    Score,
    SizePair,
    Sizes,
    tolerances,
)
from segdata.report.findings_json import FindingRow
from segdata.report.json_format import format_json, round_finite, round_number


def to_json(found: Agreement) -> str:
    """The report as JSON, a line per pair, category, annotator and finding; the same input gives the same text."""
    report = Report(
        version=VERSION,
        annotators=found.annotators,
        images=found.images,
        intervals=Made(
            confidence=found.confidence, resamples=found.resamples, seed=found.seed, clusters=found.clusters
        ),
        tolerance=tolerances(found.tolerance),
        proposed_tolerance=tuple(map(_proposed, found.proposed_tolerance)),
        overall=Overall(**_each(found.overall)),
        pairs=tuple(map(_pair, found.pairs)),
        categories=tuple(map(_category, found.categories)),
        annotator_bias=tuple(map(_bias, found.annotator_bias)),
        disagreement=tuple(map(_due, found.disagreement)),
        volumes=tuple(map(_sizes, found.volumes)),
        by=None if found.by is None else _portions(found.by),
        plan=tuple(map(_need, found.plan)),
        contrasts=tuple(map(_contrast, found.contrasts)),
        unchanged=tuple(map(_accepted, found.unchanged)),
        findings=tuple(
            FindingRow(**{name: getattr(each, name) for name in FindingRow.__struct_fields__})
            for each in found.findings
        ),
    )
    plain: dict[str, Any] = msgspec.to_builtins(report)  # Any: JSON
    return format_json(plain)


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(Report)


def _pair(each: PairAgreement) -> msgspec.Struct:
    return Pair(a=each.a, b=each.b, images=each.images, clusters=each.clusters, **_each(each.scores))


def _category(each: CategoryAgreement) -> msgspec.Struct:
    return Category(category=each.category, id=each.id, kind=each.kind, images=each.images, **_each(each.scores))


def _bias(each: AnnotatorBias) -> Bias:
    return Bias(
        annotator=each.annotator,
        category=each.category,
        boundary_offset=score_of(each.boundary_offset),
        missed=score_of(each.missed),
        extra=score_of(each.extra),
        confused=score_of(each.confused),
        p={name: round_finite(p) for name, p in each.p.items()},
        found=each.found,
    )


def _due(each: DisagreementCauses) -> Due:
    shares = {name: round_number(getattr(each, name)) for name in ("missed", "extra", "confused", "boundary")}
    return Due(a=each.a, b=each.b, category=each.category, pixels=each.pixels, **shares)


def _sizes(each: VolumeAgreement) -> Sizes:
    return Sizes(
        category=each.category,
        unit="mm3" if each.unit == "mm3" else "voxels",
        volumes=each.volumes,
        icc=score_of(each.icc),
        icc_consistency=score_of(each.icc_consistency),
        pairs=tuple(
            SizePair(
                a=pair.a,
                b=pair.b,
                volumes=pair.volumes,
                size_a=round_number(pair.size_a),
                size_b=round_number(pair.size_b),
                difference=round_number(pair.difference),
                bias=score_of(pair.bias),
                lower=score_of(pair.lower),
                upper=score_of(pair.upper),
            )
            for pair in each.pairs
        ),
    )


def _portions(found: StratifiedAgreement) -> Portions:
    return Portions(
        column=found.column,
        strata=tuple(
            Portion(name=each.name, images=each.images, pairs=each.pairs, **_each(each.scores)) for each in found.strata
        ),
        differences=tuple(
            Apart(
                score=each.score,
                category=each.category,
                values=tuple(map(round_number, each.values)),
                p=round_number(each.p),
                stands=each.stands,
            )
            for each in found.differences
        ),
        unknown=found.unknown,
    )


def _need(each: SampleSize) -> Need:
    return Need(
        score=each.score,
        category=each.category,
        half_width=round_finite(each.half_width),
        now=round_number(each.now),
        clusters=each.clusters,
        images=each.images,
        instances=each.instances,
        reached=round_number(each.reached),
        design_effect=round_number(each.design_effect),
    )


def _contrast(each: PairContrast) -> Contrast:
    return Contrast(
        first=each.first,
        second=each.second,
        score=each.score,
        values=(round_number(each.values[0]), round_number(each.values[1])),
        difference=score_of(each.difference),
        p=round_number(each.p),
        stands=each.stands,
    )


def _accepted(each: UnchangedShare) -> Accepted:
    return Accepted(
        annotator=each.annotator,
        model=each.model,
        images=each.images,
        segments=each.segments,
        share=score_of(each.share),
        persons=score_of(each.persons),
    )


def _proposed(each: ProposedTolerance) -> Proposed:
    return Proposed(
        unit="mm" if each.unit == "mm" else "px",
        value=round_finite(each.value),
        annotators=each.annotators,
        images=each.images,
        boundaries=each.boundaries,
    )


def _each(scores: Mapping[str, Value]) -> dict[str, Score]:
    return {name: score_of(value) for name, value in scores.items()}


def score_of(each: Value) -> Score:
    """A score as reports have it."""
    return Score(round_number(each.value), round_number(each.low), round_number(each.high), each.n, each.n_undefined)
