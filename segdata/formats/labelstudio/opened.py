"""Opened: files of tasks, with the configuration beside them."""

from functools import partial
from pathlib import Path

from segdata.core.format import ReadRequest
from segdata.formats.labelstudio.annotations import look_at_tasks
from segdata.formats.labelstudio.labelconfig import config_beside
from segdata.formats.labelstudio.regions import NOTATION
from segdata.formats.labelstudio.tasks import read_tasks
from segdata.formats.shared.pairing import images_folder
from segdata.formats.shared.taxonomies import resolve_names
from segdata.formats.tools.source import ToolSource


def open_tasks(request: ReadRequest, files: list[Path]) -> ToolSource:
    """The tasks in `files`."""
    config = config_beside(request.root, request.root)
    tasks = read_tasks(request.root, files, config.image_key, images_folder(request))
    known = resolve_names(
        {*tasks.labels, *(each.name for each in config.taxonomy.categories)}, request.taxonomy, config.taxonomy
    )
    profile = known.profile("label-studio", request.root, "instance", "sparse", "allow", raster_rule="coco")
    return ToolSource(
        request.root,
        profile,
        tasks.entries,
        (*config.defects, *tasks.defects),
        known.to,
        partial(look_at_tasks, known.to),
        request.annotator,
        NOTATION,
        what="size of the regions",
    )
