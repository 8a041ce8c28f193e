"""Deal: which part of a division each image goes to, and how balanced the parts are."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.strata import image_strata
from segdata.core.stratify import Amounts, stratified
from segdata.core.tallies import Tally, examples, numbered

MEASURES = ("images", "segments", "pixels")
_TOLERANCE = 1e-6  # to which shares must sum to 1
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Deal:
    """Images dealt to parts.

    Attributes
    ----------
    parts : their names
    wanted : (n_parts,) the share of the images that each was to get
    part_of : image_id -> the name of its part
    n_images : (n_parts,) images of each part
    n_units : groups of images that were not to be separated
    largest : images of the largest unit
    categories : the names of those that occur
    counts : (n_categories, 3, n_parts) images, segments and pixels of each category in each part
    """

    parts: tuple[str, ...]
    wanted: Floats
    part_of: Mapping[str, str]
    n_images: Ints
    n_units: int
    largest: int
    categories: tuple[str, ...]
    counts: Ints

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {n:,}" for name, n in zip(self.parts, self.n_images.tolist(), strict=True))
        return f"Deal({sizes} images; {len(self.categories)} categories)"

    @property
    def shares(self) -> Floats:
        """(n_categories, 3, n_parts) of the images, segments and pixels of each category."""
        found: Floats = self.counts / np.maximum(self.counts.sum(axis=2, keepdims=True), 1)
        return found

    @property
    def deviation(self) -> Floats:
        """(n_categories, 3) how far the share of any part is from the wanted one, at most."""
        found: Floats = np.abs(self.shares - self.wanted).max(axis=2, initial=0)
        return found

    @property
    def missing(self) -> dict[str, tuple[str, ...]]:
        """The categories that a part lacks, though there are as many images of them as parts, or more."""
        images = self.counts[:, 0]
        enough = images.sum(axis=1) >= len(self.parts)
        lacks = (images == 0) & enough[:, None]
        named = np.array(self.categories, object)
        return {part: tuple(named[lacks[:, at]]) for at, part in enumerate(self.parts) if lacks[:, at].any()}


def shares_of(parts: Mapping[str, float]) -> tuple[tuple[str, ...], Floats]:
    """The names and shares of parts; raises SegdataError where these are not positive, or do not sum to 1."""
    shares = np.array(list(parts.values()), np.float64)
    if len(shares) < 2 or not (shares > 0).all() or abs(shares.sum() - 1) > _TOLERANCE:
        said = ", ".join(f"{name}={share:g}" for name, share in parts.items())
        raise SegdataError(f"parts are {said or 'none'}: two or more positive shares that sum to 1 are needed")
    return tuple(parts), shares / shares.sum()


def grouped(tables: Tables, columns: Sequence[str], pairs: Iterable[tuple[int, int]] = ()) -> Ints:
    """(n_images,) which images belong together, as a number: those of one group or sequence, and `pairs` of rows.

    `columns`: further ones that hold images together, as `segdata.core.strata` names them. Raises SegdataError where
    no image has a value in one of these.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(tables.images)
    ends = [np.array(list(pairs), np.int64).reshape(-1, 2)]
    for column in ("group", "sequence", *columns):
        names, number = numbered(image_strata(tables, column))
        if n and not names and column in columns:
            raise SegdataError(f"group {column!r}: no image has such a value")
        first = np.full(len(names), n, np.int64)
        rows = np.flatnonzero(number >= 0)
        np.minimum.at(first, number[rows], rows)
        ends.append(np.stack([rows, first[number[rows]]], axis=1))
    a, b = np.concatenate(ends).T
    links = coo_array((np.ones(len(a)), (a, b)), shape=(n, n))
    unit: Ints = connected_components(links, directed=False)[1].astype(np.int64)
    return unit


def deal(tables: Tables, parts: Mapping[str, float], unit: Ints, seed: int, kept: Ints | None = None) -> Deal:
    """Deal the images to parts, whole units (n_images,) at a time, so that all categories are balanced.

    `kept` (n_images,): the number of the part that an image stays in with its unit, -1: any. The same images and seed
    give the same parts, in whatever order the images are. Crowds count; void does not.
    """
    names, shares = shares_of(parts)
    images = tables.images["image_id"].tolist()
    rank = _ranks(images, unit, seed)  # units in an order of their own
    place = rank[unit]
    tally = Tally.of(examples(tables), examples(tables)["image"])
    ids, category = np.unique(tally.category, return_inverse=True)
    measured = np.stack([np.ones(len(category)), tally.segments, tally.pixels])
    amounts = Amounts.of(
        np.tile(place[tally.owner], len(MEASURES)),
        (category + len(ids) * np.arange(len(MEASURES))[:, None]).ravel(),
        measured.ravel().astype(np.float64),
        len(rank),
        len(ids) * len(MEASURES),
    )
    sizes = np.bincount(place, minlength=len(rank)).astype(np.float64)
    part = stratified(amounts, sizes, shares, _kept(place, kept, len(rank)))[place]
    counts = np.zeros((len(ids), len(MEASURES), len(names)), np.int64)
    np.add.at(counts.transpose(0, 2, 1), (category, part[tally.owner]), measured.T.astype(np.int64))
    return Deal(
        names,
        shares,
        {image: names[each] for image, each in zip(images, part.tolist(), strict=True)},
        np.bincount(part, minlength=len(names)),
        len(rank),
        int(sizes.max(initial=0)),
        tuple(tables.profile.name_of(int(id_)) for id_ in ids),
        counts,
    )


def shuffled(names: Sequence[str], seed: int) -> Ints:
    """(n,) the rows of names in an order that depends on these and the seed alone, and looks random.

    >>> shuffled(["a", "b", "c"], 0).tolist(), shuffled(["c", "b", "a"], 0).tolist()
    ([0, 1, 2], [2, 1, 0])
    """
    keys = [hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest() for name in names]
    return np.array(sorted(range(len(names)), key=keys.__getitem__), np.int64)


def _ranks(images: Sequence[str], unit: Ints, seed: int) -> Ints:
    """(n_units,) the place of each unit in an order that the names of its images and the seed decide."""
    first: dict[int, str] = {}
    for name, of in zip(images, unit.tolist(), strict=True):
        first[of] = min(first.get(of, name), name)
    order = shuffled([first[of] for of in range(len(first))], seed)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _kept(place: Ints, kept: Ints | None, n_units: int) -> Ints:
    """(n_units,) the part that units stay in, that of most of their images; -1: any."""
    if kept is None or not len(kept):
        return np.full(n_units, -1, np.int64)
    votes = np.zeros((n_units, int(kept.max()) + 2), np.int64)
    np.add.at(votes, (place, kept + 1), 1)
    votes[:, 0] = 0
    return np.where(votes.any(axis=1), votes.argmax(axis=1) - 1, -1)
