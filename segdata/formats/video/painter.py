"""Painter: writes videos as a mask for each frame, whatever its values mean."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.format import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.shared.count_losses import (
    count_category_mask_losses,
    count_hidden_segments,
    count_losses,
    count_spatial_losses,
)
from segdata.formats.shared.painting import ImageSegments, paint, segments_by_image
from segdata.formats.shared.pairing import Cell, write_index
from segdata.formats.video.scheme import Scheme
from segdata.formats.video.spots import Spot, Spots

_IN_INDEX = frozenset({"images.sequence", "images.frame", "images.split"})
Values = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Painter:
    """Writes a mask for each annotated image, and `images.csv`.

    Attributes
    ----------
    scheme : the values of segments
    blank : the value of unlabelled pixels; where it is that of a category of void, they are counted as "unlabelled"
    spots : where files go
    save : writes the (height, width) values of one frame and tells the file's path below the target; the values (k,)
        that occur come with their categories
    lost : what the format cannot hold
    """

    scheme: Scheme
    blank: int
    spots: Spots
    save: Callable[[Spot, Values, Ints, Ints], str]
    lost: frozenset[LossKind]

    def write(self, profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
        """Write all frames below `target`."""
        count_spatial_losses(profile, losses)
        write_index(target, self._rows(batches, losses), videos=True)

    def _rows(self, batches: Iterable[Batch], losses: LossCounter) -> Iterator[tuple[Cell, ...]]:
        """Write the masks, and tell the rows of the index."""
        by_columns = self.lost - {"track"} - ({"crowd"} if self.scheme.plain_crowds else set())
        for batch in batches:
            count_losses(batch, losses, by_columns, _IN_INDEX)
            values = self.scheme.values(batch, losses)
            count_category_mask_losses(batch, values, losses, ids=values)
            category = batch.segments["category_id"].to_numpy()
            films = zip(*(batch.images[name].to_pylist() for name in ("sequence", "frame", "split")), strict=True)
            for sheet, spot, film in zip(segments_by_image(batch), self.spots.of(batch), films, strict=True):
                name = None
                if sheet.annotated:
                    pixels, shown, rows = self._painted(batch, sheet, values[sheet.segments], losses)
                    name = self.save(spot, pixels, shown, category[rows])
                yield sheet.image_id, name, sheet.width, sheet.height, sheet.uri, *film

    def _painted(
        self, batch: Batch, sheet: ImageSegments, values: Ints, losses: LossCounter
    ) -> tuple[Values, Ints, Ints]:
        """The values of one frame, those that occur (k,), and a segment of each."""
        kept = np.flatnonzero(values >= 0)
        distinct, first, code = np.unique(values[kept], return_index=True, return_inverse=True)
        shown = sheet.only(kept)
        # Painted in small numbers: what occurs is soon looked up then.
        codes = paint(shown, code + 1, 0, np.uint32)
        count_hidden_segments(batch, shown, code + 1, codes, losses)
        area = np.bincount(codes.reshape(-1), minlength=len(distinct) + 1)
        if self.blank == self.scheme.void and self.scheme.voids and area[0]:
            losses.add("unlabelled", "images", 1, int(area[0]), [sheet.image_id])
        meaning = np.concatenate([[self.blank], distinct]).astype(np.uint32)
        seen = area[1:] > 0
        return meaning[codes], distinct[seen], shown.segments[first[seen]]
