"""RT-STRUCT: DICOM structure sets, whose regions of interest are closed contours on the slices of a series.

A pixel is inside where its centre is inside an odd number of a region's contours on its slice. So the keyhole of the
standard is a hole, contours of type CLOSEDPLANAR_XOR are combined as the standard says, and CLOSED_PLANAR contours in
one another are holes, as most programs take them (`holes=union` fills them, as the standard says; SEG018 tells where
it matters). Contours are put on the slice that they lie on, by their depth; the DICOM files of the images are needed,
below the same folder or in `--images`. Contours of fewer than three points, or in no plane, are SEG006; points and
open lines have no pixels and are counted. The name of a region is its category, its number the segment and track id.
Written: one structure set for each series and annotator, with the contours that were read where they give exactly the
pixels, else along the edges of pixels, with keyholes for holes: exactly these pixels come back. dicom.json beside them
keeps the names of the images.
Source: DICOM PS3.3 A.19, C.8.8.5, C.8.8.6 and C.8.8.6.3 (inner and outer contours).
"""

from collections.abc import Iterable
from pathlib import Path

from segdata.core.batch import Batch
from segdata.core.defect import Defect
from segdata.core.errors import UnreadableError, check_choice
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.formats.masks.beside import write_beside
from segdata.formats.masks.pairing import images_of
from segdata.formats.medical.dicom.contourplaces import RingDrawings
from segdata.formats.medical.dicom.contoursource import contour_source
from segdata.formats.medical.dicom.contourwriter import ContourWriter
from segdata.formats.medical.dicom.files import STRUCTURE_SET, kind_of_head, open_folder
from segdata.formats.medical.dicom.groups import Groups, count_beside
from segdata.formats.medical.dicom.index import INDEX, IndexFile, read_dicom_index, write_dicom_index
from segdata.formats.medical.dicom.slices import series_of
from segdata.formats.medical.dicom.structures import StructureSet, read_structures
from segdata.formats.perimage.entry import below
from segdata.formats.perimage.source import PerImageSource

LOSSES: frozenset[Kind] = frozenset(
    {
        "annotation-attributes",
        "attributes",
        "crowd",
        "empty-segment",
        "image-details",
        "instance",
        "rings",
        "score",
        "secondary-categories",
        "segment-id",
        "source",
    }
)
CHECKED = ("pydicom", "scikit-image's polygon2mask", "matplotlib's Path")
READ_OPTIONS = {"holes": "xor (default): a contour inside another is a hole; union: it is filled"}


def detect(seen: Glance) -> Clue | None:
    """A DICOM file whose head says that it is a structure set."""
    found = [name for name in seen.names if kind_of_head(seen.head(name)[:512]) == STRUCTURE_SET]
    return Clue(1.0, f"{found[0]} is a DICOM structure set") if found else None


def read(request: Request) -> PerImageSource:
    """Open a structure set, or all below a folder; raises UnreadableError where there is none, or no image of one."""
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


def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write structure sets of the images' series; raises SegdataError where an annotated image is no DICOM file."""
    target.mkdir(parents=True)
    writer = ContourWriter(target, profile.taxonomy, losses)
    groups = Groups("rt-struct")
    files: list[IndexFile] = []
    for group in groups.of(
        count_beside(batch, LOSSES - {"attributes", "rings", "source"}, losses) for batch in batches
    ):
        for who in group.layers:
            file, segments = writer.save(group, who)
            files.append(IndexFile(file, who[0], segments))
    write_dicom_index(target, groups.index, files)
    write_beside(target, profile, profile.taxonomy)
