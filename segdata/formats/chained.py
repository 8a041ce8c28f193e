"""Chained: several sources as one, for datasets that are kept in several documents."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.core.batch import Batch, concatenate
from segdata.core.defect import Defect
from segdata.core.format import Source
from segdata.core.profile import Profile
from segdata.core.runs import Ints


@dataclass(frozen=True, slots=True)
class ChainedSource:
    """Sources one after the other.

    Attributes
    ----------
    profile : of the whole
    sources : of images that have different ids
    more : defects of the whole, beside the sources'
    """

    profile: Profile
    sources: tuple[Source, ...]
    more: tuple[Defect, ...] = ()

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) of all."""
        return [image_id for source in self.sources for image_id in source.image_ids]

    @property
    def defects(self) -> Sequence[Defect]:
        """Those of all."""
        return [*(defect for source in self.sources for defect in source.defects), *self.more]

    @property
    def _first(self) -> Ints:
        """(n_sources + 1,) the first row of each, and one past the last."""
        return np.cumsum([0, *(len(source.image_ids) for source in self.sources)])

    def chunks(self) -> list[Ints]:
        """The sources' portions, rows counted over all."""
        return [
            rows + first for source, first in zip(self.sources, self._first, strict=False) for rows in source.chunks()
        ]

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, in that order."""
        first = self._first
        source = np.searchsorted(first, rows, side="right") - 1
        stretches = np.split(rows, np.flatnonzero(np.diff(source)) + 1) if len(rows) else []
        of = [int(np.searchsorted(first, stretch[0], side="right")) - 1 for stretch in stretches]
        return concatenate([self.sources[k].load(stretch - first[k]) for k, stretch in zip(of, stretches, strict=True)])
