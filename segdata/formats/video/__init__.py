"""Video datasets, whose segments have tracks: the names of their folders and frames."""

import re
from collections.abc import Sequence

from segdata.core.format import FileProbe
from segdata.core.paths import split_of_folder
from segdata.formats.shared.file_names import IMAGE_FOLDERS, MASK_FOLDERS

GREY, COLOUR, PALETTE = 0, 2, 3  # colour types of PNG
_ROLES = frozenset({*MASK_FOLDERS, *IMAGE_FOLDERS})


def is_video_name(folder: str) -> bool:
    """Whether a folder's name may be a video's: not that of a split, a role ("masks") or segdata's output."""
    return folder.lower() not in _ROLES and split_of_folder(folder) is None


def frame_names(probe: FileProbe, pattern: str) -> list[str]:
    """The names that match `pattern` with a group `sequence` that may be a video's name, not that of a split or role.

    So `masks/000001.png` and `instances/train/000001.png` are not frames of videos.
    """
    expression = re.compile(pattern)
    names = []
    for name in probe.names:
        match = expression.search(name)
        if match is not None and is_video_name(match["sequence"]):
            names.append(name)
    return names


def png_kinds(probe: FileProbe, names: Sequence[str]) -> set[tuple[int, int]]:
    """Bits per channel and colour type of the first four PNG files.

    Source: PNG specification (third edition), section 11.2.1.
    """
    heads = [probe.head(name)[:26] for name in names[:4]]
    return {(head[24], head[25]) for head in heads if head.startswith(b"\x89PNG") and len(head) == 26}


DAVIS_MASKS = ("Annotations", "Annotations_unsupervised")
DAVIS_IMAGES, DAVIS_SETS, DAVIS_META = "JPEGImages", "ImageSets", "meta.json"
DAVIS_SIZES = ("480p", "1080p", "Full-Resolution")


MOTS_TEXT_FOLDER = "instances_txt"
MOTS_TEXT_NAME = rf"^([^/]+|{MOTS_TEXT_FOLDER}/[^/]+|[^/]+/gt/gt)\.txt$"
MOTS_LINE = rb"\A\d+ \d+ (?:10|[1-9]) \d{2,6} \d{2,6} [0-o]+\r?(?:\n|\Z)"
# In a folder of that name also lines of tiny images, and empty files.
MOTS_NAME_IN_FOLDER = rf"(^|/){MOTS_TEXT_FOLDER}/[^/]+\.txt$"
MOTS_ANY_LINE = rb"\A(?:\d+ \d+ \d+ \d+ \d+ [0-o]+\r?(?:\n|\Z)|\Z)"


STEP_MAPS = "panoptic_maps"
STEP_SPLITS = ("train", "val", "test")
STEP_LAST_TRACK = 65_535
