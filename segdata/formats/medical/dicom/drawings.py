"""Drawings: slices of DICOM series, and what objects that were made on them have there."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Generic, Protocol, TypeVar

from segdata.core.finding import Defect
from segdata.core.profile import ImageSequence
from segdata.formats.medical.dicom.files import DicomImage
from segdata.formats.medical.dicom.slices import Series
from segdata.formats.shared.per_image import ImageEntry


class Made(Protocol):
    """A DICOM object that was made on images."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def images(self) -> tuple[str, ...]:
        """UIDs of the images that it refers to."""

    @property
    def defects(self) -> tuple[Defect, ...]:
        """What is wrong in it."""


O = TypeVar("O", bound=Made)  # noqa: E741  # an object
P = TypeVar("P")  # a piece of it, a frame or a contour


@dataclass
class Drawing(Generic[O, P]):
    """A slice.

    Attributes
    ----------
    image_id : of the image
    size : height and width
    image : its file; None where it is not here
    uid : of the image; empty where it is not known
    sequence, frame : where it belongs
    pieces : those of each object that was made on this slice, also of one that has nothing on it
    """

    image_id: str
    size: tuple[int, int]
    image: DicomImage | None = None
    uid: str = ""
    sequence: str | None = None
    frame: int | None = None
    pieces: list[tuple[O, list[P]]] = field(default_factory=list)

    @property
    def entry(self) -> ImageEntry:
        """The image of the slice."""
        return ImageEntry(
            self.image_id,
            record=self if self.pieces else None,
            size=(0, 0) if self.pieces else self.size,
            uri=None if self.image is None else self.image.path.absolute().as_uri(),  # no picture that Pillow opens
            source_id=self.uid or None,
            sequence=self.sequence,
            frame=self.frame,
            group=None if self.image is None else self.image.patient,
        )


@dataclass
class Drawings(ABC, Generic[O, P]):
    """All slices of a dataset.

    Attributes
    ----------
    by_id : by image id
    sequences : the volumes
    defects : what contradicts itself, images that are not here
    """

    by_id: dict[str, Drawing[O, P]] = field(default_factory=dict)
    sequences: list[ImageSequence] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)

    @abstractmethod
    def place(self, found: O, every: Sequence[Series], looked: Path) -> None:
        """Put the pieces of an object on the slices of the images that it was made on; `looked`: for what they are."""

    def add(self, series: Series) -> None:
        """All slices of a series, unless they are here already."""
        if series.images[0].name in self.by_id:
            return
        if series.name is not None:
            self.sequences.append(series.sequence)
        for number, each in zip(series.numbers, series.images, strict=True):
            self.by_id[each.name] = Drawing(each.name, each.size, each, each.uid, series.name, number)

    @property
    def entries(self) -> list[ImageEntry]:
        """The images, in the order of their ids."""
        return [each.entry for _, each in sorted(self.by_id.items())]

    @property
    def first_slice(self) -> dict[str, str]:
        """Object -> the first image that it is drawn on, where what concerns all of it is said."""
        found: dict[str, str] = {}
        for image_id, drawing in sorted(self.by_id.items()):
            for each, _ in drawing.pieces:
                found.setdefault(each.name, image_id)
        return found

    def annotators(self, said: Mapping[str, str | None]) -> dict[str, str | None]:
        """Who drew each object: what is said, and the name of its file where others on the same images say the same."""
        alike: set[str] = set()
        for drawing in self.by_id.values():
            names = [each.name for each, _ in drawing.pieces]
            alike |= {a for a in names for b in names if a != b and said[a] == said[b]}
        return {
            name: " ".join(filter(None, [who, PurePosixPath(name).stem])) if name in alike else who
            for name, who in said.items()
        }
