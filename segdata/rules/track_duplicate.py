"""SEG352 track-duplicate: one track occurs twice in a frame."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.profile import has_sequences
from segdata.core.rule import Findings, Tables, rule
from segdata.measure.sequences import tracked_segments
from segdata.rules.shared import segments_finding


@rule("SEG352", "track-duplicate", severity="error", needs=("frames",), when=has_sequences, per_sequence=True)
def track_duplicate(
    tables: Tables, *, min_share: float = 0.25, min_agree: float = 0.5, min_fit: float = 0.5
) -> Findings:
    """A track occurs twice in one frame.

    Flagged:
        aa..b
        aa..b

        sequence: video
        a, b: car (track 7)

    Flagged, as one segment in two places:
        aa....
        aa....

        aa..aa
        aa..aa

        aa....
        aa....

        sequence: video
        a: car (track 7)

    Fine, it has two parts in every frame:
        aa..aa
        aa..aa

        aa..aa
        aa..aa

        aa..aa
        aa..aa

        sequence: video
        a: car (track 7)

    You get one finding for each track and frame. Two segments with one track are an error; if they also share one id,
    that is SEG103. Masks of ids cannot tell two segments of one id apart. There the finding is a warning if a large
    part of a track lies away from it in one frame only, while the frames before and after agree with each other and
    with the rest.

    Why: an evaluation keeps one of the two, and which one depends on the program.

    Remedy: give the second one its own track, or join the two if they are one object.

    Options: `min_share`: a part is large from this share of the rest of its segment on. `min_agree`: the least IoU of
    the segments before and after, moved onto each other. `min_fit`: the least IoU of the rest with one of them.
    Defaults: an object that is hidden in the middle comes apart near its place, and rarely for a single frame. The two
    results of DAVIS 2017 (88 and 532 segments between two others) have 0 and 0 such parts.
    """
    tracked, segments = tracked_segments(tables), tables.segments
    tracked = tracked.beside(annotation=segments["annotation"][tracked["segment"]])
    tracked = tracked.take(tracked.repeated("annotation", "track"))
    for rows in tracked.groups("annotation", "track"):
        several = np.sort(tracked["segment"][rows])
        if len(np.unique(segments["segment_id"][several])) == len(several):
            message = f"track {tracked['track'][rows[0]]} occurs {len(several)} times in this frame"
            yield segments_finding(tables, message, several)
    turns = tables.turns
    area, stray = segments["area"][turns["segment"]], turns["stray"]
    is_apart = (stray > 0) & (stray >= min_share * (area - stray))
    is_apart &= (turns["agree"] >= min_agree) & (turns["fit"] >= min_fit)
    box = ("stray_x", "stray_y", "stray_width", "stray_height")
    for segment, pixels, *place in turns.take(is_apart).lines("segment", "stray", *box):
        message = (
            f"track {segments.cell('track_id', segment):.0f}: a part of {pixels:,} px lies where the track is neither "
            f"in the frame before nor in the one after; the rest has {segments.cell('area', segment) - pixels:,} px"
        )
        yield RowFinding(message, segments=(segment,), bbox=tuple(place), pixels=pixels, severity="warning")
