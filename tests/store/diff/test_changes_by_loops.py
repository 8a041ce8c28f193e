"""What a difference says of segments, images and categories, against masks and cells that it speaks of."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segdata.core.batch import Batch, replace_column
from segdata.core.profile import ImageSequence, Profile
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.store.diff.changes import DatasetChange
from segdata.store.diff.compare import compare_datasets
from segdata.store.diff.taxonomies import compare_taxonomies
from segdata.store.fixes import FIXES
from segdata.store.selection import COLUMNS, ConditionFilter, Expression, FindingTally
from segdata.testing.pictures import Mask, masks_of_runs, runs_of_masks
from tests.memory import TAXONOMY, dataset, make_batch, profile_of

PROFILE = profile_of(TAXONOMY)
NAMES = {1: "road", 2: "car", 3: "tree"}
CELLS = {"iscrowd": [False, True], "track_id": [None, 4, 5], "score": [None, 0.5], "source": [None, "human", "model"]}
KINDS = {"iscrowd": "crowd", "track_id": "track", "score": "score", "source": "source"}


def random_batch(seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    n = 3
    owner = np.sort(rng.integers(0, n, 7)).tolist()
    cells = {name: [values[int(rng.integers(len(values)))] for _ in owner] for name, values in CELLS.items()}
    masks = []
    for _ in owner:
        mask = np.zeros((7, 9), bool)
        y, x = int(rng.integers(6)), int(rng.integers(8))
        mask[y : y + int(rng.integers(1, 5)), x : x + int(rng.integers(1, 6))] = True
        masks.append(mask)
    images = [{"image_id": f"{k}.png", "width": 9, "height": 7} for k in range(n)]
    categories = rng.integers(1, 4, len(owner)).tolist()
    segments = list(zip(owner, categories, masks, strict=True))
    return make_batch(images, [(0, "ann"), (1, None), (2, "bob")], segments, segment_id=range(10, 17), **cells)


def altered(batch: Batch, seed: int) -> Batch:
    """Some pixels, cells and categories are others, and a segment is gone."""
    rng = np.random.default_rng(seed + 1000)
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    for mask in masks:
        if rng.random() < 0.5:
            mask[int(rng.integers(7)), int(rng.integers(9))] ^= True
    segments = batch.segments
    for name, values in {**CELLS, "category_id": [1, 2, 3]}.items():
        cells = segments[name].to_pylist()
        cells = [values[int(rng.integers(len(values)))] if rng.random() < 0.2 else cell for cell in cells]
        segments = replace_column(segments, name, cells)
    batch = replace(batch, segments=segments, runs=runs_of_masks(masks))
    return batch.take_segments(np.flatnonzero(rng.random(batch.n_segments) < 0.85))


def box(mask: Mask) -> tuple[int, ...] | None:
    y, x = np.nonzero(mask)
    return (int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1) if len(x) else None


def by_id(batch: Batch) -> dict[int, tuple[dict[str, Any], Mask, str, str | None]]:
    """Segment id -> its row, mask, image and annotator."""
    images, people = batch.images["image_id"].to_pylist(), batch.annotations["annotator"].to_pylist()
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    return {
        row["segment_id"]: (row, mask, images[batch.annotation_image[row["annotation"]]], people[row["annotation"]])
        for row, mask in zip(batch.segments.to_pylist(), masks, strict=True)
    }


@pytest.mark.parametrize("seed", range(30))
def test_changes_say_what_masks_and_cells_do(seed: int) -> None:
    first = random_batch(seed)
    other = altered(first, seed)
    found = compare_datasets(dataset(PROFILE, [first]), dataset(PROFILE, [other]), limit=None, jobs=1)
    a, b = by_id(first), by_id(other)
    matched = {}
    for change in found.changes:
        one, two = a.get(change.segment_a), b.get(change.segment_b)  # type: ignore[arg-type]  # ids are numbers here
        if change.kind == "segment-missing":
            assert one is not None
            assert (change.message, change.bbox) == (f"{one[1].sum()} px in A only", box(one[1]))
            assert (change.category_a, change.pixels) == (NAMES[one[0]["category_id"]], one[1].sum())
            assert (change.category_b, change.image, change.annotator) == (None, one[2], one[3])
        elif change.kind == "segment-added":
            assert two is not None
            assert (change.message, change.bbox) == (f"{two[1].sum()} px in B only", box(two[1]))
            assert (change.category_b, change.pixels) == (NAMES[two[0]["category_id"]], two[1].sum())
            assert (change.category_a, change.image, change.annotator) == (None, two[2], two[3])
        elif one is not None and two is not None:
            matched[change.segment_a] = change.segment_b
            assert (change.image, change.annotator) == (one[2], one[3])
            names = tuple(NAMES[row[0]["category_id"]] for row in (one, two))
            assert (change.category_a, change.category_b) == names
            if change.kind == "pixels":
                shared, either = (one[1] & two[1]).sum(), (one[1] | two[1]).sum()
                iou = f"{1000 * int(shared) // int(either) / 1000:.3f}"
                only = [(one[1] & ~two[1]).sum(), (two[1] & ~one[1]).sum()]
                assert change.message == f"{only[0]} px in A only, {only[1]} px in B only; IoU {iou}"
                assert (change.pixels, change.bbox) == (sum(only), box(one[1] ^ two[1]))
            else:
                assert change.bbox == box(one[1])
                column = {kind: name for name, kind in KINDS.items()}.get(change.kind)
                cells = [row[0][column] if column else NAMES[row[0]["category_id"]] for row in (one, two)]
                texts = ["nothing" if cell in (None, False) else str(cell).replace("T", "t") for cell in cells]
                assert change.message == f"{texts[0]} in A, {texts[1]} in B"
                assert texts[0] != texts[1]
    for segment_a, segment_b in matched.items():
        own = [change for change in found.changes if (change.segment_a, change.segment_b) == (segment_a, segment_b)]
        kinds = {change.kind for change in own}
        (row_a, mask_a, *_), (row_b, mask_b, *_) = a[segment_a], b[segment_b]  # type: ignore[index]  # as above
        expected = {kind for name, kind in KINDS.items() if (row_a[name] or None) != (row_b[name] or None)}
        expected |= {"pixels"} if (mask_a != mask_b).any() else set()
        expected |= {"category"} if row_a["category_id"] != row_b["category_id"] else set()
        assert kinds == expected
    _check_moves(first, other, [change for change in found.changes if change.kind == "category-pixels"])


def _check_moves(first: Batch, other: Batch, changes: list[DatasetChange]) -> None:
    """Of each image the pixels that have other categories, and the three largest moves."""
    claims = []
    for batch in (first, other):
        layers = {name: {one: np.zeros((7, 9), bool) for one in NAMES} for name in batch.images["image_id"].to_pylist()}
        for row, mask, image, _ in by_id(batch).values():
            layers[image][row["category_id"]] |= mask
        claims.append(layers)
    by_image = {change.image: change for change in changes}
    for image in claims[0]:
        differs = np.logical_or.reduce([claims[0][image][one] ^ claims[1][image][one] for one in NAMES])
        if not differs.any():
            assert image not in by_image
            continue
        change = by_image[image]
        assert (change.pixels, change.bbox) == (differs.sum(), box(differs))
        assert change.message.startswith(f"{differs.sum()} px: ")


def test_places_of_volumes_are_compared_by_name() -> None:
    batch = random_batch(0)

    def with_places(**places: Any) -> Profile:
        sequences = tuple(ImageSequence(name, "volume", spacing=spacing) for name, spacing in places.items())
        return replace(PROFILE, sequences=sequences)

    one = with_places(v=(1.0, 1.0, 1.0), w=(1.0, 1.0, 2.0), x=(3.0, 3.0, 3.0), z=None)
    two = with_places(v=(1.0, 1.0, 1.0), w=(1.0, 1.0, 3.0), y=(2.0, 2.0, 2.0))
    found = compare_datasets(dataset(one, [batch]), dataset(two, [batch]), jobs=1)
    assert [change.message for change in found.changes] == [
        "w: spacing (1.0, 1.0, 2.0) in A, (1.0, 1.0, 3.0) in B", "x: spacing (3.0, 3.0, 3.0) in A, unknown in B",
        "y: spacing unknown in A, (2.0, 2.0, 2.0) in B",
    ]  # fmt: skip
    assert found.counts["spatial"].n == 3


def test_what_became_of_categories_that_are_renamed_and_changed_in_one() -> None:
    old = Taxonomy(categories=(Category(id=1, name="car"), Category(id=2, name="van"), Category(id=3, name="tree")))
    new = Taxonomy(categories=(
        Category(id=1, name="auto", kind="stuff", definition="x" * 81),
        Category(id=5, name="plant", aliases=("van", "tree"), definition="y" * 80),
    ))  # fmt: skip
    found = compare_taxonomies(old, new)
    assert dict(found.migration) == {"car": "auto", "van": "plant", "tree": "plant"}
    told = [(change.kind, change.old, change.new) for change in found.changes]
    assert told == [
        ("renamed", ("car",), ("auto",)), ("merged", ("van", "tree"), ("plant",)), ("kind", ("car",), ("auto",)),
        ("guideline", ("car",), ("auto",)),
    ]  # fmt: skip
    assert found.changes[-1].message == f"'auto': definition nothing, now {'x' * 79}…"
    again = compare_taxonomies(new, Taxonomy(categories=(new.categories[0],), version="2"))
    assert [(change.kind, change.message) for change in again.changes] == [
        ("removed", "'plant' is gone"), ("taxonomy", "the taxonomy's version nothing, now 2"),
    ]  # fmt: skip


_ROWS: dict[str, list[Any]] = {
    "image_id": ["0.png", "0.png", "1.png"], "width": [9, 9, 9], "height": [7, 7, 7], "annotator": ["ann", "ann", None],
    "stage": ["drafted", "drafted", None], "seconds": [2.0, 2.0, None], "n_segments": [2, 2, 1],
    "category": ["car", "(id 8)", "road"], "kind": ["thing", None, "stuff"], "segment_id": [5, 6, 7],
    "track_id": [1, None, 2], "crowd": [True, False, False], "score": [0.25, None, 0.75],
    "segment_source": ["model", None, "human"], "source": [None, None, "human"], "area": [6, 4, 1], "x": [1, 0, 8],
    "y": [2, 5, 6], "box_width": [2, 4, 1], "box_height": [3, 1, 1], "camera": ["left", "left", None],
    "split": ["val", "val", None], "frame": [3, 3, None],
}  # fmt: skip


@pytest.mark.parametrize("name", _ROWS)
def test_each_column_of_a_condition(name: str) -> None:
    masks = [np.zeros((7, 9), bool) for _ in range(3)]
    masks[0][2:5, 1:3] = masks[1][5, 0:4] = masks[2][6, 8] = True
    batch = Batch(
        make_table(BATCH_IMAGES, 2, image_id=["0.png", "1.png"], width=[9, 9], height=[7, 7], camera=["left", None],
                   split=["val", None], frame=[3, None]),
        make_table(BATCH_ANNOTATIONS, 2, image=[0, 1], annotator=["ann", None], stage=["drafted", None],
                   seconds=[2.0, None], source=[None, "human"]),
        make_table(BATCH_SEGMENTS, 3, annotation=[0, 0, 1], segment_id=[5, 6, 7], category_id=[2, 8, 1],
                   track_id=[1, None, 2], iscrowd=[True, None, False], score=[0.25, None, 0.75],
                   source=["model", None, "human"]),
        runs_of_masks(masks),
    )  # fmt: skip
    values = _ROWS[name]
    assert name in COLUMNS
    for value in {*values} - {None}:
        told = PROFILE.name_of(8) if value == "(id 8)" else value
        text = f"{name} == {told!r} and segment_id > 0"
        selection = ConditionFilter((Expression.parse(text, list(COLUMNS)),), PROFILE, FindingTally({}, {}))
        expected = [row for row, other in enumerate(values) if other == value]
        assert selection(batch).segments["segment_id"].to_pylist() == [5 + row for row in expected], text
    empty = [row for row, other in enumerate(values) if other is None]
    selection = ConditionFilter((Expression.parse(f"{name} == None and segment_id > 0", list(COLUMNS)),), PROFILE)
    assert selection(batch).segments["segment_id"].to_pylist() == [5 + row for row in empty]


def test_fixes_run_from_segments_that_are_none_to_gaps() -> None:
    assert (next(iter(FIXES)), list(FIXES)[-1]) == ("SEG105", "SEG101")
