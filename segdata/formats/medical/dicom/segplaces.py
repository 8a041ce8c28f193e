"""SEG places: on which slice each frame of a DICOM segmentation belongs: by its place in space, never by order."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segdata.core.finding import Defect
from segdata.formats.medical.dicom.drawings import Drawing, Drawings
from segdata.formats.medical.dicom.files import DicomImage, Plane
from segdata.formats.medical.dicom.segobject import SegFrame, SegObject
from segdata.formats.medical.dicom.slices import Series, same_place, volume_of

SegDrawing = Drawing[SegObject, SegFrame]


class SegDrawings(Drawings[SegObject, SegFrame]):
    """Slices with the frames of segmentations."""

    def place(self, found: SegObject, every: Sequence[Series], looked: Path) -> None:
        """Put the frames of a segmentation on the slices of the images that it was made on, or on slices of its own."""
        by_uid = {image.uid: (series, image) for series in every for image in series.images}
        related = _related(found, every)
        frames: dict[str, list[SegFrame]] = {uid: [] for uid in found.images if uid in by_uid}
        homeless = []
        for frame in found.frames:
            image = self._home(found, frame, related, by_uid)
            if image is None:
                homeless.append(frame)
            else:
                frames.setdefault(image.uid, []).append(frame)
        if len(homeless) == len(found.frames) and homeless:
            frames = {}  # resampled: it has slices of its own, and nothing to say on those of the images
        for uid, each in frames.items():
            series, image = by_uid[uid]
            self.add(series)
            self.by_id[image.name].pieces.append((found, each))
        if homeless:
            self._alone(found, homeless)
        if found.images and not any(uid in by_uid for uid in found.images):
            message = (
                f"none of the {len(found.images):,} images that it was made on is here (looked in {looked}); slices "
                "that have no frame are not known; give --images"
            )
            self.defects.append(Defect("SEG002", message, found.name, severity="info"))

    def _home(
        self,
        found: SegObject,
        frame: SegFrame,
        related: Sequence[Series],
        by_uid: dict[str, tuple[Series, DicomImage]],
    ) -> DicomImage | None:
        """The image that a frame was drawn on: the one at its place, else the one that it names, if the sizes agree."""
        _, named = by_uid.get(frame.image, (None, None))
        if frame.plane is None or (named is not None and named.plane is None):
            return named if named is not None and named.size == found.size else None
        if named is not None and named.size == found.size and named.plane and same_place(named.plane, frame.plane):
            return named
        there = next((image for each in related if (image := each.at(frame.plane, found.size)) is not None), None)
        if there is not None and named is not None:
            message = f"frame {frame.index + 1} says that it was drawn on {named.name!r}, but lies on {there.name!r}"
            self.defects.append(Defect("SEG017", message, found.name, f"frame {frame.index + 1}", image=there.name))
        return there

    def _alone(self, found: SegObject, frames: list[SegFrame]) -> None:
        """Slices of its own for frames that lie on no image that is here."""
        groups: list[tuple[Plane | None, str, list[SegFrame]]] = []
        for frame in sorted(frames, key=_depth):
            plane, uid, members = groups[-1] if groups else (None, "", [])
            if members and (same_place(plane, frame.plane) if plane and frame.plane else uid == frame.image):
                members.append(frame)
            else:
                groups.append((frame.plane, frame.image, [frame]))
        planes = [plane for plane, _, _ in groups if plane is not None]
        self.sequences.append(volume_of(found.name, planes if len(planes) == len(groups) else []))
        for number, (_, uid, members) in enumerate(groups):
            image_id = f"{found.name}/{number:04d}" if len(groups) > 1 else found.name
            self.by_id[image_id] = SegDrawing(image_id, found.size, None, uid, found.name, number, [(found, members)])


def _related(found: SegObject, every: Sequence[Series]) -> list[Series]:
    """The series that a segmentation may lie on: those that it names, else those in the same frame of reference."""
    named = set(found.images)
    own = [each for each in every if any(image.uid in named or image.series == found.series for image in each.images)]
    return own or [each for each in every if any(image.reference == found.reference for image in each.images)]


def _depth(frame: SegFrame) -> tuple[float, str, int]:
    return (frame.plane.depth if frame.plane is not None else np.inf, frame.image, frame.index)
