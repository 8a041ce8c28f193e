"""SEG002 missing-file: an annotation whose file does not exist."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG002", "missing-file", severity="error", needs=())
def missing_file(tables: Tables) -> Iterator[RowFinding]:
    """An annotation whose image or mask file does not exist.

    Example:
        images/a.JPG is annotated; there is images/a.jpg, which differs only in case or extension

    Left alone: a dataset of which no image file is here, as when only its JSON was downloaded: that is one info
    finding, which asks for --images.

    Why: names that differ only in case are found on one file system and missing on the next, so half a dataset can
    vanish on the training machine.

    Remedy: rename the file or the entry; --images names another folder of images.
    """
    yield from reader_findings(tables, "SEG002")
