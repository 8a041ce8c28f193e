"""SEG356 frame-order: frames are missing, repeated, or misnumbered."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.profile import has_videos
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.measure.sequences import SequenceIndex, frame_numbers, image_successions, is_frame_of

_MAX_NUMBERS_SHOWN = 8  # numbers in a message
_MIN_SIZE_SHARE = 0.75  # of the frames with one size, if another size is a mistake


@rule("SEG356", "frame-order", severity="error", needs=("frames",), whole=True, when=has_videos, per_sequence=True)
def frame_order(tables: Tables, *, min_regular: float = 0.9, min_frames: int = 6, max_still: float = 0.1) -> Findings:
    """Frames of a video are missing, repeated, or misnumbered.

    Flagged, frame 4 is missing:
        a...
        frame: 0

        a...
        frame: 1

        .a..
        frame: 2

        .a..
        frame: 3

        ...a
        frame: 5

        ...a
        frame: 6

        ...a
        frame: 7

        sequence: video

    Fine, it has every fifth frame:
        a...
        frame: 0

        .a..
        frame: 5

        .a..
        frame: 10

        ..a.
        frame: 15

        ..a.
        frame: 20

        ..a.
        frame: 25

        sequence: video

    You get one finding for each place where frames are missing, at the frame after them, with their numbers. For that,
    nearly all numbers of a sequence must go up in equal steps, and one step must be a multiple of that. You also get
    one finding for each frame that has no number while others have one, has the number of another image, has a
    timestamp before that of the previous frame, or has an image file that repeats the previous frame byte by byte. You
    get a warning for a frame of another size than at least three in four of its sequence. Without image files you get
    one for a frame whose masks repeat those of the previous frame pixel by pixel, if that is rare in its sequence.

    Why: motion doubles where a frame is missing and stops where one is repeated. Tracks across it are measured wrong,
    and masks that you number by position belong to other images from there on.

    Remedy: extract the frames from the recording again, and number them as they were recorded.

    Options: `min_regular`: the least share of equal steps (one may always differ) at which missing frames are reported.
    `min_frames`: the least number of frames for that. `max_still`: the largest share of frames that repeat masks.
    Defaults: the 8 videos of DAVIS, of two results on it and CamSeq01 have neither gaps in their numbers nor repeated
    frames or masks. One gap among six frames is reported; several are taken as a selection of frames.
    """
    images = tables.images
    number, has_number = frame_numbers(images)
    for rows in image_successions(tables.profile, images, "video"):
        yield from _missing(number, rows, min_regular, min_frames)
        yield from _same_number(images["image_id"], number, rows)
        yield from _back_in_time(images["timestamp"], number, rows)
        yield from _other_size(images, rows, min_frames)
    numbered = set(images["sequence"][has_number].tolist())
    for row in np.flatnonzero(is_frame_of(tables.profile, images, "video") & ~has_number).tolist():
        if images["sequence"][row] in numbered:
            yield RowFinding(f"a frame of {images['sequence'][row]} without a number", image=row)
    for row, repeated in tables.repeats.lines("image", "of"):
        message = f"frame {number[row]} repeats frame {number[repeated]}: their image files are the same"
        yield RowFinding(message, image=row)
    yield from _still(tables, max_still)


def _missing(number: Ints, rows: Ints, min_regular: float, min_frames: int) -> Findings:
    """Frame numbers that one sequence skips."""
    order = np.unique(number[rows])
    if len(order) < min_frames:
        return
    steps = np.diff(order)
    step, count = Counter(steps.tolist()).most_common(1)[0]
    if len(steps) - count > max(1, (1 - min_regular) * len(steps)):
        return
    for place in np.flatnonzero((steps > step) & (steps % step == 0)).tolist():
        missing = range(int(order[place]) + step, int(order[place + 1]), step)
        listed = ", ".join(map(str, missing[:_MAX_NUMBERS_SHOWN])) + (
            f" to {missing[-1]}" if len(missing) > _MAX_NUMBERS_SHOWN else ""
        )
        after = int(rows[np.searchsorted(number[rows], order[place + 1])])
        message = f"{count_noun(len(missing), 'frame')} missing before frame {order[place + 1]}: {listed}"
        yield RowFinding(message, image=after)


def _same_number(names: Iterable[str], number: Ints, rows: Ints) -> Findings:
    """Images with the number of the image before."""
    ids = list(names)
    for before, row in pairwise(rows.tolist()):
        if number[before] == number[row]:
            yield RowFinding(f"frame {number[row]} occurs twice: {ids[before]} has this number as well", image=row)


def _back_in_time(timestamp: Iterable[object], number: Ints, rows: Ints) -> Findings:
    """Frames that were taken before their predecessor."""
    times = list(timestamp)
    for before, row in pairwise(rows.tolist()):
        early, late = _moment(times[before]), _moment(times[row])
        if type(early) is type(late) and early is not None and late is not None and late < early:  # type: ignore[operator]  # of one type
            message = f"frame {number[row]} was taken at {times[row]}, before frame {number[before]} at {times[before]}"
            yield RowFinding(message, image=row)


def _other_size(images: Table, rows: Ints, min_frames: int) -> Findings:
    """Frames whose size is not that of at least three in four."""
    sizes = list(zip(images["width"][rows].tolist(), images["height"][rows].tolist(), strict=True))
    usual, count = Counter(sizes).most_common(1)[0]
    if len(sizes) < min_frames or count < _MIN_SIZE_SHARE * len(sizes) or 0 in usual:
        return
    for row, size in zip(rows.tolist(), sizes, strict=True):
        if size != usual and 0 not in size:
            message = f"the frame is {size[0]} x {size[1]}, {count:,} of {len(sizes):,} are {usual[0]} x {usual[1]}"
            yield RowFinding(message, image=row, severity="warning")


def _moment(timestamp: object) -> float | str | None:
    """A timestamp as something that can be compared: seconds or the like, or a text of date and time."""
    if timestamp is None:
        return None
    try:
        return float(str(timestamp))
    except ValueError:
        return str(timestamp)


def _still(tables: Tables, max_still: float) -> Findings:
    """Frames without image files whose masks repeat the previous frame's."""
    index = SequenceIndex.from_tables(tables)
    rows, earlier = tables.still["annotation"], tables.still["of"]
    count = np.bincount(index.sequence[rows].astype(np.int64), minlength=len(index.sequences))
    uris, image = tables.images["uri"], tables.annotations["image"]
    for row, earlier_row in zip(rows.tolist(), earlier.tolist(), strict=True):
        sequence = index.sequence[row]
        if uris[image[row]] is None and count[sequence] <= max_still * (len(index.sequences[sequence].frame) - 1):
            message = f"frame {index.frame[row]} repeats the masks of frame {index.frame[earlier_row]}, pixel by pixel"
            yield RowFinding(message, annotation=row, severity="warning")
