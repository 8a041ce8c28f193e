"""Regions of interest from mask files: where labels are expected, for any format."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from segdata.core.batch import Batch, replaced
from segdata.core.counts import counts_of_runs
from segdata.core.defect import Defect
from segdata.core.errors import SegdataError
from segdata.core.format import Source
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.images import ImageFolder
from segdata.formats.masks.maskfile import decode
from segdata.formats.masks.partner import match
from segdata.formats.masks.valueruns import ValueRuns


@dataclass(frozen=True, slots=True)
class RegionSource:
    """A source whose images get the regions of interest that lie in a folder of masks.

    Attributes
    ----------
    source : the dataset
    files : image_id -> mask file; every pixel but 0 belongs to the region
    folder : for messages
    """

    source: Source
    files: dict[str, Path]
    folder: Path

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
        """As the source's."""
        return self.source.defects

    def chunks(self) -> list[Ints]:
        """As the source's."""
        return self.source.chunks()

    def load(self, rows: Ints) -> Batch:
        """The source's batch with a region of interest for each image that has a mask of its size."""
        batch = self.source.load(rows)
        defects = list(batch.defects)
        height, width = batch.image_size
        regions = [
            self._region(image, (int(high), int(wide)), defects)
            for image, high, wide in zip(batch.images["image_id"].to_pylist(), height, width, strict=True)
        ]
        return replace(batch, images=replaced(batch.images, "roi", regions), defects=tuple(defects))

    def _region(self, image: str, size: tuple[int, int], defects: list[Defect]) -> bytes | None:
        """The counts of an image's region; None, with a defect where there is a mask, for everywhere."""
        path = self.files.get(image)
        if path is None:
            return None
        name = path.relative_to(self.folder).as_posix()
        try:
            values = decode(path).values
        except OSError as error:
            defects.append(Defect("SEG001", f"region of interest cannot be read: {error}", name, image=image))
            return None
        if values.shape != size:
            message = f"the region of interest is {values.shape[1]}x{values.shape[0]}, the image {size[1]}x{size[0]}"
            defects.append(Defect("SEG003", message, name, image=image))
            return None
        found = ValueRuns.of(values)
        inside = found.owned(np.where(found.value == 0, -1, 0).astype(np.int32), 1)
        counts = counts_of_runs(inside, np.array([size[0]]), np.array([size[1]]))
        return bytes(counts[0].as_py())


def with_regions(source: Source, folder: Path) -> RegionSource:
    """`source` with the regions of interest in `folder`, paired by name; raises SegdataError where none fits."""
    masks = ImageFolder.below(folder)
    partner, _ = match(masks.paths, source.image_ids)
    if not partner:
        raise SegdataError(f"{folder}: no mask there has the name of an image; they are paired as masks and images are")
    return RegionSource(source, {image: masks.paths[mask] for mask, image in partner.items()}, folder)
