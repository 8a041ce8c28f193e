"""Selections, samples, remaps, fixes, copies and counts of differences against loops over few rows."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segdata.core.batch import Batch, replace_column
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect, Finding
from segdata.core.finding_location import Annotation, FindingLocation
from segdata.core.losses import LossCounter
from segdata.core.taxonomy import Category, Taxonomy
from segdata.store.diff.changes import DatasetChange, DifferenceCounter, KindCount
from segdata.store.fixes import _claimed_once, assign_to_nearest, finding_masks, join_annotations
from segdata.store.output import ImageCopies, StagedOutput, WindowCrops, _write_picture, check_free
from segdata.store.remap import Remap, TaxonomyMap, resolve_map
from segdata.store.selection import (
    COLUMNS,
    ConditionFilter,
    Expression,
    FindingTally,
    ImageSample,
    _cover_categories,
    category_condition,
    take_rows,
)
from segdata.store.windows import Tile
from segdata.testing.pictures import Mask, draw_picture, masks_of_runs, runs_of_masks
from tests.memory import make_batch, profile_of

Rng = np.random.Generator
SEEDS = range(20)
TREE = Taxonomy(
    categories=(
        Category(id=1, name="car", parent="vehicle"), Category(id=2, name="road", kind="stuff"),
        Category(id=3, name="haze", kind="void"), Category(id=4, name="bus", parent="car"),
    ),
    groups={"vehicle": "moving", "moving": None},
)  # fmt: skip
PROFILE = profile_of(TREE)


def batch_of(annotations: list[tuple[int, str | None]], segments: list[tuple[int, int, Mask]], n_images: int) -> Batch:
    """Images of one size; annotations are (image, annotator), segments (annotation, category, mask)."""
    high, wide = segments[0][2].shape if segments else (2, 2)
    images = [{"image_id": f"{k}.png", "height": high, "width": wide} for k in range(n_images)]
    return make_batch(images, annotations, segments, segment_id=range(100, 100 + len(segments)))


def random_batch(rng: Rng, size: tuple[int, int] = (3, 4), share: float = 0.5) -> Batch:
    people = [None, "ann", "bob"]
    annotations = [(image, who) for image in range(3) for who in people if rng.random() < 0.6]
    segments = [
        (row, int(rng.integers(1, 5)), rng.random(size) < share)
        for row in range(len(annotations)) for _ in range(int(rng.integers(0, 4)))
    ]  # fmt: skip
    return batch_of(annotations, segments, 3)


def masks(batch: Batch) -> list[bytes]:
    return [mask.tobytes() for mask in masks_of_runs(batch.runs, *batch.segment_size)]


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_that_stay(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = random_batch(rng)
    batch = replace(batch, defects=(Defect("SEG001", ""), *(Defect("SEG005", "", image=f"{k}.png") for k in range(3))))
    images = rng.random(3) < 0.7
    annotations = (rng.random(batch.annotations.num_rows) < 0.7) & images[batch.annotation_image]
    segments = (rng.random(batch.n_segments) < 0.7) & annotations[batch.segment_annotation]
    found = take_rows(batch, images, annotations, segments)
    names = [f"{k}.png" for k in range(3) if images[k]]
    assert found.images["image_id"].to_pylist() == names
    expected = [
        (names.index(f"{image}.png"), who)
        for row, (image, who) in enumerate(
            zip(batch.annotation_image.tolist(), batch.annotations["annotator"].to_pylist(), strict=True)
        ) if annotations[row]
    ]  # fmt: skip
    assert [(row["image"], row["annotator"]) for row in found.annotations.to_pylist()] == expected
    place = {row: k for k, row in enumerate(np.flatnonzero(annotations).tolist())}
    kept = np.flatnonzero(segments).tolist()
    assert found.segment_annotation.tolist() == [place[int(batch.segment_annotation[row])] for row in kept]
    assert masks(found) == [masks(batch)[row] for row in kept]
    assert [defect.image for defect in found.defects] == [None, *names]


@pytest.mark.parametrize("keep_images", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_conditions_drop_from_the_deepest_column_upwards(seed: int, keep_images: bool) -> None:
    rng = np.random.default_rng(seed)
    batch = random_batch(rng)
    n = batch.n_segments
    findings = [
        Finding(
            code="SEG106", rule="", severity="info", message="", image=f"{int(rng.integers(4))}.png",
            annotator=[None, "ann", "bob"][int(rng.integers(3))], segments=(100 + int(rng.integers(max(n, 1))), "x7"),
            images=("0.png", "2.png") if rng.random() < 0.2 else (),
        )
        for _ in range(6)
    ] + [Finding(code="SEG301", rule="", severity="info", message="")]  # fmt: skip
    ids: list[Any] = ["x7" if rng.random() < 0.2 else None for _ in range(n)]
    batch = replace(batch, segments=replace_column(batch.segments, "source_id", ids))
    texts = rng.permutation(["findings > 0", "n_segments >= 1", "image_findings >= 1", "area > 5"]).tolist()
    texts = texts[: int(rng.integers(1, 4))]
    tally = FindingTally.from_findings(findings)
    areas = batch.runs.areas(n).tolist()
    names, people = batch.images["image_id"].to_pylist(), batch.annotations["annotator"].to_pylist()
    annotation, image = batch.segment_annotation.tolist(), batch.annotation_image.tolist()
    kept_images = [
        "image_findings >= 1" not in texts
        or any(name == one.image or name in one.images for one in findings if not one.images or name in one.images)
        for name in names
    ]
    kept_annotations = [
        kept_images[image[row]] and ("n_segments >= 1" not in texts or row in annotation) for row in range(len(people))
    ]
    kept_segments = []
    for row in range(n):
        own = ids[row] if ids[row] is not None else 100 + row
        who, name = people[annotation[row]], names[image[annotation[row]]]
        told = sum(one.segments.count(own) for one in findings if one.image == name and one.annotator in (None, who))
        stays = ("findings > 0" not in texts or told > 0) and ("area > 5" not in texts or areas[row] > 5)
        kept_segments.append(stays and kept_annotations[annotation[row]])
        assert tally.count(name, who, own) == told
    if not keep_images and {"findings > 0", "area > 5"} & set(texts):
        kept_images = [any(s and image[annotation[r]] == k for r, s in enumerate(kept_segments)) for k in range(3)]
    elif not keep_images and "n_segments >= 1" in texts:
        kept_images = [any(a and image[r] == k for r, a in enumerate(kept_annotations)) for k in range(3)]
    kept_annotations = [stays and kept_images[image[row]] for row, stays in enumerate(kept_annotations)]
    conditions = tuple(Expression.parse(text, list(COLUMNS)) for text in texts)
    selection = ConditionFilter(conditions, PROFILE, tally, keep_images)
    found = selection(batch)
    assert found.images["image_id"].to_pylist() == [names[k] for k in range(3) if kept_images[k]]
    assert found.annotations.num_rows == sum(kept_annotations)
    assert found.segments["segment_id"].to_pylist() == [100 + row for row in range(n) if kept_segments[row]]
    lost = sum(area for area, stays in zip(areas, kept_segments, strict=True) if not stays)
    assert selection.total == (
        3 - sum(kept_images), len(people) - sum(kept_annotations), n - sum(kept_segments), lost,
    )  # fmt: skip


def test_without_a_condition_images_and_annotations_stay_that_hold_nothing() -> None:
    batch = batch_of([(0, None)], [], 2)
    selection = ConditionFilter((), PROFILE)
    assert selection.total == (0, 0, 0, 0)
    assert selection(batch) is batch
    assert selection.total == (0, 0, 0, 0)


def test_findings_of_several_images_count_in_each() -> None:
    one = Finding(code="SEG106", rule="", severity="info", message="", image="a", images=("a", "b"), segments=(1, 1))
    tally = FindingTally.from_findings([one, replace(one, images=(), annotator="ann")])
    assert tally.images == {"a": 2, "b": 1}
    assert (tally.count("a", None, 1), tally.count("a", "ann", 1), tally.count("a", "bob", 1)) == (2, 4, 2)


@pytest.mark.parametrize(
    ("names", "matching"),
    [
        ([], None), (["bus"], ["bus"]), (["car"], ["car", "bus"]), (["vehicle"], ["car", "bus"]),
        (["moving"], ["car", "bus"]), (["road", "bus", "car"], ["road", "bus", "car"]), (["sled"], ["sled"]),
    ],
)  # fmt: skip
def test_categories_below_a_name(names: list[str], matching: list[str] | None) -> None:
    profile = replace(PROFILE, metadata={"unknown_categories": '{"9": "sled"}'})
    expected = [] if matching is None else [f"category in {matching!r}"]
    assert category_condition(profile, names) == expected
    circle = Taxonomy(categories=(Category(id=1, name="a", parent="b"), Category(id=2, name="b", parent="a")))
    assert category_condition(replace(PROFILE, taxonomy=circle), ["a"]) == ["category in ['a', 'b']"]


def test_a_category_that_is_nowhere() -> None:
    with pytest.raises(SegdataError, match=r"no category 'xyzw'; there are: car, road, haze, bus, moving, vehicle$"):
        category_condition(PROFILE, ["xyzw"])
    many = tuple(Category(id=k, name=f"c{k:02d}") for k in range(21))
    with pytest.raises(SegdataError, match=r"no category 'xyzw'; there are: c00, .*, c19$"):
        category_condition(replace(PROFILE, taxonomy=Taxonomy(categories=many)), ["xyzw"])


@pytest.mark.parametrize("seed", range(40))
def test_images_that_cover_categories_are_chosen_greedily(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_categories, wanted = 7, 3, int(rng.integers(0, 5))
    counts = rng.integers(0, 4, (n, n_categories)) * (rng.random((n, n_categories)) < 0.6)
    strata = rng.integers(0, 2, n)
    quota = np.array([int(rng.integers(0, 1 + (strata == k).sum())) for k in range(2)])
    left, missing = quota.tolist(), [min(wanted, int(counts[:, c].sum())) for c in range(n_categories)]
    worth = [1 / max(m, 1) for m in missing]
    chosen: list[int] = []
    while sum(left):
        gains = [
            round(sum(worth[c] * min(missing[c], int(counts[k, c])) for c in range(n_categories)), 9)
            if k not in chosen and left[strata[k]] else -1.0
            for k in range(n)
        ]  # fmt: skip
        best = gains.index(max(gains))
        chosen.append(best)
        left[strata[best]] -= 1
        missing = [max(m - int(counts[best, c]), 0) for c, m in enumerate(missing)]
    image, category = np.nonzero(counts)
    found = _cover_categories(image, category, counts[image, category], n_categories, wanted, strata, quota)
    assert found.tolist() == sorted(chosen)


def test_categories_of_which_too_few_are_drawn() -> None:
    counts = np.array([1, 2, 3])
    sample = ImageSample(("a",), 9, 2, ("x", "y", "z"), counts + 5, counts)
    assert sample.short == ("x",)


@pytest.mark.parametrize("task", ["semantic", "instance", "panoptic"])
@pytest.mark.parametrize("seed", range(12))
def test_segments_that_become_one(seed: int, task: Any) -> None:
    """Those of one annotation and new category, in semantic data or of stuff, if they had several, or were things."""
    rng = np.random.default_rng(seed)
    batch = random_batch(rng)
    new = Taxonomy(categories=(Category(id=7, name="x"), Category(id=8, name="y", kind="stuff")))
    to = {id_: [7, 8, None][int(rng.integers(3))] for id_ in (1, 2, 3, 4)}
    segments = list(zip(batch.segment_annotation.tolist(), batch.segments["category_id"].to_pylist(), strict=True))
    whole = masks_of_runs(batch.runs, *batch.segment_size)
    groups: list[list[int]] = []
    for row, (annotation, old) in enumerate(segments):
        if to[old] is None:
            continue
        others = [other for other, (owner, one) in enumerate(segments) if owner == annotation and to[one] == to[old]]
        olds = {segments[other][1] for other in others}
        joins = task == "semantic" or to[old] == 8
        mixed = len(olds) > 1 or (task != "semantic" and bool(olds & {1, 4}))
        home = next((group for group in groups if joins and mixed and set(group) & set(others)), None)
        if home is None:
            groups.append([row])
        else:
            home.append(row)
    remap = Remap(to, TREE, new, task)
    found = remap(batch)
    assert found.segments["segment_id"].to_pylist() == [100 + group[0] for group in groups]
    assert found.segments["category_id"].to_pylist() == [to[segments[group[0]][1]] for group in groups]
    assert masks(found) == [np.logical_or.reduce([whole[row] for row in group]).tobytes() for group in groups]
    image = batch.segment_image.tolist()
    areas = batch.runs.areas(batch.n_segments).tolist()
    lost: dict[str, list[tuple[str, int, int]]] = {}
    dropped = [row for row, (_, old) in enumerate(segments) if to[old] is None]
    joined = [
        row for group in groups if len(group) > 1 for row in group if segments[row][1] in (1, 4) and task != "semantic"
    ]
    for k in range(3):
        for what, rows in (("dropped segments", dropped), ("joined things", joined)):
            own = [row for row in rows if image[row] == k]
            if own:
                lost.setdefault(f"{k}.png", []).append((what, len(own), sum(areas[row] for row in own)))
    assert remap.lost == lost
    counter = LossCounter()
    remap.count(counter)
    assert {loss.of: (loss.count, loss.images) for loss in counter.listed()} == {
        what: (sum(one[1] for ones in lost.values() for one in ones if one[0] == what),
               sum(any(one[0] == what for one in ones) for ones in lost.values()))
        for what in {one[0] for ones in lost.values() for one in ones}
    }  # fmt: skip


def test_secondary_categories_and_semantic_ids_follow_the_map() -> None:
    batch = batch_of([(0, None)], [(0, 1, np.eye(2, dtype=bool)), (0, 2, ~np.eye(2, dtype=bool))], 1)
    segments = replace_column(batch.segments, "also", [[1, 3, 9], [3]])
    batch = replace(batch, segments=replace_column(segments, "segment_id", [1, 5]))
    new = Taxonomy(categories=(Category(id=7, name="x"), Category(id=8, name="y")))
    for task, ids in (("semantic", [7, 5]), ("instance", [1, 5])):
        found = Remap({1: 7, 2: 8, 3: None}, TREE, new, task)(batch)  # type: ignore[arg-type]  # both are tasks
        assert found.segments["also"].to_pylist() == [[7, 9], None]
        assert found.segments["segment_id"].to_pylist() == ids
    with pytest.raises(SegdataError, match="segments have the category id 2, which no category of the data has"):
        Remap({1: 7}, TREE, new, "instance")(batch)


def test_maps_that_miss_names_say_which() -> None:
    names = [f"c{k}" for k in range(9)]
    empty = TaxonomyMap(categories={})
    eight = "c0, c1, c2, c3, c4, c5, c6, c7"
    with pytest.raises(SegdataError, match=f"these categories have no new name: {eight} and 1 more; write"):
        resolve_map(empty, names, complete=True)
    with pytest.raises(SegdataError, match=f"these categories have no new name: {eight}; write"):
        resolve_map(empty, names[:8], complete=True)
    assert resolve_map(empty, names[:2], complete=False) == {"c0": "c0", "c1": "c1"}
    with pytest.raises(SegdataError, match=r"the data do not have these categories: d0; did you mean|: cc0"):
        resolve_map(TaxonomyMap(categories={"cc0": None}), names, complete=False)
    with pytest.raises(SegdataError, match=r"the data do not have these categories: x, y$"):
        resolve_map(TaxonomyMap(categories={"x": None, "y": None}), names, complete=False)
    with pytest.raises(SegdataError, match=r"these categories are undecided: c0 \(a or b\); write one name for each"):
        resolve_map(TaxonomyMap(categories={"c0": ("a", "b")}), names, complete=False)


def annotation_of(layers: list[Mask], categories: list[int], crowds: list[bool | None] | None = None) -> Annotation:
    batch = batch_of([(0, None)], [(0, one, mask) for mask, one in zip(layers, categories, strict=True)], 1)
    crowd = crowds or [None] * len(layers)
    return Annotation(replace(batch, segments=replace_column(batch.segments, "iscrowd", crowd)))


@pytest.mark.parametrize("seed", range(30))
def test_pixels_are_given_ring_by_ring(seed: int) -> None:
    """To a 4-neighbour's segment that is neither void nor a crowd; to these where no other reaches."""
    rng = np.random.default_rng(seed)
    size = (6, 7)
    owner = rng.choice([-1, -1, -1, -2, 0, 1, 2, 3], size)  # -1: to be given; -2: nobody's, and stays so
    layers = [owner == k for k in range(4)]
    annotation = annotation_of(layers, [1, 2, 3, 1], [None, None, None, True])
    waiting = owner == -1
    found = masks_of_runs(*_runs(assign_to_nearest(annotation, waiting, PROFILE)))
    for k in range(4):
        assert (found[k] & ~waiting == layers[k]).all()
    claims = np.sum(found, axis=0)
    assert (claims <= 1).all()
    for reaching, also in (((0, 1), ()), ((2, 3), (0, 1))):
        distance = _steps(np.isin(owner, reaching), waiting)
        for y, x in np.argwhere(waiting):
            if also and _steps(np.isin(owner, also), waiting)[y, x] >= 0:
                continue
            takers = [k for k in range(4) if found[k][y, x]]
            if distance[y, x] >= 0 and not also:
                (taker,) = takers
                assert taker in reaching
                near = _steps(owner == taker, waiting)
                assert near[y, x] >= distance[y, x] > 0
                assert _reached_one_step_before(found[taker], distance, int(y), int(x))
    reached = (_steps(np.isin(owner, (0, 1, 2, 3)), waiting) > 0) & waiting
    assert ((claims > 0) == (reached | (owner >= 0))).all()


