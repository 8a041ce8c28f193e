"""The JSON report of an agreement; `schemas/agreement.schema.json` is made from these types."""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from segdata.agreement.agreed import (
    Agreement,
    AnnotatorBias,
    By,
    CategoryAgreement,
    PairAgreement,
    Planned,
    Value,
)
from segdata.agreement.meanings import OF_ALL, OF_CATEGORIES, OF_PAIRS
from segdata.report.json import Row

VERSION: Literal[1] = 1
Count = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Score(msgspec.Struct, frozen=True):
    """A score and the interval that holds it with the report's confidence; null: undefined.

    `n` is of how many values it is made, `n_undefined` of how many more it would be, were they defined: a category's
    score of images, another of categories; kappa, accuracy, alpha and F1 of images.
    """

    value: float | None
    low: float | None
    high: float | None
    n: Count
    n_undefined: Count


def _scores(name: str, meanings: Mapping[str, str], first: list[tuple[str, Any]], text: str) -> type[msgspec.Struct]:
    """A type with a field for each score, which says what it is; Any: types."""
    fields = [(each, Annotated[Score, msgspec.Meta(description=meaning)]) for each, meaning in meanings.items()]
    made = msgspec.defstruct(name, [*first, *fields], frozen=True, kw_only=True, module=__name__)
    made.__doc__ = text
    return made


Pair = _scores(
    "Pair",
    OF_PAIRS,
    [("a", str), ("b", str), ("images", Count), ("clusters", Count)],
    "Two annotators, the images that both annotated, and in how many sequences, patients or scenes these are.",
)
Overall = _scores("Overall", OF_ALL, [], "All annotators together.")
Category = _scores(
    "Category",
    OF_CATEGORIES,
    [("category", str), ("id", int), ("kind", str), ("images", Count)],
    "One category over all pairs of annotators; `images`: in how many of their images one of the two drew it.",
)
Portion = _scores(
    "Portion",
    {name: OF_ALL[name] for name in OF_ALL if name in OF_PAIRS},
    [("name", str), ("images", Count), ("pairs", Count)],
    "A portion of the images, the pairs of annotations in it, and its scores.",
)


class Bias(msgspec.Struct, frozen=True, kw_only=True):
    """What one annotator does with one category, against more than half of the others, or the other of two.

    `boundary_offset`: by how many px the annotator draws larger than the middle one. `missed`: the share of what the
    others have. `extra`: the share of what the annotator has. `confused`: the share of what both have. `p`: by kind
    (offset, missed, extra, confused) the chance of as much by chance, where that was tested; `found`: the kinds that
    stand when all tests are taken together. `n` is of clusters of images.
    """

    annotator: str
    category: str
    boundary_offset: Score
    missed: Score
    extra: Score
    confused: Score
    p: dict[str, Share]
    found: tuple[str, ...]


