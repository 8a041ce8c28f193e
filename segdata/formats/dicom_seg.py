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

from segdata.core.batch import Batch
from segdata.core.defect import Defect
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.formats.masks.beside import write_beside
from segdata.formats.masks.pairing import images_of
from segdata.formats.medical.dicom.files import SEGMENTATIONS, kind_of_head, open_folder
from segdata.formats.medical.dicom.groups import Groups, count_beside
from segdata.formats.medical.dicom.index import INDEX, IndexFile, read_dicom_index, write_dicom_index
from segdata.formats.medical.dicom.segobject import SegObject, read_seg
from segdata.formats.medical.dicom.segplaces import SegDrawings
from segdata.formats.medical.dicom.segsource import seg_source
from segdata.formats.medical.dicom.segwriter import SegWriter
from segdata.formats.medical.dicom.slices import series_of
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
CHECKED = ("highdicom", "dcmqi's segmentation of a liver with its NRRD file")
READ_OPTIONS = {
    "threshold": "from which value on, 0 to 1, a pixel of a fractional segmentation is inside; default: 0.5"
}


def detect(seen: Glance) -> Clue | None:
    """A DICOM file whose head says that it is a segmentation."""
    found = [name for name in seen.names if kind_of_head(seen.head(name)[:512]) in SEGMENTATIONS]
    return Clue(1.0, f"{found[0]} is a DICOM segmentation") if found else None


def read(request: Request) -> PerImageSource:
    """Open a segmentation, or all below a folder; raises UnreadableError where there is none."""
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


def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write segmentations of the images' series; raises SegdataError where an annotated image is no DICOM file."""
    target.mkdir(parents=True)
    writer = SegWriter(target, profile.taxonomy, losses)
    groups = Groups("dicom-seg")
    files: list[IndexFile] = []
    for group in groups.of(count_beside(batch, LOSSES - {"attributes", "source"}, losses) for batch in batches):
        for who in group.layers:
            file, segments = writer.save(group, who)
            files.append(IndexFile(file, who[0], segments))
    write_dicom_index(target, groups.index, files)
    write_beside(target, profile, profile.taxonomy)
