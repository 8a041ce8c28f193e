"""Rules of videos on random tracks and distances, where ties are frequent, against loops that say what pages say."""

import math
import statistics
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from segdata.core.finding import RowFinding
from segdata.core.overlay import box_ious
from segdata.core.rule import Tables, find_rule
from segdata.core.statistics import benjamini_hochberg, tail_probability
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.measure.sequences import SequenceIndex
from segdata.rules import frames_exchanged
from segdata.rules.cornered_labels import _extents
from segdata.rules.frames_exchanged import _distances, _far_apart, _in_reverse, _reversed_block
from segdata.rules.occlusion_treatment import _match
from segdata.rules.seam import _dense_extents
from segdata.rules.track_jump import _usual_steps
from segdata.testing.pictures import draw_picture
from tests.rules.campaigns import with_tables

SEEDS = range(40)
WIDE, HIGH = 60, 50
Box = tuple[float, float, float, float]


def check(code: str, tables: Tables, **options: Any) -> list[RowFinding]:  # Any: options of all types
    return list(find_rule(code).check(tables, **options))


def overlap(a: Any, b: Any) -> float:  # Any: two boxes
    """The IoU of boxes of whole pixels, counted pixel by pixel."""
    one, other = (
        {(x, y) for x in range(int(x0), int(x0 + w)) for y in range(int(y0), int(y0 + h))} for x0, y0, w, h in (a, b)
    )
    return len(one & other) / max(len(one | other), 1e-9)


def film(frames: list[dict[int, tuple[Box, int]]], areas: Any = None) -> Tables:  # Any: an area for each segment
    """A video whose frames hold tracks, each a box and a category."""
    n = len(frames)
    legend = "category: car\ncategory: bus\ncategory: road (stuff)\ncategory: haze (void)\nsequence: video"
    picture = "\n\n".join(["\n".join(["." * WIDE] * HIGH)] * n)
    tables = measure_source(draw_picture(f"{picture}\n{legend}"), frozenset(), jobs=1)
    rows = [(k, track, *box, category) for k, frame in enumerate(frames) for track, (box, category) in frame.items()]
    columns = dict(zip(("annotation", "track_id", "x", "y", "width", "height", "category_id"),
                       np.array(rows, np.int64).reshape(-1, 7).T, strict=True))  # fmt: skip
    area = columns["width"] * columns["height"] if areas is None else np.array(areas)
    segments = Table(columns | {"image": columns["annotation"], "area": area, "iscrowd": np.zeros(len(rows), bool)})
    annotations = tables.annotations.beside(n_segments=np.array([len(frame) for frame in frames]))
    return replace(tables, segments=segments, annotations=annotations)


@pytest.mark.parametrize("seed", range(20))
def test_the_overlap_of_boxes_is_that_of_their_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (np.concatenate([rng.integers(0, 5, 2), rng.integers(1, 6, 2)]).astype(float) for _ in range(2))
    assert box_ious(a, b) == pytest.approx(overlap(a, b))


