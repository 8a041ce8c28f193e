"""Opened: a dataset of street scenes whose files are paired and whose labels are known."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.profile import RasterRule, Task
from segdata.formats.shared.pairing import Pairing
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames


def opened(
    request: ReadRequest,
    format: str,
    pairing: Pairing,
    naming: CategoryNames,
    looks: Mapping[str, Callable[[ImageEntry], ImageAnnotation]],
    numbered: bool,
    raster_rule: RasterRule = "mask-native",
) -> PerImageSource:
    """The source. Scenes are labelled pixel by pixel, each pixel once: so coverage is exhaustive, and nothing overlaps.

    `looks` are called for entries by their `record`; `numbered`: some labels tell instances apart.
    """
    task: Task = "panoptic" if numbered else "semantic"
    profile = naming.profile(
        format, request.root, task, "exhaustive", "forbid", raster_rule=raster_rule, places=pairing.places
    )
    look = partial(_look, request.root, looks)
    return PerImageSource(request.root, profile, pairing.entries, pairing.defects, look, request.annotator)


def _look(
    root: Path, looks: Mapping[str, Callable[[ImageEntry], ImageAnnotation]], entry: ImageEntry
) -> list[ImageAnnotation]:
    look = looks.get(str(entry.record))
    if look is None:  # images.csv may name any file
        message = f"is in no folder of labels ({', '.join(looks)})"
        raise BrokenLabelsError(Defect("SEG004", message, relative_path(root, entry.files[0])))
    return [look(entry)]
