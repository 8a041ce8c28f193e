"""SEG353 track-gap: a track is gone for a few frames."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import Box, RowFinding
from segdata.core.profile import has_videos
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats, Ints
from segdata.core.table import Table
from segdata.measure.sequences import SequenceIndex, touches_edge, tracked_segments

Boxes = Floats
_COMPARED_APPEARANCES = 5  # before and after a gap, whose sizes are the usual ones
_MIN_HIDDEN_SHARE = 0.5  # of the box that another box covers


@rule("SEG353", "track-gap", severity="warning", needs=(), when=has_videos, habit="image", per_sequence=True)
def track_gap(tables: Tables, *, max_frames: int = 5, min_pixels: int = 16, min_share: float = 0.5) -> Findings:
    """A track vanishes for a few frames, and returns as large as it was.

    Flagged (min_pixels=4):
        .....
        .aaa.
        .aaa.
        .....

        .....
        .....
        .....
        .....

        .....
        .aaa.
        .aaa.
        .....

        sequence: video
        a: sign (track 7)

    Fine, something else hides it (min_pixels=4):
        .....
        .aaa.
        .aaa.
        .....

        .....
        .bbbb
        .bbbb
        .....

        .....
        .aaa.
        .aaa.
        .....

        sequence: video
        a: sign (track 7)
        b: bus (track 2)

    You get one finding for each gap, at its first frame. Frames without an annotation are no gap. The rule ignores gaps
    with an explanation: a track that touches the frame's edge before or after, that shrinks before it goes, or whose
    place (its boxes, along a straight line) is half covered by another thing's box, where that thing has half as many
    pixels as the track. It also ignores crowds and void.

    Why: a tracker that follows the object through these frames counts as wrong, and one that loses it as right.

    Remedy: draw it in the missing frames. If you see something unlabelled that hides it, that is no mistake.

    Options: `max_frames`: the longest gap. `min_pixels`: the least area before and after it. `min_share`: the least
    area before and after, as a share of the median of five frames.
    Defaults: of 58 such gaps in the results of RVOS on DAVIS 2017 (48 frames, 20 tracks a video) 35 belong to tracks
    that shrink before or after, and others cover 23. OSVOS, the ground truth of three videos of DAVIS, and the sample's
    street, where a walker passes behind a bus (4 clean films, 84 frames), have none to report.
    """
    index, tracked, segments = SequenceIndex.from_tables(tables), tracked_segments(tables, "video"), tables.segments
    area, edge = segments["area"], touches_edge(tables)
    is_same_track = (np.diff(tracked["sequence"]) == 0) & (np.diff(tracked["track"]) == 0)
    step = np.diff(tracked["place"])
    for row in np.flatnonzero(is_same_track & (step > 1) & (step <= max_frames + 1)).tolist():
        sides = _sides(tracked, row)
        ends = int(sides[0][-1]), int(sides[1][0])
        usual = [min_share * np.median(area[side]) for side in sides]
        if any(area[end] < max(min_pixels, lower) for end, lower in zip(ends, usual, strict=True)):
            continue
        sequence = index.sequences[int(tracked["sequence"][row])]
        missing = sequence.annotation[tracked["place"][row] + 1 : tracked["place"][row + 1]]
        boxes = _interpolate(segments, ends, len(missing))
        least = int(area[list(ends)].min())
        if edge[list(ends)].any() or _is_hidden(tables, missing, boxes, _MIN_HIDDEN_SHARE * least):
            continue
        sizes = [f"frame {tracked['frame'][row + k]} ({area[end]:,} px)" for k, end in enumerate(ends)]
        frames = count_noun(len(missing), "frame")
        message = f"track {tracked['track'][row]} is missing in {frames} between {' and '.join(sizes)}"
        x, y, width, height = np.rint(boxes[0]).astype(int).tolist()
        box: Box = (x, y, width, height)
        name = tables.category_name(ends[0])
        yield RowFinding(message, annotation=int(missing[0]), bbox=box, pixels=int(area[ends[0]]), category=name)


def _sides(tracked: Table, row: int) -> tuple[Ints, Ints]:
    """The segments of a track in its last appearances up to a row of `tracked_segments`, and in its first after it."""
    rows = np.arange(max(row + 1 - _COMPARED_APPEARANCES, 0), min(row + 1 + _COMPARED_APPEARANCES, len(tracked)))
    for name in ("track", "sequence"):
        rows = rows[tracked[name][rows] == tracked[name][row]]
    return tracked["segment"][rows[rows <= row]], tracked["segment"][rows[rows > row]]


def _interpolate(segments: Table, ends: tuple[int, int], n: int) -> Boxes:
    """(n, 4) the boxes at equal steps on the way from one segment to another."""
    first, last = (np.array([segments[name][end] for name in ("x", "y", "width", "height")], float) for end in ends)
    share = np.arange(1, n + 1)[:, None] / (n + 1)
    boxes: Boxes = first + share * (last - first)
    return boxes


def _is_hidden(tables: Tables, annotations: Ints, boxes: Boxes, min_pixels: float) -> bool:
    """Whether in one of some annotations another thing can hide the place: its box covers most of it.

    Its pixels, as dense there as in its whole box, must be `min_pixels` at least.
    """
    segments = tables.segments
    stuff = [category.id for category in tables.profile.taxonomy.categories if category.kind != "thing"]
    for annotation, (x, y, width, height) in zip(annotations.tolist(), boxes, strict=True):
        first, last = np.searchsorted(segments["annotation"], [annotation, annotation + 1])
        other_things = segments.take(np.arange(first, last))
        other_things = other_things.take(~np.isin(other_things["category_id"], stuff))
        across = np.minimum(other_things["x"] + other_things["width"], x + width) - np.maximum(other_things["x"], x)
        down = np.minimum(other_things["y"] + other_things["height"], y + height) - np.maximum(other_things["y"], y)
        shared = np.maximum(across, 0) * np.maximum(down, 0)
        density = other_things["area"] / np.maximum(other_things["width"] * other_things["height"], 1)
        if ((shared >= _MIN_HIDDEN_SHARE * width * height) & (shared * density >= min_pixels)).any():
            return True
    return False
