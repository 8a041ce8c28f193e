"""Readiness: the agreement of a pilot's annotators, and whether its taxonomy is ready for a full campaign."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import msgspec
import numpy as np

from segdata.agreement.estimates import DEFAULT_RESAMPLING, PairAmounts, between_persons, category_scores, count_images
from segdata.agreement.inference import MIN_CLUSTERS
from segdata.agreement.scores import Count, Number, column_of
from segdata.agreement.summary import unclear_categories
from segdata.campaign.confusable_categories import ConfusablePair
from segdata.campaign.projection import (
    CampaignPlan,
    CategoryOutlook,
    Outlook,
    ProjectedRange,
    percent_in_words,
    range_in_words,
    round_up,
    share_range_in_words,
)
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.config import did_you_mean
from segdata.core.errors import SegdataError, count_noun, list_names
from segdata.core.guideline import chapter_text
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.taxonomy import Category

_MODERATE = 0.6  # as rule SEG408 has it: Landis and Koch (1977), Biometrics 33(1), 159-174


_PUBLISHED = {"clusters": "units", "is_low": "low", "is_surely_low": "surely"}


class CategoryPilotAgreement(msgspec.Struct, frozen=True, kw_only=True, rename=_PUBLISHED):
    """The agreement on a category: `score` is f1 of segments, or dice, with its 95 % interval.

    `images` count once for each pair of annotators, `units` are the sequences, groups and single images among them.
    `best` is the value without the annotator who lowers it most, named by `without`; null for two annotators. `low`: it
    is below 0.6, with that annotator or without; `surely`: the whole interval is, with 8 independent images or more.
    """

    category: str
    score: str
    value: ProjectedRange
    images: Count
    clusters: Count
    best: Number
    without: str | None
    is_low: bool
    is_surely_low: bool


class ConfusedCategories(msgspec.Struct, frozen=True, kw_only=True):
    """Two categories that annotators confuse.

    `segments` things of `of_segments` of the rarer category, and `pixels` of `of_pixels`, got both categories, in
    `images` images. `share` is of the things, or if there are none, of the pixels.
    """

    a: str
    b: str
    segments: Count
    of_segments: Count
    pixels: Count
    of_pixels: Count
    images: Count
    share: float


class PilotAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """The agreement of annotators of the same images in a pilot."""

    annotators: tuple[str, ...]
    images: Count
    categories: tuple[CategoryPilotAgreement, ...]
    confused: tuple[ConfusedCategories, ...]


def measure_pilot_agreement(comparison: AnnotatorPairs) -> PilotAgreement | None:
    """Measure the agreement of a pilot's annotators; None if no image was annotated by two."""
    amounts = PairAmounts.from_pairs(comparison)
    rows = between_persons(amounts)
    if not len(rows):
        return None
    frames = comparison.cases["frames"]
    return PilotAgreement(
        annotators=comparison.annotators,
        images=int(frames[np.unique(amounts.case[rows])].sum()),
        categories=_category_agreements(amounts, rows),
        confused=_confused_categories(comparison, np.isin(amounts.all_rows, rows)),
    )


def _category_agreements(amounts: PairAmounts, rows: Ints) -> tuple[CategoryPilotAgreement, ...]:
    comparison = amounts.comparison
    unit, n = amounts.units(rows)
    sums = amounts.sums.group(unit, n)
    images = count_images("kappa", sums).tolist()
    clusters = np.asarray((sums.amounts["n_iou"] > 0).sum(axis=0)).reshape(-1).tolist()
    names = ("category", "best", "without")
    others = {
        code: (best, comparison.annotators[lowest])
        for code, best, lowest in unclear_categories(comparison, DEFAULT_RESAMPLING).lines(*names)
    }
    scores = category_scores(amounts, rows, DEFAULT_RESAMPLING, ("dice", "f1"))
    result = []
    for k, category in enumerate(comparison.categories):
        score = "f1" if comparison.countable[k] else "dice"
        if images[k] and category.kind != "void":
            value = scores[k][score]
            best, lowest = others.get(k, (np.nan, None))
            is_low = value.value < _MODERATE and not best >= _MODERATE
            result.append(
                CategoryPilotAgreement(
                    category=category.name,
                    score=score,
                    value=ProjectedRange(value.value, value.low, value.high),
                    images=images[k],
                    clusters=clusters[k],
                    best=float(best),
                    without=lowest,
                    is_low=bool(is_low),
                    is_surely_low=bool(is_low and value.high < _MODERATE and clusters[k] >= MIN_CLUSTERS),
                )
            )
    return tuple(result)


