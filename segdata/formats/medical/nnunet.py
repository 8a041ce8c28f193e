"""nnU-Net's raw datasets: `imagesTr/<case>_0000.nii.gz`, `labelsTr/<case>.nii.gz` and dataset.json.

Read: volumes and pictures (.png, .tif, .bmp) of one or more channels, datasets of version 1 and of the Medical
Segmentation Decathlon too; images in `imagesTs/` are not annotated. An image is named `<case><ending>`, a slice of a
volume `<case><ending>/<0000>`. Categories are the labels of dataset.json; where these are regions (lists of values), a
pixel belongs to every region that contains its value. `ignore` is void, and 0, the background, is unlabelled. You get a
finding for a dataset that nnU-Net would refuse, for example for a gap between values or a wrong numTraining.

Written: labels with values 1, 2, 3 … (those that were read, if the categories have not changed), and dataset.json,
which lists the image files where they are, and keeps the category ids; taxonomy.yaml and volumes.json keep the rest.
With `--copy-images` you get them as `imagesTr/<case>_0000<ending>`, pictures as PNG files, whose channels are R, G and
B if any image has colours. nnU-Net expects that you name the folder like `Dataset001_Name`.

Source: MIC-DKFZ/nnUNet documentation/dataset_format.md, region_based_training.md, ignore_label.md.
"""

from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.medical import nnunet_evidence
from segdata.formats.shared import CATEGORY_MASK_LOSSES

ALIASES = ("nnunetv2", "nnunet-v1")
NAMES = NameLimits(r"\r", separator="__")
LOSSES: frozenset[LossKind] = CATEGORY_MASK_LOSSES | {"spatial", "void"}
CHECKED = ("nibabel", "the checks of nnU-Net's verify_dataset_integrity")
WRITE_OPTIONS = {
    "file_ending": ".nii.gz or .png; default: as read, else .nii.gz if there are volumes",
    "channels": "channel names, `CT` or `R,G,B`, by which nnU-Net normalises; default: as read",
}


arrange = ImportedOnCall("segdata.formats.medical.nnunet_writer:arrange_images")


def detect(probe: FileProbe) -> FormatMatch | None:
    """A dataset.json with labels, beside a folder labelsTr or imagesTr, or with the ending of files."""
    evidence = nnunet_evidence(probe)
    return None if evidence is None else FormatMatch(1.0, evidence)


read = ImportedOnCall("segdata.formats.medical.nnunet_reader:open_nnunet")


write = ImportedOnCall("segdata.formats.medical.nnunet_writer:write_nnunet")
