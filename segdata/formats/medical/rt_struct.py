"""RT-STRUCT: DICOM structure sets, whose regions of interest are closed contours on the slices of a series.

Read: a pixel is inside a region if its centre is inside an odd number of the region's contours on its slice. So the
keyhole of the standard is a hole, contours of type CLOSEDPLANAR_XOR combine as the standard says, and a CLOSED_PLANAR
contour inside another is a hole, as in most programs (`holes=union` fills it, as the standard says; SEG018 reports
where it matters). Contours are put on the slice at their depth; you need the DICOM files of the images, below the same
folder or in `--images`. Contours with fewer than three points, or outside any plane, are SEG006; points and open lines
have no pixels and are counted. The name of a region is its category, its number the segment and track id.

Written: one structure set for each series and annotator. Contours that were read are kept if they give exactly the
pixels; others follow the edges of pixels, with keyholes for holes, so that exactly these pixels come back. dicom.json
beside the structure sets keeps the names of the images.

Source: DICOM PS3.3 A.19, C.8.8.5, C.8.8.6 and C.8.8.6.3 (inner and outer contours).
"""

from segdata.core.format import FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.medical import DICOM_LOSSES, STRUCTURE_SET, dicom_clue

LOSSES: frozenset[LossKind] = DICOM_LOSSES
ALIASES = ("rtss", "rt-structure-set")
CHECKED = ("pydicom", "scikit-image's polygon2mask", "matplotlib's Path")
READ_OPTIONS = {"holes": "xor (default): a contour inside another is a hole; union: it is filled"}


def detect(probe: FileProbe) -> FormatMatch | None:
    """A DICOM file whose header says that it is a structure set."""
    return dicom_clue(probe, "rt-struct", (STRUCTURE_SET,), "structure set")


read = ImportedOnCall("segdata.formats.medical.rt_struct_reader:open_contours")


write = ImportedOnCall("segdata.formats.medical.rt_struct_writer:write_structure_sets")
