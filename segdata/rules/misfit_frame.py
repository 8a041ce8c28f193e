"""SEG362 misfit-frame: the labels of a slice or frame fit neither neighbour, although these fit each other."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.profile import has_sequences
from segdata.core.rule import Findings, Tables, rule
from segdata.measure.sequences import tracked_segments
from segdata.rules.shared import stands_out, successions


@rule(
    "SEG362",
    "misfit-frame",
    severity="warning",
    needs=("succession",),
    when=has_sequences,
    habit="image",
    per_sequence=True,
)
def misfit_frame(
    tables: Tables,
    *,
    min_gain: float = 0.1,
    min_pixels: int = 20,
    min_frames: int = 6,
    min_shared: float = 0.1,
    min_every: float = 0.8,
) -> Findings:
    """The labels of a slice or frame fit neither the one before nor the one after, although these fit each other.

    Example:
        the labels of 12 fit neither neighbour: 61% and 64% of the pixels differ, and 23% between the neighbours
        15 of 18 frames fit those two steps away better than their neighbours: two series by turns

    The rule compares the labels of neighbours pixel by pixel. In a volume or film that goes on steadily, two slices
    that are two steps apart differ more than neighbours do. If a slice's labels are mirrored, shifted, enlarged, or
    those of another place, its neighbours are more alike than either is to it. That must be unusual in the sequence,
    as in SEG360, and the neighbours must share a part of their pixels. Empty slices (SEG358), pairs of exchanged ones
    (SEG360) and videos with tracks (SEG354) are left to other rules. If this holds for nearly every slice, you get one
    finding for the sequence: every other one is mirrored, or of another place.

    Why: one slice that is mirrored or moved looks fine by itself, and tears the object in three dimensions.

    Remedy: look at the slice between its neighbours; turn or move its labels back, or draw them again.

    Options: `min_gain`: by which share the neighbours must be nearer to each other than to the slice. `min_pixels`: by
    how many pixels. `min_frames`: shorter sequences are not judged. `min_shared`: the least share of pixels that the
    neighbours have in common. `min_every`: the share of slices that makes it a property of the sequence.
    Defaults: they were chosen on CamSeq01, two results on DAVIS 2017, fly tissue and a spleen, where neighbours are
    nearer to each other by 4 % at most, and by 12 to 60 % if one slice is mirrored or shifted. In 14 volumes of
    kidneys, which were not used to choose limits, nothing is flagged.
    """
    in_tracks = set(tracked_segments(tables, "video")["sequence"].tolist())
    annotated = tables.annotations["n_segments"]
    for succession in successions(tables, min_frames):
        if succession.number in in_tracks:
            continue
        sequence = succession.sequence
        exchanged, _ = succession.exchanges(min_gain / 2, min_pixels)
        places, gain, pixels = succession.saved_without()
        by_turns = (gain >= min_gain) & (pixels >= min_pixels) & (succession.far[places] <= 1 - min_shared)
        n_judged = int((~np.isnan(gain) & (annotated[sequence.annotation[places]] > 0)).sum())
        if n_judged >= min_frames - 2 and by_turns.sum() >= min_every * n_judged:
            message = (
                f"{int(by_turns.sum())} of {n_judged} frames fit those two steps away better than their neighbours: "
                "two series by turns, or every other one mirrored"
            )
            yield RowFinding(message, annotation=int(sequence.annotation[places[by_turns][0]]))
            continue
        stands = stands_out(gain, min_gain) & (pixels >= min_pixels) & (succession.far[places] <= 1 - min_shared)
        stands &= ~np.isin(places, np.concatenate([exchanged, exchanged + 1]))
        stands &= annotated[sequence.annotation[places]] > 0
        for place in places[stands].tolist():
            before, after, across = succession.near[place], succession.near[place + 1], succession.far[place]
            message = (
                f"the labels of {sequence.frame[place]} fit neither neighbour: {before:.0%} and {after:.0%} of the "
                f"pixels differ, and {across:.0%} between the neighbours"
            )
            yield RowFinding(message, annotation=int(sequence.annotation[place]))