def _runs(batch: Batch) -> tuple[Any, ...]:
    return (batch.runs, *batch.segment_size)


def _steps(sources: Mask, free: Mask) -> np.ndarray:
    """(height, width) how many steps up, down, left and right through `free` a pixel is from a source; -1: no way."""
    steps = np.where(sources, 0, -1)
    front = np.argwhere(sources).tolist()
    while front:
        further = []
        for y, x in front:
            for b, a in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= b < free.shape[0] and 0 <= a < free.shape[1] and free[b, a] and steps[b, a] < 0:
                    steps[b, a] = steps[y, x] + 1
                    further.append((b, a))
        front = further
    return steps


def _reached_one_step_before(mask: Mask, distance: np.ndarray, y: int, x: int) -> bool:
    """Whether a neighbour of the pixel that is one step nearer has the same owner."""
    around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return any(
        0 <= b < mask.shape[0] and 0 <= a < mask.shape[1] and mask[b, a] and distance[b, a] == distance[y, x] - 1
        for b, a in around
    )


@pytest.mark.parametrize("seed", range(30))
def test_what_is_claimed_twice_stays_with_the_smallest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers = [rng.random((4, 5)) < rng.choice([0.2, 0.5, 0.8]) for _ in range(4)]
    pixels = rng.random((4, 5)) < 0.5
    batch = annotation_of(layers, [1] * 4).batch
    expected = {}
    order = sorted(range(4), key=lambda row: (layers[row].sum(), row))
    for place, row in enumerate(order):
        smaller = np.logical_or.reduce([np.zeros((4, 5), bool), *(layers[other] for other in order[:place])])
        if (layers[row] & pixels & smaller).any():
            expected[row] = layers[row] & ~(pixels & smaller)
    found = _claimed_once(batch, pixels)
    assert found.keys() == expected.keys()
    assert all((found[row] == expected[row]).all() for row in expected)


