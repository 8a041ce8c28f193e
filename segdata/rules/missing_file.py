"""SEG002 missing-file: the file of an annotation does not exist."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG002", "missing-file", severity="error", needs=(), habit="image", per_image=True)
def missing_file(tables: Tables) -> Findings:
    """The image or mask file of an annotation does not exist.

    Example:
        images/a.JPG is annotated; there is images/a.jpg, which differs only in case or extension
        40 of 80 names of images are without an extension, as 'a'; others have one, as 'b.png' (a warning)

    Not flagged: a dataset of which no image file is present, for example if you downloaded only its JSON. It gets one
    info finding, which asks for --images.

    Why: names that differ only in case are found on one file system and missing on the next, so half of your dataset
    can vanish on the training machine.

    Remedy: rename the file or the entry. If your images are in another folder, name it with --images.
    """
    yield from reader_findings(tables, "SEG002")
