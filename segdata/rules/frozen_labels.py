"""SEG363 frozen-labels: the same labels, pixel by pixel, on several frames or slices of a sequence that goes on."""

from itertools import groupby

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.profile import has_sequences
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats
from segdata.core.strata import joint_codes
from segdata.measure.sequences import is_frame_of, things_by_frame, tracked_segments
from segdata.rules.sequence_slips import Succession, successions
from segdata.rules.shared import free_outlines

_SHAPE = ("x", "y", "width", "height", "area", "perimeter")
_MIN_KEPT, _MIN_HELD, _MIN_CHANGED = 5, 4, 4  # frames with the mask before, at the end and within, and with others
_MIN_JUMP, _MIN_CAUGHT_UP = 3.0, 0.6  # pixels, and share of the way that the track would have gone meanwhile
_MIN_REPEATED, _MIN_EDGE = 2, 40  # slices that repeat a structure's mask at its end, and pixel edges of its outline
_MAX_KEPT_SHARE = 0.5  # of the tracks of a video: with more the scene stands still


@rule(
    "SEG363",
    "frozen-labels",
    severity="warning",
    needs=("succession", "frames", "shapes", "imprints"),
    whole=True,
    when=has_sequences,
    per_sequence=True,
)
def frozen_labels(
    tables: Tables,
    *,
    min_frames: int = 6,
    min_edge: int = 200,
    max_share: float = 0.4,
    max_runs: int = 1,
    min_periods: int = 3,
) -> Findings:
    """Successive frames or slices have the same labels, pixel by pixel, in a sequence whose labels otherwise go on.

    Example:
        the labels of 8 are held until 13, pixel by pixel; others of the sequence change
        track 1 keeps its mask from frame 5 to the end, pixel by pixel; it changed in every other frame (info)
        track 2 keeps its mask from frame 4 to 8, pixel by pixel, and jumps then; it changed in every other
            frame (info)
        the labels of slices 14 to 16 are those of 11 to 13, pixel by pixel: were slices written twice?

    The rule reports a run of frames with one and the same labels if the other steps of the sequence change pixels. You
    also get an info for a track of a video whose mask changed in every frame, and from some frame on stays to the end
    as it is, or for four frames until it jumps by as much as it usually moves in that time, while others go on: tools
    for labelling keep the last outline of a track until somebody ends it. So is a structure of a volume that has one
    mask on its last slices, or its first, three at least, and another on each of the others. And you get one finding
    for a sequence in which each second (third …) frame has labels of its own and the others repeat them: labels, or
    slices, at a part of the rate of the images. It leaves out boxes and labels with short outlines, frames whose image
    files are the same (SEG356), and sequences in which labels often stand still.

    Why: what a person draws, or a tracker follows, changes by a pixel from frame to frame. A tool that held its last
    result teaches that things stand still while they move.

    Remedy: look at the frames of the run; if things move in them, draw them or let the tracker run again.

    Options: `min_frames`: shorter sequences are not judged. `min_edge`: the least number of pixel edges of the
    outlines of segments that are no boxes, over the frames that repeat them. `max_share`: the largest share of
    steps that may repeat labels, and `max_runs`: the number of runs, where more are a habit. `min_periods`: the
    least number of repeats at a part of the rate.
    Defaults: in 13 openings of public videos and volumes, and in 14 volumes of kidneys, nothing is flagged; nor does
    any structure keep its mask at an end in 71 public files of labels of volumes.
    """
    yield from _kept_tracks(tables)
    yield from _held_structures(tables)
    _, edge = free_outlines(tables)
    same_image = set(tables.repeats["image"].tolist())
    has_picture = ~tables.images.missing("uri")
    is_slice = is_frame_of(tables.profile, tables.images, "volume")
    imprint = tables.annotations["imprint"]
    for succession in successions(tables, min_frames):
        sequence = succession.sequence
        is_same = (succession.near == 0) & (succession.either > 0) & ~np.isin(sequence.image, list(same_image))
        goes_on = succession.near > 0
        edges = edge[sequence.annotation]
        if is_slice[sequence.image[0]]:
            for start, end, lag in _repeated_blocks(imprint[sequence.annotation].tolist(), edges, min_edge):
                message = (
                    f"the labels of slices {sequence.frame[start]} to {sequence.frame[end]} are those of "
                    f"{sequence.frame[start - lag]} to {sequence.frame[end - lag]}, pixel by pixel: were slices "
                    "written twice?"
                )
                yield RowFinding(message, annotation=int(sequence.annotation[start]))
        # One short outline may stand still by chance, and does not for several frames.
        runs = [(first, last) for first, last in _runs(is_same) if edges[first : last + 1].sum() >= min_edge]
        repeats = is_same & (edges >= min_edge)
        period = _period(succession, repeats, min_periods)
        first = sequence.annotation[runs[0][0]] if runs else None
        if first is not None and period is not None:
            message = (
                f"{int(repeats.sum()):,} of {len(repeats):,} repeat the labels of the one before, pixel by pixel: "
                f"every {period} have one and the same"
            )
            yield RowFinding(message, annotation=int(first))
            continue
        if len(runs) > max_runs or repeats.sum() > max_share * (repeats | goes_on).sum():
            continue
        for start, end in runs:
            if end == start and not has_picture[sequence.image[start]]:
                continue  # one frame without a picture is SEG356's
            message = (
                f"the labels of {sequence.frame[start - 1]} are held until {sequence.frame[end]}, pixel by pixel; "
                "others of the sequence change"
            )
            yield RowFinding(message, annotation=int(sequence.annotation[start]))


