"""Split assignment: assign images to parts such as train, val and test, with each category's share in each part."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.core.runs import Floats, Ints, positions_in
from segdata.core.statistics import linked_groups
from segdata.core.strata import CategoryTally, example_segments, image_strata, number_names

_MAX_PASSES = 8  # passes over all units, each of which finds better parts for some
_MAX_MOVES = 200_000  # moves to try; with more units, parts are near their shares without
_MAX_SWAPS = 4_000_000  # pairs of units to try
_SIZE_WEIGHT = 4.0  # weight of the sizes of parts, relative to all categories together
_MIN_GAIN = 1e-9  # gain of a move or swap, so that rounding does not loop for ever


@dataclass(frozen=True, slots=True)
class UnitAmounts:
    """The share of each of k quantities in each of n units, as sparse rows."""

    first: Ints  # (n + 1,) the entries of unit i are ``first[i]:first[i + 1]``
    quantity: Ints  # (m,) from 0 to k - 1, ascending within a unit
    share: Floats  # (m,) > 0; those of a quantity sum to 1
    n_quantities: int  # k

    @staticmethod
    def from_entries(unit: Ints, quantity: Ints, amount: Floats, n_units: int, n_quantities: int) -> "UnitAmounts":
        """Build from entries (m,) in any order; entries of one unit and quantity are added."""
        key, inverse = np.unique(unit * n_quantities + quantity, return_inverse=True)
        total = np.bincount(inverse, amount, len(key)).astype(np.float64, copy=False)
        unit, quantity = np.divmod(key[total > 0], max(n_quantities, 1))
        share = total[total > 0] / np.bincount(quantity, total[total > 0], n_quantities)[quantity]
        return UnitAmounts(np.searchsorted(unit, np.arange(n_units + 1)), quantity, share, n_quantities)

    @property
    def n_units(self) -> int:
        """The number of units."""
        return len(self.first) - 1

    def entries(self, unit: int) -> tuple[Ints, Floats]:
        """The quantities (k,) of a unit, and its shares (k,) of them."""
        span = slice(self.first[unit], self.first[unit + 1])
        return self.quantity[span], self.share[span]


def stratify(categories: UnitAmounts, sizes: Floats, shares: Floats, kept: Ints | None = None) -> Ints:
    """(n_units,) assign units to parts, so that each part has the wanted share of every quantity, and of the images.

    Parameters
    ----------
    categories : what is to be balanced; a quantity is one measure of one category
    sizes : (n_units,) how many images a unit has
    shares : (n_parts,) wanted; they sum to 1
    kept : (n_units,) the part that a unit stays in; -1: any. None: all are free

    The quantity that the fewest free units have comes first: its units, those with most of it first, go to the part
    that lacks most of their quantities; then the next quantity follows. So rare quantities are assigned while there is
    a choice. The order of the units decides ties. Afterwards units move, and up to two thousand units swap parts, as
    long as that reduces the cost: the sum, over quantities and parts, of squared deviations divided by the wanted
    share. No part stays empty while another has two units.
    Source: Sechidis, Tsoumakas and Vlahavas (2011), "On the Stratification of Multi-Label Data", ECML PKDD, 145-158;
    here with amounts in place of labels, and units of several images.
    """
    part = np.full(len(sizes), -1, np.int64) if kept is None else kept.copy()
    free = np.flatnonzero(part < 0)
    assignment = _Assignment(_with_sizes(categories, sizes), shares)
    for unit in np.flatnonzero(part >= 0).tolist():
        assignment.put(unit, int(part[unit]))
    for unit in _rarest_first(categories, part):
        part[unit] = assignment.wanting(unit)
        assignment.put(unit, int(part[unit]))
    for n_passes in range(_MAX_PASSES):
        improved = 0
        if n_passes == 0 or (n_passes + 1) * len(free) <= _MAX_MOVES:
            improved += sum(assignment.move(unit, part) for unit in free.tolist())
        if (n_passes + 1) * len(free) ** 2 <= _MAX_SWAPS:
            improved += sum(assignment.swap(unit, part, free) for unit in free.tolist())
        if not improved:
            break
    _fill_empty(part, free, sizes, len(shares))
    return part


def _fill_empty(part: Ints, free: Ints, sizes: Floats, n_parts: int) -> None:
    """Give every empty part the smallest free unit of a part that has several, as long as there is one."""
    for empty in np.flatnonzero(np.bincount(part, minlength=n_parts) == 0).tolist():
        movable = free[np.bincount(part, minlength=n_parts)[part[free]] > 1]
        if len(movable):
            part[movable[sizes[movable].argmin()]] = empty


def _with_sizes(categories: UnitAmounts, sizes: Floats) -> UnitAmounts:
    """The amounts, with the number of images as a further quantity that weighs more than all others together."""
    n, k = categories.n_units, categories.n_quantities
    ends = categories.first[1:]
    weight = np.sqrt(_SIZE_WEIGHT * max(k, 1)) / max(sizes.sum(), 1)
    return UnitAmounts(
        categories.first + np.arange(n + 1),
        np.insert(categories.quantity, ends, k),
        np.insert(categories.share, ends, sizes * weight),
        k + 1,
    )


def _rarest_first(amounts: UnitAmounts, part: Ints) -> list[int]:
    """The free units (part -1) in the order of assignment; those without any quantity come last."""
    unit = np.repeat(np.arange(amounts.n_units), np.diff(amounts.first))
    free = part < 0
    free_entries = np.flatnonzero(free[unit])
    order = free_entries[np.lexsort((unit[free_entries], -amounts.share[free_entries], amounts.quantity[free_entries]))]
    begin = np.searchsorted(amounts.quantity[order], np.arange(amounts.n_quantities + 1))
    n_left = np.bincount(amounts.quantity[free_entries], minlength=amounts.n_quantities)
    units: list[int] = []
    while n_left.any():
        rarest = int(np.where(n_left > 0, n_left, np.iinfo(np.int64).max).argmin())
        for candidate in unit[order[begin[rarest] : begin[rarest + 1]]].tolist():
            if free[candidate]:
                free[candidate] = False
                units.append(candidate)
                n_left[amounts.entries(candidate)[0]] -= 1
    return [*units, *np.flatnonzero(free).tolist()]


class _Assignment:
    """An assignment of units to parts, and the moves and swaps that reduce its cost.

    The cost of parts is Σ (has - wanted)² / share, over all quantities and parts; to add a to what a part has changes
    it by a (2 (has - wanted) + a) / share.
    """

    def __init__(self, amounts: UnitAmounts, shares: Floats) -> None:
        from scipy.sparse import csr_array

        size = (amounts.n_units, amounts.n_quantities)
        self._amounts, self._shares = amounts, shares
        self._rows = csr_array((amounts.share, amounts.quantity, amounts.first), shape=size)
        self._squared = np.asarray((self._rows**2).sum(axis=1)).ravel()
        self._excess = -np.outer(np.asarray(self._rows.sum(axis=0)).ravel(), shares)  # (k, n_parts): has - wanted

    def put(self, unit: int, part: int, times: int = 1) -> None:
        """Add a unit to a part (`times` 1), or remove it (-1)."""
        quantity, share = self._amounts.entries(unit)
        self._excess[quantity, part] += times * share

    def wanting(self, unit: int) -> int:
        """The part that lacks most of the unit's quantities, then most images; the first of equal ones."""
        quantity, _ = self._amounts.entries(unit)
        lack = -self._excess[quantity]
        return int((lack[:-1].sum(axis=0) / max(len(quantity) - 1, 1) + lack[-1]).argmax())

    def move(self, unit: int, part: Ints) -> bool:
        """Move a unit to the part with the lowest cost; False if it is already there."""
        quantity, share = self._amounts.entries(unit)
        current = int(part[unit])
        excess = self._excess[quantity]
        excess[:, current] -= share
        cost = (share[:, None] * (2 * excess + share[:, None])).sum(axis=0) / self._shares
        best = int(cost.argmin())
        if cost[best] >= cost[current] - _MIN_GAIN:
            return False
        self.put(unit, current, -1)
        self.put(unit, best)
        part[unit] = best
        return True

    def swap(self, unit: int, part: Ints, free: Ints) -> bool:
        """Swap a unit with the free unit of another part that reduces the cost most; False if none does."""
        own, unit_shares = int(part[unit]), np.zeros(self._amounts.n_quantities)
        quantity, share = self._amounts.entries(unit)
        unit_shares[quantity] = share
        others = free[part[free] != own]
        if not len(others):
            return False
        other_shares, other_parts = self._rows[others], part[others]
        gradient = 2 * (self._excess[:, [own]] / self._shares[own] - self._excess / self._shares)  # (k, n_parts)
        distance = self._squared[others] - 2 * (other_shares @ unit_shares) + self._squared[unit]
        linear = (other_shares @ gradient)[np.arange(len(others)), other_parts] - (unit_shares @ gradient)[other_parts]
        cost = linear + distance * (1 / self._shares[own] + 1 / self._shares[other_parts])
        best = int(cost.argmin())
        if cost[best] >= -_MIN_GAIN:
            return False
        other = int(others[best])
        for moving, old, new in ((unit, own, int(other_parts[best])), (other, int(other_parts[best]), own)):
            self.put(moving, old, -1)
            self.put(moving, new)
            part[moving] = new
        return True