def _confused_categories(comparison: AnnotatorPairs, is_counted: Flags) -> tuple[ConfusedCategories, ...]:
    """The pairs of categories that annotators gave to the same things or pixels."""
    n = len(comparison.categories)
    case = column_of(comparison.pairs, "case")
    pixels, places = _confusion_counts(comparison, "cells", "pixels", is_counted)
    segments, _ = _confusion_counts(comparison, "matches", None, is_counted)
    both = pixels + pixels.T
    of_pixels, of_segments = (counts + counts.T - np.diag(np.diag(counts)) for counts in (pixels, segments))
    of_pixels, of_segments = of_pixels.sum(axis=1), of_segments.sum(axis=1)
    void = np.array([category.kind == "void" for category in comparison.categories], bool)
    result = []
    for a, b in np.argwhere(np.triu((both > 0) & ~void & ~void[:, None], 1)).tolist():
        of_pair = places[0][(places[1] == a * n + b) | (places[1] == b * n + a)]
        rarer_pixels, rarer_segments = (int(min(counts[a], counts[b])) for counts in (of_pixels, of_segments))
        n_segments, n_pixels = int(segments[a, b] + segments[b, a]), int(both[a, b])
        first, second = sorted((comparison.categories[a].name, comparison.categories[b].name))
        result.append(
            ConfusedCategories(
                a=first,
                b=second,
                segments=n_segments,
                of_segments=rarer_segments,
                pixels=n_pixels,
                of_pixels=rarer_pixels,
                images=len(np.unique(case[of_pair])),
                share=round(n_segments / rarer_segments if rarer_segments else n_pixels / max(rarer_pixels, 1), 6),
            )
        )
    return tuple(sorted(result, key=lambda columns: (-columns.share, columns.a, columns.b)))


def _confusion_counts(
    comparison: AnnotatorPairs, name: str, weight: str | None, is_counted: Flags
) -> tuple[Floats, tuple[Ints, Ints]]:
    """(n_categories, n_categories) the confusion matrix of a table, and (pair, a * n + b) of each counted row.

    Matches count with an IoU above 0.5.
    """
    n = len(comparison.categories)
    table = getattr(comparison, name)
    pair, a, b = (column_of(table, column) for column in ("pair", "category_a", "category_b"))
    rows = (a >= 0) & (b >= 0) & (is_counted[pair] if len(pair) else np.zeros(0, bool))
    if weight is None:
        rows &= comparison.countable[a] & comparison.countable[b]
    amount = np.ones(len(pair)) if weight is None else column_of(table, weight).astype(np.float64)
    key = (a * n + b)[rows]
    return np.bincount(key, amount[rows], n * n).reshape(n, n).astype(np.float64), (pair[rows], key)


ReasonKind = Literal[
    "small-pilot",
    "unknown-category",
    "unused-category",
    "too-few",
    "drawn-twice",
    "look-alike",
    "unclear-category",
    "confused",
    "void",
    "unlabelled",
    "no-definition",
    "no-boundary-rule",
]
REASON_KINDS: tuple[ReasonKind, ...] = get_args(ReasonKind)
_MIN_PILOT_IMAGES, _MIN_PILOT_UNITS = (
    20,
    5,
)  # the ranges were tried on pilots of so many: benchmarks/agreement/pilots.py
_MAX_VOID = 0.1  # CamVid, CamSeq01 and DAVIS have 3.2 %, 1.0 % and 0.01 %; the taxonomy's max_void overrides it
_MAX_UNLABELLED = 0.05
_MIN_CONFUSED_SHARE = 0.05  # of the rarer category's segments
_MISTAKEN, _DOUBTED = 0.2, 0.1  # of the rarer category's pixels: shaky outlines alone reach 0.13 for CamVid's poles
_MAX_NAMES_SHOWN = 6


