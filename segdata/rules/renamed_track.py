"""SEG361 renamed-track: a track ends, and another begins in its place in the next frame."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.frame_sequences import SequenceIndex, tracked_segments
from segdata.core.profile import has_videos
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.brief_track import box_iou

_SIDES = ("x", "y", "width", "height")
_NAMED = 4  # tracks in a message


@rule("SEG361", "renamed-track", severity="warning", needs=(), whole=True, when=has_videos)
def renamed_track(
    tables: Tables, *, min_pixels: int = 64, min_frames: int = 3, min_overlap: float = 0.5, max_share: float = 0.2
) -> Findings:
    """A track ends, and another of its category begins in its place in the next frame.

    Example:
        3 of 3 tracks have new ids from this frame on: 1 is 31, 2 is 32, 3 is 33

    Both tracks have to go on for some frames, one before and one after, and the boxes in the two frames have to overlap
    well. If several tracks change their ids between the same two frames, you get one finding for all of them. The rule
    ignores crowds and void, and videos in which tracks do that all the time.

    Why: the object counts twice, and a tracker that learns from it learns to give up. All ids at once are a chunk of
    the video that was labelled or exported alone.

    Remedy: give the second track the id of the first.

    Options: `min_pixels`: smaller segments are ignored. `min_frames`: the least number of frames of either track.
    `min_overlap`: the least IoU of the boxes in the two frames. `max_share`: a video in which more than this share of
    the tracks, and more than one, ends so in single places is not judged.
    Defaults: in the ground truth of DAVIS (three videos), LabelMe's video and two results on DAVIS 2017 (48 frames)
    nothing is flagged.
    """
    tracked, segments, index = tracked_segments(tables, "video"), tables.segments, SequenceIndex.of(tables)
    box = np.stack([segments[name][tracked["segment"]] for name in _SIDES], axis=1).astype(np.float64)
    category, area = (segments[name][tracked["segment"]] for name in ("category_id", "area"))
    for rows in tracked.groups("sequence"):
        place, name = tracked["place"][rows], tracked["track"][rows]
        ids, which, count = np.unique(name, return_inverse=True, return_counts=True)
        first, last = np.full(len(ids), len(rows) + place.max()), np.full(len(ids), -1)
        np.minimum.at(first, which, place)
        np.maximum.at(last, which, place)
        kept = (area[rows] >= min_pixels) & (count[which] >= min_frames)
        handovers: dict[int, list[tuple[int, int]]] = {}
        taken = set[int]()
        for end in np.flatnonzero(kept & (place == last[which])).tolist():
            following = np.flatnonzero(kept & (place == first[which]) & (place == place[end] + 1))
            following = following[category[rows[following]] == category[rows[end]]]
            starts = [start for start in following.tolist() if start not in taken]
            best = max(starts, key=lambda start: box_iou(box[rows[end]], box[rows[start]]), default=None)
            if best is not None and box_iou(box[rows[end]], box[rows[best]]) >= min_overlap:
                handovers.setdefault(int(place[best]), []).append((end, best))
                taken.add(best)
        single = sum(len(pairs) for pairs in handovers.values() if len(pairs) == 1)
        for frame, pairs in sorted(handovers.items()):
            if len(pairs) == 1 and single > max(1, max_share * len(ids)):
                continue
            names = [f"{name[end]} is {name[start]}" for end, start in pairs]
            listed = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
            here = int((place == frame - 1).sum())
            have = "has a new id" if len(pairs) == 1 else "have new ids"
            message = f"{len(pairs)} of {count_noun(here, 'track')} {have} from this frame on: {listed}"
            annotation = int(index.sequences[int(tracked["sequence"][rows[0]])].annotation[frame])
            yield RowFinding(
                message,
                annotation=annotation,
                segments=tuple(int(tracked["segment"][rows[start]]) for _, start in pairs),
            )