@pytest.mark.parametrize("seed", range(10))
def test_pixels_of_a_segment_that_findings_name_are_those_of_all(seed: int) -> None:
    """Of findings that name one segment and have pixels; those of two, or of none, or without pixels, name nothing."""
    rng = np.random.default_rng(seed)
    annotation = annotation_of([np.ones((3, 4), bool)] * 3, [1] * 3)
    expected: dict[int, Mask] = {}
    locations = []
    for _ in range(8):
        rows = rng.permutation(3)[: int(rng.choice([0, 1, 1, 1, 2]))]
        pixels = rng.random((3, 4)) < rng.choice([0.0, 0.3])
        locations.append(FindingLocation(rows, runs_of_masks([pixels])))
        if len(rows) == 1 and pixels.any():
            expected[int(rows[0])] = expected.get(int(rows[0]), np.zeros((3, 4), bool)) | pixels
    found = finding_masks(annotation, locations)
    assert {row: mask.tolist() for row, mask in found.items()} == {row: mask.tolist() for row, mask in expected.items()}


def test_annotations_of_an_image_joined_again() -> None:
    rng = np.random.default_rng(3)
    batch = random_batch(rng).take_images(np.array([0]))
    pieces = [one.batch for one in Annotation.split_batch(batch)]
    back = join_annotations(batch, pieces)
    assert back.segments.equals(batch.segments)
    assert masks(back) == masks(batch)
    nothing = batch_of([], [], 1)
    assert join_annotations(nothing, []) is nothing


