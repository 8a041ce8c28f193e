"""Conversion: the batches of a dataset on their way to a writer, with a count of what is lost on the way."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from segdata.core.batch import Batch
from segdata.core.dataset import OpenDataset
from segdata.core.errors import LossError, SegdataError
from segdata.core.finding import Defect
from segdata.core.format import Loss, LossCounter
from segdata.formats.shapes.source_polygons import RasterDisagreement, raster_disagreement
from segdata.store.remap import Remap

_EXACT_IN_COCO = frozenset({"coco", "mask-native"})  # raster rules of which COCO's polygons are no other reading

# Defects that keep something of the source from being read; the others are read nevertheless, as is an image with an
# unsafe path (SEG015) where it has another name now.
_UNREAD = frozenset({"SEG001", "SEG004", "SEG005", "SEG006", "SEG007", "SEG009", "SEG014", "SEG015", "SEG021"})


def _is_unread(defect: Defect) -> bool:
    """Whether something of the source was left out; of SEG017 only values that are no whole numbers."""
    if defect.lost is not None:
        return defect.lost
    return defect.code in _UNREAD or (defect.code == "SEG017" and bool(defect.pixels))


class ConversionStream:
    """The batches on their way to the writer, counted; at their end, what could not be read is a loss."""

    def __init__(
        self, dataset: OpenDataset, losses: LossCounter, progress: Callable[[int], None], remap: Remap | None = None
    ) -> None:
        self.losses, self.defects = losses, list(dataset.source.defects)
        self.n_images = self.n_segments = 0
        self.apart: RasterDisagreement | None = (
            None if dataset.profile.raster_rule in _EXACT_IN_COCO else RasterDisagreement()
        )
        self._dataset, self._progress, self._remap = dataset, progress, remap

    def _unread(self) -> list[Defect]:
        """The defects that lost something of the source."""
        lost = [defect for defect in self.defects if defect.severity != "info" and _is_unread(defect)]
        present = (
            set(self._dataset.source.image_ids) if any(defect.code == "SEG015" for defect in lost) else frozenset()
        )
        return [defect for defect in lost if defect.code != "SEG015" or defect.image not in present]

    def batches(self, jobs: int, loaded: Iterable[Batch] | None = None) -> Iterator[Batch]:
        """Every batch, images in ascending order of image_id; `loaded`: from elsewhere, in this order."""
        for batch in self._dataset.batches(jobs, in_order=True) if loaded is None else loaded:
            apart = None if self.apart is None else raster_disagreement(batch)
            self.count(batch.n_segments, batch.defects, apart)
            yield batch
            self.advance(batch.images.num_rows)
        self.finish()

    def count(self, n_segments: int, defects: Iterable[Defect], apart: RasterDisagreement | None) -> None:
        """Count a batch; `apart`: how its pixels differ from COCO's, where that is asked for."""
        self.defects.extend(defects)
        self.n_segments += n_segments
        if self.apart is not None and apart is not None:
            self.apart += apart

    def advance(self, n_images: int) -> None:
        """Count images that are written."""
        self.n_images += n_images
        self._progress(n_images)

    def finish(self) -> None:
        """Count what could not be read, when all is written but what names the losses."""
        if self._remap is not None:
            self._remap.count(self.losses)
        unread = self._unread()
        examples = (
            " ".join(filter(None, (defect.code, "in", defect.file or defect.image, defect.place))) for defect in unread
        )
        pixels = sum(defect.pixels or 0 for defect in unread)
        self.losses.add("unreadable", "defects", len(unread), pixels, examples)

    def check(self, on_loss: Literal["warn", "error", "allow"]) -> tuple[Loss, ...]:
        """What was lost; raises where nothing was there to write, or something was lost that must not be."""
        if self.n_images == 0:
            first = f": {self.defects[0].file or ''}: {self.defects[0].message}" if self.defects else ""
            raise SegdataError(f"{self._dataset.profile.files}: no image could be read{first}")
        losses = self.losses.listed()
        if on_loss == "error" and losses:
            raise LossError(losses)
        return tuple(losses)
