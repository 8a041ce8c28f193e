"""SEG354 track-jump: a track is elsewhere, or of another size, in one frame."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.profile import has_videos
from segdata.core.reductions import stands_beyond_chance
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import group_median, tail_probability
from segdata.core.strata import joint_codes
from segdata.core.table import Table
from segdata.measure.sequences import shared_box_area, things_by_frame, touches_edge, tracked_segments
from segdata.rules.sequence_slips import FrameTriples

_MIN_TRACKS = 3  # of a frame, to estimate the motion of the camera
_STEPS_AROUND = 3  # before and after
_MIN_SCALE = 0.02  # of a box's side: outlines tremble
_MIN_COVERED = 0.5  # of a box, by the box of what may hide the track
# what another track takes: the share of a track's pixels, the share of these that may be lost, and the chance of it
_MIN_TAKEN, _MAX_LOST, _MAX_CHANCE = 0.2, 0.25, 0.2


@rule("SEG354", "track-jump", severity="warning", needs=("frames",), when=has_videos, habit="image", per_sequence=True)
def track_jump(
    tables: Tables,
    *,
    min_agree: float = 0.5,
    max_fit: float = 0.25,
    min_pixels: int = 64,
    swap_gain: float = 0.3,
    min_move: float = 0.75,
    min_ratio: float = 2.0,
    rate: float = 0.05,
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
    the first one after only with those after it. Tracks at the frame's edge are not judged in this way.

    A track also jumps for good if all sides of its box go one way, further than its own steps before and after let
    expect, and it then goes on from there as it did before. Steps count as shares of the box's side; if a frame has
    three tracks or more, what all of them do is the camera's motion. The limit depends on the video: the tails of the
    distribution of all of its steps give the chance, and the rate of false findings is controlled.

    A track has another size for one frame if its area is far larger, or smaller, than in both neighbours, or for up to
    five if all four sides of its box lie further out, or further in, by about as much. Both must be unusual: the first
    among the frames of this track, the second among those of the video. What other things cover, or the edge cuts, may
    be smaller; but if another track has just these pixels in this frame, the finding names it.

    You get one finding for each track and frame. The rule ignores tracks of a few pixels, and two that exchange places
    (SEG355).

    Why: one mask on the wrong object, or far off it, teaches your tracker to jump, and costs it in evaluation.

    Remedy: draw it again in this frame.

    Options: `min_agree`: the least IoU of the segments before and after, moved. `max_fit`: the largest IoU of either
    with the one between that is a jump. `min_pixels`: the least area of each. `swap_gain`: as in SEG355. `min_move`:
    the least step that jumps for good, in sides of the box. `min_ratio`: how many times larger or smaller than in both
    neighbours an area must be; half as much if another track has the pixels. `rate`: the rate of false findings for
    these and for sizes.
    Defaults: in ground truth (three videos of DAVIS) the segments before and after agree by 0.98 and fit by 0.99. In
    the results of OSVOS and RVOS on DAVIS 2017, 1 of 88 and 0 of 532 segments, whose neighbours agree by 0.57 and 0.00
    in the median, are flagged: a mask that has a third of its size for a frame. For sizes, ten other films of DAVIS
    (645 frames) have none, nor have ten more that were not looked at before (731 frames), where 22 of 40 masks were
    found that were drawn 5 or 10 px wider, 6 px thinner, or three times as large for one frame. The results of OSVOS
    have one: half of a dog has the id of another track.
    """
    reported = set[int]()
    for finding in _off_path(tables, min_agree, max_fit, min_pixels, swap_gain):
        reported |= set(finding.segments)
        yield finding
    segments, swapped = tables.segments, _is_swapped(tables, swap_gain)
    for before, segment, sides, usual in _leaps(tables, min_move, rate, min_pixels):
        if reported & {before, segment} or swapped[before] or swapped[segment]:
            continue
        message = (
            f"track {segments.cell('track_id', segment):.0f} moves by {sides:.1f} times the side of its box in one "
            f"step and goes on from there; its steps in this video are {usual:.2f} (median)"
        )
        reported.add(segment)
        yield RowFinding(message, segments=(segment,), pixels=int(segments["area"][segment]))
    for finding in _other_sizes(tables, min_ratio, rate, min_pixels):
        if not (reported & set(finding.segments) or swapped[finding.segments[0]]):
            yield finding


