"""Outlook: what a campaign will hold of each category, how much is void, and what it costs."""

import math
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.agreement.scores import Count
from segdata.campaign.projection import (
    ProjectedRange,
    ProjectedRates,
    SampleUnits,
    images_needed,
    project_amounts,
    project_shares,
)
from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.strata import independent_units, is_example
from segdata.core.table import Table
from segdata.core.taxonomy import Taxonomy

Floats = NDArray[np.float64]
_DEFAULT_IMAGES = 1000  # images that totals are for where nobody says how many there will be


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """What is known of the campaign.

    Attributes
    ----------
    campaign : how many images it will have, the pilot's among them; None: not known, and totals are for 1000 images
    min_instances : how many segments of each category are wanted
    minutes_per_image, minutes_per_segment : of work; one of them, or neither: as the annotations say (`seconds`)
    rate : the cost of an hour; None: not known
    """

    campaign: int | None = None
    min_instances: int = 3
    minutes_per_image: float | None = None
    minutes_per_segment: float | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.minutes_per_image is not None and self.minutes_per_segment is not None:
            raise SegdataError("minutes are given both per image and per segment; one of them is needed")
        for name in ("campaign", "min_instances", "minutes_per_image", "minutes_per_segment", "rate"):
            given = getattr(self, name)
            if given is not None and not 0 < given < math.inf:
                raise SegdataError(f"{name} is {given}, a number above 0 is needed")

    @property
    def n_images(self) -> int:
        """How many images totals are for."""
        return self.campaign or _DEFAULT_IMAGES


_IN_PILOT = {"n_images": "pilot_images", "n_segments": "pilot_instances", "pixels": "pilot_pixels"}


class CategoryOutlook(msgspec.Struct, frozen=True, kw_only=True, rename={**_IN_PILOT, "segments": "instances"}):
    """What the pilot has of a category, and what the campaign will have.

    Counts of images, instances and pixels are first those of the pilot; crowds are no instances, but their pixels
    and images count. `share` is of the images, `pixel_share` of the pixels; `images` and `instances` are totals.
    `images_needed` so that 19 of 20 campaigns have `min_instances`, null where the pilot has none.
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
    """What a campaign will hold.

    Attributes
    ----------
    n_images, n_units : annotated images of the pilot, and how many of them are independent (sequences and groups
        count once)
    categories : those that have segments, or could
    segments : in all
    void, unlabelled : shares of an image's pixels; NaN where the size of images is not known
    hours, cost : of work, with one annotation an image; None: nothing is known of it
    timed_by : what the hours come from
    """

    n_images: int
    n_units: int
    categories: tuple[CategoryOutlook, ...]
    segments: ProjectedRange
    void: ProjectedRange
    unlabelled: ProjectedRange
    hours: ProjectedRange | None
    cost: ProjectedRange | None
    timed_by: str


def project_campaign(tables: Tables, plan: CampaignPlan) -> Outlook:
    """The outlook from the measured tables of a pilot (family `coverage`).

    Images that nobody annotated are left out; where several annotated an image, each of them counts for a part of it.
    Raises SegdataError where no image is annotated, and where the campaign is smaller than the pilot.
    """
    annotations = tables.annotations
    annotated, image = np.unique(annotations["image"], return_inverse=True)
    n_images = len(annotated)
    if n_images == 0:
        raise SegdataError("no image is annotated; annotate a pilot first")
    if plan.campaign is not None and plan.campaign < n_images:
        raise SegdataError(f"the campaign has {plan.campaign:,} images, and its pilot {n_images:,}")
    size = float(plan.campaign or math.inf)
    sample = SampleUnits.by(independent_units(tables)[annotated])
    part = 1 / np.bincount(image)[image]
    counted = _CategoryCounts(tables, image, part, n_images)
    hours, timed_by = _project_hours(annotations, image, part, sample, size, plan, counted.every)
    frame = annotations["labelled"] + annotations["unlabelled"]
    share = {
        name: _at_most_one(
            project_amounts(sample, _per_image(annotations[name] / np.maximum(frame, 1) * part, image), size)
        ).of(0)
        for name in ("void", "unlabelled")
    }
    return Outlook(
        n_images=n_images,
        n_units=len(sample.images),
        categories=tuple(counted.categories(sample, size, plan)),
        segments=project_amounts(sample, counted.every, size).of(0, plan.n_images),
        void=share["void"],
        unlabelled=share["unlabelled"],
        hours=hours,
        cost=ProjectedRange(*(each * plan.rate for each in hours)) if hours and plan.rate else None,
        timed_by=timed_by,
    )


class _CategoryCounts:
    """Segments and pixels of each image and category, each annotator's for a part of the image."""

    def __init__(self, tables: Tables, image: Ints, part: Floats, n_images: int) -> None:
        self._tables, segments = tables, tables.segments
        self.ids = _category_ids(tables)
        drawn = np.flatnonzero((segments["area"] > 0) & np.isin(segments["category_id"], self.ids))
        order = np.argsort(self.ids)
        column = order[np.searchsorted(self.ids, segments["category_id"][drawn], sorter=order)]
        owner = segments["annotation"][drawn]
        row, portion = image[owner], part[owner]
        alone = ~segments["iscrowd"][drawn]
        shape = (n_images, len(self.ids))
        self.segments, self.pixels = np.zeros(shape), np.zeros(shape)
        np.add.at(self.segments, (row[alone], column[alone]), portion[alone])
        frame = (tables.annotations["labelled"] + tables.annotations["unlabelled"])[owner]
        np.add.at(self.pixels, (row, column), portion * segments["area"][drawn] / np.maximum(frame, 1))
        self._n_segments = np.bincount(column[alone], minlength=len(self.ids))
        self._area = np.bincount(column, weights=segments["area"][drawn], minlength=len(self.ids))
        self.has = np.zeros(shape, bool)
        self.has[row, column] = True
        void = np.isin(self.ids, tables.profile.taxonomy.void_ids)
        self.every = self.segments[:, ~void].sum(axis=1, keepdims=True)

    def categories(self, sample: SampleUnits, size: float, plan: CampaignPlan) -> "list[CategoryOutlook]":
        """The outlook of each category but void, in the order of the taxonomy."""
        taxonomy = self._tables.profile.taxonomy
        share, pixels = (
            project_shares(sample, self.has, size),
            _at_most_one(project_amounts(sample, self.pixels, size, uneven=True)),
        )
        once = self._tables.profile.task == "semantic"  # one segment an image, and no more
        segments = share if once else project_amounts(sample, self.segments, size)
        needed = images_needed(sample, self.segments, plan.min_instances)
        known = taxonomy.by_id()
        return [
            CategoryOutlook(
                id=id_,
                name=self._tables.profile.name_of(id_),
                kind=known[id_].kind if id_ in known else "unknown",
                n_images=int(self.has[:, at].sum()),
                n_segments=int(self._n_segments[at]),
                pixels=int(self._area[at]),
                share=share.of(at),
                segments=segments.of(at, plan.n_images),
                images=share.of(at, plan.n_images),
                pixel_share=pixels.of(at),
                images_needed=math.ceil(needed[at]) if math.isfinite(needed[at]) else None,
            )
            for at, id_ in enumerate(self.ids.tolist())
            if id_ not in taxonomy.void_ids
        ]


