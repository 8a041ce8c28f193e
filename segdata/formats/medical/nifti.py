"""NIfTI: volumes of labels (.nii, .nii.gz) whose slices are images, with affine and header kept byte by byte.

Volumes of NRRD (.nrrd, .nhdr, and .seg.nrrd of 3D Slicer with its names, and with layers that overlap) and MetaImage
(.mha, .mhd) are read, too.

Read: slice k of a volume is the image `<volume>/<0000>` and frame k of the sequence `<volume>`; voxel (i, j, k) is its
pixel in column i and row j, and nothing is ever reoriented. segdata looks at the voxels to see whether a volume is
labels or an image (labels are constant over regions, or have the intent code NIFTI_INTENT_LABEL), and at the name only
if the voxels do not show it. A volume that is empty, or has too few voxels to show it, is labels if all others of its
folder are; for an image in a folder of labels you get SEG004. Values are category ids, 0 is unlabelled. Category names
come from taxonomy.yaml, a BIDS `dseg.tsv`, a label description of ITK-SNAP or a dataset.json; if you have none of them,
every volume is read once for its values. Images and labels are paired by their names in the layouts of BIDS, nnU-Net,
BraTS (whose modalities are channels), LiTS, KiTS, ACDC, BTCV and TotalSegmentator. Several label files on one image
(`_seg-manual`, `_lesion-manual`, `segmentations/liver`) are layers: their segments may overlap, and each layer has a
category of its own. With `instances=yes`, or `instance_ids` in segdata.yaml, values are instances, and tracks through
the slices. A place that contradicts that of the image, or is unknown, is SEG017, as are voxels that are not whole
numbers.

Written: `labels/<volume>.nii.gz` with taxonomy.yaml and volumes.json, which says what image each slice is. Labels that
you read from NIfTI and did not edit come back byte by byte, except for the compression.

Source: https://nifti.nimh.nih.gov/nifti-1; affines as in nipy/nibabel doc/source/nifti_images.rst; names as in
bids-standard/bids-specification src/derivatives/imaging.md and pyushkevich/itksnap Logic/Common/ColorLabelTable.cxx.
"""

from segdata.core.format import FILE_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.medical import nnunet_evidence
from segdata.formats.shared import CATEGORY_MASK_LOSSES

ALIASES = ("nii", "nii-gz", "bids", "nrrd", "mha", "metaimage")
NAMES = FILE_NAMES
LOSSES: frozenset[LossKind] = CATEGORY_MASK_LOSSES | {"spatial"}
CHECKED = ("nibabel", "SimpleITK")
READ_OPTIONS = {
    "instances": "yes: values are instances of one category: the taxonomy's only one, else `object`",
    "annotator": "regular expression that finds the annotator in the name of a label file, `_(reader\\d)`",
}

WRITE_OPTIONS = {
    "values": "category: category ids; instance: instance numbers, with a table of them; default: by the task"
}


def detect(probe: FileProbe) -> FormatMatch | None:
    """Files named .nii, .nii.gz, .nrrd or .mha, except in datasets of nnU-Net."""
    names = probe.matching(r"\.(nii(\.gz)?|nrrd|nhdr|mha|mhd)$")
    if not names or nnunet_evidence(probe) is not None:
        return None
    niftis = [name for name in names if ".nii" in name.lower()]
    return FormatMatch(0.95 if niftis else 0.9, f"{(niftis or names)[0]} is a volume")


read = ImportedOnCall("segdata.formats.medical.nifti_reader:open_nifti")


write = ImportedOnCall("segdata.formats.medical.nifti_writer:write_nifti")