class ReadinessReason(msgspec.Struct, frozen=True):
    """A reason against the campaign; the taxonomy is not ready if any reason blocks, the others are advice.

    `categories` are those that it is about; `message` says what is wrong, how much, and what to do.
    """

    kind: ReasonKind
    blocks: bool
    categories: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class PilotResult:
    """The result of a pilot: the projection of its campaign, and reasons against it."""

    dataset: str  # the pilot, as the user named it
    plan: CampaignPlan  # the campaign as planned
    outlook: Outlook  # the projection of the campaign
    # pairs of categories that may be taken for each other, the most doubtful first
    confusable: tuple[ConfusablePair, ...]
    reasons: tuple[ReadinessReason, ...] = field(default=())  # blocking ones first
    ignored: tuple[ReasonKind, ...] = ()  # kinds of reasons that were not asked for
    # how well annotators of the same images agree; None where there is one annotator
    agreement: PilotAgreement | None = None

    @property
    def ready(self) -> bool:
        """Whether no reason blocks the campaign."""
        return not any(reason.blocks for reason in self.reasons)


def assess_readiness(
    profile: Profile,
    plan: CampaignPlan,
    outlook: Outlook,
    pairs: tuple[ConfusablePair, ...],
    ignore: Collection[str] = (),
    agreement: PilotAgreement | None = None,
) -> PilotResult:
    """Assess a pilot: its reasons, without those of the kinds `ignore`; raises SegdataError for an unknown kind."""
    for kind in ignore:
        if kind not in REASON_KINDS:
            hint = did_you_mean(kind, list(REASON_KINDS)) or f"; there are: {', '.join(REASON_KINDS)}"
            raise SegdataError(f"no kind of reason is called {kind!r}{hint}")
    all_columns = [
        *_size_reasons(outlook),
        *_category_reasons(profile, plan, outlook, pairs),
        *_confusable_reasons(pairs, outlook.n_images),
        *_disagreement_reasons(agreement),
        *_void_reasons(profile, outlook),
        *_guideline_reasons(profile.taxonomy.categories),
    ]
    kept = sorted(
        (columns for columns in all_columns if columns.kind not in ignore), key=lambda reason: not reason.blocks
    )
    ignored = tuple(kind for kind in REASON_KINDS if kind in ignore)
    return PilotResult(
        dataset=profile.files,
        plan=plan,
        outlook=outlook,
        confusable=pairs,
        reasons=tuple(kept),
        ignored=ignored,
        agreement=agreement,
    )


def _size_reasons(outlook: Outlook) -> Iterator[ReadinessReason]:
    if outlook.n_images < _MIN_PILOT_IMAGES:
        images = count_noun(outlook.n_images, "image")
        message = f"the pilot has {images}; annotate {_MIN_PILOT_IMAGES} or more, drawn at random"
        yield ReadinessReason("small-pilot", True, (), message)
    elif outlook.n_units < _MIN_PILOT_UNITS:
        message = (
            f"the {outlook.n_images} images are from "
            f"{count_noun(outlook.n_units, 'sequence or group', 'sequences or groups')}"
            f"; take some from {_MIN_PILOT_UNITS} or more, since images of one resemble each other"
        )
        yield ReadinessReason("small-pilot", True, (), message)


