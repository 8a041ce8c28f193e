"""Altered: a source whose batches are added to after they are loaded, whatever the format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from segdata.core.batch import Batch
from segdata.core.defect import Defect
from segdata.core.format import Source
from segdata.core.profile import Profile
from segdata.core.runs import Ints


@dataclass(frozen=True, slots=True)
class AlteredSource:
    """A source with something more.

    Attributes
    ----------
    source : the dataset
    alter : what becomes of each batch; called from any thread
    more : defects of the whole dataset, beside the source's
    """

    source: Source
    alter: Callable[[Batch], Batch]
    more: tuple[Defect, ...] = ()

    @property
    def profile(self) -> Profile:
        """As the source's."""
        return self.source.profile

    @property
    def image_ids(self) -> Sequence[str]:
        """As the source's."""
        return self.source.image_ids

    @property
    def defects(self) -> Sequence[Defect]:
        """The source's, and more."""
        return (*self.source.defects, *self.more)

    def chunks(self) -> list[Ints]:
        """As the source's."""
        return self.source.chunks()

    def load(self, rows: Ints) -> Batch:
        """The source's batch, altered."""
        return self.alter(self.source.load(rows))