def _other_sizes(tables: Tables, min_ratio: float, rate: float, min_pixels: int) -> Findings:
    """Tracks that have another size for one frame or a few."""
    segments, things = tables.segments, things_by_frame(tables, "video")
    things = things.take(~segments.missing("track_id")[things["segment"]])
    area, segment = things["area"], things["segment"]
    triples = FrameTriples.from_things(things)
    row, chance = triples.row, triples.ratio_chance(things)
    edge = touches_edge(tables)[segment]
    is_whole = np.minimum(np.minimum(area[triples.before], area[triples.after]), area[row]) >= min_pixels
    is_whole &= triples.is_most  # the neighbours of a slip are as unusual
    is_far = is_whole & (np.abs(triples.ratio) >= np.log(max(min_ratio, 1.0)))
    is_far &= (triples.ratio < 0) | ~(edge[row] | edge[triples.before] | edge[triples.after])
    is_smaller = np.flatnonzero(is_far & (triples.ratio < 0) & (chance <= rate))
    is_far[is_smaller] = ~_is_covered(things, row[is_smaller])
    takers, pair_chance = _takers(things, triples, chance, is_whole)
    chance = np.where(takers >= 0, np.minimum(chance, pair_chance), np.where(is_far, chance, 1.0))
    stands = stands_beyond_chance(tables, np.where(is_whole, chance, 1.0), rate)
    reported = set(takers[stands & (takers >= 0)].tolist())

    def finding_of(here: int, text: str, lag: int = 1) -> RowFinding:
        sizes = ", ".join(f"{area[here + step]:,}" for step in (-lag, 0, lag))
        label = f"track {segments.cell('track_id', int(segment[here])):.0f} {text}"
        message = f"{label}; its areas are {sizes} px"
        return RowFinding(message, segments=(int(segment[here]),), pixels=int(area[here]))

    for k in np.flatnonzero(stands & ~np.isin(row, sorted(reported))).tolist():
        reported.add(int(row[k]))
        if takers[k] >= 0:
            other = segments.cell("track_id", int(segment[takers[k]]))
            yield finding_of(int(row[k]), f"has lost a part of its pixels to track {other:.0f} in this frame only")
        else:
            times, how = float(np.exp(abs(triples.ratio[k]))), "larger" if triples.ratio[k] > 0 else "smaller"
            yield finding_of(int(row[k]), f"is {times:.1f} times {how} in this frame only")
    rims = list[tuple[float, int, int]]()
    for lag in range(1, _STEPS_AROUND + 1):
        triples = FrameTriples.from_things(things, lag)
        has_rim = triples.has_rim(tables, things, rate) & (area[triples.row] >= min_pixels)
        rims += [(float(triples.rim[k]), int(triples.row[k]), lag) for k in np.flatnonzero(has_rim).tolist()]
    for rim, here, lag in sorted(rims, key=lambda one: (-abs(one[0]), one)):
        if not reported & set(range(here - _STEPS_AROUND, here + _STEPS_AROUND + 1)):
            reported.add(here)
            how = f"{abs(rim):.0f} px {'wider' if rim > 0 else 'narrower'} all around, or more,"
            yield finding_of(here, f"is {how} than {count_noun(lag, 'frame')} before and after", lag)


def _takers(things: Table, triples: FrameTriples, chance: Floats, is_whole: Flags) -> tuple[Ints, Floats]:
    """(n_triples,) the row of a track that gains in a frame what this one loses, -1: none; and the chance of both."""
    takers, both = np.full(len(triples.row), -1), np.ones(len(triples.row))
    area, row = things["area"].astype(np.float64), triples.row
    change = area[row] - (area[row - 1] + area[row + 1]) / 2
    loses = is_whole & (triples.ratio < 0) & (chance <= _MAX_CHANCE) & (-change >= _MIN_TAKEN * (area[row] - change))
    code, _ = joint_codes(things["sequence"][row], things["place"][row])
    order = np.argsort(code, kind="stable")
    begin, end = (np.searchsorted(code[order], code, side=side) for side in ("left", "right"))
    for k in np.flatnonzero(loses).tolist():
        others = order[begin[k] : end[k]]
        gain = change[others]
        others = others[(np.abs(gain + change[k]) <= _MAX_LOST * -change[k]) & (triples.ratio[others] > 0)]
        others = others[shared_box_area(things, row[others], row[k] - 1) > 0]
        if len(others):
            other = int(others[np.argmin(chance[others])])
            product = max(float(chance[other] * chance[k]), 1e-300)
            takers[k], both[k] = row[other], product * (1 - np.log(product))  # Fisher's method for two
    return takers, both


def _is_covered(things: Table, rows: Ints) -> Flags:
    """(n,) whether the box of another thing covers half of the box that a thing had in the frame before."""
    code, _ = joint_codes(things["sequence"], things["place"])
    order = np.argsort(code, kind="stable")
    begin, end = (np.searchsorted(code[order], code[rows], side=side) for side in ("left", "right"))
    covered = np.zeros(len(rows), bool)
    for k, row in enumerate(rows.tolist()):
        others = order[begin[k] : end[k]]
        others = others[others != row]
        box = shared_box_area(things, row - 1, row - 1)
        covered[k] = (shared_box_area(things, others, row - 1) >= _MIN_COVERED * box).any()
    return covered


