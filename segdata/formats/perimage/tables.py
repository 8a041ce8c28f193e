"""Tables: rows of images for their entries, and of annotations for what is drawn on them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from segdata.core.columns import BATCH_ANNOTATIONS, BATCH_IMAGES, table
from segdata.core.runs import Rows
from segdata.formats.perimage.entry import Entry


class Signed(Protocol):
    """What one annotator drew on one image."""

    @property
    def annotator(self) -> str | None:
        """Who drew; None: as the user says."""

    @property
    def annotation(self) -> Mapping[str, object]:
        """Further columns of `columns.BATCH_ANNOTATIONS`, a value each."""


def image_table(entries: Sequence[Entry], sizes: Sequence[tuple[int, int]]) -> pa.Table:
    """Rows of `columns.BATCH_IMAGES`; `sizes` (n,) are heights and widths in pixels, 0 where unknown."""
    return table(
        BATCH_IMAGES,
        len(entries),
        image_id=[entry.image_id for entry in entries],
        source_id=[entry.source_id for entry in entries],
        uri=[entry.image.as_posix() if entry.image else entry.uri for entry in entries],
        channels=[None if entry.channels is None else list(entry.channels) for entry in entries],
        height=[height or None for height, _ in sizes],
        width=[width or None for _, width in sizes],
        sequence=[entry.sequence for entry in entries],
        frame=[entry.frame for entry in entries],
        split=[entry.split for entry in entries],
        group=[entry.group for entry in entries],
        metadata=[list(entry.metadata.items()) or None for entry in entries],
    )


def annotation_table(drawn: Sequence[Signed], image: Rows, annotator: str | None, **columns: object) -> pa.Table:
    """Rows of `columns.BATCH_ANNOTATIONS`; `image` (n,) are rows of images, `annotator` is for what nobody signed."""
    named = dict.fromkeys(name for each in drawn for name in each.annotation)
    columns |= {name: [each.annotation.get(name) for each in drawn] for name in named}
    whose = [each.annotator or annotator for each in drawn]
    return table(BATCH_ANNOTATIONS, len(drawn), image=image, annotator=whose, **columns)
