"""SEG411 different-size: one image with two sizes."""

from collections.abc import Iterator

from segdata.core.finding import Found
from segdata.core.reported import reported
from segdata.core.rule import Tables, rule


@rule("SEG411", "different-size", severity="error", needs=("agreement",))
def different_size(tables: Tables) -> Iterator[Found]:
    """One image with two sizes.

    Example:
        640 x 480 px here, 1280 x 960 px in the first dataset that has it; not compared

    Why: pixels of different grids cannot be compared; somebody annotated a resized copy.
    Remedy: scale the labels back to the size of the original image, or annotate that.
    """
    yield from reported(tables, "SEG411")
