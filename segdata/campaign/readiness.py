"""Readiness: whether a taxonomy is ready for a full campaign, and what to do first where it is not."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import msgspec

from segdata.campaign.confusable_categories import ConfusablePair
from segdata.campaign.pilot_agreement import ConfusedCategories, PilotAgreement
from segdata.campaign.projection import (
    CampaignPlan,
    CategoryOutlook,
    Outlook,
    percent_in_words,
    range_in_words,
    round_up,
    share_range_in_words,
)
from segdata.core.config import did_you_mean
from segdata.core.errors import SegdataError, count_noun
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category

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
_LEAST_IMAGES, _LEAST_UNITS = 20, 5  # the ranges were tried on pilots of so many: benchmarks/pilot_coverage.py
_MOST_VOID = 0.1  # CamVid, CamSeq01 and DAVIS have 3.2 %, 1.0 % and 0.01 %; the taxonomy's max_void goes before
_MOST_UNLABELLED = 0.05
_OFTEN = 0.05  # of the rarer category's segments
_MISTAKEN, _DOUBTED = 0.2, 0.1  # of the rarer category's pixels: shaky outlines alone reach 0.13 for CamVid's poles
_SHOWN = 6


class ReadinessReason(msgspec.Struct, frozen=True):
    """Something to do first; the taxonomy is not ready because of those that block, the others are advice.

    `categories` are those that it is about; `message` says what is the matter, how much, and what to do.
    """

    kind: ReasonKind
    blocks: bool
    categories: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class PilotResult:
    """What a pilot says of the campaign that is to follow."""

    dataset: str  # the pilot, as the user named it
    plan: CampaignPlan  # what was said of the campaign
    outlook: Outlook  # what the campaign will hold
    # pairs of categories that may be taken for each other, the most doubtful first
    confusable: tuple[ConfusablePair, ...]
    reasons: tuple[ReadinessReason, ...] = field(default=())  # what is to be done first; those that block come first
    ignored: tuple[ReasonKind, ...] = ()  # kinds of reasons that were not asked for
    # how well annotators of the same images agree; None where there is one annotator
    agreement: PilotAgreement | None = None

    @property
    def ready(self) -> bool:
        """Whether nothing blocks."""
        return not any(reason.blocks for reason in self.reasons)


def assess_readiness(
    profile: Profile,
    plan: CampaignPlan,
    outlook: Outlook,
    pairs: tuple[ConfusablePair, ...],
    ignore: Collection[str] = (),
    agreement: PilotAgreement | None = None,
) -> PilotResult:
    """The pilot with its reasons, but those of the kinds `ignore`; raises SegdataError for a kind that is none."""
    for kind in ignore:
        if kind not in REASON_KINDS:
            hint = did_you_mean(kind, list(REASON_KINDS)) or f"; there are: {', '.join(REASON_KINDS)}"
            raise SegdataError(f"no kind of reason is called {kind!r}{hint}")
    every = [
        *_size_reasons(outlook),
        *_category_reasons(profile, plan, outlook, pairs),
        *_confusable_reasons(pairs, outlook.n_images),
        *_disagreement_reasons(agreement),
        *_void_reasons(profile, outlook),
        *_guideline_reasons(profile.taxonomy.categories),
    ]
    kept = sorted((columns for columns in every if columns.kind not in ignore), key=lambda reason: not reason.blocks)
    ignored = tuple(kind for kind in REASON_KINDS if kind in ignore)
    return PilotResult(profile.files, plan, outlook, pairs, tuple(kept), ignored, agreement)


def _size_reasons(outlook: Outlook) -> Iterator[ReadinessReason]:
    if outlook.n_images < _LEAST_IMAGES:
        message = (
            f"the pilot has {count_noun(outlook.n_images, 'image')}; annotate {_LEAST_IMAGES} or more, drawn at random"
        )
        yield ReadinessReason("small-pilot", True, (), message)
    elif outlook.n_units < _LEAST_UNITS:
        message = (
            f"the {outlook.n_images} images are from "
            f"{count_noun(outlook.n_units, 'sequence or group', 'sequences or groups')}"
            f"; take some from {_LEAST_UNITS} or more, since images of one resemble each other"
        )
        yield ReadinessReason("small-pilot", True, (), message)


def _category_reasons(
    profile: Profile, plan: CampaignPlan, outlook: Outlook, pairs: Sequence[ConfusablePair]
) -> Iterator[ReadinessReason]:
    """One for each category that cannot be trained on as things are."""
    parents = {category.name: category.parent for category in profile.taxonomy.categories}
    for expected in outlook.categories:
        where = f"{expected.n_images:,} of {count_noun(outlook.n_images, 'image')}"
        if expected.kind == "unknown":
            message = f"{expected.name!r} is in {where} and not in the taxonomy; add it, or say by an alias what it is"
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
            remedy = _remedy(expected, outlook.categories, pairs, parents) if blocks else "a larger pilot would tell"
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
    every: Sequence[CategoryOutlook],
    pairs: Sequence[ConfusablePair],
    parents: Mapping[str, str | None],
) -> str:
    """What to do about a category that is too rare: a sister or what it is mistaken for takes it in, or sampling."""
    mates = {pair.b if pair.a == category.name else pair.a for pair in pairs if category.name in (pair.a, pair.b)}
    used = [other for other in every if other is not category and other.n_images]
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
            yield ReadinessReason("drawn-twice", pair.images > 1 and pair.twice >= _OFTEN * pair.of, names, message)
        alike = []
        # Where many look alike, those are named that look like nothing else so much.
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
    """Categories on which annotators disagree whoever they are, and those that they take for each other."""
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
                remedy if category.is_surely_low else "a larger pilot would tell; look at what they draw differently"
            )
            yield ReadinessReason("unclear-category", category.is_surely_low, (category.category,), message + remedy)
    for pair in agreement.confused:
        if pair.images > 1 and pair.share >= (_OFTEN if pair.of_segments else _DOUBTED):
            yield _confused_reason(pair)


def _confused_reason(pair: ConfusedCategories) -> ReadinessReason:
    """Two categories that annotators take for each other."""
    if pair.of_segments:
        often, what = True, f"{pair.segments:,} of {count_noun(pair.of_segments, 'thing')}"
    else:
        often, what = pair.share >= _MISTAKEN, f"{percent_in_words(pair.share)} % of the rarer one's pixels"
    message = (
        f"{pair.a!r} and {pair.b!r}: annotators do not agree which of the two {what} are, in "
        f"{count_noun(pair.images, 'image')}; both definitions should say which is which, or merge them"
    )
    return ReadinessReason("confused", often, (pair.a, pair.b), message)


def _void_reasons(profile: Profile, outlook: Outlook) -> Iterator[ReadinessReason]:
    limits = profile.taxonomy.max_void
    allowed = None if limits is None else limits.dataset
    most = _MOST_VOID if allowed is None else allowed
    if outlook.void.value > most:
        message = (
            f"{share_range_in_words(outlook.void)} of the pixels are void, {100 * most:g} % "
            f"{'may be' if allowed is not None else 'is much'}; find out what annotators give up on, and give it a "
            "category or a rule"
        )
        yield ReadinessReason("void", True, (), message)
    if profile.is_exhaustive and outlook.unlabelled.value > _MOST_UNLABELLED:
        message = (
            f"{share_range_in_words(outlook.unlabelled)} of the pixels are unlabelled, and all should be labelled; "
            "find out what has no category yet"
        )
        yield ReadinessReason("unlabelled", profile.coverage.declared, (), message)


def _guideline_reasons(categories: Sequence[Category]) -> Iterator[ReadinessReason]:
    written = [category for category in categories if not (category.definition or "").startswith("drafted:")]
    without = [category.name for category in categories if category not in written or not category.definition]
    if without:
        message = (
            f"{count_noun(len(without), 'category')} without a definition: {_first_names(without)}; write down what "
        )
        yield ReadinessReason(
            "no-definition", True, tuple(without), message + "belongs to each, or each annotator decides alone"
        )
    visible = [category for category in categories if category.kind != "void"]
    without = [category.name for category in visible if not category.boundary_rule]
    if without:
        message = f"{count_noun(len(without), 'category')} without a boundary_rule: {_first_names(without)}; "
        yield ReadinessReason(
            "no-boundary-rule",
            False,
            tuple(without),
            message + "say where outlines run, or each annotator draws them elsewhere",
        )


def _first_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
