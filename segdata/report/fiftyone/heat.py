"""Heat: how sure a model is of each given pixel, and where annotators differ, as layers over the picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints
from segdata.noise.networks.predictions import Predictions
from segdata.report.fiftyone.masks import Drawn, Map
from segdata.report.fiftyone.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Heat:
    """Makes heat maps of annotations.

    Attributes
    ----------
    fo : the package
    shelf : for the files of maps
    predictions : of networks that have not seen the images; None: there are none
    row : image_id -> the row of the predictions
    """

    fo: Any  # Any: FiftyOne has no types
    shelf: Shelf
    predictions: Predictions | None
    row: dict[str, int]

    @staticmethod
    def of(fo: Any, shelf: Shelf, predictions: Predictions | None) -> "Heat":  # Any: FiftyOne has no types
        """With these predictions, or none."""
        usable = () if predictions is None else np.flatnonzero(predictions.usable).tolist()
        return Heat(fo, shelf, predictions, {predictions.image_ids[row]: row for row in usable} if predictions else {})

    def confidence(self, image_id: str, category: Ints, drawn: Drawn) -> Any | None:  # Any: FiftyOne has no types
        """How probable the given category of each pixel is; None without a prediction of the image's size.

        `category` (n,) are the ids of the segments. Categories that the model does not know, such as void, count as
        sure: it has nothing to say against them.
        """
        if self.predictions is None or image_id not in self.row:
            return None
        probability = self.predictions.probabilities(self.row[image_id])
        n_channels = len(probability)
        if probability.shape[1:] != (drawn.height, drawn.width):
            return None
        channel = {id_: number for number, id_ in enumerate(self.predictions.categories, start=1)}
        values = np.array([channel.get(id_, n_channels) for id_ in category.tolist()], np.int64)
        given = drawn.map(values, np.arange(len(values)))[0].astype(np.int64)
        known = given < n_channels
        sure = np.take_along_axis(probability, np.where(known, given, 0)[None], 0)[0].astype(np.float32)
        return self._layer(np.where(known, sure, 1))

    def disagreement(self, annotations: Sequence[tuple[Ints, Drawn]]) -> Any | None:  # Any: FiftyOne has no types
        """The share of an image's annotators who differ from the most common category; None with fewer than two.

        `annotations`: the category ids of each one's segments, and their pixels.
        """
        if len(annotations) < 2:
            return None
        names = np.unique(np.concatenate([category for category, _ in annotations]))
        maps = [
            drawn.map(np.searchsorted(names, category) + 1, np.arange(len(category)))[0]
            for category, drawn in annotations
        ]
        return self._layer(differing(maps, len(names)))

    def _layer(self, share: NDArray[np.floating]) -> Any:  # Any: FiftyOne has no types
        path = self.shelf.mask(np.rint(255 * share).astype(np.uint8))
        return self.fo.Heatmap(map_path=path, range=[0, 255])


def differing(maps: Sequence[Map], n_values: int) -> NDArray[np.float64]:
    """(height, width) share of maps of the values 0 to `n_values` that differ from the most common one."""
    most = np.zeros(maps[0].shape, np.int64)
    for value in range(n_values + 1):
        np.maximum(most, sum((each == value).astype(np.int64) for each in maps), out=most)
    return 1 - most / len(maps)
