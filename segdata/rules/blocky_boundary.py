"""SEG118 blocky-boundary: masks were enlarged without smoothing."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import box_around

_MIN_EVIDENCE = 3.0  # -log(0.05): chance leaves out narrower steps in one of twenty annotations


@rule("SEG118", "blocky-boundary", severity="warning", needs=("steps",), habit="image", per_image=True)
def blocky_boundary(tables: Tables, *, min_step: int = 2, min_steps: int = 8) -> Findings:
    """The outline has the stair steps of a mask that was enlarged from a lower resolution.

    Flagged (min_steps=4):
        ....aaaaaa....
        ....aaaaaa....
        ..aaaaaaaa....
        ..aaaaaaaa....
        aaaaaaaaaaaa..
        aaaaaaaaaaaa..
        ....aaaa......
        ....aaaa......
        ..............

    Fine, one step has one pixel (min_steps=4):
        ....aaaaaa....
        ....aaaaaa....
        ..aaaaaaaa....
        ..aaaaaaaa....
        aaaaaaaaaaaaa.
        aaaaaaaaaaaa..
        ....aaaa......
        ....aaaa......
        ..............

    Fine, it has few steps:
        ....aaaaaa....
        ....aaaaaa....
        ..aaaaaaaa....
        ..aaaaaaaa....
        aaaaaaaaaaaa..
        aaaaaaaaaaaa..
        ....aaaa......
        ....aaaa......
        ..............

    You get one finding for each annotation, with the number of such segments. A segment counts if its outline never
    changes in two neighbouring columns, nor in two neighbouring rows, although it changes in min_steps of both: a drawn
    outline with so many steps has some of one pixel. The rule therefore needs no grid, and the factor need not be
    whole. It ignores crowds, and annotations whose steps are few and far apart, as those of rectangles: n steps at
    random places on a side of L pixels are all k pixels apart with a probability of about exp(-n² (k - 1) / L).

    Why: the boundary is wrong by up to half a step, and your boundary metrics measure the stairs.

    Remedy: annotate at full resolution, or enlarge the masks with smoothing: blur the mask of each category, and take
    the largest value at each pixel.

    Options: `min_step`: the narrowest step that is flagged, in pixels. `min_steps`: columns and rows in which the
    outline must change.
    Defaults: all 48 frames of RVOS (DAVIS 2017), which was enlarged twice, are flagged, with 473 of 707 segments. None
    of 28 other datasets is, among them CamVid and CamSeq01 (763 segments), COCO, TACO, GBM40 and OSVOS. With four or
    six steps these have no findings either.
    """
    steps, segments = tables.steps, tables.segments
    narrowest = np.minimum(steps["across"], steps["down"])
    enough = (np.minimum(steps["n_across"], steps["n_down"]) >= min_steps) & (narrowest >= min_step)
    enlarged = enough & ~segments["iscrowd"][steps["segment"]]
    blocks = steps.beside(narrowest=narrowest, annotation=segments["annotation"][steps["segment"]]).take(enlarged)
    width, height = (segments[side][blocks["segment"]] for side in ("width", "height"))
    density = blocks["n_across"] ** 2 / width + blocks["n_down"] ** 2 / height
    evidence = (blocks["narrowest"] - 1) * density
    for rows in blocks.groups("annotation"):
        if evidence[rows].sum() < _MIN_EVIDENCE:
            continue
        segment, step = blocks["segment"][rows], int(blocks["narrowest"][rows].min())
        pixels = int(segments["area"][segment].sum())
        have = "has an outline" if len(rows) == 1 else "have outlines"
        message = (
            f"{count_noun(len(rows), 'segment')} of {pixels:,} px {have} with steps of {step} px or more: "
            f"the mask was enlarged {step} times"
        )
        annotation = int(blocks["annotation"][rows[0]])
        yield RowFinding(message, annotation=annotation, bbox=box_around(tables, segment), pixels=pixels)
