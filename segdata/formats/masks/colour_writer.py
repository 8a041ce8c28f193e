"""Colour writer: palette PNGs whose index is the category id, where ids and the unlabelled value fit, else RGB PNGs."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.loss import Losses
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.shared.count_losses import count_category_mask_losses, count_hidden_segments, count_spatial_losses
from segdata.formats.shared.mask_values import MaskPalette, mask_palette
from segdata.formats.shared.painting import ImageSegments, MaskPaths, paint, segments_by_image
from segdata.formats.shared.pairing import write_index
from segdata.formats.shared.taxonomies import write_sidecars

_NO_VALUE = 2**32 - 1  # neither an index nor a packed colour


def write_colour_masks(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write `masks/`, `images.csv` and `taxonomy.yaml` below `target`; pixels stay what they are, instances do not."""
    ink = mask_palette(profile.taxonomy)
    count_spatial_losses(profile, losses)
    target.mkdir(parents=True)
    blank_used: list[bool] = []
    write_index(target, _rows(batches, target, ink, losses, blank_used))
    taxonomy = profile.taxonomy
    if any(blank_used):
        taxonomy = msgspec.structs.replace(taxonomy, unlabelled=ink.unlabelled)
    write_sidecars(target, profile, taxonomy)


def _rows(
    batches: Iterable[Batch], target: Path, ink: MaskPalette, losses: Losses, blank_used: list[bool]
) -> Iterator[tuple[str, str | None, int, int, str | None]]:
    """Write the masks, and tell the rows of the index."""
    names = MaskPaths()
    for batch in batches:
        values = ink.values(batch.segments["category_id"].to_numpy())
        count_category_mask_losses(batch, values, losses, ink.blank)
        for sheet in segments_by_image(batch):
            mask = None
            if sheet.annotated:
                mask = names.name(sheet.image_id)
                pixels = _paint(sheet, values[sheet.segments], ink)
                blank_used.append(ink.blank is not None and bool((pixels == ink.blank).any()))
                count_hidden_segments(batch, sheet, values[sheet.segments], pixels, losses)
                (target / mask).parent.mkdir(parents=True, exist_ok=True)
                ink.picture(pixels).save(target / mask)
            yield sheet.image_id, mask, sheet.width, sheet.height, sheet.uri


def _paint(sheet: ImageSegments, values: Ints, ink: MaskPalette) -> NDArray[np.uint32]:
    """The values of one mask. Segments of unknown categories are left out."""
    pixels = paint(sheet, values, _NO_VALUE if ink.blank is None else ink.blank, np.uint32)
    if ink.blank is None and bool((pixels == _NO_VALUE).any()):
        raise SegdataError(
            f"image {sheet.image_id!r}: all ids from 0 to 255 are categories, none is left for unlabelled"
        )
    return pixels
