"""Contour places: on which slice each contour of a structure set lies, and where in it, in pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.core.finding import Defect
from segdata.formats.medical.dicom.drawings import Drawing, Drawings
from segdata.formats.medical.dicom.files import DicomImage, Plane
from segdata.formats.medical.dicom.slices import Series
from segdata.formats.medical.dicom.structures import Contour, Region, StructureSet
from segdata.formats.shapes.soundness import check_ring

Floats = NDArray[np.float64]
_DECIMALS = 6  # of pixels: more come from arithmetic, and not from who drew
_DEFAULT_MM = 0.5  # how far from its slice a contour may lie where slices have no neighbours


@dataclass(frozen=True, slots=True, eq=False)
class Ring:
    """A contour on its slice.

    Attributes
    ----------
    region : that it is of
    points : (n, 2) x and y in pixels, (0, 0) the upper left corner of the slice
    contour : as in the file
    """

    region: Region
    points: Floats
    contour: Contour


RingDrawing = Drawing[StructureSet, Ring]


@dataclass(frozen=True, eq=False)
class Slab:
    """The slices of a series that have a place, for questions about depth."""

    series: Series
    images: Sequence[DicomImage]
    planes: Sequence[Plane]

    @cached_property
    def depths(self) -> Floats:
        """(n,) millimetres along the normal of the first slice, ascending."""
        return np.array([self.planes[0].normal @ plane.position for plane in self.planes])

    @cached_property
    def tolerance(self) -> float:
        """Half of the smallest distance between two slices, in millimetres."""
        apart = np.diff(np.unique(np.round(self.depths, 3)))
        return float(apart.min()) / 2 if len(apart) else _DEFAULT_MM

    def at(self, points: Floats) -> tuple[int | None, float, float]:
        """The slice that points (n, 3) lie on, how far the nearest one is, and how far they spread in depth."""
        depth = points @ self.planes[0].normal
        middle = float(np.median(depth))
        nearest = int(np.abs(self.depths - middle).argmin())
        apart = float(abs(self.depths[nearest] - middle))
        spread = float(depth.max() - depth.min())
        return (nearest if apart < self.tolerance else None), apart, spread


class RingDrawings(Drawings[StructureSet, Ring]):
    """Slices with the contours of structure sets."""

    def place(self, found: StructureSet, every: Sequence[Series], looked: Path) -> None:
        """Put the contours on the slices of the images that they were drawn on."""
        by_uid = {image.uid: (series, image) for series in every for image in series.images}
        slabs = _slabs(found, every)
        if not slabs:
            message = (
                f"none of the {len(found.images):,} images that it was drawn on is here (looked in {looked}), so its "
                "contours cannot be told in pixels; give --images"
            )
            self.defects.append(Defect("SEG002", message, found.name))
            return
        rings: dict[str, list[Ring]] = {uid: [] for uid in found.images if uid in by_uid}
        for region in found.regions:
            alike = [each for each in slabs if any(image.reference == region.reference for image in each.images)]
            for contour in region.contours:
                home = self._home(found, region, contour, alike or slabs)
                if home is not None:
                    rings.setdefault(home[0].uid, []).append(home[1])
        for uid, each in rings.items():
            series, image = by_uid[uid]
            self.add(series)
            self.by_id[image.name].pieces.append((found, each))

    def _home(
        self, found: StructureSet, region: Region, contour: Contour, slabs: Sequence[Slab]
    ) -> tuple[DicomImage, Ring] | None:
        """The slice that a contour lies on, and the contour there; None, and a defect, where there is none."""
        named = next((each for each in slabs if any(image.uid == contour.image for image in each.images)), slabs[0])
        row, apart, spread = named.at(contour.points)
        wrong = None
        if row is None:
            wrong = "SEG007", f"contour lies on no slice that is here, the nearest is {apart:.4g} mm away"
        elif spread > 2 * named.tolerance:
            wrong = "SEG006", f"contour left out: its points lie in no plane, but {spread:.4g} mm deep"
        if wrong is not None or row is None:
            code, message = wrong or ("", "")
            self.defects.append(Defect(code, message, found.name, contour.place, segments=(region.number,)))
            return None
        image, plane = named.images[row], named.planes[row]
        if contour.image and contour.image != image.uid and contour.image in found.images:
            message = f"contour says that it was drawn on another image than {image.name!r}, where it lies"
            self.defects.append(
                Defect("SEG017", message, found.name, contour.place, image=image.name, segments=(region.number,))
            )
        points = np.round(pixels_of(contour.points, plane), _DECIMALS)
        unsound = check_ring(points)
        if unsound is not None:
            message = f"contour left out: it {unsound}"
            self.defects.append(Defect("SEG006", message, found.name, contour.place, segments=(region.number,)))
            return None
        return image, Ring(region, points, contour)


def pixels_of(points: Floats, plane: Plane) -> Floats:
    """(n, 2) x and y in pixels of points (n, 3) in millimetres; the first pixel's centre is at (0.5, 0.5)."""
    away = points - plane.position
    return np.stack([away @ plane.row, away @ plane.column], axis=1) / plane.spacing + 0.5


def millimetres_of(points: Floats, plane: Plane) -> Floats:
    """(n, 3) millimetres of points (n, 2) in pixels: `pixels_of` backwards."""
    away = (points - 0.5) * plane.spacing
    return plane.position + away[:, :1] * plane.row + away[:, 1:] * plane.column


def _slabs(found: StructureSet, every: Sequence[Series]) -> list[Slab]:
    """The series that contours may lie on: those that are named, else those in the same frame of reference."""
    named = set(found.images)
    own = [each for each in every if any(image.uid in named or image.series in found.series for image in each.images)]
    frames = {region.reference for region in found.regions} - {""}
    near = own or [each for each in every if any(image.reference in frames for image in each.images)]
    slabs = []
    for series in near:
        pairs = [(image, image.plane) for image in series.images if image.plane is not None]
        if pairs:
            slabs.append(Slab(series, [image for image, _ in pairs], [plane for _, plane in pairs]))
    return slabs
