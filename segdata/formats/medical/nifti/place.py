"""World place: where volumes lie in the world, and in what two that should lie alike differ."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.profile import ImageSequence
from segdata.formats.medical.affine import axes_of, spacing_of
from segdata.formats.medical.nifti.head import Head, corner_distance

Floats = NDArray[np.float64]
TOLERANCE_MM = 1e-3


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a volume lies, as in `ImageSequence`: headers round it, and have no word for what is not known."""

    affine: Annotated[tuple[float, ...], msgspec.Meta(min_length=16, max_length=16)] | None = None
    axes: str | None = None
    spacing: tuple[float, float, float] | None = None

    @staticmethod
    def of(sequence: ImageSequence) -> "Place":
        """What is known of a sequence."""
        return Place(sequence.affine, sequence.axes, sequence.spacing)

    def fits(self, head: Head | None) -> bool:
        """Whether a header says the same, but for rounding; without one it is the only word."""
        if head is None:
            return True
        if self.affine is None:
            return not head.is_placed
        return head.is_placed and np.allclose(head.affine.reshape(-1), self.affine, rtol=1e-5, atol=TOLERANCE_MM)

    def told(self, sequence: ImageSequence) -> ImageSequence:
        """The sequence at this place."""
        return replace(sequence, affine=self.affine, axes=self.axes, spacing=self.spacing)


def volume_sequence(name: str, head: Head) -> ImageSequence:
    """What is known about a volume; a place that the header only leaves to be guessed is not known."""
    return ImageSequence(
        name,
        "volume",
        tuple(head.affine.reshape(-1).tolist()) if head.is_placed else None,
        axes_of(head.affine) if head.is_placed else None,
        spacing_of(head.affine),
        head.dtype.str,
        head.raw,
    )


def differences(label: Head, image: Head, what: str = "image") -> str | None:
    """In what the place of a volume of labels differs from that of its image, as a sentence; None where it does not."""
    apart = corner_distance(label.affine, image.affine, label.shape)
    if apart <= TOLERANCE_MM:
        return None
    said = "; ".join(_named(label.affine, image.affine, what))
    return f"labels and the {what} lie up to {apart:.4g} mm apart: {said}"


def _named(a: Floats, b: Floats, what: str) -> Iterator[str]:
    """The parts of two affines that differ."""
    one, other = np.array(spacing_of(a)), np.array(spacing_of(b))
    if np.abs(one - other).max() > TOLERANCE_MM:
        yield f"spacing {_numbers(one)} mm, of the {what} {_numbers(other)} mm"
    turn, against = a[:3, :3] / one, b[:3, :3] / other
    if np.abs(turn - against).max() > TOLERANCE_MM:
        degrees = np.degrees(np.arccos(np.clip((turn * against).sum(axis=0), -1, 1))).max()
        yield f"directions {axes_of(a)}, of the {what} {axes_of(b)} (up to {degrees:.3g}° apart)"
    if np.abs(a[:3, 3] - b[:3, 3]).max() > TOLERANCE_MM:
        yield f"origin ({_numbers(a[:3, 3], ', ')}) mm, of the {what} ({_numbers(b[:3, 3], ', ')}) mm"


def _numbers(values: Floats, mark: str = "x") -> str:
    return mark.join(f"{value:.6g}" for value in values.tolist())
