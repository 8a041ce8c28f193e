"""SEG360 frames-exchanged: the labels of two frames are in each other's place."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.frame_sequences import SequenceIndex, is_frame_of
from segdata.core.profile import has_videos
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats
from segdata.core.strata import is_example, joint_codes

_FENCE = (
    3.0  # a gain is unusual if it is further above the upper quartile than three times what this is above the median
)
_STILL = -0.2  # what exchanging two frames usually saves at most, unless labels only tremble and have no order
_MISSING = 0.1  # of an image: how far apart what only one of two frames has counts
_FURTHEST = 0.25
Distances = Floats  # (n_frames, n_frames)


@rule("SEG360", "frames-exchanged", severity="warning", needs=("centroids",), whole=True, when=has_videos)
def frames_exchanged(
    tables: Tables, *, min_gain: float = 0.15, min_far: float = 0.1, min_frames: int = 8, min_move: float = 0.001
) -> Findings:
    """The labels of two frames are in each other's place.

    Example:
        the labels of frames 12 and 13 are exchanged: in the other order they move 48 % less from frame to frame

    The rule compares centroids, spreads and areas of the tracks (without tracks: of the categories) of two frames. In a
    video that goes on steadily, two frames that are two steps apart differ more than neighbours do. If neighbours are
    exchanged, it is the other way round. If two frames further apart are exchanged, each fits better into the other's
    place than into its own. The other order must save this share of the way from frame to frame. For neighbours it must
    also be unusual in this video, whose objects may tremble: beyond the upper quartile of the shares by three times the
    distance of that from the median. A video in which labels only tremble has no order, and none is reported for frames
    far apart. You get one finding for each pair, at the earlier frame.

    Why: an object that goes back and forth teaches your tracker motion that was never there, and the labels lie beside
    the things in both images.

    Remedy: look at both frames; exchange their labels, or sort the files again by their numbers.

    Options: `min_gain`, `min_far`: the least share of the way that the other order saves, for neighbours and for frames
    further apart. `min_frames`: shorter videos are not judged. `min_move`: the least way that it saves for each of the
    four steps, as a share of the image.
    Defaults: they were chosen on the five videos that follow, and not tried on others. In five videos (CamSeq01, two
    results on DAVIS 2017) with frames that were not exchanged, the other order of two frames far apart saves nothing
    (-2 % at best); of frames that were, it saves 13 to 86 %. For neighbours it saves up to 23 % in one of them, whose
    shares vary as much, and 3 % at most in the others.
    """
    index, is_frame = SequenceIndex.of(tables), is_frame_of(tables.profile, tables.images, "video")
    for number, sequence in enumerate(index.sequences):
        if len(sequence.frame) < min_frames or not is_frame[sequence.image[0]]:
            continue
        distance = _distances(tables, index, number)
        taken = set[int]()
        for i, j, gain in sorted(
            [*_far_apart(distance, min_far, min_move), *_neighbours(distance, min_gain, min_move)],
            key=lambda pair: -pair[2],
        ):
            # What was exchanged also makes the way to its neighbours longer.
            if not taken & {i, j}:
                taken |= {k + step for k in (i, j) for step in (-1, 0, 1)}
                message = (
                    f"the labels of frames {sequence.frame[i]} and {sequence.frame[j]} are exchanged: in the other "
                    f"order they move {gain:.0%} less from frame to frame"
                )
                yield RowFinding(message, annotation=int(sequence.annotation[i]))


def _distances(tables: Tables, index: SequenceIndex, number: int) -> Distances:
    """How far the labels of any two frames of a sequence are from each other, as a share of the image.

    The mean, over the tracks or categories that either has, of the differences of centroids, spreads and roots of
    areas.
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
        apart = np.where(some, np.where(np.isnan(apart), _MISSING, apart), 0.0)
        distances[frame] = apart.sum(axis=1) / np.maximum(some.sum(axis=1), 1)
    return distances


def _neighbours(distance: Distances, min_gain: float, min_move: float) -> list[tuple[int, int, float]]:
    """Frames that are exchanged with the next one, and the share of the way that the other order saves."""
    i = np.arange(1, len(distance) - 2)
    given = distance[i - 1, i] + distance[i + 1, i + 2]
    gain = _gain(given, distance[i - 1, i + 1] + distance[i, i + 2])
    middle, upper = np.quantile(gain, [0.5, 0.75])
    stands = (gain >= max(min_gain, upper + _FENCE * (upper - middle))) & (gain * given >= 2 * min_move)
    return [(int(i[k]), int(i[k]) + 1, float(gain[k])) for k in np.flatnonzero(stands).tolist()]


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
