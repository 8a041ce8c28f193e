"""Results: the agreement of annotators, as all reports show it.

The JSON report of `segdata agreement` is the encoding of `Agreement`, with numbers of six significant digits and null
for what is undefined (NaN), and `schemas/agreement.schema.json` is its schema.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from segdata.agreement.scores import CATEGORY_SCORES, OVERALL_SCORES, PAIR_SCORES, STRATUM_SCORES
from segdata.agreement.surface_distances import Tolerance
from segdata.core.finding import Finding
from segdata.core.validation import FailOn, has_failures

_NULL: dict[str, Any] = {"nullable": True}  # Any: JSON; `result_schema` reads it
Count = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Number = Annotated[float, msgspec.Meta(extra_json_schema=_NULL)]
"""A number that may be undefined: NaN here, null in JSON."""
UndefinedShare = Annotated[float, msgspec.Meta(ge=0, le=1, extra_json_schema=_NULL)]


class Score(msgspec.Struct, frozen=True):
    """A score and the ends of its interval, null where undefined.

    `n` values make up the score and `n_undefined` more would if they were defined: images for the score of a category,
    categories for other scores. Scores of all pixels (kappa, accuracy, alpha) or of all things (F1) are made of images.
    Images count once for each pair of annotators, where there are pairs.
    """

    value: Number
    low: Number
    high: Number
    n: Count
    n_undefined: Count


def _meaning(name: str) -> msgspec.Meta:
    return msgspec.Meta(description=(OVERALL_SCORES | PAIR_SCORES | CATEGORY_SCORES)[name])


class PairAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Two annotators, the images that both annotated, and in how many sequences, patients or scenes these are."""

    a: str
    b: str
    images: Count
    clusters: Count
    iou: Annotated[Score, _meaning("iou")]
    dice: Annotated[Score, _meaning("dice")]
    boundary_iou: Annotated[Score, _meaning("boundary_iou")]
    nsd: Annotated[Score, _meaning("nsd")]
    hd95: Annotated[Score, _meaning("hd95")]
    assd: Annotated[Score, _meaning("assd")]
    offset_size: Annotated[Score, _meaning("offset_size")]
    count_gap: Annotated[Score, _meaning("count_gap")]
    iou_micro: Annotated[Score, _meaning("iou_micro")]
    dice_micro: Annotated[Score, _meaning("dice_micro")]
    pq: Annotated[Score, _meaning("pq")]
    sq: Annotated[Score, _meaning("sq")]
    rq: Annotated[Score, _meaning("rq")]
    f1: Annotated[Score, _meaning("f1")]
    kappa: Annotated[Score, _meaning("kappa")]
    accuracy: Annotated[Score, _meaning("accuracy")]
    offset: Annotated[Score, _meaning("offset")]
    count_difference: Annotated[Score, _meaning("count_difference")]
    metrics: dict[str, Score] | msgspec.UnsetType = msgspec.UNSET
    """Scores of metrics from plugins, by name; missing where none is installed."""

    @property
    def scores(self) -> Mapping[str, Score]:
        """The scores by name, in the order of `PAIR_SCORES`."""
        return {name: getattr(self, name) for name in PAIR_SCORES}


class OverallAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """All annotators together."""

    iou: Annotated[Score, _meaning("iou")]
    dice: Annotated[Score, _meaning("dice")]
    boundary_iou: Annotated[Score, _meaning("boundary_iou")]
    nsd: Annotated[Score, _meaning("nsd")]
    hd95: Annotated[Score, _meaning("hd95")]
    assd: Annotated[Score, _meaning("assd")]
    offset_size: Annotated[Score, _meaning("offset_size")]
    count_gap: Annotated[Score, _meaning("count_gap")]
    iou_micro: Annotated[Score, _meaning("iou_micro")]
    dice_micro: Annotated[Score, _meaning("dice_micro")]
    pq: Annotated[Score, _meaning("pq")]
    sq: Annotated[Score, _meaning("sq")]
    rq: Annotated[Score, _meaning("rq")]
    f1: Annotated[Score, _meaning("f1")]
    kappa: Annotated[Score, _meaning("kappa")]
    accuracy: Annotated[Score, _meaning("accuracy")]
    fleiss_kappa: Annotated[Score, _meaning("fleiss_kappa")]
    alpha: Annotated[Score, _meaning("alpha")]
    instance_alpha: Annotated[Score, _meaning("instance_alpha")]

    @property
    def scores(self) -> Mapping[str, Score]:
        """The scores by name, in the order of `OVERALL_SCORES`."""
        return {name: getattr(self, name) for name in OVERALL_SCORES}


class CategoryAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """One category over all pairs of annotators; `images`: in how many of their images one of the two drew it."""

    category: str
    id: int
    kind: str
    images: Count
    iou: Annotated[Score, _meaning("iou")]
    dice: Annotated[Score, _meaning("dice")]
    boundary_iou: Annotated[Score, _meaning("boundary_iou")]
    nsd: Annotated[Score, _meaning("nsd")]
    hd95: Annotated[Score, _meaning("hd95")]
    assd: Annotated[Score, _meaning("assd")]
    offset_size: Annotated[Score, _meaning("offset_size")]
    count_gap: Annotated[Score, _meaning("count_gap")]
    iou_micro: Annotated[Score, _meaning("iou_micro")]
    dice_micro: Annotated[Score, _meaning("dice_micro")]
    pq: Annotated[Score, _meaning("pq")]
    sq: Annotated[Score, _meaning("sq")]
    rq: Annotated[Score, _meaning("rq")]
    f1: Annotated[Score, _meaning("f1")]
    kappa: Annotated[Score, _meaning("kappa")]
    prevalence: Annotated[Score, _meaning("prevalence")]

    @property
    def scores(self) -> Mapping[str, Score]:
        """The scores by name, in the order of `CATEGORY_SCORES`."""
        return {name: getattr(self, name) for name in CATEGORY_SCORES}


class Stratum(msgspec.Struct, frozen=True, kw_only=True):
    """A stratum of the images, how many pairs of annotations it has, and its scores over all of them."""

    name: str
    images: Count
    pairs: Count
    iou: Annotated[Score, _meaning("iou")]
    dice: Annotated[Score, _meaning("dice")]
    boundary_iou: Annotated[Score, _meaning("boundary_iou")]
    nsd: Annotated[Score, _meaning("nsd")]
    hd95: Annotated[Score, _meaning("hd95")]
    assd: Annotated[Score, _meaning("assd")]
    offset_size: Annotated[Score, _meaning("offset_size")]
    count_gap: Annotated[Score, _meaning("count_gap")]
    iou_micro: Annotated[Score, _meaning("iou_micro")]
    dice_micro: Annotated[Score, _meaning("dice_micro")]
    pq: Annotated[Score, _meaning("pq")]
    sq: Annotated[Score, _meaning("sq")]
    rq: Annotated[Score, _meaning("rq")]
    f1: Annotated[Score, _meaning("f1")]
    kappa: Annotated[Score, _meaning("kappa")]
    accuracy: Annotated[Score, _meaning("accuracy")]

    @property
    def scores(self) -> Mapping[str, Score]:
        """The scores by name, in the order of `STRATUM_SCORES`."""
        return {name: getattr(self, name) for name in STRATUM_SCORES}


class ProposedTolerance(msgspec.Struct, frozen=True):
    """The tolerance of boundaries that annotators need against themselves, from images that they annotated twice.

    `value`: the median over all `boundaries` of the 95th percentile of the distances between both drawings, in mm where
    the spacing is known, else in px. A boundary belongs to a segment, or to a category in an image where segments are
    not counted. `images`: how many the `annotators` annotated twice; each slice of a volume counts, and an image counts
    once for each annotator.
    """

    unit: Literal["px", "mm"]
    value: float
    annotators: tuple[str, ...]
    images: Count
    boundaries: Count


class AnnotatorBias(msgspec.Struct, frozen=True, kw_only=True):
    """How one annotator deviates in one category from more than half of the others, or from the other of two.

    The others are those of the same clusters of images; a reference counts as one of them. `boundary_offset`: by how
    many px the annotator draws larger than the median annotator (of two annotators each has half the difference).
    `missed`: the share of what the others have, and the annotator has not. `extra`: the share of what the annotator
    has, and the others have not. `confused`: the share of what both have that the annotator calls otherwise. `p`: by
    kind (offset, missed, extra, confused) the probability of as much by chance, where it was tested; `found`: the kinds
    that are significant when all tests are taken together. `n` counts clusters of images.
    """

    annotator: str
    category: str
    boundary_offset: Score
    missed: Score
    extra: Score
    confused: Score
    p: dict[str, Share]
    found: tuple[str, ...]


class StratumDifference(msgspec.Struct, frozen=True):
    """Whether a score differs between strata, whose `values` are in their order; `category` null: over all.

    `p`: the probability of values as far apart if strata were assigned at random; null where it cannot be computed.
    `stands`: the difference is significant when all categories are tested together.
    """

    score: str
    category: str | None
    values: tuple[Number, ...]
    p: UndefinedShare
    stands: bool


