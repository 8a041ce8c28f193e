"""SEG411 different-size: one image has two sizes."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG411", "different-size", severity="error", needs=("agreement",))
def different_size(tables: Tables) -> Findings:
    """One image has two sizes.

    Example:
        640 x 480 px here, 1280 x 960 px in the first dataset that has it; not compared

    Why: you cannot compare pixels of different grids. An annotator worked on a resized copy.

    Remedy: scale the labels back to the size of the original image, or annotate the original.
    """
    yield from reader_findings(tables, "SEG411")
