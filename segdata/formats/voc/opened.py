"""Opened: a dataset in VOC's layout."""

from segdata.core.format import ReadRequest
from segdata.core.profile import Task
from segdata.formats.shared.pairing import images_folder
from segdata.formats.shared.per_image import PerImageSource
from segdata.formats.voc.classmap import class_map
from segdata.formats.voc.listing import CLASSES, listing, voc_folder
from segdata.formats.voc.look import Look

_FOLDERS = (CLASSES, f"{CLASSES}PNG", f"{CLASSES}Aug", f"{CLASSES}Raw")


def open_voc(request: ReadRequest) -> PerImageSource:
    """The dataset; raises UnreadableError where there are no masks, or several datasets."""
    classes = _class_folder(request)
    folder = voc_folder(request.root, classes)
    images = listing(request.root, folder, classes, images_folder(request))
    stems = [entry.files[0].stem for entry in images.entries if entry.files]
    mapping = class_map(folder, request.taxonomy, "thing" if images.has_objects else "stuff", stems)
    kinds = {each.kind for each in mapping.taxonomy.categories}
    task: Task = ("panoptic" if "stuff" in kinds else "instance") if images.has_objects else "semantic"
    profile = mapping.categories.profile("pascal-voc", request.root, task, "sparse", "forbid", places=images.places)
    look = Look.of(request.root, mapping, images.has_objects)
    defects = (*images.defects, *mapping.doubts)
    return PerImageSource(request.root, profile, images.entries, defects, look, request.annotator)


def _class_folder(request: ReadRequest) -> str:
    """The folder of class masks: as the user says, else the first of its usual names that is there."""
    if "classes" in request.options:
        return str(request.options["classes"])
    places = ("", "*/", "*/*/")
    names = (name for place in places for name in _FOLDERS if any(request.root.glob(f"{place}{name}/")))
    return next(names, CLASSES)