@pytest.mark.parametrize("limit", [None, 0, 2, 3, 10])
def test_differences_are_counted_and_the_first_are_kept(limit: int | None) -> None:
    """In one go, or portion by portion and merged: the counts are those of all, the changes the first of each kind."""
    rng = np.random.default_rng(limit or 7)
    rows = [(str(rng.choice(["pixels", "crowd", "track"])), int(rng.integers(0, 3)), k) for k in range(14)]
    portions = [rows[:5], rows[5:6], rows[6:]]
    total = DifferenceCounter(limit, frozenset({"track"}))
    for number, portion in enumerate(portions):
        own = DifferenceCounter(limit, frozenset({"track"}))
        for kind in ("pixels", "crowd", "track"):
            some = [row for row in portion if row[0] == kind]
            images = np.array([image + 10 * number for _, image, _ in some], np.int64)
            change = lambda k, some=some, kind=kind: DatasetChange(kind=kind, message=str(some[k][2]))  # noqa: E731
            own.add(kind, images, change, np.array([k for _, _, k in some]) if kind == "pixels" else None)
        own.n_images, own.n_segments, own.n_kept, own.n_same = [1, 2], [3, 4], 5, 6
        own.moves[None, "a"] += number
        own.defects[1]["SEG005"] += 1
        total.merge(own)
    for kind in ("pixels", "crowd"):
        some = [(image + 10 * n, k) for n, part in enumerate(portions) for name, image, k in part if name == kind]
        pixels = sum(k for _, k in some) if kind == "pixels" else 0
        assert total.counts[kind] == KindCount(len(some), len({image for image, _ in some}), pixels)
        assert [change.message for change in total.changes[kind]] == [str(k) for _, k in some][:limit]
    assert "track" not in total.counts
    assert (total.n_images, total.n_segments, total.n_kept, total.n_same) == ([3, 6], [9, 12], 15, 18)
    assert total.moves == Counter({(None, "a"): 3})
    assert total.defects == (Counter(), Counter({"SEG005": 3}))
    total.put(DatasetChange(kind="spatial", message="v"))
    assert total.counts["spatial"] == KindCount(1, 0, 0)
    total.put(DatasetChange(kind="track", message="v"))
    assert "track" not in total.counts


