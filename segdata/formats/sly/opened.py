"""Opened: a project of Supervisely, or a dataset of one."""

from functools import partial

from segdata.core.errors import UnreadableError
from segdata.core.format import Request
from segdata.formats.masks.pairing import images_of
from segdata.formats.naming import naming
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.sly.objects import look_at_objects
from segdata.formats.sly.project import open_project


def open_supervisely(request: Request) -> PerImageSource:
    """The project; raises UnreadableError where there is none, or it is not one of images."""
    root = request.root if request.root.is_dir() else request.root.parent
    if not request.root.exists():
        raise UnreadableError(f"{request.root}: does not exist")
    project = open_project(root, images_of(request))
    titles = [each.name for each in project.taxonomy.categories]
    known = naming(titles, request.taxonomy, project.taxonomy)
    profile = known.profile(
        "supervisely", request.root, "instance", "sparse", "allow", name=root.name, raster_rule="cv2"
    )
    look = partial(look_at_objects, root, {title: known.to[title] for title in titles})
    return PerImageSource(
        root, profile, project.entries, project.defects, look, request.annotator, what="size in the annotation"
    )
