"""SEG014 panoptic-mismatch: segments_info and PNG disagree."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG014", "panoptic-mismatch", severity="error", needs=())
def panoptic_mismatch(tables: Tables) -> Iterator[RowFinding]:
    """Ids of segments_info and of the panoptic PNG that disagree, either way round.

    Example:
        segment 5 of segments_info has no pixel in a.png
        id 77 has 812 px in a.png and no entry in segments_info

    Left alone: id 0: it is unlabelled.

    Why: panopticapi stops at the first one in evaluation; other loaders drop the pixels or invent a category.

    Remedy: export both files again from one source; when all ids are unknown, look at the colour order (RGB or
    BGR).
    """
    yield from reader_findings(tables, "SEG014")
