"""First sight: which files are frames of videos, by their names and the headers of PNG files."""

import re
from collections.abc import Sequence

from segdata.core.format import FileProbe
from segdata.core.paths import SPLIT_FOLDERS
from segdata.formats.shared.file_names import IMAGE_FOLDERS, MASK_FOLDERS

GREY, COLOUR, PALETTE = 0, 2, 3  # colour types of PNG
# Folders that are not called as a video, but as a split or by what is in them; nor are ours.
NO_SEQUENCES = frozenset({*SPLIT_FOLDERS, *MASK_FOLDERS, *IMAGE_FOLDERS})


def frames(seen: FileProbe, pattern: str) -> list[str]:
    """The names that match `pattern`, of which the group `sequence` is the name of a video, not of a split or a role.

    So `masks/000001.png` and `instances/train/000001.png` are no frames of videos.
    """
    expression = re.compile(pattern)
    found = []
    for name in seen.names:
        match = expression.search(name)
        if match is not None and match["sequence"].lower() not in NO_SEQUENCES:
            found.append(name)
    return found


def png_kinds(seen: FileProbe, names: Sequence[str], most: int = 4) -> set[tuple[int, int]]:
    """Bits a channel and colour type of the first few PNG files.

    Source: PNG specification (third edition), section 11.2.1.
    """
    heads = [seen.head(name)[:26] for name in names[:most]]
    return {(head[24], head[25]) for head in heads if head.startswith(b"\x89PNG") and len(head) == 26}
