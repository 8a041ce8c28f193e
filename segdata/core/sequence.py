"""Sequences: videos and volumes, of which images are the frames or slices."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from segdata.core.profile import Profile
    from segdata.core.runs import Ints
    from segdata.core.table import Table

Kind = Literal["video", "volume"]


@dataclass(frozen=True, slots=True)
class ImageSequence:
    """A video or a volume.

    Attributes
    ----------
    name : as in the images' column `sequence`
    kind : video or volume
    affine : 4 x 4, row by row: voxel indices (i, j, k) of centres to millimetres; None: not known
    axes : where i, j and k point to, three letters (``"RAS"``); None: not known
    spacing : millimetres between centres along i, j and k; None: not known
    dtype : of the values in the source's file
    header : the source's header, byte by byte, so that the same file can be written again
    """

    name: str
    kind: Kind = "video"
    affine: tuple[float, ...] | None = None
    axes: str | None = None
    spacing: tuple[float, float, float] | None = None
    dtype: str | None = None
    header: bytes | None = field(default=None, repr=False)

    @property
    def is_placed(self) -> bool:
        """Whether its place in the world is known, or bytes of its file."""
        return self.affine is not None or self.spacing is not None or self.header is not None


def has_videos(profile: "Profile") -> bool:
    """Whether images of a dataset are frames of videos."""
    return any(each.kind == "video" for each in profile.sequences)


def has_volumes(profile: "Profile") -> bool:
    """Whether images of a dataset are slices of volumes."""
    return any(each.kind == "volume" for each in profile.sequences)


@dataclass(frozen=True, slots=True)
class Reel:
    """What one annotator drew on the frames of one sequence, in the order of the frames.

    Frames that the annotator did not work on are left out; of those with one number all but the first are.

    Attributes
    ----------
    sequence : its name
    frame : (n,) int64, the numbers, ascending
    annotation, image : (n,) int64, rows
    """

    sequence: str
    frame: "Ints"
    annotation: "Ints"
    image: "Ints"


def reels(profile: "Profile", images: "Table", annotations: "Table", kind: Kind) -> list[Reel]:
    """The reels of the videos or of the volumes, in the order of their first images."""
    frame, known = frame_numbers(images)
    rows = np.flatnonzero(of_kind(profile, images, kind)[annotations["image"]] & known[annotations["image"]])
    image = annotations["image"][rows].astype(np.int64)
    whose = images["sequence"][image], annotations["annotator"][rows]
    members: dict[tuple[str, str | None], list[int]] = {}
    for place, key in enumerate(zip(*whose, strict=True)):
        members.setdefault(key, []).append(place)
    found = []
    for (sequence, _), places in members.items():
        number, first = np.unique(frame[image[places]], return_index=True)
        chosen = np.array(places)[first]
        found.append(Reel(sequence, number, rows[chosen].astype(np.int64), image[chosen]))
    return found


def of_kind(profile: "Profile", images: "Table", kind: Kind) -> NDArray[np.bool_]:
    """(n_images,) whether an image is a frame of a sequence of this kind."""
    names = {each.name for each in profile.sequences if each.kind == kind}
    return _among(images["sequence"], names)


def frame_numbers(images: "Table") -> tuple["Ints", NDArray[np.bool_]]:
    """(n_images,) the number of each frame, 0 where there is none, and whether there is one."""
    known = ~images.missing("frame")
    number = np.zeros(len(images), np.int64)
    number[known] = images["frame"][known].astype(np.int64)
    return number, known


def _among(values: Iterable[object], names: set[str]) -> NDArray[np.bool_]:
    return np.array([each in names for each in values], bool)
