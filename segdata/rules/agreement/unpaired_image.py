"""SEG410 unpaired-image: only one of the datasets has an image."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG410", "unpaired-image", severity="info", needs=("agreement",))
def unpaired_image(tables: Tables) -> Findings:
    """Only one of the datasets has these images.

    Example:
        12 of 40 images in ben are in no other dataset: street/07.png, street/08.png, street/09.png and 9 more

    Why: what only one annotator has says nothing about agreement, and a misnamed folder looks just like it.

    Remedy: none if you divided the work on purpose. Otherwise give the images the same names, or try `--pair`.
    """
    yield from reader_findings(tables, "SEG410")