def _category_reasons(
    profile: Profile, plan: CampaignPlan, outlook: Outlook, pairs: Sequence[ConfusablePair]
) -> Iterator[ReadinessReason]:
    """Yield a reason for each category that cannot be trained on."""
    parents = {category.name: category.parent for category in profile.taxonomy.categories}
    for expected in outlook.categories:
        where = f"{expected.n_images:,} of {count_noun(outlook.n_images, 'image')}"
        if expected.kind == "unknown":
            remedy = "add it, or make its name an alias of a category"
            message = f"{expected.name!r} is in {where} and not in the taxonomy; {remedy}"
            yield ReadinessReason("unknown-category", True, (expected.name,), message)
        elif expected.n_images == 0:
            least = f"at most {percent_in_words(expected.share.high)} % of the images have it"
            message = f"{expected.name!r} is in none of {count_noun(outlook.n_images, 'image')}: {least}; "
            yield ReadinessReason(
                "unused-category",
                True,
                (expected.name,),
                message + _remedy(expected, outlook.categories, pairs, parents),
            )
        elif plan.campaign is not None and expected.segments.low < plan.min_instances:
            blocks = expected.segments.value < plan.min_instances
            remedy = _remedy(expected, outlook.categories, pairs, parents) if blocks else "a larger pilot would show"
            needed = (
                f" ({round_up(expected.images_needed)} images to be sure of them)" if expected.images_needed else ""
            )
            message = (
                f"{expected.name!r} is in {where}: expect {range_in_words(expected.segments)} in "
                f"{plan.campaign:,} images, {plan.min_instances:,} are wanted{needed}; {remedy}"
            )
            yield ReadinessReason("too-few", blocks, (expected.name,), message)


def _remedy(
    category: CategoryOutlook,
    categories: Sequence[CategoryOutlook],
    pairs: Sequence[ConfusablePair],
    parents: Mapping[str, str | None],
) -> str:
    """The remedy for a category that is too rare: merge it with a sister or a confusable category, or sample for it."""
    mates = {pair.b if pair.a == category.name else pair.a for pair in pairs if category.name in (pair.a, pair.b)}
    used = [other for other in categories if other is not category and other.n_images]
    best = max((other for other in used if other.name in mates), key=lambda other: other.n_segments, default=None)
    if best is not None:
        return f"merge it into {best.name!r}, or choose images that have it"
    parent = parents.get(category.name)
    sisters = sorted((other for other in used if parent and parents.get(other.name) == parent), key=_fewest_first)
    if not sisters:
        return "merge it with another, drop it, or choose images that have it"
    met_most = sisters[-1].name
    into = f"into {met_most!r}" if met_most == parent else f"with others of {parent!r} ({met_most!r})"
    return f"merge it {into}, or choose images that have it"


def _fewest_first(category: CategoryOutlook) -> int:
    return category.n_segments


def _confusable_reasons(pairs: Sequence[ConfusablePair], n_images: int) -> Iterator[ReadinessReason]:
    closest: dict[str, float] = {}
    for pair in pairs:
        for name in (pair.a, pair.b):
            closest[name] = max(closest.get(name, 0.0), pair.mistaken if pair.mistaken > 0 else 0.0)
    for pair in pairs:
        both, names = f"{pair.a!r} and {pair.b!r}", (pair.a, pair.b)
        if pair.twice:
            message = (
                f"{both}: {pair.twice:,} of {pair.of:,} were drawn as both, in {pair.images:,} of "
                f"{count_noun(n_images, 'image')}; define where one ends, merge them, or allow it "
                "(part_of, may_overlap, also)"
            )
            # Once may be a slip of the hand.
            yield ReadinessReason(
                "drawn-twice", pair.images > 1 and pair.twice >= _MIN_CONFUSED_SHARE * pair.of, names, message
            )
        alike = []
        # If many look alike, only mutual nearest pairs are named.
        if pair.mistaken > 0 and pair.mistaken >= max(closest[pair.a], closest[pair.b]):
            by = "size, shape, place and colour" if pair.coloured else "size, shape and place"
            alike.append(f"by {by} {percent_in_words(pair.mistaken)} % or more would be taken for the other")
        if pair.names:
            alike.append("their names are easily mistaken")
        if pair.colour >= 0:
            alike.append(f"their colours are close (Delta E {pair.colour:.1f})")
        if alike:
            message_ = f"{both}: {'; '.join(alike)}; both definitions should say which is which"
            yield ReadinessReason("look-alike", False, names, message_)


