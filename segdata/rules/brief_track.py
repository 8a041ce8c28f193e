"""SEG359 brief-track: a track id is used for a single frame."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.overlay import box_ious
from segdata.core.profile import has_videos
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats, Ints
from segdata.core.table import Table
from segdata.measure.sequences import SequenceIndex, touches_edge, tracked_segments

_SIDES = ("x", "y", "width", "height")
_NEARLY_ALL, _MANY = 0.95, 20  # tracks of one frame, where ids may be those of detections
_MIN_TAKEN_SHARE = 0.5  # of the places that are taken in the next frame


@rule("SEG359", "brief-track", severity="warning", needs=(), whole=True, when=has_videos, per_sequence=True)
def brief_track(
    tables: Tables,
    *,
    min_pixels: int = 64,
    min_overlap: float = 0.5,
    min_usual: int = 5,
    min_frames: int = 5,
    max_share: float = 0.05,
) -> Findings:
    """A track id is used for a single frame.

    Flagged, it takes the place of another (min_pixels=4):
        .......
        .aaa...
        .aaa...
        .......

        .......
        .bbb...
        .bbb...
        .......

        .......
        .aaa...
        .aaa...
        .......

        sequence: video
        a: car (track 7)
        b: car (track 77)

    Fine, it stands beside the other (min_pixels=4):
        .........
        .aaa.....
        .aaa.....
        .........

        .........
        .aaa.bbb.
        .aaa.bbb.
        .........

        .........
        .aaa.....
        .aaa.....
        .........

        sequence: video
        a: car (track 7)
        b: car (track 77)

    You get a finding for a track of one frame if another one of its category is missing in this frame and was, or will
    be, in its place: with both neighbours the box between theirs counts, else the one that there is. You also get one
    for a track of one frame that replaces no other track, if such tracks are rare in this video and its tracks usually
    go on for long. Tracks at the image's edge, which may just pass, are not judged for that, nor are the first and the
    last frame. The rule ignores crowds and void.

    If nearly all tracks of a video are in one frame, twenty at least, and half of them have another of their category
    in their place in the next frame, you get one finding for the video.

    Why: each such id is an identity switch twice, and an object that nothing can be learned of.

    Remedy: give it the id of the track whose place it takes, or delete it.

    Options: `min_pixels`: smaller ones are ignored. `min_overlap`: the least IoU of the boxes. `min_usual`: the least
    median of the frames that tracks of this video have, `min_frames`: the least number of frames of the video, and
    `max_share`: the largest share of tracks of one frame (one may always be), for one that takes nobody's place.
    Defaults: in two results on DAVIS 2017 nothing is flagged, and 27 of
    28 ids that were exchanged for one frame are.
    """
    tracked, segments, index = tracked_segments(tables, "video"), tables.segments, SequenceIndex.from_tables(tables)
    track = np.concatenate([[0], np.cumsum((np.diff(tracked["sequence"]) != 0) | (np.diff(tracked["track"]) != 0))])
    track = track[: len(tracked)]
    n_frames = np.bincount(track)
    category = segments["category_id"][tracked["segment"]]
    box = np.stack([segments[name][tracked["segment"]] for name in _SIDES], axis=1).astype(np.float64)
    edge, area = touches_edge(tables)[tracked["segment"]], segments["area"][tracked["segment"]]
    for rows in tracked.groups("sequence"):
        length = n_frames[np.unique(track[rows])]
        last = len(index.sequences[int(tracked["sequence"][rows[0]])].frame) - 1
        is_rare = np.median(length) >= min_usual and (length == 1).sum() <= max(1, max_share * len(length))
        is_rare &= last + 1 >= min_frames
        n_single = int((length == 1).sum())
        none_lasts = n_single >= max(_MANY, _NEARLY_ALL * len(length))
        share_taken = _share_taken(tracked, box, category, rows, min_overlap) if none_lasts else 0.0
        if share_taken >= _MIN_TAKEN_SHARE:
            message = (
                f"{n_single:,} of {len(length):,} tracks are in one frame only, and {share_taken:.0%} of the places in "
                "a frame are another track's in the next: are the ids those of detections?"
            )
            yield RowFinding(message, annotation=int(segments["annotation"][tracked["segment"][rows[0]]]))
            continue
        brief = rows[(n_frames[track[rows]] == 1) & (area[rows] >= min_pixels)]
        for row in brief.tolist():
            peers = rows[(category[rows] == category[row]) & (n_frames[track[rows]] > 1)]
            other, overlap = _replacement(tracked, box, peers, row, last)
            label = f"track {tracked['track'][row]} is used in this frame only"
            if overlap >= min_overlap:
                message = (
                    f"{label}, in the place of track {tracked['track'][other]}, which is missing here "
                    f"(IoU of the boxes {overlap:.2f})"
                )
            elif is_rare and not edge[row] and 0 < tracked["place"][row] < last:
                message = f"{label}; the tracks of this video go on for {np.median(length):.0f} frames (median)"
            else:
                continue
            segment = int(tracked["segment"][row])
            yield RowFinding(message, segments=(segment,), pixels=int(area[row]))


def _share_taken(tracked: Table, box: Floats, category: Ints, rows: Ints, min_overlap: float) -> float:
    """The share of the segments before the last frame that another track's of their category follows in their place."""
    taken, n = 0, 0
    place = tracked["place"][rows]
    for here in np.unique(place).tolist():
        before, behind = rows[place == here], rows[place == here + 1]
        if len(behind):
            n += len(before)
            others = [
                behind[(category[behind] == category[row]) & (tracked["track"][behind] != tracked["track"][row])]
                for row in before.tolist()
            ]
            taken += sum(
                bool((box_ious(box[several].T, box[row]) >= min_overlap).any())
                for row, several in zip(before.tolist(), others, strict=True)
            )
    return taken / n if n else 0.0


def _replacement(tracked: Table, box: Floats, peers: Ints, row: int, last: int) -> tuple[int, float]:
    """The row of a track that is missing in the frame of `row`, and the IoU of its place there; -1, 0: none.

    It is in the frames before and after, or in the one that there is.
    """
    place = tracked["place"][row]
    here = set(tracked["track"][peers[tracked["place"][peers] == place]].tolist())
    sides = [
        {int(tracked["track"][peer]): int(peer) for peer in peers[tracked["place"][peers] == place + step].tolist()}
        for step in (-1, 1)
    ]
    if place == 0:
        candidates = {name: [peer] for name, peer in sides[1].items()}
    elif place == last:
        candidates = {name: [peer] for name, peer in sides[0].items()}
    else:
        candidates = {name: [peer, sides[1][name]] for name, peer in sides[0].items() if name in sides[1]}
    best, most = -1, 0.0
    for name, several in candidates.items():
        overlap = 0.0 if name in here else float(box_ious(box[several].mean(axis=0), box[row]))
        if overlap > most:
            best, most = several[0], overlap
    return best, most
