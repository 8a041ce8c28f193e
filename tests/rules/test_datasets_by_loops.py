"""Rules of whole datasets, on random tables and names, against loops that say what their pages say."""

import math
import statistics
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest

from segdata.core.statistics import proves_rate
from segdata.core.table import Table
from segdata.rules.capped_count import _cap_message, _cut_ids
from segdata.rules.conflicting_duplicates import _follow_each_other, _is_filmed, _name_series
from segdata.rules.frozen_labels import _period, _runs
from segdata.rules.sequence_slips import Succession
from segdata.rules.similar_names import _is_typing_error, _pairs_of_form, _singular, _typing_errors
from tests.rules.campaigns import with_tables
from tests.rules.test_rules_by_loops import CAR, PERSON, ROAD, SEEDS, check, images, mostly, scattered
from tests.rules.test_tracks_by_loops import film, overlap

Boxes = np.ndarray[Any, np.dtype[np.float64]]  # Any: (n, 4)
CHANGES: dict[str, Any] = {  # Any: of x, y, width, height of a segment in images of 60 x 50, the declared box
    "mirrored left to right": lambda x, y, w, h: (60 - x - w, y, w, h),
    "mirrored top to bottom": lambda x, y, w, h: (x, 50 - y - h, w, h),
    "turned by 180 degrees": lambda x, y, w, h: (60 - x - w, 50 - y - h, w, h),
    "read as y, x, height, width": lambda x, y, w, h: (y, x, h, w),
    "read as x, y, height, width": lambda x, y, w, h: (x, y, h, w),
    "read as two corners": lambda x, y, w, h: (x, y, x + w, y + h),
    "read as centre and size": lambda x, y, w, h: (x + w / 2, y + h / 2, w, h),
    "multiplied by the image's size": lambda x, y, w, h: (x / 60, y / 50, w / 60, h / 50),
    "shifted by +9 px across and -7 px down": lambda x, y, w, h: (x - 9, y + 7, w, h),
    "shifted by +0 px across and +0.75 px down": lambda x, y, w, h: (x, y - 0.75, w, h),
    "scaled by 2 and 0.5": lambda x, y, w, h: (x / 2, y * 2, w / 2, h * 2),
    "": lambda x, y, w, h: (x, y, w, h),
}


@pytest.mark.parametrize("seed", range(36))
def test_boxes_of_each_file_and_annotator_are_judged_alone(seed: int) -> None:
    """One of them is changed, and n_changed of its ten boxes or more; of what fits not everything is usable."""
    rng = np.random.default_rng(seed)
    words = list(CHANGES)[seed % len(CHANGES)]
    n = 40
    tables = images(4, 60, 50)
    tables = scattered(rng, tables, n, (CAR,))
    x, y = rng.integers(2, 20, n), rng.integers(2, 16, n)
    width, height = rng.integers(8, 20, n) + 20 * (rng.random(n) < 0.5), rng.integers(8, 18, n) + 14 * (x % 2)
    annotation = np.sort(rng.integers(0, 4, n))
    crowd, area = rng.random(n) < 0.05, np.where(rng.random(n) < 0.05, 0, 50)
    columns: dict[str, Any] = {"x": x, "y": y, "width": width, "height": height, "annotation": annotation}
    columns |= {"image": annotation, "iscrowd": crowd, "area": area}
    files = np.array(["a.json", "b.json"], object)[rng.integers(0, 2, n)]
    annotators = np.array(["anna", "ben", "anna", None], object)
    key = list(zip(files, annotators[annotation], strict=True))
    target = Counter(key).most_common(1)[0][0]
    own = np.array([one == target for one in key])
    is_changed = own & (rng.random(n) < 0.9)
    boxes = np.array(
        [CHANGES[words if is_changed[k] else ""](x[k], y[k], width[k], height[k]) for k in range(n)], float
    )
    boxes[rng.random(n) < 0.05] = math.nan
    columns |= {f"declared_{name}": boxes[:, k].copy() for k, name in enumerate(("x", "y", "width", "height"))}
    segments = tables.segments.beside(**columns, file=files)
    annotations = tables.annotations.beside(annotator=annotators)
    nothing = {name: np.zeros(0) for name in ("left", "top", "right", "bottom")}
    outlines = Table({"segment": np.zeros(0, np.int64), **nothing})
    tables = with_tables(replace(tables, segments=segments, annotations=annotations), outlines=outlines)
    usable = own & ~crowd & (area > 0) & ~np.isnan(boxes).any(axis=1)
    wrong = usable & is_changed
    far = [k for k in np.flatnonzero(usable) if _apart(boxes[k], (x[k], y[k], width[k], height[k])) > 2]
    found = check("SEG030", tables, min_segments=5, min_share=0.75)
    is_shift = words.startswith("shifted") and wrong.sum() > usable.sum() / 2 and usable.sum() >= 5
    if words and (is_shift or len(far) >= 5):
        (one,) = found
        assert one.message.endswith(f"only when they are {words}")
        hits, of = (int(part) for part in one.message.split(" declared")[0].split(" of "))
        assert of == usable.sum()
        assert wrong.sum() <= hits + 1
        assert hits <= usable.sum()
        assert one.annotator == target[1]
    elif not words or usable.sum() < 5:
        assert found == []


