"""SEG014 panoptic-mismatch: segments_info and PNG disagree."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG014", "panoptic-mismatch", severity="error", needs=(), per_image=True)
def panoptic_mismatch(tables: Tables) -> Findings:
    """The ids of segments_info and of the panoptic PNG disagree, in either direction.

    Example:
        segment 5 of segments_info has no pixel in a.png
        id 77 has 812 px in a.png and no entry in segments_info

    Not flagged: id 0, which is unlabelled.

    Why: panopticapi stops at the first mismatch in evaluation. Other loaders drop the pixels or invent a category.

    Remedy: export both files again from one source. If all ids are unknown, check the colour order (RGB or BGR).
    """
    yield from reader_findings(tables, "SEG014")
