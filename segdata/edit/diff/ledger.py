"""Ledger: differences as they are found, counted by kind, with the first few of each."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segdata.edit.diff.difference import Change, Count
from segdata.edit.diff.kinds import Kind


@dataclass(slots=True)
class Ledger:
    """Differences as they are found.

    Attributes
    ----------
    limit : how many of each kind to keep; None: all
    ignored : kinds that are not counted
    counts : by kind
    changes : by kind, in the order of images
    moves : pixels by their category in A and in B; None: no category
    n_images, n_segments : in A and in B
    n_kept : segments of A that have the same image, category and pixels in B
    n_same : those of which B says everything else too that A says; their ids and vertices apart
    defects : in A and in B, what was met while reading, by code
    """

    limit: int | None
    ignored: frozenset[Kind] = frozenset()
    counts: dict[Kind, Count] = field(default_factory=dict)
    changes: dict[Kind, list[Change]] = field(default_factory=dict)
    moves: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    n_images: list[int] = field(default_factory=lambda: [0, 0])
    n_segments: list[int] = field(default_factory=lambda: [0, 0])
    n_kept: int = 0
    n_same: int = 0
    defects: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))

    def add(
        self,
        kind: Kind,
        images: NDArray[np.integer],
        change: Callable[[int], Change],
        pixels: NDArray[np.integer] | None = None,
    ) -> None:
        """Count n differences of one kind.

        Parameters
        ----------
        images : (n,) a number for the image of each
        change : makes the k-th of them; called for the first few only
        pixels : (n,) how many pixels each concerns
        """
        n = len(images)
        if n == 0 or kind in self.ignored:
            return
        count = self.counts.setdefault(kind, Count())
        count.n += n
        count.images += len(np.unique(images))
        count.pixels += 0 if pixels is None else int(pixels.sum())
        kept = self.changes.setdefault(kind, [])
        wanted = n if self.limit is None else min(n, self.limit - len(kept))
        kept.extend(change(k) for k in range(wanted))

    def put(self, change: Change) -> None:
        """Count one difference that concerns no image."""
        self.add(change.kind, np.zeros(1, np.int64), lambda k: change)
        if change.kind in self.counts:
            self.counts[change.kind].images = 0

    def merge(self, other: "Ledger") -> None:
        """Add what was found in further images."""
        for kind, count in other.counts.items():
            mine = self.counts.setdefault(kind, Count())
            mine.n, mine.images, mine.pixels = mine.n + count.n, mine.images + count.images, mine.pixels + count.pixels
            kept = self.changes.setdefault(kind, [])
            room = None if self.limit is None else self.limit - len(kept)
            kept.extend(other.changes[kind][:room])
        self.moves.update(other.moves)
        self.n_kept, self.n_same = self.n_kept + other.n_kept, self.n_same + other.n_same
        for side in (0, 1):
            self.n_images[side] += other.n_images[side]
            self.n_segments[side] += other.n_segments[side]
            self.defects[side].update(other.defects[side])