@pytest.mark.parametrize(
    ("scale", "off", "n", "told"),
    [
        (1.015, 0, 6, ""), (1.03, 0, 6, "scaled by 1.03 and 1.03"), (1.03, 0, 4, ""), (0.985, 0, 6, ""),
        (1.0, 3, 6, ""), (1.0, 4, 6, "mirrored left to right"), (1.0, 4, 4, ""),
        (1.0, 4, 9, "mirrored left to right"),
    ],
)  # fmt: skip
def test_boxes_that_are_little_off(scale: float, off: int, n: int, told: str) -> None:
    """By more than two pixels and a half, of five boxes or more; a scale of less than 2 % is none."""
    k = np.arange(n)
    box = np.stack([100 + 150 * k, 200 + 90 * (k * 5 % 7), np.full(n, 90 + off % 2), np.full(n, 80)])
    if off:  # in the middle of 1,000 pixels but for half of it, on either side in turn; from the seventh on they fit
        box[0] = (1000 - box[2] + np.where(k < 6, off * (-1) ** k, 0)) // 2
    declared = box / scale
    if off:
        declared[0] = 1000 - box[0] - box[2]
    tables = scattered(np.random.default_rng(0), images(1, 9, 9), n, (CAR,))
    tables = replace(tables, images=tables.images.beside(width=np.array([1000]), height=np.array([1000])))
    names = ("x", "y", "width", "height")
    columns: dict[str, Any] = {name: box[row] for row, name in enumerate(names)}
    columns |= {f"declared_{name}": declared[row] for row, name in enumerate(names)}
    columns |= {"area": np.full(n, 50), "iscrowd": np.zeros(n, bool), "file": np.full(n, "a.json", object)}
    nothing = {name: np.zeros(0) for name in ("left", "top", "right", "bottom")}
    outlines = Table({"segment": np.zeros(0, np.int64), **nothing})
    tables = with_tables(replace(tables, segments=tables.segments.beside(**columns)), outlines=outlines)
    found = check("SEG030", tables, min_segments=5, max_error=1.75)
    assert [one.message.partition("when they are ")[2] for one in found] == [told] * bool(told)


def _apart(declared: Any, box: tuple[float, ...]) -> float:  # Any: x, y, width, height
    (a, b, c, d), (x, y, width, height) = declared, box
    return max(abs(a - x), abs(b - y), abs(a + c - x - width), abs(b + d - y - height))


