"""Given: the labels of a dataset in the rows of a model's categories, image by image."""

from dataclasses import dataclass, field

import numpy as np

from segdata.core.label_maps import LabelMaps
from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import VOID, Drawn


@dataclass(frozen=True)
class Given:
    """The labels as they are judged.

    Attributes
    ----------
    maps : the labels
    channel : (n_classes,) the model's category of each class; `VOID`: the model knows nothing of it
    """

    maps: LabelMaps
    channel: Ints = field(repr=False)

    @staticmethod
    def of(maps: LabelMaps, categories: tuple[int, ...]) -> "Given":
        """For a model that knows some categories by their ids."""
        known = {id_: at for at, id_ in enumerate(categories, 1)}
        return Given(maps, np.array([known.get(each, VOID) for each in maps.classes], np.int64))

    @staticmethod
    def agnostic(maps: LabelMaps, countable: frozenset[int]) -> "Given":
        """For a model that knows countable things, and not what they are."""
        return Given(maps, np.array([1 if each in countable else VOID for each in maps.classes], np.int64))

    def drawn(self, row: int) -> Drawn:
        """The segments of an image; void, crowds, and what the model does not know are left out."""
        segments = self.maps.segments(row)
        channel = np.append(self.channel, VOID)[segments.classes]  # class -1 is void
        category = np.where(segments.crowd, VOID, channel)
        return Drawn.of(segments.runs, category, int(self.maps.height[row]), int(self.maps.width[row]))

    def unknown(self) -> list[str]:
        """The names of categories that are left out, as the model does not know them."""
        return [name for name, channel in zip(self.maps.names, self.channel.tolist(), strict=True) if channel == VOID]
