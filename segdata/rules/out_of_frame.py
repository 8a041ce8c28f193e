"""SEG115 out-of-frame: vertices lie beyond the image."""

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


@rule("SEG115", "out-of-frame", severity="warning", needs=("outlines",), fix="unsafe", habit="image", per_image=True)
def out_of_frame(tables: Tables, *, max_pixels: float = 0.5) -> Findings:
    """A polygon has vertices beyond the frame.

    Flagged:
        ........
        .....aaa
        .....aaa
        ........

        a: car (polygon 5 1 11 1 11 3 5 3)

    Fine:
        ........
        .....aaa
        .....aaa
        ........

        a: car (polygon 5 1 8.4 1 8.4 3 5 3)

    Why: some tools clip such a polygon, some wrap it, some refuse it. Declared areas and boxes count what you cannot
    see. Far out, the polygon belongs to another image or to another scale.

    Remedy: clip it to the frame. Pixels beside a slanted edge may change if it is cut.

    Options: `max_pixels`: how far beyond the frame a vertex may lie; half a pixel depends on where in a pixel its
    origin is. A polygon that covers no pixel out there is not flagged either.
    Defaults: none of 470 COCO segments is flagged, 6 of 4784 in TACO (all by 1 pixel), and 42 of 4976 in GBM40, where
    100 have vertices up to 1.25 pixels out.
    """
    outlines = tables.outlines
    beyond = outlines.take((outlines["overshoot"] > max_pixels) & (outlines["outside_pixels"] > 0))
    names = ("segment", "vertices", "outside", "overshoot", "outside_pixels")
    for segment, vertices, outside, overshoot, pixels in beyond.lines(*names):
        message = (
            f"{outside} of {count_noun(vertices, 'vertex', 'vertices')} outside the frame, up to {overshoot:.1f} px"
        )
        yield RowFinding(f"{message}, with {pixels:,} px of the segment", segments=(segment,), pixels=pixels)