@pytest.mark.parametrize("seed", SEEDS)
def test_two_boxes_are_each_another_one_of_several(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pair, others = (np.stack([*rng.integers(0, 4, (2, n)), *rng.integers(2, 6, (2, n))], axis=1) for n in (2, 4))
    if seed % 2:
        others[rng.permutation(4)[:2]] = pair
    pair, others = pair.astype(float), others[: rng.integers(1, 5)].astype(float)
    table = [[overlap(one, other) for other in others] for one in pair]
    best = [max(range(len(row)), key=row.__getitem__) for row in table]
    expected = len(others) >= 2 and best[0] != best[1] and all(max(row) >= 0.5 for row in table)
    assert _match(pair, others) == expected


def random_film(rng: Any, n: int = 9) -> list[dict[int, tuple[Box, int]]]:  # Any: a generator
    """Tracks that stand in few places, come, go, and take the place of others."""
    places = [(3, 3), (5, 3), (25, 3), (25, 25), (3, 26), (0, 40)]
    sizes = [(10, 10), (12, 10), (10, 8)]
    frames: list[dict[int, tuple[Box, int]]] = []
    home = {track: (rng.integers(len(places)), int(rng.integers(1, 3))) for track in range(1, 8)}
    for _ in range(n):
        frame: dict[int, tuple[Box, int]] = {}
        for track, (place, category) in home.items():
            if rng.random() < (0.85 if track < 5 else 0.3):
                frame[track] = ((*places[place], *sizes[rng.integers(3)]), category)
        frames.append(frame)
    return frames


@pytest.mark.parametrize("seed", SEEDS)
def test_a_track_of_one_frame_is_in_the_place_of_one_that_is_missing_or_rare(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = random_film(rng, int(rng.integers(2, 10)))
    number, home = 20, [*frames[0].values(), ((30, 30, 9, 9), 1)]
    for k in rng.permutation(len(frames))[: rng.integers(1, 4)].tolist():
        missing = [track for track in frames[k] if rng.random() < 0.7]
        for track in missing:
            frames[k][number] = frames[k].pop(track) if rng.random() < 0.8 else home[rng.integers(len(home))]
            number += 1
    tables = film(frames)
    times = {track: [k for k, frame in enumerate(frames) if track in frame] for frame in frames for track in frame}
    lengths = [len(seen) for seen in times.values()]
    last = len(frames) - 1
    rare = statistics.median(lengths) >= 2 and lengths.count(1) <= max(1, 0.25 * len(lengths)) and last + 1 >= 4
    expected = []
    for track, seen in sorted(times.items()):
        k = seen[0]
        (x, y, width, height), category = frames[k][track]
        if len(seen) > 1 or width * height < 90:
            continue
        best, most = None, 0.0
        for other, others in times.items():
            own = [j for j in (k - 1, k + 1) if 0 <= j <= last]
            if len(others) < 2 or k in others or not all(other in frames[j] for j in own):
                continue
            if any(frames[j][other][1] != category for j in own) or not own:
                continue
            mean = np.mean([frames[j][other][0] for j in own], axis=0)
            iou = box_ious(mean, np.array((x, y, width, height), float))
            if iou > most or (iou == most and best is not None and other < best):
                best, most = other, iou
        at_edge = x <= 0 or y <= 0 or x + width >= WIDE or y + height >= HIGH
        if most >= 0.75:
            expected.append((track, k, f"in the place of track {best}"))
        elif rare and not at_edge and 0 < k < last:
            expected.append((track, k, f"for {statistics.median(lengths):.0f} frames"))
    options = {"min_pixels": 90, "min_overlap": 0.75, "min_usual": 2, "min_frames": 4, "max_share": 0.25}
    found = check("SEG359", tables, **options)
    assert len(found) == len(expected)
    for one, (track, k, words) in zip(found, expected, strict=True):
        (row,) = one.segments
        assert tables.segments["annotation"][row] == k
        assert one.message.startswith(f"track {track} is used in this frame only")
        assert words in one.message
        assert one.pixels == tables.segments["area"][row]


@pytest.mark.parametrize("seed", range(60))
def test_ids_of_detections_last_for_a_frame_and_their_places_are_taken(seed: int) -> None:
    """At and beside 20 tracks, 95 % of the tracks and half of the places, by loops over frames and tracks."""
    rng = np.random.default_rng(seed)
    frames: list[dict[int, tuple[Box, int]]] = [{} for _ in range(2 + seed % 2)]
    numbers = (100 + rng.permutation(50)).tolist()
    for _ in range(int(rng.choice([0, 0, 1, 2]))):  # tracks that last
        number = numbers.pop()
        for frame in frames:
            frame[number] = (700, 700, 10, 10), 1
    singles = int(rng.choice([19, 20, 21, 38, 39]))
    for single in range(singles):  # each place has its box in one frame and perhaps another one in the next
        frame, home = single // 2 % 2, 20 * (single // 2 // 2)
        later = single % 2
        height, category = (10, 1) if not later else (int(rng.choice([10, 5, 5, 4])), int(rng.choice([1, 1, 1, 2])))
        frames[min(frame + later, len(frames) - 1)][numbers.pop()] = (home, 100 * frame, 10, height), category
    times = {track: [k for k, frame in enumerate(frames) if track in frame] for frame in frames for track in frame}
    n_single = sum(len(seen) == 1 for seen in times.values())
    taken, places = 0, 0
    for frame, behind in pairwise(frames):
        if behind:
            places += len(frame)
            taken += sum(
                any(
                    other != track and kind == category and overlap(there, box) >= 0.5
                    for other, (there, kind) in behind.items()
                )
                for track, (box, category) in frame.items()
            )
    share = taken / places
    is_flagged = n_single >= 20 and 100 * n_single >= 95 * len(times) and 2 * taken >= places
    found = [one for one in check("SEG359", film(frames)) if "ids those of detections" in one.message]
    assert [one.annotation for one in found] == [times[min(times)][0]] * is_flagged
    for one in found:
        assert f"{n_single} of {len(times)} tracks are in one frame only, and {share:.0%} of the places" in one.message


@pytest.mark.parametrize("seed", SEEDS)
def test_a_track_that_returns_after_a_gap_of_few_frames(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = random_film(rng, 12)
    for track in range(1, 5):
        gone = int(rng.integers(1, 9))
        for k in range(gone, min(gone + int(rng.integers(1, 5)), 11)):
            frames[k].pop(track, None)
    for frame in frames:
        for track, (box, category) in list(frame.items()):
            frame[track] = ((*box[:2], *rng.choice([4, 8, 10, 12], 2).tolist()), category)
    tables = film(frames)
    times = {track: [k for k, frame in enumerate(frames) if track in frame] for frame in frames for track in frame}
    expected = []
    for track, seen in sorted(times.items()):
        sizes = [frames[k][track][0][2] * frames[k][track][0][3] for k in seen]
        for j, (a, b) in enumerate(pairwise(seen)):
            usual = [statistics.median(part) for part in (sizes[max(j - 4, 0) : j + 1], sizes[j + 1 : j + 6])]
            small = any(size < max(48, 0.75 * middle) for size, middle in zip(sizes[j : j + 2], usual, strict=True))
            ends = [frames[k][track][0] for k in (a, b)]
            at_edge = any(x <= 0 or y <= 0 or x + w >= WIDE or y + h >= HIGH for x, y, w, h in ends)
            if not 1 < b - a <= 4 or small or at_edge:
                continue
            boxes = [[p + (k - a) / (b - a) * (q - p) for p, q in zip(*ends, strict=True)] for k in range(a + 1, b)]
            hidden = False
            for k, (x, y, w, h) in enumerate(boxes, start=a + 1):
                for (left, top, wide, high), _ in frames[k].values():
                    across, down = min(x + w, left + wide) - max(x, left), min(y + h, top + high) - max(y, top)
                    hidden |= max(across, 0) * max(down, 0) >= 0.5 * w * h
            if not hidden:
                first = tuple(np.rint(boxes[0]).astype(int).tolist())
                expected.append((a + 1, sizes[j], first, f"track {track} is missing in {b - a - 1} frame"))
    found = check("SEG353", tables, max_frames=3, min_pixels=48, min_share=0.75)
    assert [(one.annotation, one.pixels, one.bbox) for one in found] == [row[:3] for row in expected]
    assert all(one.message.startswith(words) for one, (*_, words) in zip(found, expected, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_usual_steps_are_the_median_of_three_before_and_after(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 14
    step = np.cumsum(rng.choice([1, 1, 1, 2, 5], n))
    moved = rng.integers(-5, 6, (n, 2)).astype(float)
    expected = []
    for k in range(n):
        near = [j for j in range(n) if j != k and abs(j - k) <= 3 and step[j] - step[k] == j - k]
        expected.append([statistics.median(moved[j, axis] for j in near) if near else 0.0 for axis in (0, 1)])
    np.testing.assert_array_equal(_usual_steps(moved, step), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_track_off_its_path_in_a_frame_or_from_a_frame_on(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = [(0, 5, 8, 8), (5, 0, 8, 8), (52, 5, 8, 8), (5, 42, 8, 8), *[(5, 5, 8, 8)] * 60, (5, 5, 8, 7)]
    frames = [
        {track: (boxes[rng.integers(len(boxes))], 1) for track in range(1, 4) if rng.random() < 0.95} for _ in range(8)
    ]
    tables = film(frames)
    rows = {(int(a), int(t)): row for row, (a, t) in enumerate(tables.segments.lines("annotation", "track_id"))}
    three = [
        (rows[k - 1, track], row, rows[k + 1, track])
        for (k, track), row in rows.items()
        if (k - 1, track) in rows and (k + 1, track) in rows
    ]
    n = len(three)
    turns: dict[str, Any] = dict(zip(("before", "segment", "after"), np.array(three).reshape(-1, 3).T, strict=True))
    turns |= {name: rng.choice([0.0, 0.2, 0.25, 0.5], n) for name in ("like_before", "like_after")}
    turns |= {"agree": rng.choice([0.25, 0.5, 0.75, 1.0], n)}
    turns |= {"fit": rng.choice([0.0, 0.25, 0.2], n), "shift": rng.integers(0, 30, n).astype(float)}
    m = 3
    a = rng.permutation(len(rows))[:m]
    exchanges = {"a": a, "b": (a + 1) % len(rows), "own": rng.choice([0.0, 0.25], m), "crossed": np.full(m, 0.5)}
    tables = with_tables(tables, turns=Table(turns), exchanges=Table(exchanges))
    swapped = {
        int(row)
        for k in range(m)
        if exchanges["crossed"][k] - exchanges["own"][k] >= 0.5
        for row in (exchanges["a"][k], exchanges["b"][k])
    }
    # What is exchanged with the next frame counts for the frame before, once.
    swapped |= {one for _, one, after in three if after in swapped}
    box = [tuple(int(tables.segments[name][row]) for name in ("x", "y", "width", "height")) for row in range(len(rows))]
    edge = {row for row, (x, y, w, h) in enumerate(box) if x <= 0 or y <= 0 or x + w >= WIDE or y + h >= HIGH}
    off = []
    for k, members in enumerate(three):
        whole = all(box[row][2] * box[row][3] >= 64 and row not in edge for row in members)
        off.append(whole and turns["agree"][k] >= 0.5 and turns["fit"][k] < 0.25 and members[1] not in swapped)
    left_for_good = {three[k][1] for k in range(n) if off[k] and turns["like_before"][k] >= 0.25}
    expected = []
    for k in range(n):
        stays, arrives = turns["like_before"][k] >= 0.25, turns["like_after"][k] >= 0.25
        if off[k] and not stays and not arrives:
            expected.append((three[k][1], "in this frame only"))
        elif off[k] and arrives and three[k][0] in left_for_good:
            expected.append((three[k][1], "from this frame on"))
    found = check("SEG354", tables, min_agree=0.5, max_fit=0.25, min_pixels=64, swap_gain=0.5, min_move=1e9)
    assert [one.segments for one in found] == [(row,) for row, _ in expected]
    for one, (row, words) in zip(found, expected, strict=True):
        assert words in one.message
        assert one.pixels == box[row][2] * box[row][3]
        shift = float(turns["shift"][turns["segment"].tolist().index(row)])
        assert f"track {tables.segments['track_id'][row]} is {shift:.0f} px off its path" in one.message


@pytest.mark.parametrize("seed", SEEDS)
def test_frames_far_apart_that_fit_into_each_other_s_place(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, 10))
    place = np.arange(n) * 4.0 + rng.integers(0, 2, n)
    if seed % 4:
        i, j = sorted(rng.permutation(np.arange(1, n - 1))[:2])
        place[[i, j]] = place[[j, i]]
    distance = np.abs(place[:, None] - place)
    distance[0] += rng.choice([0.0, 60.0])
    for min_gain, min_move in ((0.1, 0.5), (0.5, 0.0), (0.0, 4.0)):
        expected, gains = [], []
        for a in range(1, n - 3):
            for b in range(a + 2, n - 1):
                given = sum(distance[p, q] for p, q in ((a - 1, a), (a, a + 1), (b - 1, b), (b, b + 1)))
                turned = sum(distance[p, q] for p, q in ((a - 1, b), (b, a + 1), (b - 1, a), (a, b + 1)))
                gains.append((given - turned) / max(given, 1e-12))
                if gains[-1] >= min_gain and gains[-1] * given >= 4 * min_move:
                    expected.append((a, b, gains[-1]))
        assert _far_apart(distance, min_gain, min_move) == (expected if statistics.median(gains) <= -0.2 else [])


@pytest.mark.parametrize("seed", range(80))
def test_the_last_frames_are_in_reverse_if_the_last_fits_to_the_first(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 12))
    place = np.cumsum(rng.choice([2.0, 3.0, 4.0], n))
    turn = int(rng.integers(1, n))
    place[turn:] = place[turn:][::-1]
    distance = np.abs(place[:, None] - place)
    drawn = rng.random(n) < 0.8 if seed % 2 else np.ones(n, bool)  # an empty frame tells no order
    step = [distance[k, k + 1] for k in range(n - 1)]
    for min_turn, min_move in ((0.5, 0.1), (0.25, 2.0), (0.75, 0.0)):
        best: tuple[int, float] | None = None
        for first in range(2, n - 2):
            given, turned, usual = step[first - 1], distance[first - 1, n - 1], statistics.median(step)
            gain = (given - turned) / given
            stands = gain >= min_turn and given >= 1.5 * usual >= turned and given - turned >= 4 * min_move
            stands = stands and sum(other >= 0.9 * given for other in step) <= 3
            stands = stands and all(drawn[k] for k in (first - 1, first, n - 1))
            if stands and (best is None or gain > best[1]):
                best = first, gain
        assert _in_reverse(distance, drawn, min_turn, min_move) == best


@pytest.mark.parametrize("seed", range(200))
def test_slices_in_reverse_join_their_neighbours_better_the_other_way_round(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 13 if seed % 2 else 24))
    leap = np.zeros(n)
    if not seed % 2:  # other large steps, which no order makes smaller
        leap[rng.permutation(n)[: int(rng.integers(0, 4))]] = rng.choice([8.0, 12.0, 15.0])
    place = np.cumsum(rng.choice([2.0, 3.0, 4.0], n) + leap)
    if seed % 6:
        first, last = sorted(rng.choice(n + 1, 2, replace=False))
        place[first:last] = place[first:last][::-1].copy()
    distance = np.abs(place[:, None] - place) + rng.choice([0.0, 0.0, 0.0, 2.0], (n, n))
    drawn = rng.random(n) < 0.9 if seed % 3 else np.ones(n, bool)  # an empty slice tells no order
    goes_on = [bool(drawn[k] and drawn[k + 1]) for k in range(n - 1)]
    step = [distance[k, k + 1] if goes_on[k] else 0.0 for k in range(n - 1)]
    for min_turn, min_move in ((0.5, 0.1), (0.25, 6.0), (0.0, 0.0), (0.75, 4.0)):
        least = max(1.5 * statistics.median([step[k] for k in range(n - 1) if goes_on[k]] or [0]), min_move)
        best: tuple[int, int, float] | None = None
        gains = []
        for first in range(1, n - 1):
            for last in range(first + 2, n - 1):
                if not all(drawn[k] for k in (first - 1, first, last, last + 1)):
                    continue
                into, out = step[first - 1], step[last]
                before, behind = distance[first - 1, last], distance[first, last + 1]
                gain = (into + out - before - behind) / max(into + out, 1e-12)
                gains.append(gain)
                stands = min(into, out) >= least and before < least and behind < least and gain >= min_turn
                stands = stands and sum(other >= 0.9 * min(into, out) for other in step) <= 3
                if stands and (best is None or gain > best[2]):
                    best = first, last, gain
        has_order = bool(gains) and statistics.median(gains) <= -0.2
        assert _reversed_block(distance, drawn, min_turn, min_move) == (best if has_order else None)


@pytest.mark.parametrize("seed", range(15))
def test_distances_are_means_over_tracks_or_categories_that_either_frame_has(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = random_film(rng, 5)
    tables = film(frames)
    n = len(tables.segments)
    names = ("center_x", "center_y", "spread_x", "spread_y")
    centroids = {name: rng.integers(0, 60, n).astype(float) for name in names}
    track = tables.segments["track_id"].astype(float)
    track[rng.random(n) < 0.3] = math.nan
    segments = tables.segments.beside(track_id=track, iscrowd=rng.random(n) < 0.1)
    tables = with_tables(replace(tables, segments=segments), centroids=Table(centroids))
    sums: list[dict[Any, list[float]]] = [{} for _ in frames]
    for row in range(n):
        if segments["iscrowd"][row]:
            continue
        own, area = track[row], segments["area"][row] / (WIDE * HIGH)
        thing = ("category", segments["category_id"][row]) if own != own else ("track", own)
        cell = sums[segments["annotation"][row]].setdefault(thing, [0.0] * 5)
        cell[0] += area
        for k, (name, side) in enumerate(zip(names, (WIDE, HIGH, WIDE, HIGH), strict=True), start=1):
            cell[k] += area * centroids[name][row] / side
    features = [
        {thing: [math.sqrt(cell[0]), *(value / cell[0] for value in cell[1:])] for thing, cell in frame.items()}
        for frame in sums
    ]
    found, drawn = _distances(tables, SequenceIndex.from_tables(tables), 0)
    assert drawn.tolist() == [bool(frame) for frame in features]
    for a in range(5):
        for b in range(5):
            apart = []
            for thing in features[a].keys() | features[b].keys():
                if thing in features[a] and thing in features[b]:
                    pairs = zip(features[a][thing], features[b][thing], strict=True)
                    apart.append(min(statistics.fmean(abs(p - q) for p, q in pairs), 0.25))
                else:
                    apart.append(0.1)
            assert found[a, b] == pytest.approx(statistics.fmean(apart) if apart else 0.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_track_that_leaps_for_good_and_goes_on_as_before(seed: int) -> None:
    """Tracks that tremble, of which some leap; a camera's motion is that of most tracks of a frame."""
    rng = np.random.default_rng(seed)
    n_tracks, n = int(rng.integers(2, 6)), 12
    pan = rng.integers(-1, 2, (n, 2)).cumsum(axis=0)
    frames: list[dict[int, tuple[Any, int]]] = [{} for _ in range(n)]
    for track in range(1, n_tracks + 1):
        x, y = rng.integers(10, 30, 2)
        leap = int(rng.integers(2, 11)) if rng.random() < 0.5 else None
        far = rng.integers(-25, 26, 2)
        side = int(rng.choice([7, 8, 9]))
        for k in range(n):
            if leap == k:
                x, y = x + far[0], y + far[1]
                side = int(rng.choice([side, side, side + 3]))
            if rng.random() < 0.97:
                grown = side + int(rng.integers(0, 2))
                frames[k][track] = ((int(x + pan[k, 0]), int(y + pan[k, 1]), side, grown), 1)
    tables = film(frames)
    names = [
        "before",
        "segment",
        "after",
        "agree",
        "fit",
        "like_before",
        "like_after",
        "shift",
        "a",
        "b",
        "own",
        "crossed",
    ]
    nothing = Table({name: np.zeros(0, np.int64) for name in names})
    tables = with_tables(tables, turns=nothing, exchanges=nothing)
    rows = {(int(a), int(t)): row for row, (a, t) in enumerate(tables.segments.lines("annotation", "track_id"))}
    large = {key: frames[key[0]][key[1]][0] for key in rows if math.prod(frames[key[0]][key[1]][0][2:]) >= 56}
    steps = sorted((track, k) for k, track in large if (k + 1, track) in large)
    moved = {}
    for track, k in steps:
        (x, y, w, h), (u, v, p, q) = large[k, track], large[k + 1, track]
        one = []
        for near, end in ((u - x, u + p - x - w), (v - y, v + q - y - h)):
            one.append(math.copysign(min(abs(near), abs(end)), near) if near * end > 0 else 0.0)
        moved[track, k] = one
    still = {
        k: [statistics.median(moved[key][axis] for key in steps if key[1] == k) for axis in (0, 1)]
        for _, k in steps
        if sum(key[1] == k for key in steps) >= 3
    }
    own = {key: [moved[key][axis] - still.get(key[1], [0, 0])[axis] for axis in (0, 1)] for key in steps}
    share = []
    for track, k in steps:
        near = [(track, j) for j in range(k - 3, k + 4) if j != k and all((track, i) in own for i in _between(j, k))]
        usual = [statistics.median(own[key][axis] for key in near) if near else 0.0 for axis in (0, 1)]
        away = math.hypot(*(own[track, k][axis] - usual[axis] for axis in (0, 1)))
        share.append(away / math.sqrt(min(math.prod(large[j, track][2:]) for j in (k, k + 1))))
    values = np.array(share)
    chance, middle = tail_probability(values, np.zeros(len(values), np.int64), 0.02)
    stands = benjamini_hochberg(np.where(values > middle, chance, 1.0), 0.2) & (values >= 0.5)
    expected = []
    for i, (track, k) in enumerate(steps):
        areas = [math.prod(large[j, track][2:]) for j in (k, k + 1)]
        beside = [j for j in (i - 1, i + 1) if 0 <= j < len(steps) and steps[j] in ((track, k - 1), (track, k + 1))]
        calm = len(beside) == 2 and all(share[j] < share[i] / 3 for j in beside)
        if stands[i] and 0.5 < areas[0] / areas[1] < 2 and calm:
            words = (
                f"track {track} moves by {share[i]:.1f} times the side of its box in one step and goes on from there; "
            )
            expected.append((rows[k + 1, track], f"{words}its steps in this video are {middle[i]:.2f} (median)"))
    found = check("SEG354", tables, min_pixels=56, min_move=0.5, rate=0.2)
    assert [(one.segments[0], one.message) for one in found] == expected


def _between(one: int, other: int) -> range:
    """The steps from one to another, with both."""
    return range(min(one, other), max(one, other) + 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_track_that_takes_over_one_that_ends(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, end = 9, int(rng.integers(2, 7))
    frames: list[dict[int, tuple[Any, int]]] = [{} for _ in range(n)]
    for k in range(n):
        wide = int(rng.choice([10, 12, 14]))
        grows = k > end and (seed % 3 > 0 or k == end + 1)
        frames[k][1] = ((2, 2, (10 + wide) if grows else 10, int(rng.choice([8, 8, 8, 5]))), 1)
        if k <= end and rng.random() < 0.95:
            frames[k][2] = ((12, 2, 12, 8), 1 + (rng.random() < 0.05))
        frames[k][3] = ((4, 30, 8, 8), 1)
        if k != end + 2 or rng.random() < 0.5:
            frames[k][4] = ((24, 2, 8, 8), 1)
    tables = film(frames)
    times = {track: [k for k, frame in enumerate(frames) if track in frame] for track in (1, 2, 3, 4)}
    expected = []
    for gone, seen in times.items():
        last = seen[-1] if seen else n
        if len(seen) < 3 or last + 3 >= n:
            continue
        for track in (1, 2, 3, 4):
            if track not in frames[last] or track not in frames[last + 1]:
                continue
            (old, kind), (new, _), (other, own_kind) = frames[last][track], frames[last + 1][track], frames[last][gone]
            a, b, c = (math.prod(box[2:]) for box in (old, other, new))
            left, top = min(old[0], other[0]), min(old[1], other[1])
            right, low = (max(old[i] + old[i + 2], other[i] + other[i + 2]) for i in (0, 1))
            fit = overlap((left, top, right - left, low - top), new)
            if (
                sum(k > last for k in times[track]) >= 3
                and kind == own_kind
                and a <= 0.8 * (a + b)
                and min(c, a + b) >= 0.8 * max(c, a + b)
                and fit >= 0.6
                and fit - overlap(old, new) >= 0.2
            ):
                words = f"track {track} has also what was track {gone} from this frame on: {c} px, before {a} and {b}"
                expected.append((last + 1, track, c, words))
                break
    found = [
        one for one in check("SEG361", tables, min_pixels=1, min_overlap=0.6, min_turns=99) if "has also" in one.message
    ]
    keys = list(tables.segments.lines("annotation", "track_id"))
    assert [(*keys[one.segments[0]], one.pixels, one.message) for one in found] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_tracks_that_go_on_under_the_ids_of_others(seed: int) -> None:
    """Between two frames each box has the id of one some numbers before or after; some keep theirs or are exchanged."""
    rng = np.random.default_rng(seed)
    places = {name: (2 + 12 * (name % 4), 2 + 14 * (name // 4), 10, 10) for name in range(1, 9)}
    kinds = {name: 1 + (rng.random() < 0.2) for name in places}
    step = int(rng.choice([-1, 1, 2]))
    before = {name: (box, kinds[name]) for name, box in places.items() if rng.random() < 0.9}
    after: dict[int, tuple[Any, int]] = {}
    for name, box in places.items():
        new = name + step if rng.random() < 0.85 else name
        x, y, wide, high = box
        if 1 <= new <= 8 and new not in after:
            after[new] = ((x, y, wide, high - int(rng.choice([0, 0, 2, 5]))), kinds[name])
    tables = film([before, after])
    moves = {}
    for old, (box, kind) in before.items():
        if old in after and overlap(box, after[old][0]) + 0.2 > 0.5:
            continue
        fits = {new: overlap(box, other) for new, (other, of) in after.items() if of == kind}
        best = max(fits, key=lambda new: fits[new], default=old)
        if best != old and best in before and fits[best] >= 0.5:
            moves[old] = best
    counted = [new - old for old, new in moves.items() if moves.get(new) != old]
    chain: dict[int, int] = {}
    if counted:
        most = max(counted.count(own) for own in counted)
        usual = next(own for own in counted if counted.count(own) == most)
        if most >= 2 and most >= 0.6 * len(counted):
            chain = {old: new for old, new in moves.items() if new - old == usual}
    found = [one for one in check("SEG361", tables, min_pixels=1) if "the id of another" in one.message]
    assert len(found) == bool(chain)
    for one in found:
        listed = ", ".join(f"{old} is {new}" for old, new in list(chain.items())[:4]) + (
            ", …" if len(chain) > 4 else ""
        )
        assert one.message == f"{len(chain)} tracks have the id of another from this frame on: {listed}"
        names = [int(tables.segments["track_id"][row]) for row in one.segments]
        assert names == list(chain.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_exchanges_beside_each_other_and_beside_a_turn(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest gain first; frames next to exchanged ones are left; an exchange may explain the step of a turn."""
    rng = np.random.default_rng(seed)
    n = 12
    tables = film([{1: ((3, 3, 9, 9), 1)}] * n)
    sequence = SequenceIndex.from_tables(tables).sequences[0]
    gains = rng.permutation(30) / 40
    near = [(k, k + 1, float(gains[k])) for k in range(1, n - 2) if rng.random() < 0.2]
    far = [
        (a, b, float(gains[12 + a])) for a in range(1, 8) if rng.random() < 0.3 for b in [int(rng.integers(a + 2, 11))]
    ]
    turn = (int(rng.integers(2, 10)), 0.6) if rng.random() < 0.7 else None
    steps = np.array([k for k, _, _ in near], np.int64), np.array([gain for *_, gain in near])
    succession = SimpleNamespace(number=0, sequence=sequence, exchanges=lambda *limits, in_video: steps)
    monkeypatch.setattr(frames_exchanged, "successions", lambda *given: [succession])
    monkeypatch.setattr(frames_exchanged, "_distances", lambda *given: (None, None))
    monkeypatch.setattr(frames_exchanged, "_in_reverse", lambda *given: turn)
    monkeypatch.setattr(frames_exchanged, "_far_apart", lambda *given: far)
    is_turn = turn is not None and not any(a + 1 == turn[0] for a, _, _ in far)
    expected, taken = [], set()
    for a, b, gain in sorted(near + ([] if is_turn else far), key=lambda pair: -pair[2]):
        if a not in taken and b not in taken:
            taken |= {a - 1, a, a + 1, b - 1, b, b + 1}
            expected.append((a, f"the labels of frames {sequence.frame[a]} and {sequence.frame[b]} are exchanged: in "
                             f"the other order they move {gain:.0%} less from frame to frame"))  # fmt: skip
    if is_turn and turn is not None:
        first = turn[0]
        expected.append((first, f"the labels of frames {sequence.frame[first]} to {sequence.frame[-1]} are in reverse: "
                         "the step to the first of them is 60% shorter if the last comes first"))  # fmt: skip
    found = check("SEG360", tables)
    assert [(one.annotation, one.message) for one in found] == expected


@pytest.mark.parametrize("step", [1, 1000])
def test_tracks_whose_ids_are_all_so_much_higher(step: int) -> None:
    boxes: list[Box] = [(2.0 + 14 * k, 10, 8, 8) for k in range(4)]
    before = {1 + k * step: (box, 0) for k, box in enumerate(boxes)}
    after = {1 + (k + 1) * step: (box, 0) for k, box in enumerate(boxes[:3])}
    (finding,) = [one for one in check("SEG361", film([before, after])) if "have the id of another" in one.message]
    assert finding.message.startswith("3 tracks")
    assert f"1 is {1 + step}, {1 + step} is {1 + 2 * step}" in finding.message


@pytest.mark.parametrize(("width", "height", "n_first"), [(29, 24, 1), (30, 24, 0), (29, 25, 0), (31, 26, 0)])
def test_what_begins_in_the_corner_is_less_than_half_as_wide_and_high(width: int, height: int, n_first: int) -> None:
    car = min(film([]).profile.taxonomy.thing_ids)
    tables = film([{1: ((0, 0, width, height), car), 2: ((2, 0, 4, 4), car)}])
    columns = _extents(tables)
    assert (list(columns["things"]), list(columns["first"])) == ([2], [n_first])
    assert list(columns["pixels"]) == [width * height * n_first]


def test_where_dense_labels_begin_and_end_if_not_at_the_frame() -> None:
    car = min(film([]).profile.taxonomy.thing_ids)
    low, high = _dense_extents(film([{1: ((0, 20, WIDE, 10), car)}, {1: ((20, 0, 10, HIGH), car)}]))
    assert low.tolist() == [[-1, 20], [20, -1]]
    assert high.tolist() == [[-1, 30], [30, -1]]
