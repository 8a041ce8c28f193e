"""Correction: what a finding says that the labels should rather be, for a reviewer to accept."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["add", "delete", "rename", "redraw", "split", "join"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What to do. Nothing changes by itself.

    Attributes
    ----------
    action : "add" a segment; or, of the first segment that the finding names, "delete" it, "rename" it (its pixels
        stay), "redraw" it, "split" it into pieces, or "join" it with another. What is added or redrawn lies on top: in
        labels where no pixel is of two segments it takes its pixels from others
    category : the name of what is proposed; None for "delete"
    size : (height, width) of the image
    counts : the pixels of what is proposed, a COCO compressed RLE string for each piece; none for "delete"
    joins : the source's own id of the segment to join it with; None unless that is to be done
    iou : of what was given with what is proposed, all pieces together; None where nothing was given
    """

    action: Action
    category: str | None
    size: tuple[int, int]
    counts: tuple[str, ...] = ()
    joins: int | str | None = None
    iou: float | None = None
