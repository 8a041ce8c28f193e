"""A canvas that keeps, beside the colours, which segment is visible at each pixel."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.sample.taxonomy import Category
from segdata.sample.texture import Field

OVERSAMPLE = 2
FRACTION_BITS = 4  # cv2 takes fixed-point vertices: edges are placed to a sixteenth of a fine pixel

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Segment:
    """What one label of a picture stands for; `track` numbers the things, 0 is stuff."""

    category: Category
    track: int
    crowd: bool = False


@dataclass
class Canvas:
    """Paint later, cover earlier: the label map always tells what is visible.

    `rgb` is (height, width, 3) float32 and `label` (height, width) int32, both OVERSAMPLE times the picture's size.
    Label k > 0 stands for `segments[k - 1]`.
    """

    rgb: NDArray[np.float32]
    label: NDArray[np.int32]
    surfaces: dict[str, Field]
    segments: list[Segment] = field(default_factory=list)

    def segment(self, category: Category, track: int = 0, crowd: bool = False) -> int:
        """The label for a segment: a new one for each thing, the same one for all stuff of a category."""
        wanted = Segment(category, track, crowd)
        if wanted not in self.segments:
            self.segments.append(wanted)
        return self.segments.index(wanted) + 1

    def fill(
        self, rings: list[NDArray[np.float64]], colour: Colour, label: int | None = None, *, surface: str = "plain",
        rough: float = 10, fade: float = 0.0,
    ) -> None:  # fmt: skip
        """Paint the pixels inside an odd number of rings (pixel positions, each (n, 2)).

        `rough` is the strength of the surface's noise, in grey levels, `fade` how much darker the lowest row is
        than the highest (0 to 1). Without a label the colour is paint on whatever segment is there.
        """
        inside, rows, columns = self._stencil(rings)
        if not inside.any():
            return
        ramp = np.linspace(1, 1 - fade, inside.shape[0], dtype=np.float32)[:, None, None]
        paint = np.asarray(colour, np.float32) * ramp + self.surfaces[surface][rows, columns, None] * np.float32(rough)
        self.rgb[rows, columns][inside] = np.broadcast_to(paint, (*inside.shape, 3))[inside]
        if label is not None:
            self.label[rows, columns][inside] = label

    def veil(self, ring: NDArray[np.float64], colour: Colour, strength: float, softness: float) -> None:
        """Blend a colour over what lies under a ring, with an edge that is `softness` pixels soft."""
        reach = int(softness * OVERSAMPLE * 3)
        inside, rows, columns = self._stencil([ring], reach)
        if inside.any():
            cover = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), max(softness * OVERSAMPLE, 0.5))[
                ..., None
            ] * np.float32(strength)
            self.rgb[rows, columns] = self.rgb[rows, columns] * (1 - cover) + np.asarray(colour, np.float32) * cover

    def shade(self, ring: NDArray[np.float64], strength: float, softness: float) -> None:
        """Darken what lies under a ring: a soft shadow."""
        self.veil(ring, (0, 0, 0), strength, softness)

    def assign(self, ring: NDArray[np.float64], label: int) -> None:
        """Give the pixels inside a ring to a segment without painting them."""
        inside, rows, columns = self._stencil([ring])
        self.label[rows, columns][inside] = label

    def _stencil(self, rings: list[NDArray[np.float64]], margin: int = 0) -> tuple[NDArray[np.bool_], slice, slice]:
        corners = np.concatenate(rings) * OVERSAMPLE
        height, width = self.label.shape
        low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - margin, 0)
        high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1 + margin, (width, height))
        columns, rows = slice(low[0], max(high[0], low[0])), slice(low[1], max(high[1], low[1]))
        inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        if inside.size:
            fixed = [np.round((ring * OVERSAMPLE - low) * 2**FRACTION_BITS).astype(np.int32) for ring in rings]
            cv2.fillPoly(inside, fixed, 1, shift=FRACTION_BITS)
        return inside.astype(bool), rows, columns


def scaled(colour: Colour, by: float) -> Colour:
    """A colour made darker (below 1) or lighter."""
    red, green, blue = colour
    return red * by, green * by, blue * by
