"""Witness: who says what is to be seen in images without having seen their labels: networks, or files."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Runs
from segdata.noise.evidence.drawn import UNLABELLED, Drawn, Flags, of_map
from segdata.noise.evidence.evidence import Evidence, Fields
from segdata.noise.networks.predictions import EDGE, Predictions
from segdata.noise.types import KINDS, Kind


class Witness(Protocol):
    """What is known of a dataset's images from somebody who has not seen their labels.

    Attributes
    ----------
    categories : (K - 1,) the category ids that rows 1, 2, … of probabilities stand for; row 0: unlabelled
    things : (K,) which of them are countable
    usable : (n_images,) whether something is known of an image
    kinds : the mistakes of which it can know anything
    agnostic : it sees things, but not what they are: row 1 stands for every category of them
    """

    categories: tuple[int, ...]
    things: Flags
    usable: Flags
    kinds: tuple[Kind, ...]
    agnostic: bool

    def evidence(self, row: int) -> Evidence:
        """What is seen in the image at a row of the dataset."""


class Trained:
    """The out-of-fold networks of this dataset. `countable`: ids of categories whose segments are told apart."""

    kinds = KINDS
    agnostic = False

    def __init__(self, predictions: Predictions, countable: frozenset[int]) -> None:
        self._predictions = predictions
        self.categories = predictions.categories
        self.usable = predictions.usable
        told_apart = predictions.plan.instances
        self.things = np.array([False, *(told_apart and each in countable for each in predictions.categories)])

    def evidence(self, row: int) -> Evidence:
        """What the network that was trained without an image sees in it."""
        probability = np.asarray(self._predictions.probabilities(row), np.float32)
        found, contours = self._predictions.instances(row), self._predictions.contours(row)
        if found is None:
            return Evidence.of(probability)
        height, width = probability.shape[1:]
        channel = {id_: at for at, id_ in enumerate(self.categories, 1)}
        category = np.array([channel[each] for each in found.category.tolist()], np.int64)
        instances = Drawn(found.runs, category, found.score.astype(np.float64), height, width)
        edge = None if contours is None or not contours.any() else np.asarray(contours[EDGE], np.float32)
        return Evidence.of(probability, with_parts(instances, probability, self.things), edge)


def with_parts(instances: Drawn, probability: NDArray[np.float32] | Fields, things: Flags) -> Drawn:
    """Instances, and the parts of what is most probable of all that is not countable; (K, height, width)."""
    if things[1:].all():
        return instances
    best = probability.argmax(axis=0)
    parts = of_map(np.where(things[best], UNLABELLED, best).T.ravel(), instances.height, instances.width)
    return Drawn(
        Runs.concatenate([instances.runs, parts.runs], [len(instances), len(parts)]),
        np.append(instances.category, parts.category),
        np.append(instances.score, parts.score),
        instances.height,
        instances.width,
    )
