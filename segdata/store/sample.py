"""Draw: a few images out of many, for a gold set or a pilot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from segdata.core.errors import SegdataError, check_choice, count_noun
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.split_assignment import shuffle_rows
from segdata.core.strata import CategoryTally, example_segments, image_strata, number_names

Purpose = Literal["gold", "pilot"]


@dataclass(frozen=True, slots=True)
class ImageSample:
    """Images that were drawn.

    Attributes
    ----------
    images : their ids, in ascending order
    of : how many there are
    wanted : segments of each category that a gold set should have; 0 for a pilot
    categories : the names of those that occur
    segments, drawn : (n_categories,) of each category in all images, and in those drawn
    strata : the strata of the column that was asked for, with their images and how many of these were drawn
    """

    images: tuple[str, ...]
    of: int
    wanted: int
    categories: tuple[str, ...]
    segments: Ints
    drawn: Ints
    strata: tuple[tuple[str, int, int], ...] = ()

    def __repr__(self) -> str:
        return f"Draw({len(self.images):,} of {self.of:,} images; {len(self.short)} categories are short)"

    @property
    def short(self) -> tuple[str, ...]:
        """The categories of which the images drawn have fewer segments than wanted."""
        return tuple(name for name, n in zip(self.categories, self.drawn.tolist(), strict=True) if n < self.wanted)


def draw_images(
    tables: Tables, n: int, *, purpose: Purpose = "gold", stratify: str | None = None, wanted: int = 30, seed: int = 0
) -> ImageSample:
    """Draw n images.

    ``gold`` covers the categories: image after image, the one that adds most to what is missing of the `wanted`
    segments of each category, the rare ones counting most; once nothing is missing, at random. ``pilot`` draws at
    random, so that what it shows holds for the whole. `stratify`: a column as `segdata.core.strata` names them, of
    whose strata each gives its share of the images. The same images and seed give the same draw, in whatever order
    they are. Crowds and void do not count.

    Raises SegdataError for more images than there are, and for a column without values.
    """
    check_choice("purpose", purpose, get_args(Purpose))
    names = tables.images["image_id"].tolist()
    if not 0 < n <= len(names):
        raise SegdataError(f"cannot draw {count_noun(n, 'image')} from {len(names)}")
    order = shuffle_rows(names, seed)
    place = np.argsort(order)  # of each image: the first in this order goes before where two are as good
    rows = example_segments(tables, crowds=False)
    tally = CategoryTally.count(rows, place[rows["image"]])
    ids, category = np.unique(tally.category, return_inverse=True)
    strata, quota = _quotas(tables, stratify, order, n)
    target = wanted if purpose == "gold" else 0
    chosen = _cover_categories(tally.owner, category, tally.segments, len(ids), target, strata, quota)
    in_sample = np.isin(tally.owner, chosen)
    stratum_names = [] if stratify is None else _named_strata(tables, stratify)[0]
    return ImageSample(
        images=tuple(sorted(names[row] for row in order[chosen].tolist())),
        of=len(names),
        wanted=target,
        categories=tuple(tables.profile.name_of(int(id_)) for id_ in ids),
        segments=np.bincount(category, tally.segments, len(ids)).astype(np.int64),
        drawn=np.bincount(category[in_sample], tally.segments[in_sample], len(ids)).astype(np.int64),
        strata=tuple(
            (name, int((strata == number).sum()), int((strata[chosen] == number).sum()))
            for number, name in enumerate(stratum_names)
        ),
    )


def _cover_categories(
    image: Ints, category: Ints, segments: Ints, n_categories: int, wanted: int, strata: Ints, quota: Ints
) -> Ints:
    """The images that are drawn, by their place in the random order, greedily by what they add to each category.

    Takes how many segments (m,) of each category each image has, sorted by image; `strata` (n_images,) and `quota`
    (n_strata,), how many images each stratum still gives.
    """
    missing = np.minimum(wanted, np.bincount(category, segments, n_categories)).astype(np.int64)
    worth = 1 / np.maximum(missing, 1)  # so that each category is worth the same, and its segments more if it has few
    free, quota, chosen = np.ones(len(strata), bool), quota.copy(), []
    while quota.sum() > 0:
        gain = np.bincount(image, worth[category] * np.minimum(missing[category], segments), len(strata))
        may = free & (quota[strata] > 0)
        best = int(np.where(may, np.round(gain, 9), -1.0).argmax())
        free[best] = False
        quota[strata[best]] -= 1
        chosen.append(best)
        span = slice(*np.searchsorted(image, [best, best + 1]))
        missing[category[span]] = np.maximum(missing[category[span]] - segments[span], 0)
    return np.array(sorted(chosen), np.int64)


def _named_strata(tables: Tables, stratify: str) -> tuple[Sequence[str], Ints]:
    """The strata of a column, and (n_images,) that of each image; the last, "(none)", where nothing is known."""
    names, number = number_names(image_strata(tables, stratify))
    if not names:
        raise SegdataError(f"stratify {stratify!r}: no image has such a value")
    none = number < 0
    return ([*names, "(none)"], np.where(none, len(names), number)) if none.any() else (names, number)


def _quotas(tables: Tables, stratify: str | None, order: Ints, n: int) -> tuple[Ints, Ints]:
    """(n_images,) the stratum of each image, in the random order, and how many images each gives, by largest rest."""
    if stratify is None:
        return np.zeros(len(order), np.int64), np.array([n])
    names, number = _named_strata(tables, stratify)
    exact = np.bincount(number, minlength=len(names)) * (n / len(order))
    quota = np.floor(exact + 1e-9).astype(np.int64)
    rest = np.argsort(-(exact - quota), kind="stable")[: n - int(quota.sum())]
    quota[rest] += 1
    return number[order], quota
