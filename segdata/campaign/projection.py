"""Projection: estimate the content of each category, and the cost, of a campaign from a random sample of its images.

The sample has m random units: images, or sequences and groups of similar images. Each rate is a ratio of total over
images, so that units of unequal size are weighted by their size. Ranges are right 19 times in 20. `annotation_costs`
adds up the costs of annotation and its quality assurance.
"""

import datetime
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, median

import msgspec
import numpy as np
from scipy.special import betaincinv, chdtri, stdtrit

from segdata.agreement.scores import Count, Number
from segdata.core.config import Cost
from segdata.core.errors import SegdataError
from segdata.core.finding import Decision
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.strata import independent_units, is_example
from segdata.core.table import Table
from segdata.core.taxonomy import Taxonomy

CONFIDENCE = 0.95
_ROUNDS = 30
_MAX_EFFECTIVE_IMAGES = 1e10  # older betaincinv of scipy gives NaN beyond; the range is then zero anyway


class ProjectedRange(msgspec.Struct, frozen=True):
    """An estimate and the ends of a range that contains the number in 19 of 20 campaigns; NaN, null: undefined."""

    value: Number
    low: Number
    high: Number

    def __iter__(self) -> Iterator[float]:
        return iter((self.value, self.low, self.high))


@dataclass(frozen=True, slots=True)
class ProjectedRates:
    """(k,) rates per image: the estimate of each, and the ends of its range."""

    value: Floats
    low: Floats
    high: Floats

    def project(self, row: int, times: float = 1.0) -> ProjectedRange:
        """One of the k rates, multiplied by a number of images."""
        return ProjectedRange(*(float(end[row]) * times for end in (self.value, self.low, self.high)))


@dataclass(frozen=True, slots=True)
class SampleUnits:
    """The sampled units."""

    unit: Ints  # (n_images,) the unit that each image belongs to, counted from 0
    images: Floats  # (m,) how many images each unit has

    @staticmethod
    def from_ids(unit: Ints) -> "SampleUnits":
        """Build from the unit of each image (n,)."""
        inverse = np.unique(unit, return_inverse=True)[1]
        return SampleUnits(inverse, np.bincount(inverse).astype(np.float64))

    def totals(self, values: Floats) -> Floats:
        """(m, k) sums of the values (n_images, k) of each unit's images."""
        sums = np.zeros((len(self.images), values.shape[1]))
        np.add.at(sums, self.unit, values)
        return sums


def project_shares(units: SampleUnits, has: Flags, campaign: float, confidence: float = CONFIDENCE) -> ProjectedRates:
    """Project the shares of a campaign's images that have each of k things.

    `has` (n_images, k): whether each image of the sample has each thing. `campaign`: the number of images of the
    campaign, with those of the sample; infinity: unlimited. Clopper and Pearson's exact range of a rate, with the
    effective number of independent images: Korn and Graubard (1998), Survey Methodology
    24(2), 193-201. For n units without a thing it is the rule of three, 3 / n.
    """
    n, m = len(has), len(units.images)
    share = has.mean(axis=0)
    spread = _ratio_variance(units, has.astype(np.float64))
    alone = share * (1 - share) / n  # the variance of independent images
    with np.errstate(divide="ignore", invalid="ignore"):
        independent = np.where((alone > 0) & (spread > 0), n * alone / spread, m)
    t_ratio = (stdtrit(max(n - 1, 1), 0.975) / stdtrit(max(m - 1, 1), 0.975)) ** 2
    worth = np.clip(independent * t_ratio, 1, n) / max(1 - n / campaign, 1e-12)
    worth = np.minimum(worth, _MAX_EFFECTIVE_IMAGES)
    with_it, alpha = share * worth, 1 - confidence
    low = np.where(with_it > 0, betaincinv(np.maximum(with_it, 1e-300), worth - with_it + 1, alpha / 2), 0)
    high = np.where(share < 1, betaincinv(with_it + 1, np.maximum(worth - with_it, 1e-300), 1 - alpha / 2), 1)
    return ProjectedRates(share, low, high)


