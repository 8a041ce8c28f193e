"""DICOM-SEG: segmentations of CT, MR and other slices, with every frame put where it lies in the patient.

Read are BINARY, FRACTIONAL (cut at `threshold`) and LABELMAP objects, uncompressed or in any lossless coding that
pydicom decodes. Frames are placed by position and orientation, else by the image that they name, never by their order;
a slice of the images without a frame is annotated and empty. Images are looked for below the same folder and in
`--images`, by UID; each is called as its file, and a series is a volume. A segmentation whose images are not here, or
that has a grid of its own, has slices `<file>/<0000>`. Segments may overlap. The label of a segment is its category,
its number the segment id; it is a track where it goes through several slices. AUTOMATIC means a model, whose name is
the annotator. Whole slide images in tiles are not read.
Written: one object for each series and annotator, through highdicom, with the images' own headers: their files are
needed. dicom.json beside them keeps the names of the images.
Source: DICOM PS3.3 A.51 and C.8.20; ImagingDataCommons/highdicom docs/seg.rst.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.format import FileProbe, FormatMatch, LossCounter, ReadRequest
from segdata.core.profile import Profile
from segdata.formats.medical.dicom_kinds import LOSSES, SEGMENTATIONS, dicom_clue

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.formats.shared.per_image import PerImageSource


__all__ = ["LOSSES", "detect", "read", "write"]
CHECKED = ("highdicom", "dcmqi's segmentation of a liver with its NRRD file")
READ_OPTIONS = {
    "threshold": "from which value on, 0 to 1, a pixel of a fractional segmentation is inside; default: 0.5"
}


def detect(seen: FileProbe) -> FormatMatch | None:
    """A DICOM file whose head says that it is a segmentation."""
    return dicom_clue(seen, "dicom-seg", SEGMENTATIONS, "segmentation")


def read(request: ReadRequest) -> "PerImageSource":
    """Open a segmentation, or all below a folder; raises UnreadableError where there is none."""
    from segdata.formats.medical.dicom_seg_reader import open_segmentations

    return open_segmentations(request)


def write(profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter) -> None:
    """Write segmentations of the images' series; raises SegdataError where an annotated image is no DICOM file."""
    from segdata.formats.medical.dicom_objects import write_objects
    from segdata.formats.medical.dicom_seg_writer import KIND

    write_objects(profile, batches, target, losses, KIND)
