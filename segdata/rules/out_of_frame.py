"""SEG115 out-of-frame: vertices lie beyond the image."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule

_ROUNDED, _ROUNDED_SHARE = 3, 0.005  # pixels, and share of the longer side, that rounding may put a vertex beyond


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

    It is an info up to 3 pixels out, or half a percent of the image's longer side: rounding, or a hand that followed
    the edge of the picture, which every loader clips.

    Why: some tools clip such a polygon, some wrap it, some refuse it. Declared areas and boxes count what you cannot
    see. Far out, the polygon belongs to another image or to another scale.

    Remedy: clip it to the frame. Pixels beside a slanted edge may change if it is cut.

    Options: `max_pixels`: how far beyond the frame a vertex may lie; half a pixel depends on where in a pixel its
    origin is. A polygon that covers no pixel out there is not flagged either.
    Defaults: none of 470 COCO segments is flagged, 6 of 4784 in TACO (all by 1 pixel), and 42 of 4976 in GBM40, where
    100 have vertices up to 1.25 pixels out.
    """
    outlines, images = tables.outlines, tables.images
    beyond = outlines.take((outlines["overshoot"] > max_pixels) & (outlines["outside_pixels"] > 0))
    image = tables.annotations["image"][tables.segments["annotation"][beyond["segment"]]]
    longer = np.maximum(images["width"][image], images["height"][image])
    is_near = beyond["overshoot"] <= np.maximum(_ROUNDED, _ROUNDED_SHARE * longer)
    names = ("segment", "vertices", "outside", "overshoot", "outside_pixels")
    for (segment, vertices, outside, overshoot, pixels), near in zip(
        beyond.lines(*names), is_near.tolist(), strict=True
    ):
        message = (
            f"{outside} of {count_noun(vertices, 'vertex', 'vertices')} outside the frame, up to {overshoot:.1f} px"
        )
        yield RowFinding(
            f"{message}, with {pixels:,} px of the segment",
            segments=(segment,),
            pixels=pixels,
            severity="info" if near else None,
        )