def project_amounts(
    units: SampleUnits, amount: Floats, campaign: float, confidence: float = CONFIDENCE, *, uneven: bool = False
) -> ProjectedRates:
    """Project the mean amounts per image (segments, pixels, seconds) of k things in a campaign.

    `amount` (n_images, k) are the sample's; `campaign` as in `project_shares`. The range is from a gamma distribution
    with the mean and variance of the sample, and at the upper end with one more unit like the largest: Fay and Feuer
    (1997), Statistics in Medicine 16(7), 791-801; it is exact for a Poisson count, and right for few and skewed counts,
    for which a normal range or a plain bootstrap is too narrow. The variance is that between units, enlarged by
    Student's t for their small number. The added unit has at least the amount of the median thing in a unit, or the
    mean of all if sizes differ by magnitudes (`uneven`), so that a thing that the sample lacks has an upper end too. If
    all images have the same amount, the lower end is that of its share of the images. NaN for a single unit.
    """
    n, m = len(amount), len(units.images)
    alpha = 1 - confidence
    left = max(1 - n / campaign, 1e-12)  # of the campaign nobody has looked at yet
    wider = (stdtrit(max(m - 1, 1), 1 - alpha / 2) / NormalDist().inv_cdf(1 - alpha / 2)) ** 2
    rate = amount.mean(axis=0)
    variance = _ratio_variance(units, amount) * left * wider
    totals = units.totals(amount)
    one_more = np.maximum(totals.max(axis=0, initial=0), _typical_amount(totals, uneven)) / n * np.sqrt(left)
    share = project_shares(units, amount > 0, campaign, confidence)
    low = np.minimum(
        _gamma_quantile(rate, variance, 1 - alpha / 2), rate * share.low / np.where(rate > 0, share.value, 1)
    )
    high = _gamma_quantile(rate + one_more, variance + one_more**2, alpha / 2)
    return ProjectedRates(rate, low, high)


def images_needed(units: SampleUnits, amount: Floats, wanted: int, confidence: float = CONFIDENCE) -> Floats:
    """(k,) the number of images, sampled like these, that contain `wanted` of each thing in 19 of 20 cases.

    `amount` (n_images, k) are the sample's. From the one-sided lower end of `project_amounts`, with the variance
    of the images that are still to be drawn. Infinity if the sample has none.
    """
    n, m = len(amount), len(units.images)
    wider = (stdtrit(max(m - 1, 1), confidence) / NormalDist().inv_cdf(confidence)) ** 2
    rate, variance = amount.mean(axis=0), _ratio_variance(units, amount) * wider
    share = project_shares(units, amount > 0, math.inf, 2 * confidence - 1)
    most = rate * share.low / np.where(rate > 0, share.value, 1)
    needed = np.full(len(rate), np.inf)
    with np.errstate(divide="ignore"):
        for _ in range(_ROUNDS):  # the fewer images are needed, the more they vary
            needed = wanted / np.minimum(_gamma_quantile(rate, variance * (1 + n / needed), confidence), most)
    return needed


def _typical_amount(totals: Floats, uneven: bool) -> float:
    """The typical amount in units that have a thing: that of the median thing, or the mean; 0 if no unit has any."""
    n_images = (totals > 0).sum(axis=0)
    occurs = n_images > 0
    if not occurs.any():
        return 0.0
    return (
        float(totals.sum() / n_images.sum())
        if uneven
        else float(np.median(totals.sum(axis=0)[occurs] / n_images[occurs]))
    )


def _gamma_quantile(mean: Floats, variance: Floats, above: float) -> Floats:
    """(k,) the value that a share `above` of a gamma distribution exceeds; the mean if its variance is 0."""
    certain = variance <= 0  # a lone unit has none: NaN stays NaN
    spread, centre = np.where(certain, 1, variance), np.where(mean > 0, mean, 1)
    quantile = spread / (2 * centre) * chdtri(2 * centre**2 / spread, above)
    return np.where(certain, mean, np.where(mean > 0, quantile, 0))