class StratifiedAgreement(msgspec.Struct, frozen=True):
    """The agreement by a column of the images or annotations; `unknown` pairs of annotations have no value in it."""

    column: str
    strata: tuple[Stratum, ...]
    differences: tuple[StratumDifference, ...]
    unknown: Count


class SampleSize(msgspec.Struct, frozen=True):
    """How much two annotators must label for an interval of plus and minus `half_width`.

    `now`: half the present interval; `reached`: half the interval of simulated campaigns with so many `clusters`.
    `category` null: over all. Other nulls: nothing can be said; of `instances`, they do not matter. `design_effect`:
    how many times as many images it takes because images of a sequence, patient or scene are alike.
    """

    score: str
    category: str | None
    half_width: float
    now: Number
    clusters: int | None
    images: int | None
    instances: int | None
    reached: Number
    design_effect: Number


class DisagreementCauses(msgspec.Struct, frozen=True, kw_only=True):
    """Why A and B disagree about the pixels of a category, as shares of all `pixels` but those in crowds.

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


class VolumePair(msgspec.Struct, frozen=True):
    """Two annotators' sizes of a category in the volumes that both annotated.

    `size_a`, `size_b`: what A and B drew in a volume on average. `difference`: (B - A) / their mean, on average; null
    where both are always empty. `bias`: by how much B is larger on average. `lower`, `upper`: the Bland-Altman limits,
    between which 95 % of the differences lie.
    """

    a: str
    b: str
    volumes: Count
    size_a: Number
    size_b: Number
    difference: Number
    bias: Score
    lower: Score
    upper: Score


class VolumeAgreement(msgspec.Struct, frozen=True):
    """The sizes of a category in volumes: `icc` is ICC(2,1), `icc_consistency` ICC(3,1), of all annotators.

    ICC(2,1) is absolute agreement; with ICC(3,1) an annotator who always draws larger agrees as well. `unit`: mm3, or
    voxels where a spacing is unknown.
    """

    category: str
    unit: Literal["mm3", "voxels"]
    volumes: Count
    icc: Score
    icc_consistency: Score
    pairs: tuple[VolumePair, ...]


class PairContrast(msgspec.Struct, frozen=True):
    """Whether two pairs of annotators agree unequally on the images that all of them annotated.

    With a reference both are pairs of an annotator and the reference. `values`: the scores of `first` and `second`;
    `difference`: the second's less the first's, whose `n` counts images. `p`: the probability of as large a difference
    if both agreed alike; null: not tested, since there are too few clusters. `stands`: the difference is significant
    when all contrasts of a score are tested together.
    """

    first: tuple[str, str]
    second: tuple[str, str]
    score: str
    values: tuple[Number, Number]
    difference: Score
    p: UndefinedShare
    stands: bool


class UnchangedShare(msgspec.Struct, frozen=True):
    """How much of an annotator's work equals a model's, pixel for pixel, on the images that both annotated.

    `share`: of the annotator's `segments`. `persons`: the share of segments that two persons draw identically, where
    neither segment is a model's: the share to expect.
    """

    annotator: str
    model: str
    images: Count
    segments: Count
    share: Score
    persons: Score


class Intervals(msgspec.Struct, frozen=True, kw_only=True):
    """How the intervals were made: by resampling `clusters`, such as sequences, patients, scenes or images."""

    confidence: Share
    resamples: Count
    seed: int
    clusters: Count


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How much annotators agree, on what, who deviates, and how sure that is.

    `images`: how many two or more annotators annotated; each slice of a volume counts. `categories`: those that someone
    drew, in the order of the taxonomy. `by`, `plan` and `contrasts` are there where asked for, `unchanged` where an
    annotator is a model, `proposed_tolerance` where someone annotated images twice, `volumes` where there are any.
    `tolerance`: how far apart boundaries may be and still count as one. `findings`: the most severe first.
    """

    version: Literal[1] = 1
    annotators: tuple[str, ...]
    images: Count
    intervals: Intervals
    tolerance: Tolerance
    proposed_tolerance: tuple[ProposedTolerance, ...]
    overall: OverallAgreement
    pairs: tuple[PairAgreement, ...]
    categories: tuple[CategoryAgreement, ...]
    annotator_bias: tuple[AnnotatorBias, ...]
    disagreement: tuple[DisagreementCauses, ...]
    volumes: tuple[VolumeAgreement, ...]
    by: StratifiedAgreement | None
    plan: tuple[SampleSize, ...]
    contrasts: tuple[PairContrast, ...]
    unchanged: tuple[UnchangedShare, ...]
    findings: tuple[Finding, ...]

    def fails(self, fail_on: FailOn) -> bool:
        """Whether there is a finding at or above this severity."""
        return has_failures(self.findings, fail_on)
