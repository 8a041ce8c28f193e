"""SEG004 malformed-annotation: a field that is missing, of the wrong type, or out of range."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG004", "malformed-annotation", severity="error", needs=())
def malformed_annotation(tables: Tables) -> Iterator[RowFinding]:
    """A field of an annotation file that is missing, of the wrong type, NaN, or out of range.

    Example:
        /annotations/17/category_id is "car": a whole number is needed
        /annotations/18 has no segmentation

    Left alone: fields that the format's specification does not name: they are kept as attributes.

    Why: most loaders read on past it, with a default in its place. The annotation is left out here, and all others
    are checked.

    Remedy: mend the field at the place that the finding names.
    """
    yield from reader_findings(tables, "SEG004")
