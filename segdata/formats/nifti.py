"""NIfTI: volumes of labels (.nii, .nii.gz) whose slices are images, with affine and header kept byte by byte.

Slice k of a volume is the image `<volume>/<0000>` and frame k of the sequence `<volume>`; voxel (i, j, k) is its pixel
in column i and row j, and nothing is ever reoriented. Values are category ids, 0 is unlabelled. Their names come from
taxonomy.yaml, a BIDS `dseg.tsv`, a label description of ITK-SNAP or a dataset.json; without any of them, every volume
is looked through once for its values. Several files on one image (`_seg-manual`, `_lesion-manual`) are layers: their
segments may overlap, and each has a category of its own. With `instances=yes`, or `instance_ids` in segdata.yaml,
values are instances, and tracks through the slices. A place that contradicts that of the image, or is not known, is
SEG017, as are voxels that are no whole numbers.
Written: `labels/<volume>.nii.gz` with taxonomy.yaml and volumes.json, which says what image each slice is. What was
read from NIfTI and not edited comes back byte by byte, but for the compression.
Source: https://nifti.nimh.nih.gov/nifti-1; affines as in nipy/nibabel doc/source/nifti_images.rst; names as in
bids-standard/bids-specification src/derivatives/imaging.md and pyushkevich/itksnap Logic/Common/ColorLabelTable.cxx.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.errors import check_choice
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.core.taxonomy import Taxonomy
from segdata.formats.beyond import BY_CATEGORY
from segdata.formats.masks.beside import write_beside
from segdata.formats.masks.instance_writer import category_names
from segdata.formats.medical.nifti.bycategory import pictures_by_category
from segdata.formats.medical.nifti.byinstance import TABLE, InstancePainter
from segdata.formats.medical.nifti.folder import VolumeFolder
from segdata.formats.medical.nifti.index import write_index
from segdata.formats.medical.nifti.layering import Layering, layering_of
from segdata.formats.medical.nifti.meanings import by_layers, meanings
from segdata.formats.medical.nifti.names import LabelNames
from segdata.formats.medical.nifti.opened import open_volumes
from segdata.formats.medical.nifti.source import volume_source
from segdata.formats.medical.nifti.stack import stacks
from segdata.formats.medical.nifti.voxels import Volume, decode
from segdata.formats.medical.nnunet.datasetjson import clue_of
from segdata.formats.medical.shelf import Shelf
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.unheld import count_unheld

LOSSES: frozenset[Kind] = BY_CATEGORY | {"spatial"}
CHECKED = ("nibabel", "SimpleITK")
READ_OPTIONS = {
    "instances": "yes: values are instances of one category: the taxonomy's only one, else `object`",
    "annotator": "a regular expression that finds in the name of a file of labels who drew it, `_(reader\\d)`",
}

WRITE_OPTIONS = {
    "values": "category: ids of categories; instance: numbers of instances, with a table of them; default: by the task"
}
_HELD = frozenset({"images.channels", "images.frame", "images.sequence"})  # by the index


def detect(seen: Glance) -> Clue | None:
    """Files called .nii or .nii.gz, but for datasets of nnU-Net."""
    found = seen.matching(r"\.nii(\.gz)?$")
    if not found or clue_of(seen) is not None:
        return None
    return Clue(0.95, f"{found[0]} is a NIfTI volume")


def read(request: Request) -> PerImageSource:
    """Open a volume, or a folder of volumes."""
    opened = open_volumes(request)
    shelf: Shelf[Volume] = Shelf(decode)
    labels = opened.labels
    names = LabelNames(request.root)
    if opened.layers and request.taxonomy:
        meaning = by_layers(request.taxonomy, True, labels, opened.layers, {})
    else:
        meaning = meanings(request, labels, shelf, names)
    opened.defects += names.defects
    return volume_source(request, opened, meaning, shelf)


def write(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, *, values: str | None = None
) -> None:
    """Write a dataset as NIfTI volumes: each sequence is one, and each image by itself; pixels stay what they are.

    Raises SegdataError for category ids that no value can be.
    """
    by = values or ("category" if profile.task == "semantic" else "instance")
    check_choice("values", by, ("category", "instance"))
    counted = (_counted(batch, losses, by) for batch in batches)
    target.mkdir(parents=True)
    if by == "category":
        layering = layering_of(profile)
        folder = VolumeFolder(target, profile, layering, losses)
        volumes = [folder.save(stack) for stack in stacks(pictures_by_category(counted, layering, losses))]
        write_beside(target, profile, _with_blank(profile.taxonomy, layering.blank))
    else:
        layering = Layering(("",), {})
        folder = VolumeFolder(target, profile, layering, losses)
        painter = InstancePainter(category_names(profile.taxonomy), losses)
        volumes = [folder.save(stack) for stack in stacks(painter.pictures(counted))]
        painter.write_table(target / TABLE)
        write_beside(target, profile, profile.taxonomy, InstanceIds(table=TABLE))
    write_index(target, volumes, layering.index())


def _counted(batch: Batch, losses: Losses, by: str) -> Batch:
    """The batch; what its columns say beyond volumes is counted (an instance's track and crowd flag by its painter)."""
    count_unheld(batch, losses, LOSSES if by == "category" else LOSSES - {"crowd", "track"}, _HELD)
    return batch


def _with_blank(taxonomy: Taxonomy, blank: int) -> Taxonomy:
    """The taxonomy, which says what unlabelled is where that is not 0."""
    return taxonomy if blank == 0 else msgspec.structs.replace(taxonomy, unlabelled=blank)
