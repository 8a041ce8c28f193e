"""Images: which image of B stands opposite which of A."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from segdata.core.config import nearest
from segdata.core.dataset import Dataset
from segdata.core.errors import SegdataError
from segdata.core.pairing import NAMES, ByName, Key, keys
from segdata.core.runs import Ints


@dataclass(frozen=True, slots=True)
class Opposites:
    """Pairs of images, in ascending order of what they have in common.

    Attributes
    ----------
    a, b : (n,) rows of each source's `image_ids`; -1 where that side lacks the image
    by : what they have in common
    """

    a: Ints
    b: Ints
    by: ByName

    def portions(self, n: int) -> list[tuple[Ints, Ints]]:
        """The pairs in up to `n` portions of about the same size."""
        cuts = np.array_split(np.arange(len(self.a)), max(n, 1))
        return [(self.a[rows], self.b[rows]) for rows in cuts if len(rows)]


def opposites(a: Dataset, b: Dataset, only: Iterable[str] | None = None) -> Opposites:
    """The images of A and B in pairs; `only` those of which either side has one of these ids.

    Where no image of A is called as one of B they are paired by what their names have in common. A name that one side
    has twice then pairs nothing. Raises SegdataError for an id that neither has.
    """
    ids_a, ids_b = a.image_ids, b.image_ids
    for by in NAMES:
        found = _paired(keys(ids_a, by), keys(ids_b, by), by)
        if bool(((found.a >= 0) & (found.b >= 0)).any()):
            break
    else:
        found = _paired(keys(ids_a, "id"), keys(ids_b, "id"), "id")
    if only is not None:
        found = _chosen(found, ids_a, ids_b, set(only))
    return Opposites(_of_source(a, found.a), _of_source(b, found.b), found.by)


def _paired(a: list[Key], b: list[Key], by: ByName) -> Opposites:
    at_a = {key: row for row, key in enumerate(a)}
    at_b = {key: row for row, key in enumerate(b)}
    every = sorted(at_a.keys() | at_b.keys(), key=lambda key: (key[0], str(key[1])))
    rows = [np.array([at.get(key, -1) for key in every], np.int64) for at in (at_a, at_b)]
    return Opposites(rows[0], rows[1], by)


def _chosen(pairs: Opposites, ids_a: list[str], ids_b: list[str], wanted: set[str]) -> Opposites:
    for name in sorted(wanted - {*ids_a, *ids_b}):
        raise SegdataError(f"no image {name!r} in either dataset{nearest(name, [*ids_a, *ids_b])}")
    sides = zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)
    kept = np.array([(a >= 0 and ids_a[a] in wanted) or (b >= 0 and ids_b[b] in wanted) for a, b in sides], bool)
    return Opposites(pairs.a[kept], pairs.b[kept], pairs.by)


def _of_source(dataset: Dataset, rows: Ints) -> Ints:
    """Rows of a dataset as rows of its source."""
    return rows if dataset.rows is None else np.where(rows < 0, -1, np.append(dataset.rows, -1)[rows])