def _off_path(tables: Tables, min_agree: float, max_fit: float, min_pixels: int, swap_gain: float) -> Findings:
    """Tracks that are off the straight path between the frames before and after."""
    turns, segments = tables.turns, tables.segments
    three = [turns[name] for name in ("before", "segment", "after")]
    is_whole = np.logical_and.reduce([segments["area"][column] >= min_pixels for column in three])
    edge = touches_edge(tables)
    is_whole &= ~np.logical_or.reduce([edge[column] for column in three])
    is_off = is_whole & (turns["agree"] >= min_agree) & (turns["fit"] < max_fit)
    is_off &= ~_is_swapped(tables, swap_gain)[three[1]]
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


def _leaps(tables: Tables, min_move: float, rate: float, min_pixels: int) -> list[tuple[int, int, float, float]]:
    """Segments before and after a jump for good, its length in sides of the box, and the video's median step."""
    segments, tracked = tables.segments, tracked_segments(tables, "video")
    tracked = tracked.take(segments["area"][tracked["segment"]] >= min_pixels)
    same = (np.diff(tracked["sequence"]) == 0) & (np.diff(tracked["track"]) == 0) & (np.diff(tracked["place"]) == 1)
    step = np.flatnonzero(same)
    segment, sequence, place = (tracked[name] for name in ("segment", "sequence", "place"))
    low = np.stack([segments[name][segment] for name in ("x", "y")], axis=1).astype(np.float64)
    size = np.stack([segments[name][segment] for name in ("width", "height")], axis=1).astype(np.float64)
    near, far = low[step + 1] - low[step], (low + size)[step + 1] - (low + size)[step]
    # Things that the edge cuts, that are hidden, or that grow move one side only.
    moved = np.where(near * far > 0, np.sign(near) * np.minimum(np.abs(near), np.abs(far)), 0.0)
    camera, frame_first = joint_codes(sequence[step], place[step])
    several = np.bincount(camera, minlength=len(frame_first))[camera] >= _MIN_TRACKS
    for axis in (0, 1):
        moved[:, axis] -= np.where(several, group_median(moved[:, axis].copy(), camera), 0.0)
    away, n = np.hypot(*(moved - _usual_steps(moved, step)).T), len(step)
    side = np.sqrt(np.maximum(np.minimum(size[step].prod(axis=1), size[step + 1].prod(axis=1)), 1))
    share = away / side
    chance, middle = tail_probability(share, sequence[step], _MIN_SCALE)
    stands = stands_beyond_chance(tables, np.where(share > middle, chance, 1.0), rate) & (share >= min_move)
    ratio = segments["area"][segment[step]] / segments["area"][segment[step + 1]]
    stands &= (ratio > 0.5) & (ratio < 2)
    leaps = []
    for k in np.flatnonzero(stands).tolist():
        neighbours = [j for j in (k - 1, k + 1) if 0 <= j < n and abs(step[j] - step[k]) == 1]
        if len(neighbours) == 2 and all(share[j] < share[k] / 3 for j in neighbours):
            leaps.append((int(segment[step[k]]), int(segment[step[k] + 1]), float(share[k]), float(middle[k])))
    return leaps


def _usual_steps(moved: Floats, step: Ints) -> Floats:
    """(n, 2) the median of the steps (n, 2) of the same track just before and after; 0 where there are none.

    `step` (n,), ascending: of one track and without a gap between where they differ by 1.
    """
    n = len(step)
    around = np.full((2 * _STEPS_AROUND, n, 2), np.nan)
    for k, lag in enumerate([lag for lag in range(-_STEPS_AROUND, _STEPS_AROUND + 1) if lag]):
        other = np.clip(np.arange(n) + lag, 0, n - 1)
        goes_on = (other - np.arange(n) == lag) & (step[other] - step == lag)
        around[k, goes_on] = moved[other[goes_on]]
    is_known = ~np.isnan(around[:, :, 0]).all(axis=0)
    usual = np.zeros((n, 2))
    usual[is_known] = np.nanmedian(around[:, is_known], axis=0)
    return usual


def _is_swapped(tables: Tables, gain: float) -> Flags:
    """(n_segments,) whether a segment exchanges its place with another, in its frame or the next."""
    exchanges = tables.exchanges.take(tables.exchanges["crossed"] - tables.exchanges["own"] >= gain)
    swapped = np.zeros(len(tables.segments), bool)
    swapped[exchanges["a"]] = swapped[exchanges["b"]] = True
    middle = tables.turns["segment"]
    swapped[middle] |= swapped[tables.turns["after"]]
    return swapped
