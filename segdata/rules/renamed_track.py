"""SEG361 renamed-track: a track goes on under another id."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.overlay import box_ious
from segdata.core.profile import has_sequences
from segdata.core.reductions import sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats, Ints, expand_ranges
from segdata.core.statistics import group_median
from segdata.core.strata import joint_codes
from segdata.core.table import Table
from segdata.measure.sequences import SequenceIndex, things_by_frame, tracked_segments

_SIDES = ("x", "y", "width", "height")
_MAX_TRACKS_SHOWN = 4  # in a message
_MIN_SHARE_OF_MOVES = 0.6  # of the tracks that go on under another id have to move by one number
# of a structure of a volume: its share of its usual area at its end, of the next one's area, and of their common box
_FULL, _AS_LARGE, _SAME_PLACE = 0.5, 0.6, 0.7
_MIN_IMPROVEMENT = 0.2  # of the fit of a box to two other tracks, over that to its own


class _Member(NamedTuple):
    """A track in a frame: its segment (row), box (x, y, width, height), category and area."""

    segment: int
    box: Floats
    category: int
    area: int


Frames = list[dict[int, _Member]]  # of a video, in order: the tracks of each by their ids


@rule("SEG361", "renamed-track", severity="warning", needs=(), whole=True, when=has_sequences, per_sequence=True)
def renamed_track(
    tables: Tables,
    *,
    min_pixels: int = 64,
    min_frames: int = 3,
    min_overlap: float = 0.5,
    max_share: float = 0.2,
    min_turns: int = 4,
    min_fit: float = 0.8,
) -> Findings:
    """A track ends, and another of its category begins in its place in the next frame, or takes it over.

    Example:
        3 of 3 tracks have new ids from this frame on: 1 is 31, 2 is 32, 3 is 33
        tracks 2 and 60 take turns 23 times: one is there whenever the other is not
        track 1001 is 2001, of another category, for 4 frames, and goes on after it
        track 1 has also what was track 2 from this frame on: 30,120 px, before 5,166 and 25,794
        3 tracks have the id of another from this frame on: 2 is 1, 3 is 2, 4 is 3
        track 1 is away for 6 frames and comes back in the place of track 2, which ends
        liver is spleen from this slice on: 8,189 px before, 7,976 here, at the same place

    Both tracks have to go on for some frames, one before and one after, and the boxes in the two frames have to overlap
    well. If several tracks change their ids between the same two frames, you get one finding for all of them. You also
    get one for two ids that take turns and are never in one frame, for a track of any category that fills the gap of
    another in its place, and for a track that was away and comes back elsewhere, where a track ends in the frame
    before. So you do for a track that ends while another grows by its pixels: the other's box then fits that of both
    better than its own before, and its area is their sum. If several tracks go on under each other's ids, as when ids
    are numbered anew after one has left, you get one finding for all of them; two that exchange places are track-swap.
    The rule ignores crowds and void, and videos in which tracks get new ids all the time.

    In volumes a structure has one category. You get a finding for a category that ends on one slice while another
    begins on the next, in its place and with its size, both at full size. If several do so on one slice, it is one
    finding. Those that meet so in several volumes, or on several slices of one, are neighbours, and none is reported.

    Why: the object counts twice, and a tracker that learns from it learns to give up. All ids at once are a chunk of
    the video that was labelled or exported alone.

    Remedy: give the second track the id of the first.

    Options: `min_pixels`: smaller segments are ignored. `min_frames`: the least number of frames of either track.
    `min_overlap`: the least IoU of the boxes in the two frames. `max_share`: a video in which more than this share of
    the tracks, and more than one, ends so in single places is not judged. `min_turns`: how often two ids take turns.
    `min_fit`: the least ratio of the area of a track that takes another over to that of both before.
    Defaults: in the ground truth of DAVIS (three videos), LabelMe's video and two results on DAVIS 2017 (48 frames)
    nothing is flagged, nor in 17 volumes of TotalSegmentator's tests with up to 61 structures.
    """
    yield from _other_categories(tables, min_pixels, min_frames)
    tracked, segments, index = tracked_segments(tables, "video"), tables.segments, SequenceIndex.from_tables(tables)
    box = np.stack([segments[name][tracked["segment"]] for name in _SIDES], axis=1).astype(np.float64)
    category, area = (segments[name][tracked["segment"]] for name in ("category_id", "area"))
    for rows in tracked.groups("sequence"):
        place, name = tracked["place"][rows], tracked["track"][rows]
        ids, inverse, count = np.unique(name, return_inverse=True, return_counts=True)
        frames = _frames(tracked, rows, box, category, area, min_pixels)
        yield from _turns(frames, min_overlap, min_turns)
        yield from _stand_ins(frames, min_frames, min_overlap)
        yield from _comes_back_as_another(frames, min_frames, min_overlap)
        yield from _taken_over(frames, min_frames, min_overlap, min_fit)
        yield from _shifted_tracks(frames, min_overlap)
        first, last = np.full(len(ids), place.max()), np.full(len(ids), -1)
        np.minimum.at(first, inverse, place)
        np.maximum.at(last, inverse, place)
        kept = (area[rows] >= min_pixels) & (count[inverse] >= min_frames)
        handovers: dict[int, list[tuple[int, int]]] = {}
        taken = set[int]()
        for end in np.flatnonzero(kept & (place == last[inverse])).tolist():
            following = np.flatnonzero(kept & (place == first[inverse]) & (place == place[end] + 1))
            following = following[category[rows[following]] == category[rows[end]]]
            following = following[[start not in taken for start in following.tolist()]]
            overlap = box_ious(box[rows[following]].T, box[rows[end]])
            if len(following) and overlap.max() >= min_overlap:
                best = int(following[overlap.argmax()])
                handovers.setdefault(int(place[best]), []).append((end, best))
                taken.add(best)
        single = sum(len(pairs) for pairs in handovers.values() if len(pairs) == 1)
        for frame, pairs in sorted(handovers.items()):
            if len(pairs) == 1 and single > max(1, max_share * len(ids)):
                continue
            names = [f"{name[end]} is {name[start]}" for end, start in pairs]
            listed = ", ".join(names[:_MAX_TRACKS_SHOWN]) + (", …" if len(names) > _MAX_TRACKS_SHOWN else "")
            here = int((place == frame - 1).sum())
            have = "has a new id" if len(pairs) == 1 else "have new ids"
            message = f"{len(pairs)} of {count_noun(here, 'track')} {have} from this frame on: {listed}"
            annotation = int(index.sequences[int(tracked["sequence"][rows[0]])].annotation[frame])
            yield RowFinding(
                message,
                annotation=annotation,
                segments=tuple(int(tracked["segment"][rows[start]]) for _, start in pairs),
            )


def _frames(tracked: Table, rows: Ints, box: Floats, category: Ints, area: Ints, min_pixels: int) -> Frames:
    """The tracks in each annotated frame of one video, but for those of a few pixels."""
    frames: Frames = [{} for _ in range(int(tracked["place"][rows].max()) + 1)]
    for row in rows[area[rows] >= min_pixels].tolist():
        track, place, segment = (int(tracked[name][row]) for name in ("track", "place", "segment"))
        frames[place][track] = _Member(segment, box[row], int(category[row]), int(area[row]))
    return frames


def _places(frames: Frames) -> dict[int, list[int]]:
    """The frames, ascending, in which each track is."""
    places: defaultdict[int, list[int]] = defaultdict(list)
    for place, frame in enumerate(frames):
        for track in frame:
            places[track].append(place)
    return places


def _turns(frames: Frames, min_overlap: float, min_turns: int) -> Findings:
    """Two ids of one category that take turns in one place, and are never in one frame."""
    changes: Counter[tuple[int, int]] = Counter()
    at: dict[tuple[int, int], int] = {}
    for before, after in pairwise(frames):
        for old in before.keys() - after.keys():
            for new in after.keys() - before.keys():
                mine, other = before[old], after[new]
                if mine.category == other.category and box_ious(mine.box, other.box) >= min_overlap:
                    pair = (min(old, new), max(old, new))
                    changes[pair] += 1
                    at.setdefault(pair, other.segment)
    for (first, second), count in sorted(changes.items()):
        if count >= min_turns and not any(first in frame and second in frame for frame in frames):
            message = f"tracks {first} and {second} take turns {count} times: one is there whenever the other is not"
            yield RowFinding(message, segments=(at[first, second],))


def _stand_ins(frames: Frames, min_frames: int, min_overlap: float) -> Findings:
    """A track that is in the place of another while that one is away, and never else, of whatever category."""
    places = _places(frames)
    lives = {
        (frames_of[0], frames_of[-1]): track
        for track, frames_of in sorted(places.items())
        if len(frames_of) >= max(min_frames, 1)
    }
    for track, frames_of in sorted(places.items()):
        for before, after in pairwise(frames_of):
            other = lives.get((before + 1, after - 1))
            if other is None:
                continue
            mine, begins = frames[before][track], frames[before + 1][other]
            ends, back = frames[after - 1][other], frames[after][track]
            if min(box_ious(mine.box, begins.box), box_ious(ends.box, back.box)) >= min_overlap:
                kind = "" if begins.category == mine.category else ", of another category,"
                away = count_noun(after - before - 1, "frame")
                message = f"track {track} is {other}{kind} for {away}, and goes on after it"
                yield RowFinding(message, segments=(begins.segment,))


def _comes_back_as_another(frames: Frames, min_frames: int, min_overlap: float) -> Findings:
    """A track that was away and comes back elsewhere, in the place of another, which ends in the frame before."""
    places = _places(frames)
    ends: defaultdict[int, list[int]] = defaultdict(list)
    for track, frames_of in sorted(places.items()):
        if len(frames_of) >= min_frames:
            ends[frames_of[-1]].append(track)
    for track, frames_of in sorted(places.items()):
        for before, after in pairwise(frames_of):
            back = frames[after][track]
            if after == before + 1 or box_ious(frames[before][track].box, back.box) > 0:
                continue
            stays = sum(place >= after for place in frames_of) >= min_frames
            for other in ends.get(after - 1, ()) if stays else ():
                gone = frames[after - 1][other]
                if box_ious(gone.box, back.box) >= min_overlap:
                    away = count_noun(after - before - 1, "frame")
                    message = (
                        f"track {track} is away for {away} and comes back in the place of track {other}, which ends"
                    )
                    yield RowFinding(message, segments=(back.segment,))


def _taken_over(frames: Frames, min_frames: int, min_overlap: float, min_fit: float) -> Findings:
    """A track that ends while another grows by its pixels, and stays so large."""
    places = _places(frames)
    for ended, frames_of in sorted(places.items()):
        if len(frames_of) < min_frames or frames_of[-1] + max(min_frames, 1) >= len(frames):
            continue
        before, after = frames[frames_of[-1]], frames[frames_of[-1] + 1]
        gone = before[ended]
        for track in sorted(before.keys() & after.keys()):
            old, new = before[track], after[track]
            goes_on = sum(place > frames_of[-1] for place in places[track]) >= min_frames
            if not goes_on or old.category != gone.category or old.area > min_fit * (old.area + gone.area):
                continue
            low, high = np.minimum(old.box[:2], gone.box[:2]), np.maximum(_corner(old.box), _corner(gone.box))
            together = old.area + gone.area
            is_sum = min(new.area, together) >= min_fit * max(new.area, together)
            fit = box_ious(np.concatenate([low, high - low]), new.box)
            if is_sum and fit >= min_overlap and fit - box_ious(old.box, new.box) >= _MIN_IMPROVEMENT:
                message = (
                    f"track {track} has also what was track {ended} from this frame on: {new.area:,} px, before "
                    f"{old.area:,} and {gone.area:,}"
                )
                yield RowFinding(message, segments=(new.segment,), pixels=new.area)
                break


def _shifted_tracks(frames: Frames, min_overlap: float) -> Findings:
    """Two or more tracks that go on under the ids of others, as many numbers further, between the same two frames."""
    for before, after in pairwise(frames):
        both, new_ids = [track for track in before if track in after], list(after)
        own = box_ious(_boxes(before, both), _boxes(after, both)) + _MIN_IMPROVEMENT > min_overlap
        stays = {track for track, fits in zip(both, own.tolist(), strict=True) if fits}
        boxes, category = _boxes(after, new_ids), np.array([member.category for member in after.values()], np.int64)
        moves = {}
        for old, member in before.items():
            if old in stays or not new_ids:
                continue
            overlap = np.where(category == member.category, box_ious(boxes, member.box), -1.0)
            best = new_ids[int(overlap.argmax())]
            if best != old and best in before and overlap.max() >= min_overlap:
                moves[old] = best
        steps = Counter(new - old for old, new in moves.items() if moves.get(new) != old)
        step, count = steps.most_common(1)[0] if steps else (0, 0)
        chain = {old: new for old, new in moves.items() if new - old == step}
        if count < 2 or count < _MIN_SHARE_OF_MOVES * steps.total():
            continue
        listed = ", ".join(f"{old} is {new}" for old, new in list(chain.items())[:_MAX_TRACKS_SHOWN])
        more = ", …" if len(chain) > _MAX_TRACKS_SHOWN else ""
        message = f"{len(chain)} tracks have the id of another from this frame on: {listed}{more}"
        yield RowFinding(message, segments=tuple(after[new].segment for new in chain.values()))


def _boxes(frame: Mapping[int, _Member], tracks: Sequence[int]) -> Floats:
    """(4, n) the boxes of some tracks of a frame."""
    return np.array([frame[track].box for track in tracks], np.float64).reshape(-1, 4).T


def _corner(box: Floats) -> Floats:
    return box[:2] + box[2:]


def _other_categories(tables: Tables, min_pixels: int, min_frames: int) -> Findings:
    """Structures of volumes that go on under another category from one slice on."""
    segments, things = tables.segments, things_by_frame(tables, "volume")
    begins = np.flatnonzero(np.diff(things["thing"], prepend=-1))
    ends = np.append(begins, len(things))[1:] - 1
    usual = group_median(things["area"].astype(np.float64), things["thing"]) if len(things) else np.zeros(0)
    is_full = (things["area"] >= min_pixels) & (things["area"] >= _FULL * usual)
    is_long = ends - begins + 1 >= min_frames
    begins, ends = begins[is_long & is_full[begins]], ends[is_long & is_full[ends]]
    track = np.where(segments.missing("track_id"), -1, 0)
    track[track == 0] = segments["track_id"][track == 0]
    rows = np.concatenate([ends, begins])
    place = things["place"][rows] + np.repeat([1, 0], [len(ends), len(begins)])
    key, _ = joint_codes(things["sequence"][rows], place, track[things["segment"][rows]])
    order = np.argsort(key[len(ends) :], kind="stable")
    first, last = (np.searchsorted(key[len(ends) :][order], key[: len(ends)], side=side) for side in ("left", "right"))
    old, new = np.repeat(ends, last - first), begins[order[expand_ranges(first, last - first)]]
    area = things["area"]
    fits = np.minimum(area[old], area[new]) >= _AS_LARGE * np.maximum(area[old], area[new])
    sides = [things[name] for name in ("left", "top", "right", "bottom")]
    box = np.stack([*sides[:2], sides[2] - sides[0], sides[3] - sides[1]])
    fits &= box_ious(box[:, old], box[:, new]) >= _SAME_PLACE
    old, new = old[fits], new[fits]
    category = segments["category_id"][things["segment"]].astype(np.int64)
    pair = {"low": np.minimum(category[old], category[new]), "high": np.maximum(category[old], category[new])}
    counts = sum_by(tables, pair, {"n": np.ones(len(old), np.int64)}, least=2)
    of_pair, _ = joint_codes(*(np.concatenate([pair[name], counts[name]]) for name in ("low", "high")))
    is_single = ~np.isin(of_pair[: len(old)], of_pair[len(old) :])
    meeting = Table({"sequence": things["sequence"][new], "place": things["place"][new], "old": old, "new": new})
    for several in meeting.groups("sequence"):
        if not is_single[several].all() or len(np.unique(meeting["place"][several])) > 1:
            continue
        names = [
            [tables.profile.name_of(int(category[row])) for row in (meeting["old"][k], meeting["new"][k])]
            for k in several.tolist()
        ]
        listed = ", ".join(f"{before} is {after}" for before, after in names[:_MAX_TRACKS_SHOWN])
        largest = several[int(np.argmax(area[meeting["new"][several]]))]
        sizes = int(area[meeting["old"][largest]]), int(area[meeting["new"][largest]])
        message = f"{listed} from this slice on: {sizes[0]:,} px before, {sizes[1]:,} here, at the same place"
        yield RowFinding(
            message,
            segments=tuple(int(things["segment"][meeting["new"][k]]) for k in several.tolist()),
            pixels=sizes[1],
        )