class Apart(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a score differs between portions, whose `values` are in their order; `category` null: over all.

    `p`: the chance of values as far apart, were the portions drawn by lot; null where that cannot be said. `stands`:
    it is one of the differences that stand when all categories are taken together.
    """

    score: str
    category: str | None
    values: tuple[float | None, ...]
    p: Share | None
    stands: bool


class Portions(msgspec.Struct, frozen=True, kw_only=True):
    """The agreement by a column of the images or annotations; `unknown` pairs of annotations have no value in it."""

    column: str
    strata: tuple[Portion, ...]  # type: ignore[valid-type]  # made from the scores
    differences: tuple[Apart, ...]
    unknown: Count


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """How much must be labelled by two annotators for an interval of plus and minus `half_width`.

    `now`: half the interval that there is; `reached`: half the interval of simulated campaigns of `clusters`.
    `category` null: over all. null numbers: nothing can be said. `design_effect`: how many times as many images it
    takes, since those of a sequence, patient or scene are alike.
    """

    score: str
    category: str | None
    half_width: float
    now: float | None
    clusters: int | None
    images: int | None
    instances: int | None
    reached: float | None
    design_effect: float | None


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """How the intervals were made: by resampling sequences, patients, scenes, or single images."""

    confidence: Share
    resamples: Count
    seed: int
    clusters: Count


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How much annotators agree, on what, who differs, and how sure that is; `by` and `plan` only where asked for."""

    version: Literal[1]
    annotators: tuple[str, ...]
    images: Count
    intervals: Made
    overall: Overall  # type: ignore[valid-type]  # made from the scores
    pairs: tuple[Pair, ...]  # type: ignore[valid-type]  # made from the scores
    categories: tuple[Category, ...]  # type: ignore[valid-type]  # made from the scores
    annotator_bias: tuple[Bias, ...]
    by: Portions | None
    plan: tuple[Need, ...]
    findings: tuple[Row, ...]


def to_json(found: Agreement) -> str:
    """The report as JSON, a line per pair, category, annotator and finding; the same input gives the same text."""
    report = Report(
        version=VERSION,
        annotators=found.annotators,
        images=found.images,
        intervals=Made(
            confidence=found.confidence, resamples=found.resamples, seed=found.seed, clusters=found.clusters
        ),
        overall=Overall(**_each(found.overall)),
        pairs=tuple(map(_pair, found.pairs)),
        categories=tuple(map(_category, found.categories)),
        annotator_bias=tuple(map(_bias, found.annotator_bias)),
        by=None if found.by is None else _portions(found.by),
        plan=tuple(map(_need, found.plan)),
        findings=tuple(Row(**{name: getattr(each, name) for name in Row.__struct_fields__}) for each in found.findings),
    )
    plain: dict[str, Any] = msgspec.to_builtins(report)  # Any: JSON
    return "{\n" + ",\n".join(f"  {_text(name)}: {_value(value)}" for name, value in plain.items()) + "\n}\n"


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
        boundary_offset=_score(each.boundary_offset),
        missed=_score(each.missed),
        extra=_score(each.extra),
        confused=_score(each.confused),
        p={name: _known(p) for name, p in each.p.items()},
        found=each.found,
    )


def _portions(found: By) -> Portions:
    return Portions(
        column=found.column,
        strata=tuple(
            Portion(name=each.name, images=each.images, pairs=each.pairs, **_each(each.scores)) for each in found.strata
        ),
        differences=tuple(
            Apart(
                score=each.score,
                category=each.category,
                values=tuple(map(_number, each.values)),
                p=_number(each.p),
                stands=each.stands,
            )
            for each in found.differences
        ),
        unknown=found.unknown,
    )


def _need(each: Planned) -> Need:
    return Need(
        score=each.score,
        category=each.category,
        half_width=_known(each.half_width),
        now=_number(each.now),
        clusters=each.clusters,
        images=each.images,
        instances=each.instances,
        reached=_number(each.reached),
        design_effect=_number(each.design_effect),
    )


def _each(scores: Mapping[str, Value]) -> dict[str, Score]:
    return {name: _score(value) for name, value in scores.items()}


def _score(each: Value) -> Score:
    return Score(_number(each.value), _number(each.low), _number(each.high), each.n, each.n_undefined)


def _number(value: float) -> float | None:
    """Six digits that count, so that the last bits of a machine's arithmetic do not; NaN is None."""
    return _known(value) if math.isfinite(value) else None


def _known(value: float) -> float:
    return float(f"{value:.6g}") + 0.0  # no minus before a 0


def _value(value: object) -> str:
    """A list with an item a line, so has an object with scores; everything else in one."""
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"    {_text(item)}" for item in value) + "\n  ]"
    if isinstance(value, dict) and any(isinstance(item, (dict, list)) for item in value.values()):
        return "{\n" + ",\n".join(f"    {_text(name)}: {_text(item)}" for name, item in value.items()) + "\n  }"
    return _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
