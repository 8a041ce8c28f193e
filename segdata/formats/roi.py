"""Regions of interest from mask files: where labels are expected, for any format."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from segdata.core.batch import Batch, replaced
from segdata.core.counts import counts_of_runs
from segdata.core.defect import Defect
from segdata.core.errors import SegdataError
from segdata.core.format import Source
from segdata.formats.altered import AlteredSource
from segdata.formats.images import ImageFolder
from segdata.formats.masks.maskfile import decode
from segdata.formats.masks.partner import match
from segdata.formats.masks.valueruns import ValueRuns


def with_regions(source: Source, folder: Path) -> AlteredSource:
    """`source` with the regions of interest in `folder`: masks paired with images by name, everything but 0 inside.

    Raises SegdataError where no mask has the name of an image.
    """
    masks = ImageFolder.below(folder)
    partner, _ = match(masks.paths, source.image_ids)
    if not partner:
        raise SegdataError(f"{folder}: no mask there has the name of an image; they are paired as masks and images are")
    files = {image: masks.paths[mask] for mask, image in partner.items()}
    return AlteredSource(source, partial(_limited, files, folder))


def _limited(files: dict[str, Path], folder: Path, batch: Batch) -> Batch:
    """The batch with a region of interest for each image that has a mask of its size."""
    defects = list(batch.defects)
    regions = [
        _region(files[image], folder, image, (int(high), int(wide)), defects) if image in files else None
        for image, high, wide in zip(batch.images["image_id"].to_pylist(), *batch.image_size, strict=True)
    ]
    return replace(batch, images=replaced(batch.images, "roi", regions), defects=tuple(defects))


def _region(path: Path, folder: Path, image: str, size: tuple[int, int], defects: list[Defect]) -> bytes | None:
    """The counts of the region in a mask file; None, which means everywhere, and a defect, where it does not serve."""
    name = path.relative_to(folder).as_posix()
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
