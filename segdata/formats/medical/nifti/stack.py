"""Stack: painted images on their way into volumes: those of one sequence and size become the slices of one volume."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch

Values = NDArray[np.unsignedinteger[Any]]  # (height, width); Any: of any width
_NAMES = ("image_id", "uri", "sequence", "frame", "channels")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image with the values that its pixels were painted with.

    Attributes
    ----------
    image_id, uri, sequence, frame, channels : as in the images' columns
    height, width : pixels; 0 where unknown
    annotated : False: nobody worked on it
    layers : of each layer its values; empty where it is not annotated
    """

    image_id: str
    uri: str | None
    sequence: str | None
    frame: int | None
    channels: tuple[Mapping[str, str | None], ...] | None
    height: int
    width: int
    annotated: bool
    layers: Sequence[Values] = ()


@dataclass
class Stack:
    """The pictures that become one volume, in the order in which they came.

    Attributes
    ----------
    pictures : at least one
    """

    pictures: list[Picture] = field(default_factory=list)

    @property
    def sequence(self) -> str | None:
        """Of all pictures."""
        return self.pictures[0].sequence

    @property
    def name(self) -> str:
        """The sequence, or the id of an image by itself."""
        return self.sequence or self.pictures[0].image_id

    @property
    def annotated(self) -> bool:
        """Whether anybody worked on any of the pictures."""
        return any(each.annotated for each in self.pictures)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width; (0, 0) where no picture's is known."""
        return next(((each.height, each.width) for each in self.pictures if each.height and each.width), (0, 0))

    def takes(self, picture: Picture) -> bool:
        """Whether a picture may be a slice of the same volume."""
        sizes = {self.size, (picture.height, picture.width)} - {(0, 0)}
        return self.sequence is not None and picture.sequence == self.sequence and len(sizes) <= 1

    def places(self, n_slices: int | None) -> list[int]:
        """The slice of each picture: its frame where the volume is known to have so many slices, else by frame."""
        frames = [each.frame for each in self.pictures]
        known = [each for each in frames if each is not None]
        if n_slices is not None and len(set(known)) == len(frames) and all(0 <= each < n_slices for each in known):
            return known
        order = sorted(range(len(frames)), key=lambda row: (frames[row] is None, frames[row] or 0, row))
        place = [0] * len(frames)
        for number, row in enumerate(order):
            place[row] = number
        return place

    def slices(self, layer: int, places: Sequence[int], n_slices: int, blank: int) -> list[Values]:
        """The values of a layer, slice by slice; `blank` where there is no annotated picture."""
        painted = {
            place: picture.layers[layer]
            for place, picture in zip(places, self.pictures, strict=True)
            if picture.annotated
        }
        empty = np.full(self.size, blank, np.uint32 if blank > np.iinfo(np.uint16).max else np.uint16)
        return [painted.get(place, empty) for place in range(n_slices)]


def stacks(pictures: Iterable[Picture]) -> Iterator[Stack]:
    """The pictures, in the order in which they come, as volumes."""
    stack: Stack | None = None
    for picture in pictures:
        if stack is not None and stack.takes(picture):
            stack.pictures.append(picture)
            continue
        if stack is not None:
            yield stack
        stack = Stack([picture])
    if stack is not None:
        yield stack


def picture_rows(batch: Batch) -> list[dict[str, Any]]:  # Any: cells of all types
    """What the columns of a batch's images say for `Picture`."""
    rows: list[dict[str, Any]] = batch.images.select(list(_NAMES)).to_pylist()
    for row in rows:
        row["channels"] = None if row["channels"] is None else tuple(row["channels"])
    return rows
