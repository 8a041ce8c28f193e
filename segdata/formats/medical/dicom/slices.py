"""DICOM slices: images of one series as the slices of a volume, and where in it a plane belongs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segdata.core.profile import ImageSequence
from segdata.formats.medical.affine import axes_of
from segdata.formats.medical.dicom.files import DicomImage, Plane

_TOLERANCE_MM = 1e-2  # DICOM writes positions as decimal text, often of a float of 32 bits
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Series:
    """The slices of a series, in order.

    Attributes
    ----------
    name : the folder that holds it and nothing else, else the UID of the series; None: an image by itself
    images : from one end to the other
    numbers : of each its frame
    """

    name: str | None
    images: Sequence[DicomImage]
    numbers: Sequence[int | None]

    @property
    def sequence(self) -> ImageSequence:
        """What is known about the volume."""
        planes = [each.plane for each in self.images if each.plane is not None]
        return volume_of(self.name or "", planes if len(planes) == len(self.images) else [])

    def at(self, plane: Plane, size: tuple[int, int]) -> DicomImage | None:
        """The slice that has its pixels just there; None where none has."""
        if len(self.images) == 0:
            return None
        for row in np.flatnonzero(np.abs(self._positions - plane.position).max(axis=1) <= _TOLERANCE_MM).tolist():
            image = self.images[row]
            if image.size == size and image.plane is not None and same_place(image.plane, plane):
                return image
        return None

    @cached_property
    def _positions(self) -> Floats:
        """(n, 3) of the slices."""
        nowhere = np.full(3, np.inf)
        return np.array([nowhere if each.plane is None else each.plane.position for each in self.images])


def in_order(images: Sequence[DicomImage]) -> list[DicomImage]:
    """The slices of one series from one end to the other, by place where that is known, else by number."""
    if images and all(each.plane is not None for each in images):
        normal = images[0].plane.normal if images[0].plane else np.zeros(3)
        return sorted(images, key=lambda each: (float(normal @ each.plane.position), each.number, each.name))  # type: ignore[union-attr]  # all have one
    return sorted(images, key=lambda each: (each.number, each.name))


def series_of(images: Mapping[str, DicomImage]) -> list[Series]:
    """The images by series."""
    by_uid: dict[str, list[DicomImage]] = {}
    for image in images.values():
        by_uid.setdefault(image.series, []).append(image)
    found = {uid: in_order(each) for uid, each in by_uid.items()}
    folders: dict[str, set[str]] = {}
    for uid, each in found.items():
        for image in each:
            folders.setdefault(image.name.rpartition("/")[0], set()).add(uid)
    named = []
    for uid, each in found.items():
        homes = {image.name.rpartition("/")[0] for image in each}
        home = next(iter(homes))
        alone = len(homes) == 1 and home != "" and len(folders[home]) == 1
        name = home if alone else re.sub(r"[^\w.-]", "_", uid) or "series"
        named.append(Series(name, each, range(len(each))))
    return named


def same_place(a: Plane, b: Plane) -> bool:
    """Whether two slices have their pixels at the same places."""
    return bool(
        np.abs(a.position - b.position).max() <= _TOLERANCE_MM
        and np.abs(a.row - b.row).max() <= 1e-3
        and np.abs(a.column - b.column).max() <= 1e-3
        and np.abs(a.spacing / b.spacing - 1).max() <= 1e-3
    )


def volume_of(name: str, planes: Sequence[Plane]) -> ImageSequence:
    """A volume of these slices, in order; its affine is not known where they are not evenly spaced, or not parallel.

    DICOM's axes point to the left and to the back of the patient, an affine's to the right and to the front.
    """
    if len(planes) < 2:
        return ImageSequence(name, "volume")
    first, last = planes[0], planes[-1]
    step = (last.position - first.position) / (len(planes) - 1)
    even = all(
        np.abs(plane.position - (first.position + k * step)).max() <= 10 * _TOLERANCE_MM
        and np.abs(plane.row - first.row).max() <= 1e-3
        and np.abs(plane.spacing - first.spacing).max() <= 1e-3
        for k, plane in enumerate(planes)
    )
    if not even or np.linalg.norm(step) == 0:
        return ImageSequence(name, "volume")
    affine = np.eye(4)
    affine[:3, 0] = first.row * first.spacing[0]
    affine[:3, 1] = first.column * first.spacing[1]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    affine[:2] *= -1
    across, down, through = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    return ImageSequence(name, "volume", tuple(affine.reshape(-1).tolist()), axes_of(affine), (across, down, through))