def test_a_target_is_free_or_an_empty_folder(tmp_path: Path) -> None:
    target = tmp_path / "a/b.json"
    assert check_free(target) == target
    assert target.parent.is_dir()
    (tmp_path / "empty").mkdir()
    assert check_free(tmp_path / "empty") == tmp_path / "empty"
    for taken in (tmp_path / "a", tmp_path / "file"):
        if taken.name == "file":
            taken.touch()
        else:
            target.touch()
        with pytest.raises(SegdataError, match="exists already; name another target, or delete it first"):
            check_free(taken)


def test_output_appears_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    (tmp_path / "notes.md").write_text("old")
    with StagedOutput(target) as output:
        output.made.write_text("new")
        beside, notes = output.sibling("images"), output.sibling("notes.md", replace=True)
        output.sibling("never")
        beside.mkdir()
        notes.write_text("newer")
        assert len({output.made.name, beside.name, notes.name}) == 3
        assert output.made.suffix == ".json"
        assert output.with_known_names(f"{beside} {output.made}") == f"{tmp_path / 'images'} {target}"
        assert not target.exists()
        output.commit()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "notes.md", "out.json"]
    assert ((tmp_path / "notes.md").read_text(), target.read_text()) == ("newer", "new")
    with StagedOutput(tmp_path / "two") as output:
        output.made.mkdir()
        output.sibling("beside").touch()
        output.sibling("kept", replace=True).touch()
        (tmp_path / "two").touch()
        with pytest.raises(SegdataError, match=r"two: another program has written it meanwhile; nothing is changed"):
            output.commit()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "notes.md", "out.json", "two"]


