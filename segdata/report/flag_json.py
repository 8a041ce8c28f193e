"""The JSON report of `segdata flag`: that of a validation, and how far it is to be believed."""

import math
from typing import Annotated, Any, Literal

import msgspec

from segdata.core.bootstrap import ConfidenceInterval as Estimated
from segdata.noise.budget import ReviewSample
from segdata.noise.evaluation import DetectionQuality
from segdata.noise.flag_result import FlagResult
from segdata.noise.ranking import Trust
from segdata.report.findings_json import Count, FindingCounts, FindingRow, to_json

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One choice of the training, its value in words, and why."""

    choice: str
    value: str
    why: str


class Trusted(msgspec.Struct, frozen=True, kw_only=True):
    """What the model is worth for a category.

    `iou` is that of the model with the given labels, out of sample, `auroc` how well it tells the `injected` errors,
    `threshold` the probability from which on a label is told. `reason` says why nothing is told of the category.
    """

    category: str
    iou: Share | None
    auroc: Share | None
    injected: Count
    threshold: Share
    reason: str | None


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image, and how bad its labels look: a rank from 0 to 1."""

    image: str
    score: Share


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its 95 % interval; null where there is none."""

    value: float | None
    low: float | None
    high: float | None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen for review, so that all errors can be estimated from verdicts on it.

    Either labels or the `images`, in the order in which to look at them. `findings` has an item for each label: which
    of the findings it is, from 0; -1: it is none, since its rule was left out. `stratum` has an item for each label or
    image: the stratum that it was drawn from by lot, -1: it was taken for its probability. `size` says how many things
    each stratum has. So many of all these things are `labels`; the others the model sees where nothing is annotated.
    """

    images: tuple[str, ...] | None
    findings: tuple[int, ...] = ()
    stratum: tuple[int, ...]
    size: tuple[Count, ...]
    labels: Count | None = None


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """How well known errors of one type were found.

    `precision` is that among the first 10, 20 and 50, `recall` the share of errors found where a share of all
    candidates is looked at.
    """

    type: str
    errors: Count
    proposed: Count
    prevalence: float | None
    auroc: Interval
    average_precision: Interval
    precision: dict[str, float]
    recall: dict[str, float | None]


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """Where the predictions are, how they were made, and how far the findings are to be believed.

    `annotate_next` are all images that nobody has annotated, in the order in which to annotate them.
    """

    predictions: str
    notes: tuple[str, ...]
    plan: tuple[Choice, ...]
    judged: Count
    not_told: Count
    expected_errors: Interval
    trust: tuple[Trusted, ...]
    images: tuple[Image, ...]
    annotate_next: tuple[str, ...] = ()
    sample: Sample | None
    evaluation: tuple[Evaluated, ...]


class FlagReport(msgspec.Struct, frozen=True, kw_only=True):
    """The suspected labels, the most probable errors first, and `flag`, how far that is to be believed."""

    version: Literal[1]
    dataset: str
    summary: FindingCounts
    flag: Flag
    findings: tuple[FindingRow, ...]
    omitted: Count = 0


def flag_json(flagged: FlagResult, max_findings: int | None = None) -> str:
    """The report as JSON, a line per finding; the same input gives the same text."""
    return to_json(flagged.validation, max_findings, {"flag": msgspec.to_builtins(_flag(flagged))})


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(FlagReport)


def _flag(flagged: FlagResult) -> Flag:
    plan, sample = flagged.plan, flagged.sample
    return Flag(
        predictions=flagged.predictions,
        notes=flagged.notes,
        plan=()
        if plan is None
        else tuple(Choice(choice=name, value=value, why=why) for name, value, why in plan.told()),
        judged=flagged.n_judged,
        not_told=flagged.n_left_out,
        expected_errors=_interval(flagged.expected.n, flagged.expected.low, flagged.expected.high),
        trust=tuple(_trusted(each, flagged) for each in flagged.trust),
        images=tuple(
            Image(image=image, score=round(score, 6)) for image, score in flagged.looks.lines("image", "score")
        ),
        annotate_next=flagged.annotate_next,
        sample=None if sample is None else _sample(sample, flagged),
        evaluation=tuple(map(_evaluated, flagged.quality)),
    )


def _sample(sample: ReviewSample, flagged: FlagResult) -> Sample:
    return Sample(
        images=flagged.sampled,
        findings=flagged.sampled_findings,
        stratum=tuple(sample.stratum.tolist()),
        size=tuple(sample.size.tolist()),
        labels=flagged.sampled_labels,
    )


def _trusted(trust: Trust, flagged: FlagResult) -> Trusted:
    return Trusted(
        category=flagged.names[trust.category],
        iou=_finite(trust.iou),
        auroc=_finite(trust.auroc),
        injected=trust.n_mistakes,
        threshold=float(flagged.threshold[trust.category]),
        reason=trust.reason,
    )


def _evaluated(quality: DetectionQuality) -> Evaluated:
    return Evaluated(
        type=quality.name,
        errors=quality.n_mistakes,
        proposed=quality.n_proposed,
        prevalence=_finite(quality.prevalence),
        auroc=_ends(quality.auroc),
        average_precision=_ends(quality.average_precision),
        precision={str(k): value for k, value in quality.precision.items()},
        recall={f"{share:g}": _finite(value) for share, value in quality.recall.items()},
    )


def _ends(found: Estimated) -> Interval:
    return _interval(float(found.value), float(found.low), float(found.high))


def _interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=_finite(value), low=_finite(low), high=_finite(high))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