MEASURES = ("images", "segments", "pixels")
_SUM_TOLERANCE = 1e-6  # of the sum of shares, which must be 1


@dataclass(frozen=True, slots=True)
class SplitAssignment:
    """The part that each image is assigned to.

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
        return f"SplitAssignment({sizes} images; {len(self.categories)} categories)"

    @property
    def shares(self) -> Floats:
        """(n_categories, 3, n_parts) of the images, segments and pixels of each category."""
        shares: Floats = self.counts / np.maximum(self.counts.sum(axis=2, keepdims=True), 1)
        return shares

    @property
    def deviation(self) -> Floats:
        """(n_categories, 3) how far the share of any part is from the wanted one, at most."""
        deviation: Floats = np.abs(self.shares - self.wanted).max(axis=2, initial=0)
        return deviation

    @property
    def missing(self) -> dict[str, tuple[str, ...]]:
        """The categories that a part lacks, although they occur in at least as many images as there are parts."""
        images = self.counts[:, 0]
        enough = images.sum(axis=1) >= len(self.parts)
        lacks = (images == 0) & enough[:, None]
        names = np.array(self.categories, object)
        return {
            part: tuple(names[lacks[:, number]]) for number, part in enumerate(self.parts) if lacks[:, number].any()
        }


def check_shares(parts: Mapping[str, float]) -> tuple[tuple[str, ...], Floats]:
    """The names and shares (k,) of parts; raises SegdataError if shares are not positive or do not sum to 1."""
    shares = np.array(list(parts.values()), np.float64)
    if len(shares) < 2 or not (shares > 0).all() or abs(shares.sum() - 1) > _SUM_TOLERANCE:
        shown = ", ".join(f"{name}={share:g}" for name, share in parts.items())
        raise SegdataError(f"parts must be two or more positive shares that sum to 1, they are {shown or 'none'}")
    return tuple(parts), shares / shares.sum()


def group_images(tables: Tables, columns: Sequence[str], pairs: Iterable[tuple[int, int]] = ()) -> Ints:
    """(n_images,) the number of the unit that each image belongs to: its group or sequence, joined by `pairs` of rows.

    `columns`: further columns whose values join images, as `segdata.core.strata` names them. Raises SegdataError if
    no image has a value in one of these.
    """
    n = len(tables.images)
    ends = [np.array(list(pairs), np.int64).reshape(-1, 2)]
    for column in ("group", "sequence", *columns):
        names, number = number_names(image_strata(tables, column))
        if n and not names and column in columns:
            raise SegdataError(f"no image has a value for {column!r}")
        first = np.full(len(names), n, np.int64)
        rows = np.flatnonzero(number >= 0)
        np.minimum.at(first, number[rows], rows)
        ends.append(np.stack([rows, first[number[rows]]], axis=1))
    a, b = np.concatenate(ends).T
    return linked_groups(n, a, b)


def assign_splits(
    tables: Tables, parts: Mapping[str, float], unit: Ints, seed: int, kept: Ints | None = None
) -> SplitAssignment:
    """Assign images to parts by whole units (n_images,), so that all categories are balanced.

    `kept` (n_images,): the number of the part that an image and its unit stay in; -1: any. The same images and seed
    give the same parts, whatever the order of the images. Crowds count; void does not.
    """
    names, shares = check_shares(parts)
    images = tables.images["image_id"].tolist()
    rank = _unit_ranks(images, unit, seed)  # units in an order of their own
    place = rank[unit]
    tally = CategoryTally.count(example_segments(tables), example_segments(tables)["image"])
    ids, category = np.unique(tally.category, return_inverse=True)
    measured = np.stack([np.ones(len(category)), tally.segments, tally.pixels])
    amounts = UnitAmounts.from_entries(
        np.tile(place[tally.owner], len(MEASURES)),
        (category + len(ids) * np.arange(len(MEASURES))[:, None]).ravel(),
        measured.ravel().astype(np.float64),
        len(rank),
        len(ids) * len(MEASURES),
    )
    sizes = np.bincount(place, minlength=len(rank)).astype(np.float64)
    part = stratify(amounts, sizes, shares, _kept_parts(place, kept, len(rank)))[place]
    counts = np.zeros((len(ids), len(MEASURES), len(names)), np.int64)
    np.add.at(counts.transpose(0, 2, 1), (category, part[tally.owner]), measured.T.astype(np.int64))
    return SplitAssignment(
        parts=names,
        wanted=shares,
        part_of={image: names[number] for image, number in zip(images, part.tolist(), strict=True)},
        n_images=np.bincount(part, minlength=len(names)),
        n_units=len(rank),
        largest=int(sizes.max(initial=0)),
        categories=tuple(tables.profile.name_of(int(id_)) for id_ in ids),
        counts=counts,
    )


def shuffle_rows(names: Sequence[str], seed: int) -> Ints:
    """(n,) the rows of names in a random order that depends only on the names and the seed.

    >>> shuffle_rows(["a", "b", "c"], 0).tolist(), shuffle_rows(["c", "b", "a"], 0).tolist()
    ([0, 1, 2], [2, 1, 0])
    """
    keys = [hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest() for name in names]
    return np.array(sorted(range(len(names)), key=keys.__getitem__), np.int64)


def _unit_ranks(images: Sequence[str], unit: Ints, seed: int) -> Ints:
    """(n_units,) the position of each unit in a random order that depends on the names of its images and the seed."""
    first: dict[int, str] = {}
    for name, number in zip(images, unit.tolist(), strict=True):
        first[number] = min(first.get(number, name), name)
    order = shuffle_rows([first[number] for number in range(len(first))], seed)
    return positions_in(order, len(order))


def _kept_parts(place: Ints, kept: Ints | None, n_units: int) -> Ints:
    """(n_units,) the part in which most images of a unit are already; -1: any."""
    if kept is None or not len(kept):
        return np.full(n_units, -1, np.int64)
    votes = np.zeros((n_units, int(kept.max()) + 2), np.int64)
    np.add.at(votes, (place, kept + 1), 1)
    votes[:, 0] = 0
    return np.where(votes.any(axis=1), votes.argmax(axis=1) - 1, -1)
