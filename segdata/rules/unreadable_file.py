"""SEG001 unreadable-file: a file cannot be decoded."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG001", "unreadable-file", severity="error", needs=(), habit="image", per_image=True)
def unreadable_file(tables: Tables) -> Findings:
    """An image, mask or annotation file cannot be decoded.

    Example:
        masks/0007.png   image file is truncated
        annotations.json the JSON ends at line 8123, column 4, within a list

    Not flagged: files that are not part of the dataset, and images that no annotation needs to be opened for.

    Why: your training stops at such a file hours after its start, or your loader skips it without a word. A mask
    of more than 178,956,970 pixels is refused, because it may be a decompression bomb; `--max-pixels` raises the limit.

    Remedy: restore the file from its source, or take its entry out of the annotations.
    """
    yield from reader_findings(tables, "SEG001")
