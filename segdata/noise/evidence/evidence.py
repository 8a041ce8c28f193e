"""Evidence: what a model that never saw an image in training says of its pixels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Drawn, Flags, Floats, of_map

Fields = NDArray[np.float32]


@dataclass(frozen=True)
class Evidence:
    """The out-of-sample prediction for one image. Pixels are counted column by column, as runs count them.

    Attributes
    ----------
    probability : (K, width * height) of each category; row 0 is of nothing
    predicted : the segments that the model sees
    edge : (width * height,) how probable it is that a segment ends here
    """

    probability: Fields
    predicted: Drawn
    edge: Fields

    @staticmethod
    def of(probability: NDArray[np.floating], predicted: Drawn | None = None, edge: Fields | None = None) -> "Evidence":
        """What a model says: `probability` (K, height, width), the segments it sees, and (height, width) edges.

        Without segments they are the connected parts of the most probable categories; without edges an edge is where
        the model is torn between two categories.
        """
        n_categories, height, width = probability.shape
        field = np.ascontiguousarray(probability.transpose(0, 2, 1), np.float32).reshape(n_categories, -1)
        seen = of_map(field.argmax(axis=0), height, width) if predicted is None else predicted
        torn = 2 * (1 - field.max(axis=0)) if edge is None else np.ascontiguousarray(edge.T, np.float32).ravel()
        return Evidence(field, seen, np.minimum(torn, 1.0))

    @property
    def height(self) -> int:
        """Of the image, in pixels."""
        return self.predicted.height

    @property
    def width(self) -> int:
        """Of the image, in pixels."""
        return self.predicted.width

    @cached_property
    def best(self) -> Ints:
        """(width * height,) the most probable category."""
        return np.asarray(self.probability.argmax(axis=0), np.int64)

    @cached_property
    def two(self) -> tuple[Fields, Fields]:
        """(width * height,) each: the greatest and the second greatest probability."""
        if len(self.probability) < 2:
            return self.probability[0], np.zeros_like(self.probability[0])
        top = np.partition(self.probability, -2, axis=0)
        return top[-1], top[-2]

    @cached_property
    def instance(self) -> Ints:
        """(width * height,) the predicted segment that each pixel belongs to; -1: none."""
        return self.predicted.painted(np.arange(len(self.predicted)), -1)

    @cached_property
    def border(self) -> Flags:
        """(width * height,) whether a predicted segment, or nothing, ends here: another one is above or to the left."""
        of = self.instance.reshape(self.width, self.height)
        differs = np.zeros(of.shape, bool)
        differs[:, 1:] |= of[:, 1:] != of[:, :-1]
        differs[1:] |= of[1:] != of[:-1]
        return differs.ravel()

    @cached_property
    def distance(self) -> Floats:
        """(width * height,) pixels to the nearest predicted border; the image's diagonal where there is none."""
        import cv2

        border = self.border.reshape(self.width, self.height)
        if not border.any():
            return np.full(border.size, float(np.hypot(self.height, self.width)))
        found = cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return np.asarray(found, np.float64).ravel()

    def at(self, category: Ints, pixel: Ints) -> Fields:
        """(p,) the probability of a category at a pixel, for each."""
        return np.asarray(self.probability[category, pixel])
