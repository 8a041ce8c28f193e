"""SEG005 malformed-rle: run lengths are no mask."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG005", "malformed-rle", severity="error", needs=(), habit="image", per_image=True)
def malformed_rle(tables: Tables) -> Findings:
    """Run lengths do not sum to height x width, are negative, or cannot be decoded.

    Example:
        /annotations/3/segmentation/counts sums to 300 of 307200 px
        /annotations/4/segmentation/size is [640, 480], its image has height 480 and width 640 (swapped)

    Not flagged: a mask without any set pixel, which is SEG105.

    Why: pycocotools does not compare sum and size. It returns uninitialised memory, with other pixels on every call.

    Remedy: encode the mask again from its pixels. Swap a size that is [width, height].
    """
    yield from reader_findings(tables, "SEG005")
