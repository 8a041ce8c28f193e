"""By category: segments painted with the values of their categories, layer by layer."""

from collections.abc import Iterable, Iterator

import numpy as np

from segdata.core.batch import Batch
from segdata.core.format import LossCounter
from segdata.core.runs import Ints
from segdata.formats.medical.nifti.layering import Layering
from segdata.formats.medical.nifti.stack import Picture, Values, picture_rows
from segdata.formats.shared.count_losses import count_category_mask_losses, count_hidden_segments
from segdata.formats.shared.painting import paint, segments_by_image


def pictures_by_category(batches: Iterable[Batch], layering: Layering, losses: LossCounter) -> Iterator[Picture]:
    """The images of the batches, while what one value a pixel cannot hold is counted."""
    for batch in batches:
        layer, value = layering.of(batch.segments["category_id"].to_numpy())
        rows = picture_rows(batch)
        layers = [
            _painted(batch, np.flatnonzero(layer == row), value, layering.blank, losses)
            for row in range(len(layering.layers))
        ]
        for row, sheet in zip(rows, segments_by_image(batch), strict=True):
            values = [next(each) for each in layers]
            yield Picture(
                **row,
                height=sheet.height,
                width=sheet.width,
                annotated=sheet.annotated,
                layers=[each for each in values if each is not None],
            )


def _painted(batch: Batch, rows: Ints, value: Ints, blank: int, losses: LossCounter) -> Iterator[Values | None]:
    """The values of one layer in each image of a batch, made of its segments at `rows`; None: it is not annotated."""
    layer = batch.take_segments(rows)
    values = value[rows]
    count_category_mask_losses(layer, values, losses, blank)
    most = max(int(values.max(initial=0)), blank)
    narrow = np.uint8 if most < 2**8 else np.uint16 if most < 2**16 else np.uint32
    for sheet in segments_by_image(layer):
        if not sheet.annotated:
            yield None
            continue
        pixels = paint(sheet, values[sheet.segments], blank, np.uint32)
        count_hidden_segments(layer, sheet, values[sheet.segments], pixels, losses)
        yield pixels.astype(narrow)
