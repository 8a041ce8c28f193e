"""NIfTI reader: a volume of labels, or a folder of volumes."""

from segdata.core.format import ReadRequest
from segdata.formats.medical.nifti.meanings import by_layers, meanings
from segdata.formats.medical.nifti.names import LabelNames
from segdata.formats.medical.nifti.opened import open_volumes
from segdata.formats.medical.nifti.source import volume_source
from segdata.formats.medical.nifti.voxels import Volume, decode
from segdata.formats.medical.shelf import Shelf
from segdata.formats.shared.per_image import PerImageSource


def open_nifti(request: ReadRequest) -> PerImageSource:
    """The volumes, and what their values mean."""
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
