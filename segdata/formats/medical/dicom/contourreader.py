"""Contour reader: every structure set of a folder, put where its images lie."""

from segdata.core.defect import Defect
from segdata.core.errors import UnreadableError, check_choice
from segdata.core.format import Request
from segdata.formats.masks.pairing import images_of
from segdata.formats.medical.dicom.contourplaces import RingDrawings
from segdata.formats.medical.dicom.contoursource import contour_source
from segdata.formats.medical.dicom.files import open_folder
from segdata.formats.medical.dicom.index import INDEX, IndexFile, read_dicom_index
from segdata.formats.medical.dicom.kinds import STRUCTURE_SET
from segdata.formats.medical.dicom.slices import series_of
from segdata.formats.medical.dicom.structures import StructureSet, read_structures
from segdata.formats.perimage.entry import below
from segdata.formats.perimage.source import PerImageSource


def open_contours(request: Request) -> PerImageSource:
    """The structure sets; raises UnreadableError where there is none, or no image of one."""
    if not request.root.exists():
        raise UnreadableError(f"{request.root}: does not exist")
    holes = str(request.options.get("holes", "xor"))
    check_choice("holes", holes, ("xor", "union"))
    folder = open_folder(request.root, (STRUCTURE_SET,), images_of(request))
    if not folder.objects:
        raise UnreadableError(f"{request.root}: no DICOM structure set")
    objects: list[StructureSet] = []
    for path in folder.objects:
        name = below(folder.root, path)
        try:
            objects.append(read_structures(path, name))
        except OSError as error:
            message = f"structure set cannot be read: {error.strerror or error}"
            folder.defects.append(Defect("SEG001", message, name))
    every = series_of(folder.images)
    indexed: dict[str, IndexFile] = {}
    if (folder.root / INDEX).is_file():
        every, indexed = read_dicom_index(folder.root, folder.defects)
    places = RingDrawings()
    for each in objects:
        places.place(each, every, folder.root)
    for series in every if indexed else ():
        places.add(series)
    places.defects += folder.defects
    return contour_source(request, objects, places, indexed, "xor" if holes == "xor" else "union")
