"""Sequences: videos and volumes, of which images are the frames or slices."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from segdata.core.profile import Profile

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


def has_sequences(profile: "Profile") -> bool:
    """Whether images of a dataset are frames of videos or slices of volumes."""
    return bool(profile.sequences)