@pytest.mark.parametrize("seed", SEEDS)
def test_names_that_count_are_a_series(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = sorted({
        rng.choice(["train/", "val/a/", "a/", "A/TEST/", ""]) + rng.choice(["x", "x_", ""])
        + str(int(rng.integers(0, 12))).zfill(int(rng.integers(1, 3))) + rng.choice(["", "b", "-left"])
        + rng.choice([".png", ".jpg", ""])
        for _ in range(40)
    } | {"none.png", "9/none", "12.5.png", ".7"})  # fmt: skip
    names = [names[k] for k in rng.permutation(len(names))]
    series, place, is_sampled = _name_series(names)
    splits = {"train", "val", "test"}
    groups: dict[Any, list[tuple[int, int]]] = defaultdict(list)
    for row, name in enumerate(names):
        *folders, last = name.split("/")
        stem = last.rpartition(".")[0] or last
        tail = next((k for k in range(len(stem), 0, -1) if stem[k - 1].isdigit()), None)
        if tail is None:
            assert series[row] == place[row] == -1, name
            continue
        head = next((k for k in range(tail, 0, -1) if not stem[k - 1].isdigit()), 0)
        kept = tuple(folder for folder in folders if folder.lower() not in splits)
        groups[kept, stem[:head], stem[tail:]].append((int(stem[head:tail]), row))
    for members in groups.values():
        rows, numbers = [row for _, row in members], sorted({number for number, _ in members})
        assert len({int(series[row]) for row in rows}) == 1
        steps = [after - before for before, after in pairwise(numbers)]
        sampled = len(numbers) >= 8 and any(all(step % divisor == 0 for step in steps) for divisor in range(2, 13))
        assert is_sampled[series[rows[0]]] == sampled
        assert place[rows].tolist() == [numbers.index(number) for number, _ in members], "equal numbers are copies"
    assert len(set(series[series >= 0].tolist())) == len(groups)


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_that_look_alike_may_be_frames_of_one_film(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"{letter}{k}.png" for letter, n in (("a", 2), ("b", 3), ("c", 6), ("d", 9)) for k in range(n)] + ["x.png"]
    n = len(names)
    sequence = np.array([rng.choice([None, "film", "other"], p=[0.8, 0.1, 0.1]) for _ in range(n)], object)
    pairs = [pair for pair in combinations(range(n), 2) if rng.random() < 0.06]
    first, second = np.array(pairs or [(0, 1)]).T
    tables = Table({"image_id": np.array(names, object), "sequence": sequence})
    found = _is_filmed(tables, Table({"image": first, "of": second})).tolist()
    size = Counter(name[0] for name in names)
    together = [(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True) if names[a][0] == names[b][0]]
    together = [pair for pair in together if names[pair[0]] != "x.png"]
    alike = Counter(names[row][0] for row in {row for pair in together for row in pair})
    expected = []
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        letter = names[a][0]
        same = (a, b) in together
        film_like = same and size[letter] >= 3 and alike[letter] >= size[letter] / 2
        near = same and abs(a - b) <= 1
        expected.append((sequence[a] is not None and sequence[a] == sequence[b]) or near or film_like)
    assert found == expected


@pytest.mark.parametrize("seed", range(30))
def test_images_that_look_alike_are_nearer_than_chance_explains(seed: int) -> None:
    """The rate to prove is the share of all pairs that are as near, counted one by one."""
    rng = np.random.default_rng(seed)
    members, reach = rng.integers(1, 40, 12), rng.integers(1, 8, 12)
    series = rng.integers(0, 12, 60)
    is_near = rng.random(60) < 0.7
    expected = []
    for k in range(12):
        apart = [b - a for a, b in combinations(range(members[k]), 2)]
        rate = sum(distance <= reach[k] for distance in apart) / max(len(apart), 1)
        expected.append(bool(proves_rate(int(is_near[series == k].sum()), int((series == k).sum()), rate, 0.99)))
    is_known = reach < members  # with fewer members all pairs are near
    found = _follow_each_other(series, is_near, members, reach)
    assert found[is_known].tolist() == np.array(expected)[is_known].tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_one_image_twice_with_other_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = images(6, 4, 4)
    names = np.array(["a.png", "q.png", "f.png", "k.png", "y.png", "z.png"], object)
    tables = replace(tables, images=tables.images.beside(image_id=names))
    pairs = list(combinations(range(6), 2))
    image, of = np.array(pairs).T
    alike = {"image": of, "of": image, "same": rng.integers(0, 2, 15), "bits": rng.choice([0, 2, 3], 15)}
    n = 24
    pair = rng.integers(0, 15, n)
    area, other = rng.integers(8, 20, n), rng.integers(8, 20, n)
    shared = np.minimum(area, other) - rng.choice([0, 0, 1, 4, 8], n)
    twins = {"pair": pair, "annotation": of[pair], "other": image[pair], "area": area, "other_area": other}
    twins |= {"shared": shared, "category_id": rng.choice([CAR, PERSON, ROAD], n)}
    tables = with_tables(tables, alike=Table(alike), twins=Table(twins))
    groups: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for k in range(n):
        union = area[k] + other[k] - shared[k]
        iou, is_same = shared[k] / union, alike["same"][pair[k]] == 1
        if iou < 0.75 and union - shared[k] >= 4 and (is_same or alike["bits"][pair[k]] <= 2):
            groups[int(of[pair[k]]), int(image[pair[k]])].append((iou, k, union - shared[k], is_same))
    found = check("SEG305", tables, min_iou=0.75, min_pixels=4, max_bits=2)
    assert len(found) == len(groups)
    label = {CAR: "car", PERSON: "person", ROAD: "road"}
    for one, ((annotation, before), members) in zip(found, sorted(groups.items()), strict=True):
        members.sort(key=lambda member: member[:2])
        worst = [f"{label[twins['category_id'][k]]} {iou:.2f}" for iou, k, *_ in members[:3]]
        how = "the same file as" if members[0][3] else "nearly the same image as"
        kinds = "1 category" if len(members) == 1 else f"{len(members)} categories"
        assert (
            one.message == f"{how} {names[before]}, but {kinds} with other pixels, IoU below 0.75: {', '.join(worst)}"
        )
        assert (one.annotation, one.pixels) == (annotation, sum(member[2] for member in members))
        assert one.severity == (None if members[0][3] else "warning")
        assert (one.category is None) == (len(members) > 1)


@pytest.mark.parametrize("seed", range(40))
def test_counts_and_ids_that_are_cut_off(seed: int) -> None:
    rng = np.random.default_rng(seed)
    highest = np.minimum(rng.integers(20, 200, 16), rng.choice([30, 31, 32, 62, 63, 64, 127]))
    limit, reach = max(highest), int((highest == max(highest)).sum())
    is_cut = limit in (31, 63, 127, 255) and reach >= max(4, 0.375 * 16)
    lowest = rng.integers(1, 12, 16)
    message = _cut_ids(highest, lowest, 0.375)
    assert (message is not None) == is_cut
    if message:
        bits = {31: 5, 63: 6, 127: 7}[int(limit)]
        assert message.startswith(f"{reach} of 16 images use ids up to {limit},")
        is_stretched = all(low >= 8 for low, high in zip(lowest, highest, strict=True) if high == limit)
        assert f"{'stretched over' if is_stretched else 'cut to'} {bits} bits" in message
    assert _cut_ids(np.zeros(0, np.int64), np.zeros(0, np.int64), 0.0) is None
    n = int(rng.choice([11, 12, 20]))
    counts = np.minimum(rng.poisson(7, n), rng.choice([5, 6, 7, 8]))
    counts[rng.random(n) < 0.2] = rng.choice([0, 1, 2, 3])
    most, fewer = max(counts), [count for count in counts.tolist() if 0 < count < max(counts)]
    reach = int((counts == most).sum())
    near = sum(count >= most - 3 for count in counts.tolist() if count < most)
    for ratio in (0.5, 1.0, 2.0):
        is_capped = n >= 12 and most >= 6 and len(set(fewer)) >= 3
        is_capped = is_capped and reach >= max(4, 0.25 * n, ratio * (near / 3 + 1)) and len(fewer) >= max(4, 0.25 * n)
        message = _cap_message(counts, 12, 6, 0.25, ratio)
        assert (message is not None) == is_capped
        assert message is None or message.startswith(f"{reach} of {n} images have {most} objects,")


@pytest.mark.parametrize("seed", SEEDS)
def test_runs_and_the_period_of_labels_that_are_held(seed: int) -> None:
    rng = np.random.default_rng(seed)
    flags = rng.random(20) < 0.5
    text = "".join("x" if flag else "." for flag in flags)
    runs = [(k, k + len(run) - 1) for k, run in _split(text)]
    assert _runs(flags) == runs
    every = int(rng.integers(1, 5))
    near = np.where(np.arange(22) % every == 1 % every, 0.25, 0.0)
    near[0] = math.nan
    if seed % 3 == 0:
        near[int(rng.integers(1, 22))] = rng.choice([0.0, 0.5])
    repeats = near == 0
    nothing: Any = None
    one = Succession(0, nothing, near, near, near, near)
    changes = [k for k in range(22) if near[k] > 0]
    inner = changes[1:-1] if len(changes) > 3 else changes
    steps = {b - a for a, b in pairwise(inner)}
    for least in (2, 5, 6):
        period = None
        if sum(repeats) >= least and len(changes) >= least and len(steps) == 1 and min(steps) > 1:
            (period,) = steps
        assert _period(one, repeats, least) == period


def _split(text: str) -> list[tuple[int, str]]:
    """The stretches of x, with their places."""
    found, place = [], 0
    for part in text.split("."):
        if part:
            found.append((place, part))
        place += len(part) + 1
    return found


@pytest.mark.parametrize("seed", range(60))
def test_words_one_typing_error_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = "".join(rng.choice(list("abc"), int(rng.integers(3, 7))))
    b = list(a)
    for _ in range(int(rng.choice([1, 1, 1, 2]))):
        place = int(rng.integers(0, len(b)))
        how = rng.integers(4)
        if how == 0:
            b.insert(place, rng.choice(list("abc1")))
        elif how == 1 and len(b) > 1:
            del b[place]
        elif how == 2:
            b[place] = rng.choice(list("abc"))
        else:
            other = min(place + 1, len(b) - 1)
            b[place], b[other] = b[other], b[place]
    word = "".join(b)
    letters = set(a + word)
    near = {a[:k] + a[k + 1 :] for k in range(len(a))}  # one less
    near |= {a[:k] + letter + a[k:] for k in range(len(a) + 1) for letter in letters}
    near |= {a[:k] + letter + a[k + 1 :] for k in range(len(a)) for letter in letters}
    near |= {a[:k] + a[k + 1] + a[k] + a[k + 2 :] for k in range(len(a) - 1)}
    if a != word:
        expected = word in near and min(len(a), len(word)) >= 4 and (a + word).isalpha()
        assert _is_typing_error(a, word, 4) == expected, (a, word)
        assert _is_typing_error(word, a, 4) == expected


@pytest.mark.parametrize(
    ("name", "singular"),
    [
        ("People", "person"), ("Traffic-Lights", "trafficlight"), ("berries", "berry"), ("ties", "tie"),
        ("boxes", "box"), ("axes", "axis"), ("churches", "church"), ("bushes", "bush"), ("glasses", "glass"),
        ("buzzes", "buzz"), ("buses", "bus"), ("uses", "use"), ("cars", "car"), ("gas", "gas"), ("bus", "bus"),
        ("grass", "grass"), ("iris", "iris"), (" two  men ", "twoman"), ("cars.red", "carsred"),
    ],
)  # fmt: skip
def test_the_singular_of_the_last_word(name: str, singular: str) -> None:
    assert _singular(name) == singular


def test_names_of_one_form_stand_beside_the_most_common() -> None:
    entries = [(9, "Car"), (8, "bus"), (7, "car"), (6, "CAR"), (5, "car")]
    assert list(_pairs_of_form(entries, str.casefold)) == [((9, "Car"), (7, "car")), ((9, "Car"), (6, "CAR")),
                                                           ((9, "Car"), (5, "car"))]  # fmt: skip
    words = [
        (40, "traffic light"),
        (10, "traffic lihgt"),
        (4, "trafic light"),
        (2, "trafic lihgt"),
        (0, "traffic lght"),
    ]
    assert [(common[1], rare[1]) for common, rare in _typing_errors(words, 5, 10.0)] == [
        ("traffic light", "trafic light")
    ]
    assert len(list(_typing_errors(words, 5, 4.0))) == 3
    assert list(_typing_errors([(40, "red light"), (1, "light")], 3, 4.0)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_that_touch_in_some_files_and_have_a_band_in_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_images = 8
    tables = scattered(rng, images(n_images, 9, 9), 80, (CAR, PERSON, ROAD))
    owner, category = tables.segments["annotation"], tables.segments["category_id"]
    a, b = np.array([(p, q) for p, q in combinations(range(80), 2) if owner[p] == owner[q] and rng.random() < 0.2]).T
    way = rng.choice([0, 0, 1, 1, 2], (n_images, 3, 3))
    way = np.minimum(way, way.transpose(0, 2, 1))
    bands = way[owner[a], np.minimum(category[a], category[b]) - 1, np.maximum(category[a], category[b]) - 1]
    touching = np.where(bands == 1, 0, rng.integers(1, 5, len(a)))
    apart = np.where(bands == 0, rng.random(len(a)) < 0.1, rng.integers(1, 5, len(a))).astype(np.int64)
    borders = Table({"a": a, "b": b, "touching": touching, "apart": apart})
    names_of_cameras = ["left", "right", "rear", "front", "roof"][: 2 if seed % 2 else 5]
    cameras = np.array([rng.choice(names_of_cameras) for _ in range(n_images)], object)
    tables = with_tables(replace(tables, images=tables.images.beside(camera=cameras)), borders=borders)
    sums: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
    for p, q, near, far in borders.lines("a", "b", "touching", "apart"):
        pair = sorted((int(category[p]), int(category[q])))
        cell = sums[pair[0], pair[1], int(owner[p])]
        cell[0], cell[1] = cell[0] + near, cell[1] + far
    ways: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    for (p, q, annotation), (near, far) in sums.items():
        if near + far >= 4:
            ways[p, q][annotation] = far / (near + far)
    expected = []
    names = {CAR: "car", PERSON: "person", ROAD: "road"}
    for (p, q), share in sorted(ways.items()):
        touch = sorted(row for row, value in share.items() if value <= 0.125)
        band = sorted(row for row, value in share.items() if value >= 0.875)
        between = len(share) - len(touch) - len(band)
        few = min(len(touch), len(band))
        if few >= 2 and between <= 0.5 * few:
            words = (
                f"{names[p]!r} and {names[q]!r} touch in {len(touch)} annotations ({_first(touch)}), and have a band "
            )
            words += f"of void or nothing between them in {len(band)} ({_first(band)}); {between} in between"
            far = [(cameras[row], row in band) for row in touch + band]
            shares = {camera: statistics.fmean(flag for own, flag in far if own == camera) for camera, _ in far}
            clear = all(value <= 0.1 or value >= 0.9 for value in shares.values())
            if clear and len({value > 0.5 for value in shares.values()}) == 2 and len(shares) <= len(far) / 2:
                apart_of = sorted(camera for camera, value in shares.items() if value > 0.5)
                words += f"; by camera, these draw them apart: {', '.join(apart_of)}"
            expected.append((names[p], words))
    found = check("SEG311", tables, min_places=4, max_share=0.125, min_files=2, max_between=0.5)
    assert [(one.category, one.message) for one in found] == expected


def _first(rows: list[int]) -> str:
    return ", ".join(f"{row + 1}.png" for row in rows[:3]) + (", …" if len(rows) > 3 else "")


@pytest.mark.parametrize("seed", SEEDS)
def test_crowds_that_are_no_crowds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 40
    tables = scattered(rng, images(3, 9, 9), n, (CAR, PERSON, ROAD))
    crowd = rng.random(n) < np.array([0, 0.2, 0.5, 0.1])[tables.segments["category_id"]]
    area, parts = rng.choice([5, 6, 7, 30], n), mostly(rng, n, [1], 2)
    tables = replace(tables, segments=tables.segments.beside(iscrowd=crowd, area=area, parts=parts))
    first, second = np.triu_indices(n, 1)
    met = rng.random(len(first)) < 0.1
    first, second = first[met], second[met]
    shared = rng.integers(1, 6, len(first))
    outlines = Table({name: np.zeros(0, np.int64) for name in ("segment", "rings")})
    tables = with_tables(tables, pairs=Table({"a": first, "b": second, "shared": shared}), outlines=outlines)
    category = tables.segments["category_id"]
    expected = []
    stuff = [row for row in range(n) if crowd[row] and category[row] == ROAD]
    if stuff:
        total = sum(category == ROAD)
        words = f"iscrowd is set on {len(stuff)} of {total} segments of stuff, of which no crowd can be"
        expected.append((tuple(stuff), words))
    meetings: dict[int, list[int]] = defaultdict(list)
    for a, b, pixels in zip(first.tolist(), second.tolist(), shared.tolist(), strict=True):
        for row, other in ((a, b), (b, a)):
            if crowd[row] and not crowd[other] and category[row] == category[other]:
                meetings[row].append(pixels)
    for id_ in sorted(set(category.tolist())):
        own = [row for row in range(n) if category[row] == id_ and crowd[row]]
        twice = [row for row in own if len(meetings[row]) >= 2 and sum(meetings[row]) >= 0.5 * area[row]]
        if twice:
            covers = f"{len(twice)} of {len(own)} crowd{'s' * (len(own) > 1)} cover{'s' * (len(twice) == 1)}"
            expected.append((tuple(twice), f"{covers} objects that are drawn one by one, too"))
    for id_ in (CAR, PERSON):
        own = [row for row in range(n) if category[row] == id_]
        crowds, objects = ([row for row in own if bool(crowd[row]) == flag] for flag in (True, False))
        if len(crowds) < 3:
            continue
        if len(crowds) > 0.4 * len(own):
            words = f"iscrowd is set on {len(crowds)} of {len(own)} segments; the limit is 40%"
            expected.append((tuple(crowds), words))
        elif len(objects) >= 6:
            middle = statistics.median(area[objects])
            single = [row for row in crowds if area[row] <= middle and parts[row] == 1]
            if len(single) > 0.4 * len(crowds):
                words = f"{len(single)} of {len(crowds)} crowds are one part, no larger than a typical object"
                expected.append((tuple(single), f"{words} ({middle:.0f} px)"))
    found = check("SEG121", tables, min_crowds=3, min_objects=6, max_share=0.4)
    assert [(one.segments, one.message) for one in found] == expected
    assert [one.pixels for one in found] == [int(area[list(rows)].sum()) for rows, _ in expected]


def moving(rng: Any) -> tuple[list[dict[int, tuple[Any, int]]], list[dict[int, int]]]:  # Any: a generator, boxes
    """Tracks that stand still and get other ids from some frame on; and which track each id is, by frame."""
    n, n_tracks = 10, int(rng.integers(2, 7))
    places = [(2 + 14 * (k % 4), 2 + 14 * (k // 4)) for k in range(n_tracks)]
    frames: list[dict[int, tuple[Any, int]]] = []
    change = int(rng.integers(3, 8))
    renamed = {k for k in range(n_tracks) if rng.random() < 0.6}
    ids = []
    for frame in range(n):
        own = {k: k + 1 + (20 + k if frame >= change and k in renamed else 0) for k in range(n_tracks)}
        ids.append({name: k for k, name in own.items()})
        shift = int(rng.integers(0, 2))
        frames.append({own[k]: ((x + shift, y, 10, 10), 1 + k % 2) for k, (x, y) in enumerate(places)})
    return frames, ids


@pytest.mark.parametrize("seed", range(30))
def test_tracks_that_go_on_under_new_ids(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames, _ = moving(rng)
    extra = int(rng.integers(0, 3))
    for k in range(extra):  # ends for good
        for frame in range(int(rng.integers(3, 8))):
            frames[frame][60 + k] = ((45, 40, 9, 8), 2)
    tables = film(frames)
    times = {track: [k for k, frame in enumerate(frames) if track in frame] for frame in frames for track in frame}
    handed: dict[int, list[tuple[int, int]]] = defaultdict(list)
    taken = set()
    for old, seen in sorted(times.items()):
        if len(seen) < 3 or seen[-1] + 1 >= len(frames):
            continue
        (box, category), frame = frames[seen[-1]][old], seen[-1] + 1
        starts = [new for new, later in times.items() if later[0] == frame and len(later) >= 3 and new not in taken]
        starts = [new for new in sorted(starts) if frames[frame][new][1] == category]
        best = max(starts, key=lambda new: overlap(box, frames[frame][new][0]), default=None)
        if best is not None and overlap(box, frames[frame][best][0]) >= 0.5:
            handed[frame].append((old, best))
            taken.add(best)
    single = sum(len(pairs) for pairs in handed.values() if len(pairs) == 1)
    expected = []
    for frame, pairs in sorted(handed.items()):
        if len(pairs) == 1 and single > max(1, 0.2 * len(times)):
            continue
        have = "has a new id" if len(pairs) == 1 else "have new ids"
        listed = ", ".join(f"{old} is {new}" for old, new in pairs[:4]) + (", …" if len(pairs) > 4 else "")
        here = len(frames[frame - 1])
        tracks = "1 track" if here == 1 else f"{here} tracks"
        expected.append((frame, f"{len(pairs)} of {tracks} {have} from this frame on: {listed}"))
    found = check("SEG361", tables, min_turns=99, min_fit=0.0)
    assert [(one.annotation, one.message) for one in found] == expected


@pytest.mark.parametrize("seed", range(30))
def test_two_ids_take_turns_in_one_place(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames: list[dict[int, tuple[Any, int]]] = [{} for _ in range(12)]
    for k, frame in enumerate(frames):
        for place, pair in ((5, (1, 9)), (25, (4, 3)), (45, (6, 7))):
            name = pair[int(rng.random() < 0.5)] if rng.random() < 0.9 else None
            if name:
                frame[name] = ((place, 5, 10, int(rng.choice([10, 10, 10, 4]))), 1 + (name == 7))
        if rng.random() < 0.04:
            frame[9 if 1 in frame else 1] = ((5, 30, 10, 10), 1)
        frame[30] = ((20, 30, 8, 8 + k % 2), 1)
    tables = film(frames)
    count: Counter[tuple[int, int]] = Counter()
    first: dict[tuple[int, int], tuple[int, int]] = {}
    for k in range(1, 12):
        before, after = frames[k - 1], frames[k]
        for old in before:
            for new in after:
                if old in after or new in before or before[old][1] != after[new][1]:
                    continue
                if overlap(before[old][0], after[new][0]) >= 0.5:
                    pair = (min(old, new), max(old, new))
                    count[pair] += 1
                    first.setdefault(pair, (k, new))
    expected = [
        (first[pair], f"tracks {pair[0]} and {pair[1]} take turns {n} times: one is there whenever the other is not")
        for pair, n in sorted(count.items())
        if n >= 3 and not any(pair[0] in frame and pair[1] in frame for frame in frames)
    ]
    found = check("SEG361", tables, min_turns=3, min_frames=99, min_pixels=1)
    rows = list(tables.segments.lines("annotation", "track_id"))
    turns = [(rows[one.segments[0]], one.message) for one in found if "take turns" in one.message]
    assert turns == expected
