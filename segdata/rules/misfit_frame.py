"""SEG362 misfit-frame: the labels of a slice or frame fit neither neighbour, although these fit each other."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.profile import has_sequences
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats
from segdata.core.statistics import group_median
from segdata.core.strata import joint_codes
from segdata.core.table import Table
from segdata.measure.sequences import between_frames, things_by_frame, tracked_segments
from segdata.rules.sequence_slips import FrameTriples, stands_out, successions

# by how many pixels boxes lie aside, how many times further than two slices further on, and the share of the slices
_MIN_ASIDE, _MIN_TIMES, _ALL_ASIDE = 1.0, 2.0, 0.9


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
    min_turns: int = 14,
    rate: float = 0.05,
) -> Findings:
    """The labels of a slice or frame fit neither the one before nor the one after, although these fit each other.

    Example:
        the labels of 12 fit neither neighbour: 61% and 64% of the pixels differ, and 23% between the neighbours
        15 of 18 frames fit those two steps away better than their neighbours: two series by turns
        liver is 10 px wider all around, or more, than between its neighbours: 10,965 px, before 6,743 and after 7,869
        liver lies 3.8 px aside by turns, left and right, in 18 of 18 slices: those two steps away lie 1.2 px apart

    The rule compares the labels of neighbours pixel by pixel. In a volume or film that goes on steadily, two slices
    that are two steps apart differ more than neighbours do. If a slice's labels are mirrored, shifted, enlarged, or
    those of another place, its neighbours are more alike than either is to it. That must be unusual in the sequence,
    as in SEG360, and the neighbours must share a part of their pixels. Empty slices (SEG358), pairs of exchanged ones
    (SEG360) and videos with tracks (SEG354) are left to other rules. If this holds for nearly every slice, you get one
    finding for the sequence: every other one is mirrored, or of another place.

    In volumes the rule also compares the box around each category with those of its neighbours. You get a finding for a
    slice in which all four sides lie further out, or further in, by about as much, and the area changes as much as such
    a rim has; other slices of the volume must have no such rim. You get one finding for a volume whose boxes lie aside
    by turns, by a pixel at least, always by about as much, and further than slices two steps away lie from each other.

    Why: one slice that is mirrored or moved looks fine by itself, and tears the object in three dimensions.

    Remedy: look at the slice between its neighbours; turn or move its labels back, or draw them again.

    Options: `min_gain`: by which share the neighbours must be nearer to each other than to the slice. `min_pixels`: by
    how many pixels. `min_frames`: shorter sequences are not judged. `min_shared`: the least share of pixels that the
    neighbours have in common. `min_every`: the share of slices that makes it a property of the sequence. `min_turns`:
    the least number of slices that lie aside by turns. `rate`: the rate of false findings for rims.
    Defaults: they were chosen on CamSeq01, two results on DAVIS 2017, fly tissue and a spleen, where neighbours are
    nearer to each other by 4 % at most, and by 12 to 60 % if one slice is mirrored or shifted. In 14 volumes of
    kidneys, which were not used to choose limits, nothing is flagged. Rims and slices aside were chosen on the spleen,
    where rims reach 1 px, and on three readers of a brain. In 17 volumes of TotalSegmentator's tests, not used for it,
    nothing is flagged; 17 of 24 slices that were made wider there and 24 of 24 volumes with slices aside are.
    """
    things = things_by_frame(tables, "volume")
    wider, aside = [*_wider_slices(tables, things, rate)], [*_slices_aside(tables, things, min_turns)]
    yield from wider
    yield from aside
    told, told_whole = (
        {int(tables.segments["annotation"][finding.segments[0]]) for finding in several} for several in (wider, aside)
    )
    in_tracks = set(tracked_segments(tables, "video")["sequence"].tolist())
    n_segments = tables.annotations["n_segments"]
    for succession in successions(tables, min_frames):
        if succession.number in in_tracks:
            continue
        sequence = succession.sequence
        if not told_whole.isdisjoint(sequence.annotation.tolist()):
            continue
        exchanged, _ = succession.exchanges(min_gain / 2, min_pixels)
        places, gain, pixels = succession.saved_without()
        by_turns = (gain >= min_gain) & (pixels >= min_pixels) & (succession.far[places] <= 1 - min_shared)
        is_drawn = n_segments[sequence.annotation] > 0
        is_judged = ~np.isnan(gain) & is_drawn[places] & (is_drawn[places - 1] | is_drawn[places + 1])
        by_turns &= is_judged
        n_judged = int(is_judged.sum())
        if n_judged >= min_frames - 2 and by_turns.sum() >= min_every * n_judged:
            message = (
                f"{int(by_turns.sum())} of {n_judged} frames fit those two steps away better than their neighbours: "
                "two series by turns, or every other one mirrored"
            )
            yield RowFinding(message, annotation=int(sequence.annotation[places[by_turns][0]]))
            continue
        stands = stands_out(gain, min_gain) & (pixels >= min_pixels) & (succession.far[places] <= 1 - min_shared)
        stands &= ~np.isin(places, np.concatenate([exchanged, exchanged + 1]))
        stands &= is_judged & ~np.isin(sequence.annotation[places], sorted(told))
        for place in places[stands].tolist():
            before, after, across = succession.near[place], succession.near[place + 1], succession.far[place]
            message = (
                f"the labels of {sequence.frame[place]} fit neither neighbour: {before:.0%} and {after:.0%} of the "
                f"pixels differ, and {across:.0%} between the neighbours"
            )
            yield RowFinding(message, annotation=int(sequence.annotation[place]))


def _wider_slices(tables: Tables, things: Table, rate: float) -> Findings:
    """Slices of volumes in which a category is wider or narrower all around than in their neighbours."""
    triples = FrameTriples.from_things(things)
    has_rim = triples.has_rim(tables, things, rate)
    for row, rim in zip(triples.row[has_rim].tolist(), triples.rim[has_rim].tolist(), strict=True):
        segment = int(things["segment"][row])
        before, area, after = (int(things["area"][row + k]) for k in (-1, 0, 1))
        message = (
            f"{tables.category_name(segment)} is {abs(rim):.0f} px {'wider' if rim > 0 else 'narrower'} all around, or "
            f"more, than between its neighbours: {area:,} px, before {before:,} and after {after:,}"
        )
        yield RowFinding(message, segments=(segment,), pixels=area)


def _slices_aside(tables: Tables, things: Table, min_turns: int) -> Findings:
    """Volumes in which boxes lie aside by turns; of several things in a slice, the median counts."""
    _, first = joint_codes(things["sequence"], things["place"])
    for low, high, sides in (("left", "right", "left and right"), ("top", "bottom", "up and down")):
        middle = (things[low] + things[high]) / 2
        one, two = (_off_middle(things, middle, lag) for lag in (1, 2))
        sign = np.where(things["place"] % 2, 1, -1)
        slices = Table({
            "sequence": things["sequence"][first],
            "segment": things["segment"][first],
            "aside": _median_by_slice(things, sign * one)[first],
            "next_but_one": _median_by_slice(things, np.abs(two))[first],
        })  # fmt: skip
        slices = slices.take(~np.isnan(slices["aside"]))
        for rows in slices.groups("sequence"):
            aside = slices["aside"][rows]
            usual, tremble = float(np.median(aside)), float(np.nanmedian(np.append(slices["next_but_one"][rows], 0)))
            far = np.sign(usual) * aside >= abs(usual) / 3
            enough = len(rows) >= min_turns and abs(usual) >= max(_MIN_ASIDE, _MIN_TIMES * tremble)
            if enough and far.mean() >= _ALL_ASIDE:
                segment = int(slices["segment"][rows[0]])
                message = (
                    f"{tables.category_name(segment)} lies {abs(usual):.1f} px aside by turns, {sides}, in "
                    f"{int(far.sum())} of {len(rows)} slices: those two steps away lie {tremble:.1f} px apart"
                )
                yield RowFinding(message, segments=(segment,))


def _off_middle(things: Table, values: Floats, lag: int) -> Floats:
    """(n,) how far a thing's value is from the middle of those `lag` slices before and behind it; NaN: unknown."""
    off, row = np.full(len(things), np.nan), between_frames(things, lag)
    off[row] = values[row] - (values[row - lag] + values[row + lag]) / 2
    return off


def _median_by_slice(things: Table, values: Floats) -> Floats:
    """(n,) the median of the values of all things in a slice, without unknown ones; NaN if all are."""
    is_known = ~np.isnan(values)
    slice_, _ = joint_codes(things["sequence"], things["place"])
    of_slice = np.full(int(slice_.max(initial=-1)) + 1, np.nan)
    of_slice[slice_[is_known]] = group_median(values[is_known], slice_[is_known])
    return np.asarray(of_slice[slice_], np.float64)
