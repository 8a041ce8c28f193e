"""SEG413 mirrored-annotation: labels fit the others only when they are mirrored or turned."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG413", "mirrored-annotation", severity="warning", needs=("agreement",))
def mirrored_annotation(tables: Tables) -> Findings:
    """Labels fit the others only when they are mirrored or turned.

    Example:
        seg_2 agrees with seg_1 at IoU 0.05, mirrored left to right and top to bottom at 0.60

    Why: the tool that wrote the file used another orientation. Every label is in the wrong place, and no annotator is
    to blame.

    Remedy: mirror the labels, or correct the header (NIfTI: qform, sform), and compare again.
    """
    yield from reader_findings(tables, "SEG413")