def _kept_tracks(tables: Tables) -> Findings:
    """An info for each track that changed in every frame, and from some frame on keeps its mask to the end."""
    tracked, segments = tracked_segments(tables, "video"), tables.segments
    rows = tracked["segment"]
    shape, _ = joint_codes(*(segments[name][rows].astype(np.int64) for name in _SHAPE))
    middle = np.stack([segments[at][rows] + segments[side][rows] / 2 for at, side in (("x", "width"), ("y", "height"))])
    for members in tracked.groups("sequence"):
        track, place = tracked["track"][members], tracked["place"][members]
        follows = (np.diff(track) == 0) & (np.diff(place) == 1)
        is_same = follows & (np.diff(shape[members]) == 0)
        moved = np.hypot(*np.diff(middle[:, members], axis=1))
        changing = np.unique(place[1:][follows & ~is_same])
        kept = []
        ids, first, count = np.unique(track, return_index=True, return_counts=True)
        for begin, n in zip(first.tolist(), count.tolist(), strict=True):
            steps = is_same[begin : begin + n - 1]
            runs = _runs(steps)
            if len(runs) != 1 or not follows[begin : begin + n - 1].all():
                continue
            ((first_same, last_same),) = runs
            n_kept, n_changed = last_same - first_same + 1, int((~steps).sum())
            goes_on = np.isin(place[begin + first_same + 1 : begin + last_same + 2], changing).all()
            if n_changed < _MIN_CHANGED or not goes_on:
                continue
            if last_same < len(steps) - 1:
                usual = np.median(np.delete(moved[begin : begin + n - 1][~steps], first_same))
                jump = moved[begin + last_same + 1]
                if n_kept >= _MIN_HELD and jump >= max(_MIN_JUMP, _MIN_CAUGHT_UP * (n_kept + 1) * usual):
                    kept.append((begin + first_same, begin + last_same + 1))
            elif n_kept >= _MIN_KEPT and place[begin + n - 1] == place.max():
                kept.append((begin + first_same, None))
        if len(kept) > _MAX_KEPT_SHARE * len(ids):
            continue
        for start, end in kept:
            row = members[start]
            until = "the end" if end is None else tracked["frame"][members[end]]
            jumps = "" if end is None else ", and jumps then"
            yield RowFinding(
                f"track {track[start]} keeps its mask from frame {tracked['frame'][row]} to {until}, pixel by pixel"
                f"{jumps}; it changed in every other frame: was an outline kept?",
                segments=(int(rows[row]),),
                severity="info",
            )


def _held_structures(tables: Tables) -> Findings:
    """An info for each structure of a volume whose last slices, or first ones, repeat one mask; all others differ."""
    things, segments = things_by_frame(tables, "volume"), tables.segments
    rows = things["segment"]
    is_shape, _ = free_outlines(tables)
    counts = is_shape[rows] & (things["area"] == segments["area"][rows]) & (segments["perimeter"][rows] >= _MIN_EDGE)
    shape, _ = joint_codes(*(segments[name][rows].astype(np.int64) for name in _SHAPE))
    imprint = tables.annotations["imprint"][segments["annotation"][rows]]
    for members in things.groups("thing"):
        steps = (np.diff(shape[members]) == 0) & counts[members][1:] & (np.diff(things["place"][members]) == 1)
        runs = _runs(steps)
        if len(runs) != 1 or (~steps).sum() < _MIN_CHANGED:
            continue
        ((first, last),) = runs
        is_end = first == 0 or last == len(steps) - 1
        if not is_end or last - first + 1 < _MIN_REPEATED or len(set(imprint[members[first : last + 2]])) == 1:
            continue
        segment = int(rows[members[first + 1 if last == len(steps) - 1 else first]])
        name = tables.category_name(segment)
        where = "first" if first == 0 else "last"
        message = (
            f"{name} has one mask on its {where} {last - first + 2} slices, pixel by pixel, and another on each of the "
            f"{(~steps).sum()} others: was it drawn beyond its end?"
        )
        yield RowFinding(message, segments=(segment,), category=name, severity="info")


def _repeated_blocks(imprints: list[str], edges: Floats, min_edge: int) -> list[tuple[int, int, int]]:
    """First and last place of slices that repeat earlier ones in their order, and how far back these are."""
    latest: dict[str, int] = {}
    lags = []
    for place, imprint in enumerate(imprints):
        lags.append(place - latest[imprint] if edges[place] > 0 and imprint in latest else 0)
        latest[imprint] = place
    blocks = []
    for lag, group in groupby(range(len(lags)), key=lags.__getitem__):
        places = list(group)
        if lag > 1 and len(places) > 1 and edges[places].sum() >= min_edge:  # the slice before is held, not repeated
            blocks.append((places[0], places[-1], lag))
    return blocks


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """First and last place of each run of true ones."""
    runs = []
    for is_on, places in groupby(range(len(flags)), key=lambda place: bool(flags[place])):
        if is_on:
            several = list(places)
            runs.append((several[0], several[-1]))
    return runs


def _period(succession: Succession, repeats: Flags, min_periods: int) -> int | None:
    """The number of frames that share their labels throughout a sequence; None: no such number."""
    some = np.flatnonzero((succession.near > 0) | repeats)
    changes = some[succession.near[some] > 0]
    if repeats.sum() < min_periods or len(changes) < min_periods:
        return None
    inner = changes[1:-1] if len(changes) > 3 else changes  # the first and last may be cut off
    steps = np.diff(inner)
    if len(steps) == 0 or steps.min() < 2 or steps.min() != steps.max():
        return None
    return int(steps[0])
