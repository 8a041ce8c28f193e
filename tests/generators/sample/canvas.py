"""The canvas of the sample street: camera, surface textures, and which segment is visible at each pixel."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.generators.sample.taxonomy import Category

Field = NDArray[np.float32]


def value_noise(rng: np.random.Generator, height: int, width: int, cell: float) -> Field:
    """Smooth noise of shape (height, width) whose bumps are about `cell` pixels wide."""
    rows, columns = int(height / cell) + 3, int(width / cell) + 3
    grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    large = cv2.resize(grid, (int(columns * cell) + 1, int(rows * cell) + 1), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large[:height, :width], dtype=np.float32)


def _layered_noise(rng: np.random.Generator, height: int, width: int, cells: tuple[float, ...]) -> Field:
    """Noise of several cell sizes, each as strong as the last, about -1 to 1."""
    layers = [value_noise(rng, height, width, cell) for cell in cells]
    return np.asarray(np.sum(layers, axis=0) / len(cells) ** 0.5, dtype=np.float32)


def surface_textures(rng: np.random.Generator, height: int, width: int) -> dict[str, Field]:
    """The surfaces of a street by name, each of shape (height, width)."""
    leaf = _layered_noise(rng, height, width, (3.5, 7, 15))
    return {
        "plain": value_noise(rng, height, width, 3) * np.float32(0.3),
        "asphalt": value_noise(rng, height, width, 2) * np.float32(0.6)
        + value_noise(rng, height, width, 60) * np.float32(0.5),
        "leaf": np.tanh(leaf * 2.5).astype(np.float32),
        "cloud": cloud(rng, height, width),
        "plaster": value_noise(rng, height, width, 4) * np.float32(0.5)
        + value_noise(rng, height, width, 40) * np.float32(0.5),
        "slab": _paving(rng, height, width),
    }


def cloud(rng: np.random.Generator, height: int, width: int) -> Field:
    """Soft heaps, wider than high: each finer layer is half as strong."""
    layers = [
        value_noise(rng, height * 2, width, cell)[::2] * np.float32(share)
        for cell, share in ((120, 1), (60, 0.5), (28, 0.25), (13, 0.12))
    ]
    return np.asarray(np.sum(layers, axis=0), dtype=np.float32)


def _paving(rng: np.random.Generator, height: int, width: int) -> Field:
    """Slabs with darker joints and a little grain."""
    rows = np.arange(height)[:, None]
    columns = np.arange(width)[None, :] + 18 * (rows // 13 % 2)
    joints = np.where((rows % 13 < 1) | (columns % 36 < 1), np.float32(-0.8), np.float32(0.1))
    return np.asarray(joints + value_noise(rng, height, width, 2) * np.float32(0.5), np.float32)


OVERSAMPLE = 2
_FRACTION_BITS = 4  # cv2 takes fixed-point vertices: edges are placed to a sixteenth of a fine pixel

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Segment:
    """The segment of one label in a picture; `track` numbers the things, 0 is stuff."""

    category: Category
    track: int
    crowd: bool = False


@dataclass
class Canvas:
    """What is painted later covers what is earlier, so the label map always holds what is visible.

    `rgb` is (height, width, 3) float32 and `label` (height, width) int32, both OVERSAMPLE times the picture's size.
    Label k > 0 stands for `segments[k - 1]`.
    """

    rgb: NDArray[np.float32]
    label: NDArray[np.int32]
    surfaces: dict[str, Field]
    segments: list[Segment] = field(default_factory=list)

    def segment(self, category: Category, track: int = 0, crowd: bool = False) -> int:
        """The label for a segment: a new one for each thing, the same one for all stuff of a category."""
        segment = Segment(category, track, crowd)
        if segment not in self.segments:
            self.segments.append(segment)
        return self.segments.index(segment) + 1

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
            fixed = [np.round((ring * OVERSAMPLE - low) * 2**_FRACTION_BITS).astype(np.int32) for ring in rings]
            cv2.fillPoly(inside, fixed, 1, shift=_FRACTION_BITS)
        return inside.astype(bool), rows, columns


def scale_colour(colour: Colour, by: float) -> Colour:
    """A colour made darker (below 1) or lighter."""
    red, green, blue = colour
    return red * by, green * by, blue * by


Points = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """A pinhole camera that looks along a street: `x` to the right, `up` from the ground, `z` ahead, all in metres."""

    width: int
    height: int
    horizon: float
    vanish_x: float
    focal: float
    eye: float

    def project(self, x: object, up: object, z: object) -> Points:
        """Pixel positions, shape (n, 2), of the points with these coordinates in metres (each broadcast to n)."""
        across, above, ahead = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (x, up, z)))
        scale = self.focal / ahead
        return np.stack([self.vanish_x + across * scale, self.horizon + (self.eye - above) * scale], axis=-1)

    def board(self, x: float, z: float, outline: object) -> Points:
        """An outline of (right, up) metres, shape (n, 2), standing upright at (x, z)."""
        points = np.asarray(outline, dtype=float)
        return self.project(x + points[:, 0], points[:, 1], z)


def circle(x: float, y: float, radius: float, n: int = 24, squeeze: float = 1.0) -> Points:
    """An ellipse as a ring of n points; `squeeze` is its width over its height."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([x + radius * squeeze * np.cos(angle), y + radius * np.sin(angle)], axis=-1)


def box(left: float, bottom: float, right: float, top: float) -> Points:
    """An upright rectangle as a ring of four points."""
    return np.array([(left, bottom), (right, bottom), (right, top), (left, top)], dtype=float)


@dataclass(frozen=True)
class StreetObject:
    """A thing at (x, z) metres; `seed` fixes its looks, `facing` is 1 (rightwards) or -1, `stride` its step phase."""

    kind: str
    x: float
    z: float
    seed: int
    track: int
    facing: int = 1
    stride: float = 0.3