def _ratio_variance(units: SampleUnits, values: Floats) -> Floats:
    """(k,) the variance of the mean per image, between units, of a ratio of totals (Cochran, 1977, chapter 6)."""
    m, n = len(units.images), len(values)
    if m < 2:
        return np.full(values.shape[1], np.nan)
    apart = units.totals(values) - units.images[:, None] * values.mean(axis=0)
    variance: Floats = m / (m - 1) * (apart**2).sum(axis=0) / n**2
    return variance


def range_in_words(range_: ProjectedRange) -> str:
    """Format a range of counts.

    >>> range_in_words(ProjectedRange(1200.0, 310.4, 2801.0)), range_in_words(ProjectedRange(0.0, 0.0, 7.2))
    ('310 to 2,801', 'at most 7')
    """
    return f"{range_.low:,.0f} to {range_.high:,.0f}" if range_.low >= 0.5 else f"at most {range_.high:,.0f}"


def percent_in_words(share: float) -> str:
    """Format a share in percent with few digits.

    >>> percent_in_words(0.0704), percent_in_words(0.0024), percent_in_words(0)
    ('7', '0.2', '0')
    """
    return f"{100 * share:.0f}" if share >= 0.0095 or share == 0 else f"{100 * share:.1g}"


def round_up(number: int) -> str:
    """Round a large number up to two significant digits.

    >>> round_up(83), round_up(422408)
    ('83', '430,000')
    """
    step = 10 ** max(len(str(number)) - 2, 0)
    return f"{-(-number // step) * step:,}"


def share_range_in_words(range_: ProjectedRange) -> str:
    """Format a range of shares.

    >>> share_range_in_words(ProjectedRange(0.05, 0.031, 0.082))
    '3.1 % to 8.2 %'
    """
    return f"{100 * range_.low:.1f} % to {100 * range_.high:.1f} %"


