"""Results: the agreement of annotators, as all reports show it."""

from collections.abc import Mapping
from dataclasses import dataclass

from segdata.agreement.surface_distances import Tolerance
from segdata.core.finding import Finding
from segdata.core.validation import FailOn, has_failures


@dataclass(frozen=True, slots=True)
class ProposedTolerance:
    """How far apart the boundaries are that annotators draw of the same twice: what a tolerance should allow for.

    Attributes
    ----------
    unit : of `value`: ``mm`` where the spacing is known, else ``px``
    value : the median over all boundaries of the 95th percentile of the distances between both drawings
    annotators : who annotated images twice
    images : how many of them; of a volume every slice; an image counts once for each annotator
    boundaries : of how many segments, or categories in an image where these are not counted one by one
    """

    unit: str
    value: float
    annotators: tuple[str, ...]
    images: int
    boundaries: int


@dataclass(frozen=True, slots=True)
class Score:
    """A score and the ends of its interval; NaN where undefined.

    `n` is of how many values it is made, and `n_undefined` of how many more it would be, were they defined: a
    category's score of images, another of categories. What is of all pixels (kappa, accuracy, alpha) or of all things
    (F1) at once is made of images. Images count once for each pair of annotators, where there are pairs.
    """

    value: float
    low: float
    high: float
    n: int
    n_undefined: int


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two annotators, the images that both annotated, in how many clusters, and the scores of `PAIR_SCORES`."""

    a: str
    b: str
    images: int
    clusters: int
    scores: Mapping[str, Score]


@dataclass(frozen=True, slots=True)
class CategoryAgreement:
    """One category over all pairs of annotators, and the scores of `CATEGORY_SCORES`.

    `images`: in how many of all pairs' images one of the two drew it.
    """

    category: str
    id: int
    kind: str
    images: int
    scores: Mapping[str, Score]


@dataclass(frozen=True, slots=True)
class AnnotatorBias:
    """What one annotator does with one category, against more than half of the others of the same clusters of images.

    Of two annotators each is held against the other; the middle one of two is the mean of both, so that each of them
    has half the difference as offset. A reference is one of the others. A value's `n` is of clusters.

    Attributes
    ----------
    boundary_offset : by how many px the annotator draws larger than the middle one
    missed : the share of what the others have, and the annotator has not
    extra : the share of what the annotator has, and the others have not
    confused : the share of what both have, and the annotator calls otherwise
    p : by kind (offset, missed, extra, confused) the chance of as much by chance, where that was tested
    found : the kinds that stand when all tests are taken together
    """

    annotator: str
    category: str
    boundary_offset: Score
    missed: Score
    extra: Score
    confused: Score
    p: Mapping[str, float]
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stratum:
    """One portion of the images, of how many pairs of annotations it is made, and its scores over all pairs."""

    name: str
    images: int
    pairs: int
    scores: Mapping[str, Score]


@dataclass(frozen=True, slots=True)
class StratumDifference:
    """Whether a score differs between portions.

    Attributes
    ----------
    score, category : which; no category: over all
    values : of each portion, in their order; NaN where undefined
    p : the chance of values that are as far apart, were the portions drawn by lot; NaN where that cannot be said
    stands : whether it is one of the differences that stand when all categories are taken together
    """

    score: str
    category: str | None
    values: tuple[float, ...]
    p: float
    stands: bool


@dataclass(frozen=True, slots=True)
class StratifiedAgreement:
    """The agreement by portions that a column tells apart; `unknown` pairs of annotations are in none."""

    column: str
    strata: tuple[Stratum, ...]
    differences: tuple[StratumDifference, ...]
    unknown: int


@dataclass(frozen=True, slots=True)
class SampleSize:
    """How much must be labelled by two annotators for an interval of plus and minus `half_width`.

    Attributes
    ----------
    score, category : of what; no category: over all
    now : half the interval that there is
    clusters, images, instances : how many are needed; None: nothing can be said, or of instances, they do not matter
    reached : half the interval that simulated campaigns of this size have
    design_effect : how many times as many images it takes as it would, were images no more alike than their clusters
    """

    score: str
    category: str | None
    half_width: float
    now: float
    clusters: int | None
    images: int | None
    instances: int | None
    reached: float
    design_effect: float


@dataclass(frozen=True, slots=True)
class DisagreementCauses:
    """What the pixels on which A and B disagree about a category are due to, as shares of all but those in crowds.

    Attributes
    ----------
    pixels : of which only one of the two gives them the category
    missed, extra : in segments that only A, only B has
    confused : in segments that both have, under different categories
    boundary : at the edges of segments that both have, under one category
    """

    a: str
    b: str
    category: str
    pixels: int
    missed: float
    extra: float
    confused: float
    boundary: float


@dataclass(frozen=True, slots=True)
class VolumePair:
    """Two annotators' sizes of a category in the volumes that both annotated.

    Attributes
    ----------
    size_a, size_b : what A and B drew in a volume, on average
    difference : (B - A) / their mean, on average; NaN where both are always empty
    bias : by how much B draws larger on average
    lower, upper : between which 95 % of the differences lie (Bland and Altman)
    """

    a: str
    b: str
    volumes: int
    size_a: float
    size_b: float
    difference: float
    bias: Score
    lower: Score
    upper: Score


@dataclass(frozen=True, slots=True)
class VolumeAgreement:
    """The sizes of a category in volumes.

    Attributes
    ----------
    unit : ``mm3``, or ``voxels`` where a spacing is not known
    icc : ICC(2,1) of all annotators: absolute agreement
    icc_consistency : ICC(3,1): one who always draws larger agrees as well
    """

    category: str
    unit: str
    volumes: int
    icc: Score
    icc_consistency: Score
    pairs: tuple[VolumePair, ...]


@dataclass(frozen=True, slots=True)
class PairContrast:
    """Whether two annotators agree more than two others, on the images that all of these annotated.

    With a reference both are pairs of an annotator and the reference.

    Attributes
    ----------
    first, second : the annotators of either pair
    score : of what
    values : what the first and the second pair reach
    difference : the second's less the first's; `n` is of images
    p : the chance of as large a difference, were both pairs alike; NaN where there are too few clusters to say
    stands : whether it is one of those that stand when all contrasts of the score are taken together
    """

    first: tuple[str, str]
    second: tuple[str, str]
    score: str
    values: tuple[float, float]
    difference: Score
    p: float
    stands: bool


@dataclass(frozen=True, slots=True)
class UnchangedShare:
    """How much of a person's work is a model's, pixel for pixel, on the images that both annotated.

    Attributes
    ----------
    annotator, model : whose work, and whose it may be
    images, segments : of both; of the annotator
    share : of the annotator's segments
    persons : the share of segments that two persons have alike so, where none of both is a model's: what to expect
    """

    annotator: str
    model: str
    images: int
    segments: int
    share: Score
    persons: Score


@dataclass(frozen=True, slots=True)
class Agreement:
    """How much annotators agree, on what, who differs, and how sure that is.

    Attributes
    ----------
    annotators : their names, in order
    images : how many two or more of them annotated; of a volume every slice
    clusters : in how many sequences, patients or scenes
    pairs : every two annotators with images in common
    overall : the scores of all together
    categories : those that somebody drew, in the order of the taxonomy
    annotator_bias : of each annotator and category
    disagreement : of every two annotators and category, what it is due to
    volumes : the sizes of what was drawn in volumes; none where there are none
    by : None where nothing was asked
    plan : none where nothing was asked
    contrasts : none where nothing was asked
    unchanged : of each person and model; none where no annotator is a model
    findings : worst first
    proposed_tolerance : what images that an annotator annotated twice propose; none without such images
    tolerance : how far apart boundaries may be and still be one
    confidence : that each interval holds the truth
    resamples, seed : what the intervals were made with
    """

    annotators: tuple[str, ...]
    images: int
    clusters: int
    pairs: tuple[PairAgreement, ...]
    overall: Mapping[str, Score]
    categories: tuple[CategoryAgreement, ...]
    annotator_bias: tuple[AnnotatorBias, ...]
    disagreement: tuple[DisagreementCauses, ...]
    volumes: tuple[VolumeAgreement, ...]
    by: StratifiedAgreement | None
    plan: tuple[SampleSize, ...]
    contrasts: tuple[PairContrast, ...]
    unchanged: tuple[UnchangedShare, ...]
    findings: tuple[Finding, ...]
    proposed_tolerance: tuple[ProposedTolerance, ...]
    tolerance: Tolerance
    confidence: float
    resamples: int
    seed: int

    def fails(self, fail_on: FailOn) -> bool:
        """Whether there is a finding at or above this severity."""
        return has_failures(self.findings, fail_on)
