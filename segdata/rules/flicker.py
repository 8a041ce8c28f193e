"""SEG357 flicker: pixels change their category for one frame."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.profile import has_videos
from segdata.core.rule import Findings, Tables, rule
from segdata.measure.sequences import changes_category, tracked_segments
from segdata.rules.shared import SUM_COLUMNS, sum_by_owner

_BY = ("segment", "category_id")


@rule(
    "SEG357",
    "flicker",
    severity="warning",
    needs=("frames",),
    when=has_videos,
    habit="image",
    opt_in=True,
    per_sequence=True,
)
def flicker(
    tables: Tables, *, min_pixels: int = 100, min_share: float = 0.01, min_fill: float = 0.4, min_change: float = 0.5
) -> Findings:
    """Pixels have one category in the frames before and after, and another one in between.

    Flagged (min_pixels=1, min_fill=0.1):
        aaaaaaaaaa
        aaaaaaaaaa
        aaaaaaaaaa
        aaaaaaaaaa
        aaaaaaaaaa
        aaaaaaaaaa
        bbbbbbbbbb

        aaaabbbbbb
        aaaabbbbbb
        aaaabbbbbb
        aaaabbbbbb
        aaaabbbbbb
        aaaabbbbbb
        aaaaaaaaaa

        aaaaaaaaaa
        aaaaaaaaaa
        aaaaaaaaaa
        aaaaaaaaaa
        aaaaaaaaaa
        aaaaaaaaaa
        bbbbbbbbbb

        sequence: video
        task: semantic
        a: tree
        b: fence

    Fine, something passes by (min_pixels=1, min_fill=0.01):
        bbbbbaaaaaaaaaa
        bbbbbaaaaaaaaaa
        bbbbbaaaaaaaaaa
        bbbbbaaaaaaaaaa
        bbbbbaaaaaaaaaa

        aaaaabbbbbaaaaa
        aaaaabbbbbaaaaa
        aaaaabbbbbaaaaa
        aaaaabbbbbaaaaa
        aaaaabbbbbaaaaa

        aaaaaaaaaabbbbb
        aaaaaaaaaabbbbb
        aaaaaaaaaabbbbb
        aaaaaaaaaabbbbb
        aaaaaaaaaabbbbb

        sequence: video
        task: semantic
        a: road
        b: car

    You get one finding for each frame and pair of categories; track ids do not matter. Things that move through also
    change pixels back and forth. Therefore the category that the pixels had must lose them in this frame, the one that
    they get must gain them, and they must be a good part of the patch that they form. Two pixels at the border of the
    flickering area do not count, since outlines tremble. The rule ignores void and tracks that change their category
    (SEG351).

    Why: what the camera sees does not change its category for a thirtieth of a second. Your model cannot learn both,
    and video segmentation is measured by how steady it is.

    Remedy: give the pixels the category that they have before and after.

    Options: `min_pixels`: fewer pixels are not flagged. `min_share`: the same, as a share of the category's pixels
    before or after. `min_fill`: the least share of the patch. `min_change`: the least share of the pixels that one
    category loses and the other gains in total.
    Defaults: CamSeq01 (16 frames) has 2, both real: a piece of a tree is labelled building for one frame (1.9 % and 4.1
    % of all tree). A lane arrow that drives out of view fills a third of its patch and loses 1.2 % of the road; a
    passing car takes up to 23 % of a wall, but is no good part of the patch. The videos of DAVIS and the sample's clean
    films have none. Two findings prove no precision, so the rule is opt-in.
    """
    flickers = tables.flickers
    tracked = tracked_segments(tables)
    renamed = tracked["segment"][changes_category(tables, tracked)]  # segments of tracks with several categories
    is_large = flickers["area"] >= min_fill * flickers["part"]
    flickers = flickers.take(is_large & ~np.isin(flickers["segment"], renamed))
    pair = np.unique(np.stack([flickers[name] for name in _BY]), axis=1, return_inverse=True)[1]
    category, name = tables.segments["category_id"], tables.profile.name_of
    several = sum_by_owner(flickers.beside(pair=pair), "pair", *_BY, "around", "lost", "gained")
    columns = (*_BY, "around", "lost", "gained", *SUM_COLUMNS)
    for segment, before, around, lost, gained, _, pixels, _, *box in several.lines(*columns):
        if pixels < max(min_pixels, min_share * around) or min(lost, gained) < min_change * pixels:
            continue
        message = (
            f"{pixels:,} px ({pixels / around:.1%} of {name(before)}) are {name(int(category[segment]))} here, "
            f"and {name(before)} in the frames before and after"
        )
        yield RowFinding(message, segments=(segment,), bbox=tuple(box), pixels=pixels)