@pytest.mark.parametrize(
    ("image_id", "channels", "expected"),
    [
        ("x/a.png", None, "x/a.png"), ("x/v.nii/0004.png", None, "x/v.nii/0004.png"), ("p.png/3", None, "p.png"),
        ("x/a.png", [{"uri": None, "name": "r"}], "x/p.png"), ("x/a", None, "x/a"),
    ],
)  # fmt: skip
def test_copies_are_called_as_their_images(image_id: str, channels: Any, expected: str, tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"p")
    batch = batch_of([], [], 1)
    images = replace_column(replace_column(batch.images, "image_id", [image_id]), "uri", [str(tmp_path / "p.png")])
    batch = replace(batch, images=replace_column(images, "channels", [channels]))
    copies = ImageCopies(tmp_path / "copies")
    (found,) = copies.batch(batch).images["uri"].to_pylist()
    assert found == str(tmp_path / "copies" / expected)
    assert Path(found).read_bytes() == b"p"
    assert copies.n_files == 1


def test_copies_do_not_overwrite_each_other_and_name_what_is_left(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "p.png").write_bytes(folder.encode())
    uris = [
        *(str(tmp_path / folder / "p.png") for folder in "abca"),
        None,
        "/none/q.png",
        "/none/q.png",
        "ftp://x/y.png",
    ]
    n = len(uris)
    batch = batch_of([], [], n)
    ids = ["p.png", "p.png", "p.png", "z.png", "n.png", "q.png", "q.png", "y.png"]
    batch = replace(batch, images=replace_column(replace_column(batch.images, "image_id", ids), "uri", uris))
    copies = ImageCopies(tmp_path / "copies")
    found = copies.batch(batch).images["uri"].to_pylist()
    own = [Path(uri).relative_to(tmp_path / "copies").as_posix() for uri in found[:4]]
    assert own == ["p.png", "1/p.png", "2/p.png", "p.png"]
    assert [Path(uri).read_bytes() for uri in found[:4]] == [b"a", b"b", b"c", b"a"]
    assert found[4:] == uris[4:]
    assert copies.n_files == 3
    assert copies.remarks == (
        "1 image not copied, no file is known (n.png)",
        "1 image not copied, the file does not exist (q.png)",
        "1 image not copied, on another machine (y.png)",
    )
    copies.left["the file does not exist"].append("r.png")
    assert copies.remarks[1] == "2 images not copied, the file does not exist (q.png, …)"


