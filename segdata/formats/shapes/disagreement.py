"""Disagreement: where the source's polygons, drawn by another rule, have other pixels than their segments."""

from dataclasses import dataclass

import numpy as np

from segdata.core.batch import Batch
from segdata.core.profile import RasterRule
from segdata.formats.shapes.differing import differing
from segdata.formats.shapes.drawing import Rounding
from segdata.formats.shapes.rings import Drawn


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How far a rule and the pixels of segments are apart; those of several batches add up.

    Attributes
    ----------
    drawn : segments whose polygons are kept and can be drawn
    differing : those of them that come out with other pixels
    pixels : how many pixels these gain or lose
    """

    drawn: int = 0
    differing: int = 0
    pixels: int = 0

    def __add__(self, other: "Disagreement") -> "Disagreement":
        return Disagreement(self.drawn + other.drawn, self.differing + other.differing, self.pixels + other.pixels)


def disagreement(batch: Batch, rule: RasterRule = "coco", rounding: Rounding = "truncate") -> Disagreement:
    """What a reader that draws the polygons of `batch` by `rule` would see otherwise.

    By "coco" holes are filled, since COCO's polygons have none. Segments without polygons, or whose pixels were
    changed since (they keep no polygons), count nowhere.
    """
    drawn = Drawn.of(batch)
    redrawn = (drawn.filled() if rule == "coco" else drawn).rasterise(rule, rounding)
    rows = np.unique(drawn.segment)
    wrong = differing(batch.runs, redrawn, drawn.height, drawn.width)[rows]
    return Disagreement(len(rows), int(np.count_nonzero(wrong)), int(wrong.sum()))
