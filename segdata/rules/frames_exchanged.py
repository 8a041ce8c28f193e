"""SEG360 frames-exchanged: the labels of two frames are in each other's place."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.profile import has_sequences
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats
from segdata.core.strata import is_example, joint_codes
from segdata.measure.sequences import SequenceIndex, is_frame_of
from segdata.rules.sequence_slips import successions

_STILL = -0.2  # what exchanging two frames usually saves at most, unless labels only tremble and have no order
_DISTANCE_IF_MISSING = 0.1  # of an image, for segments that only one of two frames has
_FURTHEST = 0.25
_AS_LARGE, _MAX_AS_LARGE_STEPS = 0.9, 3  # of the step to a turn; so many steps, itself included
_LARGE = 1.5  # times the median step: less is an ordinary step, and more may be a turn
Distances = Floats  # (n_frames, n_frames)


@rule(
    "SEG360",
    "frames-exchanged",
    severity="warning",
    needs=("centroids", "succession"),
    whole=True,
    when=has_sequences,
    per_sequence=True,
)
def frames_exchanged(
    tables: Tables,
    *,
    min_gain: float = 0.05,
    min_pixels: int = 20,
    min_far: float = 0.1,
    min_frames: int = 6,
    min_move: float = 0.001,
    min_turn: float = 0.5,
) -> Findings:
    """The labels of two frames or slices are in each other's place, or those of many are in reverse.

    Example:
        the labels of frames 12 and 13 are exchanged: in the other order they move 48% less from frame to frame

    In a video or volume that goes on steadily, frames that are two steps apart differ more than neighbours do. If the
    labels of neighbours are exchanged, it is the other way round: the other order saves a share of the way from frame
    to frame (`min_gain`). This must be unusual in the sequence, above the median by four times the distance of the
    nearer quartile, and in the other order the two must share half of their pixels with their neighbours. Frames are
    compared pixel by pixel, by tracks, or by categories where there are none.

    Frames of videos that are further apart, and runs of three frames or more in reverse, are found by centroids,
    spreads and areas: each must fit better into the other place, or the steps at its ends must become ordinary. Labels
    that only tremble have no order, and none is reported. You get one finding for each pair or turn, at the earlier
    frame.

    Why: an object that goes back and forth teaches your tracker motion that was never there, and the labels lie beside
    the things in both images.

    Remedy: look at both frames; exchange their labels, or sort the files again by their numbers.

    Options: `min_gain`, `min_far`, `min_turn`: the least share of the way that the other order saves, for neighbours,
    for frames further apart, and for the last frames in reverse. `min_pixels`: the least number of pixels that it saves
    for neighbours. `min_frames`: shorter sequences are not judged. `min_move`: the least way that it saves for each of
    the four steps of frames further apart, as a share of the image.
    Defaults: chosen on CamSeq01, two results on DAVIS 2017, fly tissue and a spleen, where exchanging neighbours would
    save 1 % at most, and frames far apart nothing. In 14 volumes of kidneys, not used for it, nothing is flagged.
    """
    index, is_frame = SequenceIndex.from_tables(tables), is_frame_of(tables.profile, tables.images, "video")
    for succession in successions(tables, min_frames):
        sequence = succession.sequence
        in_video = bool(is_frame[sequence.image[0]])
        places, gains = succession.exchanges(min_gain, min_pixels, in_video=in_video)
        pairs = [(place, place + 1, gain) for place, gain in zip(places.tolist(), gains.tolist(), strict=True)]
        turn = None
        distance, drawn = _distances(tables, index, succession.number)
        if not in_video:
            block = _reversed_block(distance, drawn, min_turn, min_move)
            if block is not None and not {block[0], block[1] - 1} & set(places.tolist()):  # two alone are exchanged
                first, last, gain = block
                message = (
                    f"the labels of slices {sequence.frame[first]} to {sequence.frame[last]} are in reverse: in the "
                    f"other order they join their neighbours {gain:.0%} better"
                )
                yield RowFinding(message, annotation=int(sequence.annotation[first]))
        else:
            turn = _in_reverse(distance, drawn, min_turn, min_move)
            far = _far_apart(distance, min_far, min_move)
            if turn is not None and any(a + 1 == turn[0] for a, _, _ in far):
                turn = None  # a single frame explains the step as well
            pairs += far if turn is None else []
        taken = set[int]()
        for i, j, gain in sorted(pairs, key=lambda pair: -pair[2]):
            # Exchanged frames also make the way to their neighbours longer.
            if not taken & {i, j}:
                taken |= {k + step for k in (i, j) for step in (-1, 0, 1)}
                message = (
                    f"the labels of frames {sequence.frame[i]} and {sequence.frame[j]} are exchanged: in the other "
                    f"order they move {gain:.0%} less from frame to frame"
                )
                yield RowFinding(message, annotation=int(sequence.annotation[i]))
        if turn is not None:
            first, gain = turn
            message = (
                f"the labels of frames {sequence.frame[first]} to {sequence.frame[-1]} are in reverse: the step to the "
                f"first of them is {gain:.0%} shorter if the last comes first"
            )
            yield RowFinding(message, annotation=int(sequence.annotation[first]))


def _distances(tables: Tables, index: SequenceIndex, number: int) -> tuple[Distances, Flags]:
    """How far the labels of any two frames are from each other, as a share of the image; and which frames have labels.

    The mean, over the tracks or categories that either has, of the differences of centroids, spreads and roots of
    areas; 0 between two frames without labels.
    """
    segments = tables.segments
    rows = np.flatnonzero(is_example(tables, crowds=False) & (index.sequence[segments["annotation"]] == number))
    has_track = ~segments.missing("track_id")[rows]
    track = np.full(len(rows), -1, np.int64)
    track[has_track] = segments["track_id"][rows[has_track]].astype(np.int64)
    thing = joint_codes(np.where(has_track, 0, segments["category_id"][rows]), track)[0]
    place, image = index.place[segments["annotation"][rows]], segments["image"][rows]
    wide, high = (np.maximum(tables.images[name][image], 1).astype(np.float64) for name in ("width", "height"))
    shape = len(index.sequences[number].frame), int(thing.max(initial=-1)) + 1
    area = np.zeros(shape)
    np.add.at(area, (place, thing), segments["area"][rows] / (wide * high))
    weight = segments["area"][rows] / (wide * high)
    features = [np.where(area > 0, np.sqrt(area), np.nan)]
    for name, side in (("center_x", wide), ("center_y", high), ("spread_x", wide), ("spread_y", high)):
        total = np.zeros(shape)
        np.add.at(total, (place, thing), weight * tables.centroids[name][rows] / side)
        features.append(np.where(area > 0, total / np.where(area > 0, area, 1), np.nan))
    values = np.stack(features, axis=2)
    distances = np.zeros((shape[0], shape[0]))
    for frame in range(shape[0]):  # one frame with all others: all at once would fill the memory for long videos
        apart = np.minimum(np.abs(values - values[frame]).mean(axis=2), _FURTHEST)
        some = (area > 0) | (area[frame] > 0)
        apart = np.where(some, np.where(np.isnan(apart), _DISTANCE_IF_MISSING, apart), 0.0)
        distances[frame] = apart.sum(axis=1) / np.maximum(some.sum(axis=1), 1)
    drawn: Flags = np.any(area > 0, axis=1)
    return distances, drawn


def _in_reverse(distance: Distances, drawn: Flags, min_turn: float, min_move: float) -> tuple[int, float] | None:
    """From which frame on labels are in reverse, and the share of the step there that this explains; None: nowhere.

    `drawn` (n,) says which frames have labels: an empty one follows any other empty one, which tells no order.
    """
    n = len(distance)
    step = distance[np.arange(n - 1), np.arange(1, n)]
    first = np.arange(2, n - 2)
    given, turned, usual = step[first - 1], distance[first - 1, n - 1], float(np.median(step))
    gain = _gain(given, turned)
    stands = (
        (gain >= min_turn) & (given >= _LARGE * usual) & (turned <= _LARGE * usual) & (given - turned >= 4 * min_move)
    )
    stands &= drawn[first - 1] & drawn[first] & drawn[n - 1]
    # Exchanged frames make several steps as large.
    stands &= (step[None, :] >= _AS_LARGE * given[:, None]).sum(axis=1) <= _MAX_AS_LARGE_STEPS
    best = int(np.where(stands, gain, -1.0).argmax()) if len(first) else 0
    return (int(first[best]), float(gain[best])) if stands.any() else None


def _reversed_block(
    distance: Distances, drawn: Flags, min_turn: float, min_move: float
) -> tuple[int, int, float] | None:
    """First and last of at least three slices in reverse, and how much better the other order joins their neighbours.

    Both steps into the block are large ones, and both would be ordinary. A body that begins and ends there makes both
    large in either order.
    """
    n = len(distance)
    step = distance[np.arange(n - 1), np.arange(1, n)]
    goes_on = drawn[1:] & drawn[:-1]  # the first and last slices with labels are large steps by nature
    step = np.where(goes_on, step, 0.0)
    first, last = np.triu_indices(n, 2)
    known = (first >= 1) & (last <= n - 2)
    known[known] = goes_on[first[known] - 1] & goes_on[last[known]]
    first, last = first[known], last[known]
    if not len(first):
        return None
    before, behind = distance[first - 1, last], distance[first, last + 1]
    gain = _gain(step[first - 1] + step[last], before + behind)
    smaller = np.minimum(step[first - 1], step[last])
    n_as_large = n - 1 - np.searchsorted(np.sort(step), _AS_LARGE * smaller)
    least = max(_LARGE * float(np.median(step[goes_on])), min_move)
    stands = (smaller >= least) & (np.maximum(before, behind) < least)
    stands &= (gain >= min_turn) & (n_as_large <= _MAX_AS_LARGE_STEPS)
    best = int(np.where(stands, gain, -1.0).argmax())
    has_order = np.median(gain) <= _STILL
    return (int(first[best]), int(last[best]), float(gain[best])) if stands[best] and has_order else None


def _far_apart(distance: Distances, min_gain: float, min_move: float) -> list[tuple[int, int, float]]:
    """Pairs of frames that fit into each other's place, and the share of the way that this saves."""
    n, pairs, gains = len(distance), list[tuple[int, int, float]](), list[Floats]()
    for a in range(1, n - 3):
        b = np.arange(a + 2, n - 1)
        given = distance[a - 1, a] + distance[a, a + 1] + distance[b - 1, b] + distance[b, b + 1]
        turned = distance[a - 1, b] + distance[b, a + 1] + distance[b - 1, a] + distance[a, b + 1]
        gain = _gain(given, turned)
        stands = np.flatnonzero((gain >= min_gain) & (gain * given >= 4 * min_move))
        pairs += [(a, int(b[k]), float(gain[k])) for k in stands.tolist()]
        gains.append(gain)
    return pairs if np.median(np.concatenate(gains)) <= _STILL else []


def _gain(given: Floats, turned: Floats) -> Floats:
    """The share of a way that another order saves."""
    return np.asarray((given - turned) / np.maximum(given, 1e-12), np.float64)