def _disagreement_reasons(agreement: PilotAgreement | None) -> Iterator[ReadinessReason]:
    """Yield reasons for categories on which all annotators disagree, and pairs of categories that they confuse."""
    if agreement is None:
        return
    for category in agreement.categories:
        if category.is_low:
            value, low, high = category.value
            ends = f" ({low:.2f} to {high:.2f})" if low == low else ""
            alone = f", {category.best:.2f} without {category.without}, who lowers it most" if category.without else ""
            score = "F1" if category.score == "f1" else "Dice"
            message = f"annotators do not agree on {category.category!r}: {score} {value:.2f}{ends}{alone}; "
            remedy = "define it, with its boundary and pictures of what they draw differently, and annotate again"
            remedy = (
                remedy if category.is_surely_low else "a larger pilot would show; look at what they draw differently"
            )
            yield ReadinessReason("unclear-category", category.is_surely_low, (category.category,), message + remedy)
    for pair in agreement.confused:
        if pair.images > 1 and pair.share >= (_MIN_CONFUSED_SHARE if pair.of_segments else _DOUBTED):
            yield _confused_reason(pair)


def _confused_reason(pair: ConfusedCategories) -> ReadinessReason:
    """The reason about two categories that annotators confuse."""
    if pair.of_segments:
        often, amount = True, f"{pair.segments:,} of {count_noun(pair.of_segments, 'thing')}"
    else:
        often, amount = pair.share >= _MISTAKEN, f"{percent_in_words(pair.share)} % of the rarer one's pixels"
    message = (
        f"{pair.a!r} and {pair.b!r}: annotators do not agree which of the two {amount} are, in "
        f"{count_noun(pair.images, 'image')}; both definitions should say which is which, or merge them"
    )
    return ReadinessReason("confused", often, (pair.a, pair.b), message)


def _void_reasons(profile: Profile, outlook: Outlook) -> Iterator[ReadinessReason]:
    limits = profile.taxonomy.max_void
    allowed = None if limits is None else limits.dataset
    most = _MAX_VOID if allowed is None else allowed
    if outlook.void.value > most:
        message = (
            f"{share_range_in_words(outlook.void)} of the pixels are void, {100 * most:g} % "
            f"{'may be' if allowed is not None else 'is much'}; find out what annotators give up on, and give it a "
            "category or a rule"
        )
        yield ReadinessReason("void", True, (), message)
    if profile.is_exhaustive and outlook.unlabelled.value > _MAX_UNLABELLED:
        message = (
            f"{share_range_in_words(outlook.unlabelled)} of the pixels are unlabelled, and all should be labelled; "
            "find out what has no category yet"
        )
        yield ReadinessReason("unlabelled", profile.coverage.declared, (), message)


def _guideline_reasons(categories: Sequence[Category]) -> Iterator[ReadinessReason]:
    without = [category.name for category in categories if not chapter_text(category, "definition")]
    if without:
        message = (
            f"{count_noun(len(without), 'category')} without a definition: {list_names(without, _MAX_NAMES_SHOWN)}; "
        )
        message += "write down what belongs to each, or each annotator decides alone"
        yield ReadinessReason("no-definition", True, tuple(without), message)
    visible = [category for category in categories if category.kind != "void"]
    without = [category.name for category in visible if not category.boundary_rule]
    if without:
        message = (
            f"{count_noun(len(without), 'category')} without a boundary_rule: {list_names(without, _MAX_NAMES_SHOWN)}; "
        )
        message += "say where outlines run, or each annotator draws them elsewhere"
        yield ReadinessReason("no-boundary-rule", False, tuple(without), message)