_DEFAULT_IMAGES = 1000  # for totals if the size of the campaign is unknown


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """The facts known about the campaign."""

    # how many images it will have, the pilot's among them; None: not known, and totals are for 1000 images
    campaign: int | None = None
    min_instances: int = 3  # how many segments of each category are wanted
    minutes_per_image: float | None = None  # of work
    minutes_per_segment: float | None = None  # of work; without either, the annotations say it (`seconds`)
    rate: float | None = None  # the cost of an hour; None: not known

    def __post_init__(self) -> None:
        if self.minutes_per_image is not None and self.minutes_per_segment is not None:
            raise SegdataError("minutes are given both per image and per segment; one of them is needed")
        for name in ("campaign", "min_instances", "minutes_per_image", "minutes_per_segment", "rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise SegdataError(f"{name} is {value}, a number above 0 is needed")

    @property
    def n_images(self) -> int:
        """The number of images for which totals are given."""
        return self.campaign or _DEFAULT_IMAGES


_IN_PILOT = {"n_images": "pilot_images", "n_segments": "pilot_instances", "pixels": "pilot_pixels"}


class CategoryOutlook(msgspec.Struct, frozen=True, kw_only=True, rename={**_IN_PILOT, "segments": "instances"}):
    """A category in the pilot, and its projection for the campaign.

    Counts of images, instances and pixels are those of the pilot; crowds are no instances, but their pixels
    and images count. `share` is of the images, `pixel_share` of the pixels; `images` and `instances` are projected
    totals. With `images_needed`, 19 of 20 campaigns have `min_instances`; null if the pilot has none.
    """

    id: int
    name: str
    kind: str
    n_images: Count
    n_segments: Count
    pixels: Count
    share: ProjectedRange
    images: ProjectedRange
    segments: ProjectedRange
    pixel_share: ProjectedRange
    images_needed: int | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """The projected content of a campaign."""

    n_images: int  # annotated images of the pilot
    n_units: int  # how many of them are independent: sequences and groups count once
    categories: tuple[CategoryOutlook, ...]  # those that have segments, or could
    segments: ProjectedRange  # in all
    void: ProjectedRange  # share of an image's pixels; NaN where the size of images is not known
    unlabelled: ProjectedRange  # likewise
    hours: ProjectedRange | None  # of work, with one annotation an image; None: nothing is known of it
    cost: ProjectedRange | None  # likewise
    timed_by: str  # the source of the hours


def project_campaign(tables: Tables, plan: CampaignPlan) -> Outlook:
    """The outlook from the measured tables of a pilot (family `coverage`).

    Images without annotation are left out; if several annotators annotated an image, each counts for a part of it.
    Raises SegdataError if no image is annotated, or if the campaign is smaller than the pilot.
    """
    annotations = tables.annotations
    annotated, image = np.unique(annotations["image"], return_inverse=True)
    n_images = len(annotated)
    if n_images == 0:
        raise SegdataError("no image is annotated; annotate a pilot first")
    if plan.campaign is not None and plan.campaign < n_images:
        raise SegdataError(f"the campaign has {plan.campaign:,} images, and its pilot {n_images:,}")
    size = float(plan.campaign or math.inf)
    sample = SampleUnits.from_ids(independent_units(tables)[annotated])
    part = 1 / np.bincount(image)[image]
    counted = _CategoryCounts(tables, image, part, n_images)
    hours, timed_by = _project_hours(annotations, image, sample, size, plan, counted.every)
    frame = annotations["labelled"] + annotations["unlabelled"]
    share = {
        name: _at_most_one(
            project_amounts(sample, _per_image(annotations[name] / np.maximum(frame, 1) * part, image), size)
        ).project(0)
        for name in ("void", "unlabelled")
    }
    return Outlook(
        n_images=n_images,
        n_units=len(sample.images),
        categories=tuple(counted.categories(sample, size, plan)),
        segments=project_amounts(sample, counted.every, size).project(0, plan.n_images),
        void=share["void"],
        unlabelled=share["unlabelled"],
        hours=hours,
        cost=ProjectedRange(*(end * plan.rate for end in hours)) if hours and plan.rate else None,
        timed_by=timed_by,
    )


class _CategoryCounts:
    """Segments and pixels of each image and category, averaged over the annotators of an image."""

    def __init__(self, tables: Tables, image: Ints, part: Floats, n_images: int) -> None:
        self._tables, segments = tables, tables.segments
        self.ids = _category_ids(tables)
        rows = np.flatnonzero((segments["area"] > 0) & np.isin(segments["category_id"], self.ids))
        order = np.argsort(self.ids)
        column = order[np.searchsorted(self.ids, segments["category_id"][rows], sorter=order)]
        owner = segments["annotation"][rows]
        row, portion = image[owner], part[owner]
        alone = ~segments["iscrowd"][rows]
        shape = (n_images, len(self.ids))
        self.segments, self.pixels = np.zeros(shape), np.zeros(shape)
        np.add.at(self.segments, (row[alone], column[alone]), portion[alone])
        frame = (tables.annotations["labelled"] + tables.annotations["unlabelled"])[owner]
        np.add.at(self.pixels, (row, column), portion * segments["area"][rows] / np.maximum(frame, 1))
        self._n_segments = np.bincount(column[alone], minlength=len(self.ids))
        self._area = np.bincount(column, weights=segments["area"][rows], minlength=len(self.ids))
        self.has = np.zeros(shape, bool)
        self.has[row, column] = True
        void = np.isin(self.ids, tables.profile.taxonomy.void_ids)
        self.every = self.segments[:, ~void].sum(axis=1, keepdims=True)

    def categories(self, sample: SampleUnits, size: float, plan: CampaignPlan) -> list[CategoryOutlook]:
        """The outlook of each category but void, in the order of the taxonomy."""
        taxonomy = self._tables.profile.taxonomy
        share = project_shares(sample, self.has, size)
        pixels = _at_most_one(project_amounts(sample, self.pixels, size, uneven=True))
        is_semantic = self._tables.profile.task == "semantic"  # one segment an image, and no more
        segments = share if is_semantic else project_amounts(sample, self.segments, size)
        needed = images_needed(sample, self.segments, plan.min_instances)
        categories = taxonomy.by_id()
        return [
            CategoryOutlook(
                id=id_,
                name=self._tables.profile.name_of(id_),
                kind=categories[id_].kind if id_ in categories else "unknown",
                n_images=int(self.has[:, column].sum()),
                n_segments=int(self._n_segments[column]),
                pixels=int(self._area[column]),
                share=share.project(column),
                segments=segments.project(column, plan.n_images),
                images=share.project(column, plan.n_images),
                pixel_share=pixels.project(column),
                images_needed=math.ceil(needed[column]) if math.isfinite(needed[column]) else None,
            )
            for column, id_ in enumerate(self.ids.tolist())
            if id_ not in taxonomy.void_ids
        ]


def _category_ids(tables: Tables) -> Ints:
    """The ids of the categories that segments may have, then those that the taxonomy lacks.

    Parents without segments of their own are left out.
    """
    taxonomy: Taxonomy = tables.profile.taxonomy
    used = np.unique(tables.segments["category_id"][is_example(tables)]).tolist()
    parents = {category.parent for category in taxonomy.categories if category.parent != category.name}
    # a member of its own group
    own = parents - {category.name for category in taxonomy.categories if category.parent == category.name}
    ids = [category.id for category in taxonomy.categories if category.name not in own or category.id in used]
    return np.array(list(dict.fromkeys([*ids, *used])), np.int64)


def _project_hours(
    annotations: Table,
    image: Ints,
    sample: SampleUnits,
    size: float,
    plan: CampaignPlan,
    segments: Floats,
) -> tuple[ProjectedRange | None, str]:
    """Project the hours of a campaign, with their basis."""
    if plan.minutes_per_segment is not None:
        source = f"{plan.minutes_per_segment:g} minutes a segment"
        return project_amounts(sample, segments, size).project(0, plan.n_images * plan.minutes_per_segment / 60), source
    if plan.minutes_per_image is not None:
        hours = plan.n_images * plan.minutes_per_image / 60
        return ProjectedRange(hours, hours, hours), f"{plan.minutes_per_image:g} minutes an image"
    seconds = annotations["seconds"].astype(np.float64)
    timed = np.flatnonzero(~np.isnan(seconds) & (seconds >= 0))
    if len(timed) == 0:
        return None, "no annotation says how long it took"
    inverse, row = np.unique(image[timed], return_inverse=True)
    mean = _per_image(seconds[timed], row) / np.bincount(row)[:, None]
    projected = project_amounts(SampleUnits.from_ids(sample.unit[inverse]), mean, size).project(0, plan.n_images / 3600)
    return projected, f"the times of {len(inverse):,} annotated images"


def _per_image(values: Floats, image: Ints) -> Floats:
    """(n_images, 1) sums of values (n_annotations,)."""
    return np.bincount(image, weights=values).astype(np.float64)[:, None]


def _at_most_one(shares_: ProjectedRates) -> ProjectedRates:
    """Limit shares to 1."""
    return ProjectedRates(shares_.value, shares_.low, np.minimum(shares_.high, 1))


LONGEST_PAUSE = 300.0  # seconds between two decisions of a reviewer who is at work
USUAL_SHARE = (0.2, 0.4)  # of the cost, for quality assurance


@dataclass(frozen=True, slots=True)
class Costs:
    """Hours of work by kind, and the cost of an hour."""

    annotation: float  # hours for the first annotation of each image
    again: float  # hours for further annotations of the same images, which are there for comparison
    review: float  # hours in which reviewers decided, by the times in the log
    # the share of annotations by people that say how long they took; of the others it is estimated, where `assumed`
    # says how
    known: float
    assumed: str  # in words; empty where nothing was
    n_errors: int  # true errors that reviewers found
    rate: float | None = None  # the cost of an hour; None: not known
    currency: str = ""  # empty: not known

    @property
    def assurance(self) -> float:
        """Hours for quality assurance."""
        return self.again + self.review

    @property
    def share(self) -> float:
        """The share of quality assurance in all hours; NaN if no hours are known."""
        total = self.annotation + self.assurance
        return self.assurance / total if total else float("nan")

    @property
    def per_error(self) -> float:
        """Hours of review for each true error found; NaN if none was found."""
        return self.review / self.n_errors if self.n_errors else float("nan")

    def amount(self, hours: float) -> float | None:
        """The cost of hours of work; None if the rate is unknown."""
        return None if self.rate is None else hours * self.rate


def annotation_costs(
    tables: Tables, decisions: Sequence[Decision], cost: Cost | None = None, n_errors: int = 0
) -> Costs:
    """The time and cost of the annotations of a dataset and their review.

    The time of an annotation (`seconds`) takes precedence over the minutes per image or segment of `cost`. Models cost
    nothing. The first annotation of an image counts as annotation, every further one by a person as quality assurance.
    """
    setting = cost or Cost()
    rows = tables.annotations
    people = np.array([source != "model" for source in rows["source"].tolist()], bool)
    seconds = np.asarray(rows["seconds"], np.float64)
    timed = np.isfinite(seconds) & (seconds >= 0)
    guess = np.full(len(seconds), 0.0)
    if setting.minutes_per_image is not None:
        guess[:] = 60 * setting.minutes_per_image
    elif setting.minutes_per_segment is not None:
        guess = 60 * setting.minutes_per_segment * rows["n_segments"].astype(np.float64)
    spent = np.where(people, np.where(timed, seconds, guess), 0.0)
    image = rows["image"][people]
    is_first = np.zeros(len(image), bool)
    is_first[np.unique(image, return_index=True)[1]] = True
    return Costs(
        annotation=float(spent[people][is_first].sum()) / 3600,
        again=float(spent[people][~is_first].sum()) / 3600,
        review=review_seconds(decisions, setting.seconds_per_decision) / 3600,
        known=float(timed[people].mean()) if people.any() else float("nan"),
        assumed=_assumption(setting) if (people & ~timed).any() else "",
        n_errors=n_errors,
        rate=setting.rate,
        currency=setting.currency,
    )


def _assumption(cost: Cost) -> str:
    if cost.minutes_per_image is not None:
        return f"{cost.minutes_per_image:g} minutes an image"
    return "" if cost.minutes_per_segment is None else f"{cost.minutes_per_segment:g} minutes a segment"


def review_seconds(decisions: Iterable[Decision], seconds: float | None = None) -> float:
    """The time that reviewers took: `seconds` for each decision, else the time between one decision and the next.

    A pause of more than `LONGEST_PAUSE` does not count; the first decision after one took as long as the reviewer's
    median decision.

    >>> review_seconds([])
    0.0
    """
    times: dict[str, list[float]] = defaultdict(list)
    for decision in decisions:
        times[decision.reviewer].append(datetime.datetime.fromisoformat(decision.time).timestamp())
    if seconds is not None:
        return float(seconds * sum(map(len, times.values())))
    total = 0.0
    for moments in times.values():
        gaps = [after - before for before, after in pairwise(sorted(moments))]
        worked = [gap for gap in gaps if gap <= LONGEST_PAUSE]
        n_begun = len(moments) - len(worked)
        total += sum(worked) + n_begun * (median(worked) if worked else 0.0)
    return total
