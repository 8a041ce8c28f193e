"""By region: segments of overlapping regions painted in the order that nnU-Net paints them, larger ones first."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.format import LossCounter
from segdata.formats.medical.nifti.stack import Picture, Values, picture_rows
from segdata.formats.medical.nnunet.plan import Plan
from segdata.formats.shared.count_losses import count_category_mask_losses
from segdata.formats.shared.painting import ImageSegments, paint, segments_by_image

Mask = NDArray[np.bool_]


def pictures_by_region(batches: Iterable[Batch], plan: Plan, losses: LossCounter) -> Iterator[Picture]:
    """The images of the batches, while what regions cannot hold is counted."""
    regions = plan.regions
    for batch in batches:
        category = batch.segments["category_id"].to_numpy()
        others = batch.take_segments(np.flatnonzero(~np.isin(category, np.array(list(regions), np.int64))))
        count_category_mask_losses(others, np.full(others.n_segments, -1, np.int64), losses)
        streams = []
        for id_ in regions:
            alone = batch.take_segments(np.flatnonzero(category == id_))
            count_category_mask_losses(alone, np.full(alone.n_segments, plan.values[id_], np.int64), losses, 0)
            streams.append(segments_by_image(alone))
        for row, sheet in zip(picture_rows(batch), segments_by_image(batch), strict=True):
            drawn = [next(stream) for stream in streams]
            layers = [_painted(sheet.image_id, drawn, plan, losses)] if sheet.annotated else []
            yield Picture(**row, height=sheet.height, width=sheet.width, annotated=sheet.annotated, layers=layers)


def _painted(image: str, drawn: list[ImageSegments], plan: Plan, losses: LossCounter) -> Values:
    """One image: a pixel has the value of the last region that it lies in.

    It is lost where that value means other regions than those that the pixel lies in.
    """
    masks = [_mask(each) for each in drawn]
    pixels: Values = np.zeros(masks[0].shape, np.uint16)
    for id_, mask in zip(plan.regions, masks, strict=True):
        pixels[mask] = plan.values[id_]
    changed = np.zeros(pixels.shape, bool)
    for mask, values in zip(masks, plan.regions.values(), strict=True):
        changed |= mask != np.isin(pixels, values)
    losses.add("overlap", "images", int(changed.any()), int(changed.sum()), [image])
    return pixels


def _mask(sheet: ImageSegments) -> Mask:
    return paint(sheet, np.ones(len(sheet.segments), np.int64), 0, np.uint8).astype(bool)
