"""Painter: the masks of one image, a level at a time, and those of its single objects."""

from pathlib import Path

import numpy as np
from PIL import Image

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter
from segdata.core.runs import Runs, expand_ranges
from segdata.formats.ade.amodal import Size, rle, runs_of_rle
from segdata.formats.ade.drawn import HIDDEN, VISIBLE
from segdata.formats.shared.count_losses import count_hidden_segments
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.painting import ImageSegments, paint

MOST = 255  # instances of one level, in the blue of a pixel


def paint_level(batch: Batch, sheet: ImageSegments, path: Path, losses: LossCounter) -> Runs:
    """Write the mask of one level; what can be seen of each of its n segments in it.

    Raises SegdataError where blue cannot number them.
    """
    n = len(sheet.segments)
    if n > MOST:
        raise SegdataError(
            f"image {sheet.image_id!r} has {n} objects on one level, ADE20K's masks hold {MOST}; write instance-ids or "
            "coco-instances, or leave some out"
        )
    category = integer_column(batch.segments["category_id"])[sheet.segments]
    blue = np.floor(255 * np.arange(1, n + 1) / max(n, 1) + 0.5).astype(np.int64)  # spread, as ADE20K has it
    values = category // 256 * 10 | category % 256 << 8 | blue << 16
    pixels = paint(sheet, values, 0, np.uint32)
    channels = pixels.view(np.uint8).reshape(*pixels.shape, 4)[:, :, :3]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(channels)).save(path)
    count_hidden_segments(batch, sheet, values, pixels, losses)
    runs = ValueRuns.of(pixels)
    owner = {value: segment for segment, value in enumerate(values.tolist())}
    return runs.owned(np.array([owner.get(value, -1) for value in runs.value.tolist()], np.int32), n)


def paint_object(visible: Runs, amodal: str | None, size: Size, path: Path) -> bool:
    """Write the mask of one object: what can be seen of it, and what is hidden.

    `visible` has the one owner 0, `amodal` is an attribute. Returns whether that is read back as it is.
    """
    height, width = size
    canvas = np.zeros(height * width, np.uint8)
    whole_ = None if amodal is None else runs_of_rle(amodal, size)
    if whole_ is not None:
        canvas[expand_ranges(whole_.start, whole_.length)] = HIDDEN
    canvas[expand_ranges(visible.start, visible.length)] = VISIBLE
    pixels = np.ascontiguousarray(canvas.reshape(width, height).T)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    if amodal is None:
        return True
    runs = ValueRuns.of(pixels)
    if HIDDEN not in runs.value:
        return False
    return rle(runs.owned(np.where(runs.value > 0, 0, -1).astype(np.int32), 1), size) == amodal
