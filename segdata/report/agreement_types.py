"""The types of the JSON report of an agreement; `schemas/agreement.schema.json` is made from them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from segdata.agreement.scores import CATEGORY_SCORES, OVERALL_SCORES, PAIR_SCORES
from segdata.agreement.surface_distances import Tolerance
from segdata.report.findings_json import FindingRow

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


def scores_of(name: str, meanings: Mapping[str, str], first: list[tuple[str, Any]], text: str) -> type[msgspec.Struct]:
    """A type with a field for each score, which says what it is; Any: types."""
    fields = [(each, Annotated[Score, msgspec.Meta(description=meaning)]) for each, meaning in meanings.items()]
    made = msgspec.defstruct(name, [*first, *fields], frozen=True, kw_only=True, module=__name__)
    made.__doc__ = text
    return made


Pair = scores_of(
    "Pair",
    PAIR_SCORES,
    [("a", str), ("b", str), ("images", Count), ("clusters", Count)],
    "Two annotators, the images that both annotated, and in how many sequences, patients or scenes these are.",
)
Overall = scores_of("Overall", OVERALL_SCORES, [], "All annotators together.")
Category = scores_of(
    "Category",
    CATEGORY_SCORES,
    [("category", str), ("id", int), ("kind", str), ("images", Count)],
    "One category over all pairs of annotators; `images`: in how many of their images one of the two drew it.",
)
Portion = scores_of(
    "Portion",
    {name: OVERALL_SCORES[name] for name in OVERALL_SCORES if name in PAIR_SCORES},
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


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """What the pixels on which A and B disagree about a category are due to.

    Shares of all but those in crowds: `missed` in segments that only A has, `extra` in segments that only B has,
    `confused` in segments under two categories, `boundary` at the edges of segments that both have. null: none.
    """

    a: str
    b: str
    category: str
    pixels: Count
    missed: Share | None
    extra: Share | None
    confused: Share | None
    boundary: Share | None


class SizePair(msgspec.Struct, frozen=True, kw_only=True):
    """Two annotators' sizes.

    `size_a`, `size_b`: what A and B drew in a volume on average. `difference`: (B - A) / mean. `bias`: by how much B is
    larger. `lower`, `upper`: the Bland-Altman limits, between which 95 % of the differences lie.
    """

    a: str
    b: str
    volumes: Count
    size_a: float | None
    size_b: float | None
    difference: float | None
    bias: Score
    lower: Score
    upper: Score


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of a category in volumes: `icc` is ICC(2,1), `icc_consistency` ICC(3,1), of all annotators."""

    category: str
    unit: Literal["mm3", "voxels"]
    volumes: Count
    icc: Score
    icc_consistency: Score
    pairs: tuple[SizePair, ...]


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


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """Whether two pairs of annotators agree unequally, on the images that both pairs annotated.

    With a reference both are pairs of an annotator and the reference. `values`: the score of `first` and of `second`;
    `difference`: the second's less the first's. `p`: the chance of as much, were both alike; null: not tested.
    `stands`: it is one of those that stand when all contrasts of a score are taken together.
    """

    first: tuple[str, str]
    second: tuple[str, str]
    score: str
    values: tuple[float | None, float | None]
    difference: Score
    p: Share | None
    stands: bool


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """How much of an annotator's work is a model's, pixel for pixel, on the images that both annotated.

    `share`: of the annotator's `segments`. `persons`: the share of segments that two persons have alike so, where none
    of both is a model's: what to expect.
    """

    annotator: str
    model: str
    images: Count
    segments: Count
    share: Score
    persons: Score


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """How far apart boundaries may be and still be one.

    In pixels, and in mm where the spacing is known (null: as many mm as these pixels are within a slice).
    """

    px: float
    mm: float | None


class Tolerances(Near, frozen=True, kw_only=True):
    """The same, and of single categories by name."""

    categories: dict[str, Near]


def tolerances(near: Tolerance) -> Tolerances:
    """A tolerance as reports have it."""
    own = {name: Near(px=each.pixels, mm=each.mm) for name, each in near.categories.items()}
    return Tolerances(px=near.pixels, mm=near.mm, categories=own)


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """The tolerance of boundaries that annotators need against themselves, from what they drew twice.

    `value`: the median over so many `boundaries`, of segments or of categories in an image, of the 95th percentile of
    the distances between both drawings. `images`: how many the `annotators` annotated twice.
    """

    unit: Literal["px", "mm"]
    value: float
    annotators: tuple[str, ...]
    images: Count
    boundaries: Count


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """How the intervals were made: by resampling sequences, patients, scenes, or single images."""

    confidence: Share
    resamples: Count
    seed: int
    clusters: Count


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How much annotators agree, on what, who differs, and how sure that is.

    `by`, `plan` and `contrasts` only where asked for, `unchanged` where an annotator is a model, `proposed_tolerance`
    where somebody annotated images twice.
    """

    version: Literal[1]
    annotators: tuple[str, ...]
    images: Count
    intervals: Made
    tolerance: Tolerances
    proposed_tolerance: tuple[Proposed, ...]
    overall: Overall  # type: ignore[valid-type]  # made from the scores
    pairs: tuple[Pair, ...]  # type: ignore[valid-type]  # made from the scores
    categories: tuple[Category, ...]  # type: ignore[valid-type]  # made from the scores
    annotator_bias: tuple[Bias, ...]
    disagreement: tuple[Due, ...]
    volumes: tuple[Sizes, ...]
    by: Portions | None
    plan: tuple[Need, ...]
    contrasts: tuple[Contrast, ...]
    unchanged: tuple[Accepted, ...]
    findings: tuple[FindingRow, ...]
