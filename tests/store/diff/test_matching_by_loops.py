"""Which annotations of two datasets stand opposite each other, whose pixels moved, and what a proof compares."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segdata.core.batch import Batch
from segdata.core.finding import Defect
from segdata.core.losses import LOSS_KINDS, Loss
from segdata.core.runs import NumberLine
from segdata.store.diff import compare
from segdata.store.diff.compare import compare_datasets, first_annotations, verify_conversion
from segdata.store.diff.matching import DiffPortion, LoadedSide, differing_strips, place_segments
from segdata.testing.pictures import Mask, masks_of_runs
from tests.memory import TAXONOMY, Memory, dataset, make_batch, profile_of

PROFILE = profile_of(TAXONOMY)
NAMES = {1: "road", 2: "car", 3: "tree"}
HIGH, WIDE = 4, 5


def batch_of(people: list[list[str | None]], widths: list[int], segments: list[tuple[int, int, Mask]]) -> Batch:
    """Images with the annotators of each; segments are (annotation, category, mask), sorted by annotation."""
    images = [{"image_id": f"{k}.png", "width": width, "height": HIGH} for k, width in enumerate(widths)]
    return make_batch(images, [(image, who) for image, own in enumerate(people) for who in own], segments)


def random_side(rng: np.random.Generator, pairs: list[int], rest: list[int]) -> tuple[LoadedSide, np.ndarray]:
    """The images of some pairs, and the row of each; -1 for pairs that this side lacks."""
    some = [[None, "ann", "bob", "cid"][: int(rng.integers(1, 5))] for _ in pairs]
    people = [sorted(rng.permutation(own)[: int(rng.integers(0, 3))].tolist(), key=str) for own in some]
    widths = [WIDE if rng.random() < 0.8 else WIDE + 1 for _ in pairs]
    n = sum(map(len, people))
    image = np.repeat(np.arange(len(pairs)), [len(own) for own in people])
    segments = [
        (row, 1, np.ones((HIGH, widths[image[row]]), bool)) for row in range(n) for _ in range(int(rng.integers(0, 3)))
    ]
    row_of = np.full(len(pairs) + len(rest), -1, np.int64)
    row_of[pairs] = np.arange(len(pairs))
    return LoadedSide(batch_of(people, widths, segments), np.array(pairs, np.int64), NAMES.__getitem__), row_of


@pytest.mark.parametrize("seed", range(60))
def test_annotations_in_pairs_are_those_that_loops_pair(seed: int) -> None:
    """By annotator first; then the last one of either side, or a nameless last one with the first of the other side."""
    rng = np.random.default_rng(seed)
    n = 5
    sides, images = [], []
    for _ in "ab":
        pairs = sorted(rng.permutation(n)[: int(rng.integers(3, n + 1))].tolist())
        side, image = random_side(rng, pairs, [k for k in range(n) if k not in pairs])
        sides.append(side)
        images.append(image)
    portion = DiffPortion(*sides, *images)
    expected, alone, size_of = [], ([], []), {}
    for pair in range(n):
        rows = [int(image[pair]) for image in images]
        if -1 in rows:
            continue
        size_of[pair] = [side.batch.images["width"][row].as_py() for side, row in zip(sides, rows, strict=True)]
        own = [np.flatnonzero(side.annotation_pair == pair).tolist() for side in sides]
        for row in list(own[0]):
            same = [other for other in own[1] if sides[1].annotator(other) == sides[0].annotator(row)]
            if same:
                expected.append((row, same[0], pair))
                own[0].remove(row)
                own[1].remove(same[0])
        if own[0] and own[1]:
            last = [len(rest) == 1 for rest in own]
            nameless = [side.annotator(rest[0]) is None for side, rest in zip(sides, own, strict=True)]
            if all(last) or (last[0] and nameless[0]) or (last[1] and nameless[1]):
                expected.append((own[0].pop(0), own[1].pop(0), pair))
        for left, rest in zip(alone, own, strict=True):
            left += rest
    expected.sort()
    found = portion.annotations
    assert list(zip(found.a.tolist(), found.b.tolist(), found.pair.tolist(), strict=True)) == expected
    assert (sorted(found.alone_a.tolist()), sorted(found.alone_b.tolist())) == tuple(sorted(rest) for rest in alone)
    for column, side, frame in ((0, sides[0], found.frame_a), (1, sides[1], found.frame_b)):
        place = {match[column]: k for k, match in enumerate(expected) if len({*size_of[match[2]]}) == 1}
        assert frame.tolist() == [place.get(row, -1) for row in side.batch.segment_annotation.tolist()]


def random_batch(rng: np.random.Generator, n: int = 6) -> Batch:
    owner = np.sort(rng.integers(0, 3, n)).tolist()
    return batch_of(
        [["ann"], ["ann", "bob"]], [WIDE, WIDE],
        [(row, int(rng.integers(1, 4)), rng.random((HIGH, WIDE)) < 0.4) for row in owner],
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(30))
def test_pixels_that_move_are_counted_by_what_they_lose_and_get(seed: int) -> None:
    """A pixel that loses and gets categories moves from each of those to each of these, else from or to nothing."""
    rng = np.random.default_rng(seed)
    first, other = random_batch(rng, int(rng.integers(1, 7))), random_batch(rng, int(rng.integers(1, 7)))
    found = compare_datasets(dataset(PROFILE, [first]), dataset(PROFILE, [other]), limit=None, jobs=1)
    layers = np.zeros((2, 3, 4, HIGH, WIDE), bool)  # side, annotation, category
    for side, batch in enumerate((first, other)):
        masks = masks_of_runs(batch.runs, *batch.segment_size)
        for row, category, mask in zip(
            batch.segment_annotation.tolist(), batch.segments["category_id"].to_pylist(), masks, strict=True
        ):
            layers[side, row, category] |= mask
    total: Counter[tuple[str | None, str | None]] = Counter()
    told = {}
    for annotation in range(3):
        moves: Counter[tuple[str | None, str | None]] = Counter()
        for y, x in np.ndindex(HIGH, WIDE):
            before, after = ({k for k in NAMES if layers[side, annotation, k, y, x]} for side in (0, 1))
            lost, got = [NAMES[k] for k in before - after], [NAMES[k] for k in after - before]
            if lost or got:
                moves.update((a, b) for a in lost or [None] for b in got or [None])
        if moves:
            texts = sorted(
                (-pixels, f"{a or 'nothing'} -> {b or 'nothing'} {pixels}") for (a, b), pixels in moves.items()
            )
            differs = (layers[0, annotation] ^ layers[1, annotation]).any(axis=0).sum()
            more = f", and {len(texts) - 3} more" if len(texts) > 3 else ""
            key = ("0.png", "ann") if annotation == 0 else ("1.png", ["ann", "bob"][annotation - 1])
            told[key] = f"{differs} px: {', '.join(text for _, text in texts[:3])}{more}"
        total += moves
    assert {(one.image, one.annotator): one.message for one in found.changes if one.kind == "category-pixels"} == told
    assert found.moves == dict(total)
    assert list(found.moves) == sorted(found.moves, key=lambda way: (-found.moves[way], way[0] or "", way[1] or ""))


@pytest.mark.parametrize("seed", range(20))
def test_strips_are_the_pixels_of_one_side_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = [[rng.random((HIGH, WIDE)) < rng.choice([0.0, 0.3, 0.8]) for _ in range(4)] for _ in "ab"]
    frame = np.sort(rng.integers(0, 2, 4))
    line = NumberLine.from_sizes(np.array([HIGH] * 2), np.array([WIDE] * 2))
    sides, claims = [], np.zeros((2, 2, HIGH, WIDE), bool)
    for k, own in enumerate(masks):
        batch = batch_of([["ann"]], [WIDE], [(0, 1, mask) for mask in own])
        loaded = LoadedSide(batch, np.array([0]), NAMES.__getitem__)
        sides.append(place_segments(loaded, np.arange(4), frame, line))
        for row, mask in enumerate(own):
            claims[k, frame[row]] |= mask
    strips = differing_strips(*sides)
    found = {
        (place, bool(of_a))
        for start, end, of_a in zip(strips.start, strips.end, strips.of_a, strict=True)
        for place in range(int(start), int(end))
    }
    expected = {
        (int(line.base[f]) + x * (HIGH + 1) + y, bool(claims[0, f, y, x]))
        for f, y, x in np.argwhere(claims[0] ^ claims[1]).tolist()
    }
    assert found == expected
    assert strips.start.tolist() == sorted(strips.start.tolist())


@pytest.mark.parametrize("of", ["images", "annotations", "segments"])
@pytest.mark.parametrize("kind", sorted(LOSS_KINDS))
def test_what_a_proof_compares(kind: Any, of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids decide unless they were lost; of formats that hold one annotation an image only the first is compared."""
    batch = batch_of([["ann", "bob"], []], [WIDE, WIDE], [(row, 1, np.ones((HIGH, WIDE), bool)) for row in (0, 1, 1)])
    data, calls = dataset(PROFILE, [batch]), []

    def compare_instead(*sides: Any, **how: Any) -> Any:  # Any: of all types
        calls.append((sides[0].source, how))
        return compare_datasets(*sides, **how)

    monkeypatch.setattr(compare, "compare_datasets", compare_instead)
    losses = [Loss("score", "segments", 1, 0), Loss(kind, of, 1, 0)]
    verify_conversion(data, data, losses, jobs=1)
    ((source, how),) = calls
    assert how == {"strict": True, "least": 0.0, "by_id": kind != "segment-id", "jobs": 1}
    n = source.load(np.arange(2)).annotations.num_rows
    assert n == (1 if (kind, of) == ("annotator", "images") else 2)


