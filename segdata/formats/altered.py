"""Altered: a source whose batches are added to after they are loaded, whatever the format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.compute as pc

from segdata.core.batch import Batch, replaced
from segdata.core.defect import Defect
from segdata.core.errors import check_choice
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

    @property
    def files(self) -> Callable[[int], Sequence[Path]] | None:
        """As the source's, where it has that."""
        return getattr(self.source, "files", None)

    def chunks(self) -> list[Ints]:
        """As the source's."""
        return self.source.chunks()

    def load(self, rows: Ints) -> Batch:
        """The source's batch, altered."""
        return self.alter(self.source.load(rows))


SOURCES = ("human", "model", "consensus")


def made_by(source: Source, whom: str) -> AlteredSource:
    """`source` with `whom` (one of `SOURCES`) as the origin of all annotations that do not say theirs."""
    check_choice("source", whom, SOURCES)
    return AlteredSource(source, lambda batch: _from(batch, whom))


def _from(batch: Batch, whom: str) -> Batch:
    annotations = replaced(batch.annotations, "source", pc.fill_null(batch.annotations["source"], whom))
    return replace(batch, annotations=annotations)