def test_crops_are_slices_of_the_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = {name: rng.integers(0, 256, (5, 7, 3), np.uint8) for name in "ab"}
    for name, values in pixels.items():
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    windows = [("a", 0, 0, 3, 2), ("b", 2, 1, 4, 4), ("a", 6, 4, 1, 1), ("b", 0, 0, 7, 5)]
    batch = batch_of([], [], len(windows))
    tiles = [Tile(name, x, y, 7, 5, uri=str(tmp_path / f"{name}.png")) for name, x, y, _, _ in windows]
    images = replace_column(batch.images, "metadata", [[tile.entry()] for tile in tiles])
    images = replace_column(images, "width", [width for *_, width, _ in windows])
    images = replace_column(images, "height", [height for *_, height in windows])
    crops = WindowCrops(tmp_path / "crops")
    found = crops.batch(replace(batch, images=images)).images["uri"].to_pylist()
    for uri, (name, x, y, width, height) in zip(found, windows, strict=True):
        assert (np.array(Image.open(uri)) == pixels[name][y : y + height, x : x + width]).all()
    assert (crops.n_files, crops.remarks) == (4, ())
    wrong = [Tile("a", 0, 0, 8, 5, uri=str(tmp_path / "a.png")), Tile("b", 0, 0, 7, 4, uri=str(tmp_path / "b.png")),
             Tile("c", 0, 0, 7, 5, uri=str(tmp_path / "c.png")), Tile("d", 0, 0, 7, 5)]  # fmt: skip
    left = crops.batch(
        replace(batch, images=replace_column(images, "metadata", [[tile.entry()] for tile in wrong]))
    ).images["uri"].to_pylist()  # fmt: skip
    assert left == [None] * 4
    assert crops.remarks == (
        "2 images not cropped, the file has another size than its labels (a, …)",
        "1 image not cropped, the file does not exist (c)",
        "1 image not cropped, no file is known (d)",
    )


