"""SEG007 dangling-reference: an annotation refers to an unknown image or category."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG007", "dangling-reference", severity="error", needs=(), habit="image", per_image=True)
def dangling_reference(tables: Tables) -> Findings:
    """An annotation refers to an image or category that the file does not list.

    Example:
        /annotations/9/image_id is 500: no image has that id
        /annotations/10/image_id is "7": there is 7, a number

    Not flagged: images and categories that nothing refers to (SEG312, SEG204).

    Why: your loader drops the annotation silently, or stops with a KeyError. It is usually the trace of a merge, or of
    a filter that handled only one side.

    Remedy: add the missing entry, or delete the annotation.
    """
    yield from reader_findings(tables, "SEG007")
