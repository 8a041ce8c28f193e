"""SEG011 orphan-file: a file has no counterpart."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG011", "orphan-file", severity="warning", needs=(), habit="image", per_image=True)
def orphan_file(tables: Tables) -> Findings:
    """An image has no annotation, or a mask has no image.

    Example:
        images/0042.jpg has no mask in masks/
        masks/0043.png has no image in images/
        images/Street 1.jpg has no labels; 'street_1.jpg', which is missing, is probably this file

    You also get a finding for a folder that is a dataset of another format, or holds masks, beside what is read.

    Not flagged: image folders that you did not give. Masks alone are a dataset as well.

    Why: orphans are the trace of a rename, a failed upload or unfinished work, and silently shrink your dataset.

    Remedy: find the counterpart, rename it to the same stem, or remove the file.
    """
    yield from reader_findings(tables, "SEG011")
