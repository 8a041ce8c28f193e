"""Reel: a volume or video as the images that are its slices or frames, and the files of labels drawn on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from segdata.core.paths import slice_uri
from segdata.formats.medical.nifti.files import LabelFile, Scan
from segdata.formats.medical.nifti.place import Place


@dataclass(frozen=True, slots=True)
class Frame:
    """A slice.

    Attributes
    ----------
    image_id : of the image
    slice : its number in the files of labels, from 0
    frame : its number in the sequence
    uri : where the image is
    annotated : whether anybody worked on it
    size : height and width in pixels; (0, 0) where the files of labels tell it
    channels : the image's files as rows of `schema.IMAGES`, where it has several
    """

    image_id: str
    slice: int = 0
    frame: int | None = None
    uri: str | None = None
    annotated: bool = True
    size: tuple[int, int] = (0, 0)
    channels: tuple[Mapping[str, str | None], ...] | None = None


@dataclass(frozen=True, slots=True)
class Reel:
    """A volume, a video, or an image by itself.

    Attributes
    ----------
    name : of the sequence; of an image by itself its id
    frames : its images
    labels : the files
    sequence : as in the images' column; None: an image by itself
    kind : of the sequence
    split : train, val or test
    place : where it lies in the world, exactly; None: as its headers say
    """

    name: str
    frames: Sequence[Frame]
    labels: Sequence[LabelFile] = ()
    sequence: str | None = None
    kind: Literal["video", "volume"] = "volume"
    split: str | None = None
    place: Place | None = None


def reel_of(scan: Scan, n_slices: int, size: tuple[int, int]) -> Reel:
    """The reel of a volume: its slices are `<name>/0000` and so on, or the name itself where there is only one."""
    annotated = bool(scan.labels)
    frames = [
        Frame(
            f"{scan.name}/{k:04d}" if n_slices > 1 else scan.name,
            k,
            k,
            None if scan.image is None else slice_uri(scan.image, k),
            annotated,
            size,
        )
        for k in range(n_slices)
    ]
    return Reel(scan.name, frames, tuple(scan.labels), scan.name)