@pytest.mark.parametrize(
    ("dtype", "channels", "suffix", "told"),
    [
        ("uint8", 1, ".png", None), ("uint16", 1, ".png", None), ("bool", 3, ".png", None), ("uint8", 4, ".png", None),
        ("float32", 1, ".tif", None), ("float64", 1, ".tif", None), ("uint16", 3, ".tif", None),
        ("uint8", 2, ".png", "2 channels of uint8 fit in no PNG"),
        ("uint8", 5, ".tif", "5 channels of uint8 fit in no TIFF"),
        ("float32", 1, ".png", "1 channel of float32 fit in no PNG"),
        ("int16", 1, ".tif", "1 channel of int16 fit in no TIFF"),
    ],
)  # fmt: skip
def test_pictures_that_fit(dtype: str, channels: int, suffix: str, told: str | None, tmp_path: Path) -> None:
    pixels = (np.arange(6 * channels).reshape(2, 3, channels) % 2).astype(dtype)
    target = tmp_path / f"p{suffix}"
    assert _write_picture(pixels, target) == told
    assert target.exists() == (told is None)
    if dtype == "bool":
        assert np.array(Image.open(target)).max() == 255


def test_expressions_of_images_in_their_splits() -> None:
    drawing = draw_picture("a\n\nb\nsplit: val")
    images = replace_column(drawing.batch.images, "image_id", ["train/x.png", "train/y.png"])
    batch = replace(drawing.batch, images=images)
    conditions = (Expression.parse("split == 'train'", list(COLUMNS)),)
    found = ConditionFilter(conditions, drawing.profile)(batch)
    assert found.images["image_id"].to_pylist() == ["train/x.png"]
