"""SEG354 track-jump: a track is elsewhere, or of another size, in one frame."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.frame_sequences import touches_edge
from segdata.core.profile import has_videos
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags


@rule("SEG354", "track-jump", severity="warning", needs=("frames",), when=has_videos)
def track_jump(
    tables: Tables, *, min_agree: float = 0.5, max_fit: float = 0.25, min_pixels: int = 64, swap_gain: float = 0.3
) -> Findings:
    """The mask of a track is elsewhere, or has quite another size, than the frames before and after allow.

    Flagged (min_pixels=4):
        ........
        .aa.....
        .aa.....
        ........

        ........
        .....aa.
        .....aa.
        ........

        ........
        .aa.....
        .aa.....
        ........

        sequence: video
        a: sign (track 7)

    Fine, it moves on (min_pixels=4):
        ........
        .aa.....
        .aa.....
        ........

        ........
        ...aa...
        ...aa...
        ........

        ........
        .....aa.
        .....aa.
        ........

        sequence: video
        a: car (track 7)

    Fine, it starts to move and keeps its shape (min_pixels=4):
        ........
        .aa.....
        .aa.....
        ........

        ........
        .aa.....
        .aa.....
        ........

        ........
        ....aa..
        ....aa..
        ........

        sequence: video
        a: car (track 7)

    The rule moves the segments before and after to where they would meet halfway, as if the track moved straight on. If
    they agree with each other there, and the segment between agrees with neither, there or where they are drawn, the
    track jumps for this frame only. It jumps for good if the last frame before agrees only with those before it, and
    the first one after only with those after it. You get one finding for each track and frame. The rule ignores tracks
    at the frame's edge, those of a few pixels, and two that exchange places (SEG355).

    Why: one mask on the wrong object, or far off it, teaches your tracker to jump, and costs it in evaluation.

    Remedy: draw it again in this frame.

    Options: `min_agree`: the least IoU of the segments before and after, moved. `max_fit`: the largest IoU of either
    with the one between that is a jump. `min_pixels`: the least area of each. `swap_gain`: as in SEG355.
    Defaults: in ground truth (three videos of DAVIS) the segments before and after agree by 0.98 and fit by 0.99. In
    the results of OSVOS and RVOS on DAVIS 2017, 1 of 88 and 0 of 532 segments, whose neighbours agree by 0.57 and 0.00
    in the median, are flagged: a mask that has a third of its size for a frame.
    """
    turns, segments = tables.turns, tables.segments
    three = [turns[name] for name in ("before", "segment", "after")]
    is_whole = np.logical_and.reduce([segments["area"][column] >= min_pixels for column in three])
    edge = touches_edge(tables)
    is_whole &= ~np.logical_or.reduce([edge[column] for column in three])
    is_off = is_whole & (turns["agree"] >= min_agree) & (turns["fit"] < max_fit)
    is_off &= ~_swapped(tables, swap_gain)[three[1]]
    stays, is_there = turns["like_before"] >= max_fit, turns["like_after"] >= max_fit
    alone = is_off & ~stays & ~is_there
    for_good = is_off & is_there & np.isin(turns["before"], turns["segment"][is_off & stays])
    for row in np.flatnonzero(alone | for_good).tolist():
        before, segment, after = (int(column[row]) for column in three)
        sizes = ", ".join(f"{segments['area'][column]:,}" for column in (before, segment, after))
        how = "in this frame only" if alone[row] else "from this frame on"
        message = (
            f"track {segments.cell('track_id', segment):.0f} is {turns['shift'][row]:.0f} px off its path {how} "
            f"(IoU {turns['fit'][row]:.2f}, at least {max_fit:g} is expected); its areas are {sizes} px"
        )
        yield RowFinding(message, segments=(segment,), pixels=int(segments["area"][segment]))


def _swapped(tables: Tables, gain: float) -> Flags:
    """(n_segments,) whether a segment exchanges its place with another, in its frame or the next."""
    exchanges = tables.exchanges.take(tables.exchanges["crossed"] - tables.exchanges["own"] >= gain)
    swapped = np.zeros(len(tables.segments), bool)
    swapped[exchanges["a"]] = swapped[exchanges["b"]] = True
    middle = tables.turns["segment"]
    swapped[middle] |= swapped[tables.turns["after"]]
    return swapped