def _category_ids(tables: Tables) -> Ints:
    """The ids of the categories that segments may have: not of parents that have none; then those not in the taxonomy.

    A parent is there where it has segments itself.
    """
    taxonomy: Taxonomy = tables.profile.taxonomy
    used = np.unique(tables.segments["category_id"][is_example(tables)]).tolist()
    parents = {each.parent for each in taxonomy.categories if each.parent != each.name}
    own = parents - {each.name for each in taxonomy.categories if each.parent == each.name}  # a member of its own group
    ids = [each.id for each in taxonomy.categories if each.name not in own or each.id in used]
    return np.array(list(dict.fromkeys([*ids, *used])), np.int64)


def _project_hours(
    annotations: Table,
    image: Ints,
    part: Floats,
    sample: SampleUnits,
    size: float,
    plan: CampaignPlan,
    segments: Floats,
) -> tuple[ProjectedRange | None, str]:
    """The hours of a campaign, and what they come from."""
    if plan.minutes_per_segment is not None:
        said = f"{plan.minutes_per_segment:g} minutes a segment"
        return project_amounts(sample, segments, size).of(0, plan.n_images * plan.minutes_per_segment / 60), said
    if plan.minutes_per_image is not None:
        hours = plan.n_images * plan.minutes_per_image / 60
        return ProjectedRange(hours, hours, hours), f"{plan.minutes_per_image:g} minutes an image"
    seconds = annotations["seconds"].astype(np.float64)
    timed = np.flatnonzero(~np.isnan(seconds) & (seconds >= 0))
    if len(timed) == 0:
        return None, "no annotation says how long it took"
    which, row = np.unique(image[timed], return_inverse=True)
    mean = _per_image(seconds[timed], row) / np.bincount(row)[:, None]
    found = project_amounts(SampleUnits.by(sample.of[which]), mean, size).of(0, plan.n_images / 3600)
    return found, f"the times of {len(which):,} annotated images"


def _per_image(values: Floats, image: Ints) -> Floats:
    """(n_images, 1) sums of values (n_annotations,)."""
    return np.bincount(image, weights=values).astype(np.float64)[:, None]


def _at_most_one(shares_: ProjectedRates) -> ProjectedRates:
    """Shares are at most 1."""
    return ProjectedRates(shares_.value, shares_.low, np.minimum(shares_.high, 1))
