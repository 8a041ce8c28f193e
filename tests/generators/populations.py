"""Populations: campaigns whose every image is known, and pilots drawn from them, as measured tables."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.table import Column, Table
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture

Skew = Literal["even", "poisson", "geometric", "lognormal"]
SKEWS: tuple[Skew, ...] = ("even", "poisson", "geometric", "lognormal")
PRESENCE = (0.95, 0.6, 0.3, 0.1, 0.03, 0.01)  # of the images that have each category, about
_FRAME = 10_000  # pixels of an image


@dataclass(frozen=True)
class Population:
    """All images of a campaign.

    Attributes
    ----------
    group : (n_images,) images of one group resemble each other
    segments : (n_images, K) how many of each category
    area : (n_images, K) the pixels of each of them
    void : (n_images,) pixels
    seconds : (n_images,) of work
    """

    group: Ints
    segments: Ints
    area: Ints
    void: Ints
    seconds: NDArray[np.float64]

    @staticmethod
    def of(rng: np.random.Generator, n_images: int, group_size: int, skew: Skew) -> "Population":
        """Images in groups; `skew` says how the numbers of segments vary where there are any.

        In groups of several a category is more likely (intraclass correlation 0.3) and more frequent in some.
        """
        n_groups = n_images // group_size
        group = np.repeat(np.arange(n_groups), group_size)
        share = np.array(PRESENCE)
        shape = (len(group), len(share))
        if group_size > 1:
            prone = rng.beta(share * 0.7 / 0.3, (1 - share) * 0.7 / 0.3, (n_groups, len(share)))[group]
            more = np.exp(rng.normal(0, 0.4, (n_groups, len(share))))[group]
        else:
            prone, more = np.broadcast_to(share, shape), np.ones(shape)
        number = _numbers(rng, shape, skew)
        segments = np.where(rng.random(shape) < prone, np.ceil(number * more), 0).astype(np.int64)
        area = np.ceil(np.exp(rng.normal(4, 0.6, shape))).astype(np.int64)
        void = (_FRAME * np.minimum(rng.beta(0.5, 10, len(group)), 0.5)).astype(np.int64)
        seconds = 20 + 15 * segments.sum(axis=1) * np.exp(rng.normal(0, 0.5, len(group)))
        return Population(group, segments, area, void, seconds)

    def pilot(self, rng: np.random.Generator, n_images: int) -> Tables:
        """The measured tables (family `coverage`) of whole groups drawn at random, `n_images` in all."""
        size = int((self.group == 0).sum())
        groups = rng.choice(self.group.max() + 1, n_images // size, replace=False)
        rows = np.flatnonzero(np.isin(self.group, groups))
        image, category = np.nonzero(self.segments[rows])
        times = self.segments[rows][image, category]
        owner = np.repeat(image, times)
        return _tables(
            {
                "image_id": np.array([f"{row}.png" for row in rows], object),
                "group": np.array([str(group) if size > 1 else None for group in self.group[rows]], object),
                "sequence": np.full(len(rows), None, object),
            },
            {
                "image": np.arange(len(rows)),
                "labelled": np.full(len(rows), _FRAME),
                "unlabelled": np.zeros(len(rows), np.int64),
                "void": self.void[rows],
                "seconds": self.seconds[rows],
            },
            {
                "annotation": owner,
                "image": owner,
                "category_id": np.repeat(category, times) + 1,
                "area": np.repeat(self.area[rows][image, category], times),
                "iscrowd": np.zeros(len(owner), bool),
            },
        )


def _numbers(rng: np.random.Generator, shape: tuple[int, int], skew: Skew) -> NDArray[np.float64]:
    """How many segments there are where there are any."""
    if skew == "even":
        return np.ones(shape)
    if skew == "poisson":
        return (1 + rng.poisson(2, shape)).astype(np.float64)
    if skew == "geometric":
        return rng.geometric(0.25, shape).astype(np.float64)
    return rng.lognormal(0.5, 1.2, shape).astype(np.float64)


def _tables(images: dict[str, Column], annotations: dict[str, Column], segments: dict[str, Column]) -> Tables:
    """Tables of these columns, with categories a, b, …; `void` is the last."""
    return replace(_empty(), images=Table(images), annotations=Table(annotations), segments=Table(segments))


@cache
def _empty() -> Tables:
    letters = "\n".join(f"category: {chr(ord('a') + position)}" for position in range(len(PRESENCE)))
    return measure_source(draw_picture(letters + "\ncategory: void (void)"), frozenset(), jobs=1)
