"""Segmentation reader: every DICOM segmentation of a folder, put where its images lie."""

from segdata.core.defect import Defect
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import Request
from segdata.formats.masks.pairing import images_of
from segdata.formats.medical.dicom.files import open_folder
from segdata.formats.medical.dicom.index import INDEX, IndexFile, read_dicom_index
from segdata.formats.medical.dicom.kinds import SEGMENTATIONS
from segdata.formats.medical.dicom.segobject import SegObject, read_seg
from segdata.formats.medical.dicom.segplaces import SegDrawings
from segdata.formats.medical.dicom.segsource import seg_source
from segdata.formats.medical.dicom.slices import series_of
from segdata.formats.perimage.entry import below
from segdata.formats.perimage.source import PerImageSource


def open_segmentations(request: Request) -> PerImageSource:
    """The segmentations; raises UnreadableError where there is none."""
    if not request.root.exists():
        raise UnreadableError(f"{request.root}: does not exist")
    threshold = _threshold(request)
    folder = open_folder(request.root, SEGMENTATIONS, images_of(request))
    if not folder.objects:
        raise UnreadableError(f"{request.root}: no DICOM segmentation")
    objects: list[SegObject] = []
    for path in folder.objects:
        name = below(folder.root, path)
        try:
            objects.append(read_seg(path, name))
        except OSError as error:
            message = f"segmentation cannot be read: {error.strerror or error}"
            folder.defects.append(Defect("SEG001", message, name))
    every = series_of(folder.images)
    indexed: dict[str, IndexFile] = {}
    if (folder.root / INDEX).is_file():
        every, indexed = read_dicom_index(folder.root, folder.defects)
    places = SegDrawings()
    for each in objects:
        places.place(each, every, folder.root)
    for series in every if indexed else ():
        places.add(series)
    places.defects += folder.defects
    return seg_source(request, objects, places, indexed, threshold)


def _threshold(request: Request) -> float:
    """The option; raises SegdataError for what is no share."""
    said = request.options.get("threshold", 0.5)
    try:
        value = float(said)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise SegdataError(f"threshold is {said!r}, it must be more than 0 and at most 1")
    return value
