"""DICOM-SEG: segmentations of CT, MR and other slices, with every frame put where it lies in the patient.

Read: BINARY, FRACTIONAL (thresholded at `threshold`) and LABELMAP objects, uncompressed or in any lossless coding that
pydicom decodes; tiled segmentations of whole slide images are unsupported: export regions first. Frames are placed by
position and orientation, else by the image that they reference, never by their order; a slice without a frame is
annotated and empty. Images are found by UID below the same folder and in the folder that you name with `--images`; an
image has the name of its file, and a series is a volume. A segmentation without images, or with a grid of its own, has
slices `<file>/<0000>`. Segments may overlap. The label of a segment is its category and its number the segment id; a
segment on several slices is a track. AUTOMATIC means a model, whose name is the annotator.

Written: one object for each series and annotator, through highdicom, with the headers of the images, whose files you
need. dicom.json beside the objects keeps the names of the images.

Source: DICOM PS3.3 A.51 and C.8.20; ImagingDataCommons/highdicom docs/seg.rst.
"""

from segdata.core.format import FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.medical import DICOM_LOSSES, SEGMENTATIONS, dicom_clue

LOSSES: frozenset[LossKind] = DICOM_LOSSES
ALIASES = ("dicom", "dcm")
CHECKED = ("highdicom", "dcmqi's segmentation of a liver with its NRRD file")
READ_OPTIONS = {"threshold": "lowest value, 0 to 1, of pixels inside a fractional segmentation; default: 0.5"}


def detect(probe: FileProbe) -> FormatMatch | None:
    """A DICOM file whose header says that it is a segmentation."""
    return dicom_clue(probe, "dicom-seg", SEGMENTATIONS, "segmentation")


read = ImportedOnCall("segdata.formats.medical.dicom_seg_reader:open_segmentations")


write = ImportedOnCall("segdata.formats.medical.dicom_seg_writer:write_segmentations")
