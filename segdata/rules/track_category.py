"""SEG351 track-category: one track has several categories."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.profile import has_sequences
from segdata.core.rule import Findings, Tables, rule
from segdata.measure.sequences import changes_category, tracked_segments


@rule("SEG351", "track-category", severity="error", needs=(), when=has_sequences, per_sequence=True)
def track_category(tables: Tables) -> Findings:
    """A track changes its category.

    Flagged:
        aa...

        .aa..

        ..bb.

        sequence: video
        a: bus (track 2)
        b: car (track 2)

    Fine, two tracks:
        aa...

        .aa..

        ..bb.

        sequence: video
        a: bus (track 2)
        b: car (track 3)

    You get one finding for each stretch of frames in which a track lacks the category that it has in most frames (of
    equals: the first). The rule ignores crowds and void.

    Why: an object stays what it is. If you train a tracker on such a track, it learns two wrong things at once, and an
    evaluation counts one object as two.

    Remedy: give it one category in all frames. If two objects share the track, give one of them its own track.
    """
    tracked, category = tracked_segments(tables), tables.segments["category_id"]
    tracked = tracked.take(changes_category(tables, tracked))
    name = tables.profile.name_of
    for rows in tracked.groups("sequence", "track"):
        rows = np.sort(rows)
        segment, frame = tracked["segment"][rows], tracked["frame"][rows]
        ids, first, id_number, count = np.unique(
            category[segment], return_index=True, return_inverse=True, return_counts=True
        )
        usual = np.lexsort((first, -count))[0]
        starts = np.flatnonzero(np.diff(id_number, prepend=-1) != 0)
        ends = np.append(starts[1:], len(rows)) - 1
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            if id_number[start] == usual:
                continue
            frames = f"frames {frame[start]} to {frame[end]}" if end > start else f"frame {frame[start]}"
            yield RowFinding(
                f"track {tracked['track'][rows[0]]} is {name(int(ids[id_number[start]]))} in {frames}, "
                f"but {name(int(ids[usual]))} in {count_noun(int(count[usual]), 'frame')}",
                segments=(int(segment[start]),),
                pixels=int(tables.segments["area"][segment[start : end + 1]].sum()),
            )
