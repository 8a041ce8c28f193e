"""SEG312 unannotated-image: nothing is labelled in an image."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.frame_sequences import frame_sequences
from segdata.core.rule import Findings, Tables, rule


@rule("SEG312", "unannotated-image", severity="warning", needs=())
def unannotated_image(
    tables: Tables, *, max_share: float = 0.1, min_frames: int = 3, min_usual: float = 0.5
) -> Findings:
    """An annotated image has no segment.

    Flagged:
        aa..

        ....

        bb..

    Fine:
        aa..

        a...

        bb..

    You get one finding for each image. If more than max_share of the annotations are empty, that is the nature of the
    data (defect inspection, rare events), and you get one info for the dataset, except for videos that end, or begin,
    with frames without a segment beside one that has about as much labelled as others: those are named. An image that
    an annotator never worked on is not annotated and not flagged.

    Why: your training uses a skipped image as pure background.

    Remedy: annotate it, or take it out. If you find it really empty, suppress the finding with that as the reason.

    Options: `max_share`: the share of empty annotations above which one finding covers all. `min_frames`, `min_usual`:
    the least number of such frames of a video, and the least share of its usual labelled area in the frame beside them.
    Defaults: COCO (50 images) has 2 %, a forgotten one; magnetic_tile, where one kind is `Free`, 18 %.
    """
    empty = np.flatnonzero(tables.annotations["n_segments"] == 0)
    if len(empty) > max(max_share * len(tables.annotations), 1):
        share = len(empty) / len(tables.annotations)
        message = f"{len(empty):,} of {len(tables.annotations):,} annotations ({share:.0%}) have no segment"
        yield RowFinding(message, severity="info")
        yield from _unfinished_videos(tables, min_frames, min_usual)
        return
    for row in empty:
        yield RowFinding("annotated, but without a segment", annotation=int(row))


def _unfinished_videos(tables: Tables, min_frames: int, min_usual: float) -> Findings:
    """Videos whose labels stop, or begin, from one frame to the next, where nothing has left or come in by and by."""
    videos = frame_sequences(tables.profile, tables.images, tables.annotations, "video")
    if not videos:
        return
    pixels = np.bincount(tables.segments["annotation"], tables.segments["area"], len(tables.annotations))
    for sequence in videos:
        labelled = np.flatnonzero(pixels[sequence.annotation] > 0)
        if not len(labelled):
            continue
        own = pixels[sequence.annotation]
        usual = float(np.median(own[labelled]))
        first, last, n = int(labelled[0]), int(labelled[-1]), len(own)
        for count, edge, where, beside in (
            (first, first, "first", "after them"),
            (n - 1 - last, last, "last", "before them"),
        ):
            if min_frames <= count < n / 2 and own[edge] >= min_usual * usual:
                message = (
                    f"the {where} {count_noun(count, 'frame')} of {n:,} of {sequence.sequence!r} have no segment, and "
                    f"{own[edge]:,.0f} px are labelled in the frame {beside}: is the work unfinished?"
                )
                row = sequence.annotation[0 if where == "first" else last + 1]
                yield RowFinding(message, annotation=int(row))
