"""Reported: what readers met under a code, for the rules that pass it on."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from segdata.core.finding import Found
from segdata.core.rule import Tables


def reported(tables: Tables, code: str) -> Iterator[Found]:
    """The defects that readers met under this code, as they reported them."""
    for defect in tables.defects:
        if defect.code == code:
            yield Found(
                defect.message,
                ids=defect.segments,
                image_id=defect.image,
                annotator=defect.annotator,
                bbox=defect.bbox,
                pixels=defect.pixels,
                category=defect.category,
                severity=defect.severity,
                file=defect.file,
                place=defect.place,
                line=defect.line,
            )


def is_lossy(tables: Tables) -> NDArray[np.bool_]:
    """(n_segments,) whether the segment's mask is one that its storage changed (SEG010): its details mean nothing."""
    lossy = {defect.image for defect in tables.defects if defect.code == "SEG010" and defect.image is not None}
    if not lossy:
        return np.zeros(len(tables.segments), bool)
    image = np.isin(tables.images["image_id"].astype(str), sorted(lossy))
    return image[tables.segments["image"]]


def was_reported(tables: Tables, code: str) -> NDArray[np.bool_]:
    """(n_segments,) whether a defect of this code names the segment, so that no other rule need speak of it."""
    told = {(defect.image, each) for defect in tables.defects if defect.code == code for each in defect.segments}
    result = np.zeros(len(tables.segments), bool)
    if told:
        image = tables.images["image_id"]
        columns = tables.segments.lines("image", "segment_id", "source_id")
        result[:] = [(image[row], id_ if own is None else own) in told for row, id_, own in columns]
    return result


def text(value: object) -> str | None:
    """A text cell; None for a missing one."""
    return value if isinstance(value, str) else None
