"""SEG004 malformed-annotation: a field is missing, given twice, of the wrong type, or out of range."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG004", "malformed-annotation", severity="error", needs=(), habit="cause", per_image=True)
def malformed_annotation(tables: Tables) -> Findings:
    """A field of an annotation file is missing, given twice, of the wrong type, NaN, or out of range.

    Example:
        /annotations/17/category_id is "car": a whole number is needed
        /annotations/18 has no segmentation
        /annotations/19 has the key iscrowd twice
        /annotations/20/bbox/0 is Infinity
        /annotations/0/id is 0, which means 'not matched' when pycocotools evaluates (COCO and LVIS; a warning)
        file_name is 'a.jpg', but coco_url has 'b.jpg', the file of another image: one of them is wrong

    Not flagged: fields that the format's specification does not name. They are kept as attributes.

    Why: most loaders read past it and use a default. Here the annotation is left out, unless the message says how it
    is read, and all others are checked.

    Remedy: correct the field at the place that the finding names.
    """
    yield from reader_findings(tables, "SEG004")