@pytest.mark.parametrize("seed", range(15))
def test_the_first_annotation_of_each_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = [[None, "ann", "bob"][: int(rng.integers(0, 4))] for _ in range(4)]
    n = sum(map(len, people))
    owner = np.sort(rng.integers(0, n, 6)).tolist() if n else []
    batch = batch_of(people, [WIDE] * 4, [(row, 1, rng.random((HIGH, WIDE)) < 0.5) for row in owner])
    found = first_annotations(batch)
    firsts = [row for row in range(n) if batch.annotation_image[row] not in batch.annotation_image[:row]]
    assert found.annotations.equals(batch.annotations.take(firsts))
    assert found.segment_annotation.tolist() == [firsts.index(row) for row in owner if row in firsts]
    ids = [k for k, row in enumerate(owner) if row in firsts]
    assert found.segments["segment_id"].to_pylist() == ids
    whole = masks_of_runs(batch.runs, *batch.segment_size)
    assert all(
        (mask == whole[k]).all() for k, mask in zip(ids, masks_of_runs(found.runs, *found.segment_size), strict=True)
    )
    assert len(replace(found, defects=()).images) == 4


def test_defects_of_opening_and_of_loading_but_infos_are_counted() -> None:
    batch = batch_of([["ann"], []], [WIDE, WIDE], [])
    severities: list[Any] = [None, "error", "warning", "info"]
    opened = [Defect(f"SEG00{k}", "", severity=severity) for k, severity in enumerate(severities)]
    kinds: dict[str, Any] = {"SEG002": "warning", "SEG003": "info", "SEG004": "error", "SEG005": None}
    loaded = tuple(Defect(code, "", image="0.png", severity=severity) for code, severity in kinds.items())
    one = dataset(PROFILE, [replace(batch, defects=loaded)])
    source = Memory(PROFILE, replace(batch, defects=loaded), defects=opened)
    object.__setattr__(source, "load", lambda rows: replace(batch.take_images(rows), defects=loaded))
    found = compare_datasets(replace(one, source=source), dataset(PROFILE, [batch]), jobs=1)
    assert found.a.defects == {"SEG000": 1, "SEG001": 1, "SEG002": 2, "SEG004": 1, "SEG005": 1}
    assert found.b.defects == {}


@pytest.mark.parametrize("people", [("ann", None), (None, "ann"), ("ann", "ann")])
def test_pixels_that_move_are_of_whoever_is_known(people: tuple[str | None, str | None]) -> None:
    mask = np.ones((HIGH, WIDE), bool)
    one, other = (batch_of([[who]], [WIDE], [(0, k, mask)]) for k, who in enumerate(people, 1))
    found = compare_datasets(dataset(PROFILE, [one]), dataset(PROFILE, [other]), jobs=1)
    kinds = ("category", "category-pixels")
    told = [(change.kind, change.annotator) for change in found.changes if change.kind in kinds]
    assert told == [(kind, "ann") for kind in kinds]
