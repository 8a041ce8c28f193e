"""The JSON report of a pilot; `schemas/pilot.schema.json` is made from these types."""

from typing import Annotated, Any, Literal

import msgspec

from segdata.campaign.confusable_categories import ConfusablePair
from segdata.campaign.outlook import CategoryOutlook
from segdata.campaign.pilot_agreement import PilotAgreement
from segdata.campaign.projection import ProjectedRange
from segdata.campaign.readiness import PilotResult, ReasonKind
from segdata.report.json_format import format_json, round_number

VERSION: Literal[1] = 1
Count = Annotated[int, msgspec.Meta(ge=0)]


class Span(msgspec.Struct, frozen=True):
    """The best guess of a number and the ends of a range that holds it in 19 of 20 campaigns; null: undefined."""

    value: float | None
    low: float | None
    high: float | None


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of the campaign. `images` null: nothing; then totals are for `totals_for` images all the same."""

    images: int | None
    totals_for: Count
    min_instances: Count
    rate: float | None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The pilot: its annotated images, and how many sequences, groups and single images they come from."""

    images: Count
    units: Count


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The campaign as a whole; `void` and `unlabelled` are shares of the pixels, `timed_by` is what hours come from."""

    instances: Span
    void: Span
    unlabelled: Span
    hours: Span | None
    cost: Span | None
    timed_by: str


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """One category: counts in the pilot, then in the campaign.

    `share` is of the images, `pixel_share` of the pixels; `images_needed` so that 19 of 20 campaigns have
    `min_instances`, null where the pilot has none.
    """

    id: int
    name: str
    kind: str
    pilot_images: Count
    pilot_instances: Count
    pilot_pixels: Count
    share: Span
    images: Span
    instances: Span
    pixel_share: Span
    images_needed: int | None


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two categories that may be taken for each other.

    `twice` things were drawn as both, in `images` images, and the rarer category has `of`. `mistaken`: the share that
    looks would put into the wrong one, at least, `coloured`: looks include colours. `names`: these are alike.
    `delta_e`: between their colours, where these are close.
    """

    a: str
    b: str
    twice: Count
    images: Count
    of: Count
    mistaken: float | None
    coloured: bool
    names: bool
    delta_e: float | None


class Agreeing(msgspec.Struct, frozen=True, kw_only=True):
    """How well annotators agree on a category: `score` f1 of segments, or dice, with its 95 % interval.

    `images` count once for each pair of annotators, `units` are the sequences, groups and single images among them.
    `best` is the value without the annotator who lowers it most, `without` says who; null of two annotators. `low`: it
    is below 0.6, with them or without; `surely`: so is the whole interval.
    """

    category: str
    score: str
    value: Span
    images: Count
    units: Count
    best: float | None
    without: str | None
    low: bool
    surely: bool


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """Two categories that annotators take for each other.

    `segments` things that both have, of `of_segments` of the rarer category, and `pixels` of `of_pixels`, in `images`
    images. `share` is of the things, or where there are none of the pixels.
    """

    a: str
    b: str
    segments: Count
    of_segments: Count
    pixels: Count
    of_pixels: Count
    images: Count
    share: float


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How well annotators of the same images agree."""

    annotators: tuple[str, ...]
    images: Count
    categories: tuple[Agreeing, ...]
    confused: tuple[Taken, ...]


class Because(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do first; the taxonomy is not ready because of those that block, the others are advice."""

    kind: ReasonKind
    blocks: bool
    categories: tuple[str, ...]
    message: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a taxonomy is ready for a full campaign, and what that will hold."""

    version: Literal[1]
    dataset: str
    ready: bool
    campaign: Campaign
    pilot: Sample
    totals: Totals
    categories: tuple[Category, ...]
    confusable: tuple[Pair, ...]
    reasons: tuple[Because, ...]
    ignored: tuple[ReasonKind, ...]
    agreement: Agreement | None


def to_json(found: PilotResult) -> str:
    """The report as JSON, a line per category, pair and reason; the same input gives the same text."""
    plan, outlook = found.plan, found.outlook
    report = Report(
        version=VERSION,
        dataset=found.dataset,
        ready=found.ready,
        campaign=Campaign(
            images=plan.campaign, totals_for=plan.n_images, min_instances=plan.min_instances, rate=plan.rate
        ),
        pilot=Sample(images=outlook.n_images, units=outlook.n_units),
        totals=Totals(
            instances=_span(outlook.segments),
            void=_span(outlook.void),
            unlabelled=_span(outlook.unlabelled),
            hours=None if outlook.hours is None else _span(outlook.hours),
            cost=None if outlook.cost is None else _span(outlook.cost),
            timed_by=outlook.timed_by,
        ),
        categories=tuple(map(_category, outlook.categories)),
        confusable=tuple(map(_pair, found.confusable)),
        reasons=tuple(
            Because(kind=each.kind, blocks=each.blocks, categories=each.categories, message=each.message)
            for each in found.reasons
        ),
        ignored=found.ignored,
        agreement=None if found.agreement is None else _agreement(found.agreement),
    )
    plain: dict[str, Any] = msgspec.to_builtins(report)  # Any: JSON
    return format_json(plain)


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(Report)


def _category(each: CategoryOutlook) -> Category:
    return Category(
        id=each.id,
        name=each.name,
        kind=each.kind,
        pilot_images=each.n_images,
        pilot_instances=each.n_segments,
        pilot_pixels=each.pixels,
        share=_span(each.share),
        images=_span(each.images),
        instances=_span(each.segments),
        pixel_share=_span(each.pixel_share),
        images_needed=each.images_needed,
    )


def _pair(each: ConfusablePair) -> Pair:
    return Pair(
        a=each.a,
        b=each.b,
        twice=each.twice,
        images=each.images,
        of=each.of,
        mistaken=round_number(each.mistaken),
        coloured=each.coloured,
        names=each.names,
        delta_e=round_number(each.colour),
    )


def _agreement(found: PilotAgreement) -> Agreement:
    return Agreement(
        annotators=found.annotators,
        images=found.images,
        categories=tuple(
            Agreeing(
                category=each.category,
                score=each.score,
                value=_span(each.value),
                images=each.images,
                units=each.clusters,
                best=round_number(each.best),
                without=each.without or None,
                low=each.is_low,
                surely=each.is_surely_low,
            )
            for each in found.categories
        ),
        confused=tuple(
            Taken(
                a=each.a,
                b=each.b,
                segments=each.segments,
                of_segments=each.of_segments,
                pixels=each.pixels,
                of_pixels=each.of_pixels,
                images=each.images,
                share=round(each.share, 6),
            )
            for each in found.confused
        ),
    )


def _span(found: ProjectedRange) -> Span:
    return Span(*map(round_number, found))
