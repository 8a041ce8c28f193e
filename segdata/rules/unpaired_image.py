"""SEG410 unpaired-image: images that only one of the datasets has."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG410", "unpaired-image", severity="info", needs=("agreement",))
def unpaired_image(tables: Tables) -> Iterator[RowFinding]:
    """Images that only one of the datasets has.

    Example:
        12 of 40 images in ben are in no other dataset: street/07.png, street/08.png, street/09.png and 9 more

    Why: what one annotator alone has says nothing about agreement, and a misnamed folder looks just like it.
    Remedy: none where the work was divided on purpose; else give the images the same names, or try `--pair`.
    """
    yield from reader_findings(tables, "SEG410")
