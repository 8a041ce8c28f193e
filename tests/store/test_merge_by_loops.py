"""Merges of small random datasets against dictionaries that say which image, annotation and name goes where."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata.core.batch import Batch, concatenate_batches
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.profile import ImageSequence, Policy, Profile
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.store.merge import MergedSource, MergePart, SplitSource, _FileNames, merge_batches, merge_datasets
from segdata.store.merge_conflicts import (
    ImageVersion,
    _same_bytes,
    mapping_conflicts,
    merge_taxonomies,
    resolve_conflicts,
)
from tests.memory import Memory, make_batch, profile_of

Rng = np.random.Generator
Drawn = dict[str | None, list[tuple[int, int]]]  # annotator -> category and pixels (bits of 2 x 2) of each segment
SEEDS = range(20)
PEOPLE = [None, "ann", "bob"]
CARS = Taxonomy(categories=(Category(id=1, name="car"), Category(id=2, name="bus")))


def profile(name: str = "d", **fields: Any) -> Profile:  # Any: fields of all types
    return replace(profile_of(CARS, name=name, format="made", files=f"/{name}"), **fields)


def batch_of(images: dict[str, dict[str, Any]], drawn: dict[str, Drawn]) -> Batch:
    """Images of 2 x 2 pixels with the columns given for each, and what is drawn on them."""
    annotations = [(row, name, who) for row, name in enumerate(images) for who in drawn.get(name, {})]
    segments = [(k, *one) for k, (_, name, who) in enumerate(annotations) for one in drawn[name][who]]
    masks = [np.array([bool(bits >> k & 1) for k in range(4)]).reshape(2, 2) for _, _, bits in segments]
    return make_batch(
        [{"image_id": name, "width": 2, "height": 2} | image for name, image in images.items()],
        [(row, who) for row, _, who in annotations],
        [(row, category, mask) for (row, category, _), mask in zip(segments, masks, strict=True)],
        segment_id=range(1, len(segments) + 1),
    )


def content(batch: Batch) -> dict[str, Drawn]:
    """As `batch_of` takes it."""
    names = batch.images["image_id"].to_pylist()
    drawn: dict[str, Drawn] = {name: {} for name in names}
    rows = [(names[row["image"]], row["annotator"]) for row in batch.annotations.to_pylist()]
    for name, who in rows:
        assert who not in drawn[name]
        drawn[name][who] = []
    offset = batch.runs.offsets(batch.n_segments)
    for k, row in enumerate(batch.segments.to_pylist()):
        span = slice(offset[k], offset[k + 1])
        runs = zip(batch.runs.start[span].tolist(), batch.runs.length[span].tolist(), strict=True)
        places = {place for start, length in runs for place in range(start, start + length)}
        bits = sum(1 << (2 * (place % 2) + place // 2) for place in places)
        name, who = rows[row["annotation"]]
        drawn[name][who].append((row["category_id"], bits))
    return drawn


def random_drawn(rng: Rng, most: int = 3) -> Drawn:
    return {
        who: [(int(rng.integers(1, 3)), int(rng.integers(0, 16))) for _ in range(int(rng.integers(0, most)))]
        for who in PEOPLE if rng.random() < 0.6
    }  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_that_says_something_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(3):
        names = rng.permutation(list("abcd"))[: int(rng.integers(1, 5))].tolist()
        images = {
            name: {column: f"{column}{number}" for column in ("split", "camera") if rng.random() < 0.5}
            for name in names
        }
        parts.append((images, {name: random_drawn(rng) for name in names}))
    expected: dict[str, Drawn] = {}
    rows: dict[str, dict[str, Any]] = {}
    for images, drawn in parts:
        for name in images:
            rows[name] = images[name] | rows.get(name, {})
            expected[name] = drawn[name] | expected.get(name, {})
    order = rng.permutation(sorted(rows)).tolist()
    batches = [replace(batch_of(*part), defects=(Defect(f"SEG00{k}", ""),)) for k, part in enumerate(parts)]
    found = merge_batches(batches, order)
    found.runs.checked(*found.segment_size)
    assert found.images.select(["image_id", "split", "camera"]).to_pylist() == [
        {"image_id": name, "split": None, "camera": None} | rows[name] for name in order
    ]
    people = [(order[row["image"]], row["annotator"]) for row in found.annotations.to_pylist()]
    by_name = sorted(expected, key=order.index)
    assert people == [(name, who) for name in by_name for who in PEOPLE if who in expected[name]]
    assert content(found) == {name: expected[name] for name in by_name}
    assert found.segments["annotation"].to_pylist() == sorted(found.segments["annotation"].to_pylist())
    assert [defect.code for defect in found.defects] == ["SEG000", "SEG001", "SEG002"]


def test_names_of_a_part_in_the_whole() -> None:
    images = {
        "a": {"sequence": "s", "metadata": [("k", "1"), ("merged_from", '"x"')]},
        "b": {"sequence": "t", "split": "val"}, "c": {},
    }  # fmt: skip
    batch = batch_of(images, {"a": {"ann": [(1, 3)]}, "b": {None: []}})
    batch = replace(batch, defects=(Defect("SEG005", "", image="a"), Defect("SEG006", "", image="b")))
    source = Memory(profile(), batch)
    object.__setattr__(source, "load", lambda rows: replace(batch.take_images(rows), defects=batch.defects))
    part = MergePart(source, {"x/a": 0, "b": 1, "c": 2}, {"a": "x/a"}, {"ann": "ann (2)", None: "d"}, {"s": "d/s"},
                     "train")  # fmt: skip
    found = part.load(["nobody", "b", "x/a"])
    assert found.images.select(["image_id", "split", "sequence", "metadata"]).to_pylist() == [
        {"image_id": "b", "split": "val", "sequence": "t", "metadata": None},
        {"image_id": "x/a", "split": "train", "sequence": "d/s", "metadata": [("k", "1"), ("merged_from", '"a"')]},
    ]
    assert found.annotations["annotator"].to_pylist() == ["ann (2)", "d"]
    assert [defect.image for defect in found.defects] == ["x/a", "b"]
    plain = MergePart(source, {"a": 0}, {}, {}, {}).load(["a"])
    assert plain.images["split"].to_pylist() == [None]
    assert plain.images["metadata"].to_pylist() == [images["a"]["metadata"]]
    assert part.load(["nobody"]).images.num_rows == 0


@pytest.mark.parametrize(("n_images", "n_chunks", "sizes"), [(5, 2, [3, 2]), (2, 4, [1, 1]), (3, 0, [3]), (0, 1, [])])
def test_portions_of_the_whole(n_images: int, n_chunks: int, sizes: list[int]) -> None:
    source = MergedSource(profile(), (), [str(k) for k in range(n_images)], [], n_chunks)
    assert [len(rows) for rows in source.chunks()] == sizes
    assert np.concatenate([np.empty(0, int), *source.chunks()]).tolist() == list(range(n_images))


@pytest.mark.parametrize("seed", range(40))
def test_names_in_the_whole_are_those_that_loops_give(seed: int) -> None:
    """Images that differ in size, split or bytes are others; annotations that differ are of other annotators."""
    rng = np.random.default_rng(seed)
    labels, splits = ["one", "two", "three"], [None, "val", None]
    parts, sources = [], []
    pool = [random_drawn(rng, 2) for _ in range(3)]
    for number in range(3):
        names = rng.permutation(["a", "b", "two/a", "2/two/a", "val/b"])[: int(rng.integers(2, 6))].tolist()
        images = {}
        for name in names:
            images[name] = {
                "width": [2, 2, 2, 3, 0][int(rng.integers(5))],
                "sha256": [None, "x", "x", "y"][int(rng.integers(4))],
                "split": [None, None, "val", "test"][int(rng.integers(4))],
                "uri": ["/nowhere/u", "/nowhere/v"][int(rng.integers(2))],
            }
        drawn = {name: pool[int(rng.integers(3))] for name in names}
        # pixels of 2 x 2 fit an image of any other width here, since nobody looks at the images' own
        parts.append((images, drawn))
        sources.append(Memory(profile(labels[number]), batch_of(images, drawn)))
    rows = [np.array([row for row in range(len(images)) if rng.random() < 0.9], np.int64) for images, _ in parts]
    own = [[list(images)[row] for row in rows[k].tolist()] for k, (images, _) in enumerate(parts)]
    taken = {name for names in own for name in names}
    new_images: list[dict[str, str]] = [{}, {}, {}]
    new_people: list[dict[str | None, str]] = [{}, {}, {}]
    other_splits: list[set[str]] = [set(), set(), set()]
    for name in sorted({name for names in own for name in names}):
        same: list[int] = []
        for k in (k for k in range(3) if name in own[k]):
            image, drawn = parts[k][0][name], parts[k][1][name]
            split = image["split"] or splits[k]
            if same:
                first = parts[same[0]][0][name]
                first_split = first["split"] or splits[same[0]]
                in_other_split = split is not None and first_split is not None and split != first_split
                sizes_differ = 0 not in (image["width"], first["width"]) and image["width"] != first["width"]
                bytes_differ = None not in (image["sha256"], first["sha256"]) and image["sha256"] != first["sha256"]
                if in_other_split or sizes_differ or bytes_differ:
                    # where sizes or bytes differ and only one names a split, it goes below its own split, too
                    below = split if split is not None and split != first_split else labels[k]
                    candidate, number = f"{below}/{name}", 2
                    while candidate in taken:
                        candidate, number = f"{number}/{below}/{name}", number + 1
                    taken.add(candidate)
                    new_images[k][name] = candidate
                    if below == split and split != first_split and split is not None:
                        other_splits[k].add(name)
                    continue
            for other in same:
                for who in drawn:
                    # ids of segments count too: equal ones are those with equal numbers, see `batch_of`
                    is_other = _hashes(parts[other], name, who) != _hashes(parts[k], name, who)
                    if is_other and who in parts[other][1][name]:
                        if who is None:
                            new_people[k][None], new_people[other][None] = labels[k], labels[other]
                        else:
                            new_people[k][who] = f"{who} ({labels[k]})"
            same.append(k)
    found = resolve_conflicts(sources, rows, labels, False, splits)
    assert [one.images for one in found] == new_images
    assert [one.other_splits for one in found] == other_splits
    assert [one.annotators for one in found] == new_people
    apart = resolve_conflicts(sources, rows, labels, True, splits)
    assert [one.images for one in apart] == [
        {name: f"{label}/{name}" for name in names} for label, names in zip(labels, own, strict=True)
    ]
    assert [one.annotators for one in apart] == [{}, {}, {}]


def _hashes(part: tuple[dict[str, Any], dict[str, Drawn]], name: str, who: str | None) -> Any:
    """The ids, categories and pixels of an annotation's segments, in any order."""
    batch = batch_of(*part)
    ids = iter(batch.segments["segment_id"].to_pylist())
    numbered = {
        (image, person): sorted((next(ids), *segment) for segment in segments)
        for image in part[0] for person, segments in part[1][image].items()
    }  # fmt: skip
    return numbered.get((name, who))


def test_other_pictures_by_their_files(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"

    def version(path: Path | str | None, **fields: Any) -> ImageVersion:  # Any: fields of all types
        return ImageVersion(**{"size": (2, 2), "sha256": None, "uri": None if path is None else str(path)} | fields)

    for first, other in ((b"x", b"x"), (b"x", b"y"), (b"x", b"xy"), (b"xy", b"x"), (b"", b""), (b"", b"x")):
        a.write_bytes(first)
        b.write_bytes(other)
        assert _same_bytes(a, b) == (first == other)
        assert version(a).is_other(version(b)) == (first != other)
    big = bytes(range(256)) * (2**13)
    for other in (big, big[:-1] + b"\0", b"\1" + big[1:]):
        a.write_bytes(big)
        b.write_bytes(other)
        assert _same_bytes(a, b) == (big == other)
    assert not version(a).is_other(version(a))
    assert not version(a).is_other(version(tmp_path / "none"))
    assert not version(tmp_path).is_other(version(b))
    assert not version(None).is_other(version(b))
    assert version(a, sha256="1").is_other(version(a, sha256="2"))
    assert not version(a, sha256="1").is_other(version(b, sha256="1"))
    assert version(a, size=(1, 2)).is_other(version(a))
    assert not version(a, size=(0, 1)).is_other(version(a, size=(3, 4)))
    assert not version(a, size=(1, 0)).is_other(version(a, size=(3, 4)))
    assert version(a, size=(3, 4)).is_other(version(a, size=(1, 4)))
    assert version(a, split="x").is_other(version(a, split="y"))
    assert not version(a, split="x").is_other(version(a))


def open_data(name: str, images: dict[str, dict[str, Any]], drawn: dict[str, Drawn], **fields: Any) -> OpenDataset:
    own = profile(name, **fields)
    return OpenDataset(Memory(own, batch_of(images, drawn), 1), own, Config())


def test_what_is_known_of_a_merged_dataset() -> None:
    video = ImageSequence("v", "video")
    one = open_data(
        "a/b", {"x": {}, "y": {}}, {"x": {"ann": [(1, 1)]}}, sequences=(video,), metadata={"k": "1", "l": "2"},
        coverage=Policy("exhaustive", True), overlap=Policy("forbid", True), raster_rule="coco", named_by_files=True,
    )  # fmt: skip
    two = open_data(
        "a b", {"x": {}, "z": {}}, {"x": {"ann": [(1, 2)]}}, metadata={"k": "3", "aliases_used": "no", "m": "4"},
        sequences=(replace(video, axes="RAS"), ImageSequence("w", "video")), coverage=Policy("exhaustive"),
        overlap=Policy("allow", True), taxonomy_declared=False, revision="r0002",
    )  # fmt: skip
    three = open_data(" ", {"y": {"width": 3}}, {}, sequences=(video,), coverage=Policy("exhaustive", True))
    found = merge_datasets([one, two, three], {})
    whole = found.dataset.profile
    assert found.origin == "merged of a b, a b 2, made"
    assert found.n_shared == 1
    assert list(found.dataset.source.image_ids) == ["made/y", "x", "y", "z"]
    assert len(found.dataset.source.chunks()) == 4
    assert [(one.name, one.axes) for one in whole.sequences] == [("v", None), ("a b 2/v", "RAS"), ("w", None)]
    assert (whole.coverage, whole.overlap) == (Policy("exhaustive", False), Policy("allow", False))
    assert (whole.raster_rule, whole.taxonomy_declared, whole.named_by_files) == ("mask-native", False, False)
    assert (whole.format, whole.files, whole.revision) == ("merged", "", None)
    origins = json.loads(whole.metadata.pop("merged_from"))
    assert [one["revision"] for one in origins] == [None, "r0002", None]
    assert [one["path"] for one in origins] == ["/a/b", "/a b", "/ "]
    assert whole.metadata == {"k": "1", "l": "2", "m": "4"}
    assert found.remarks() == (
        "annotations by 'ann' in a b 2 are by 'ann (a b 2)'",
        "sequence 'v' of a b 2 is 'a b 2/v'",
        "image 'y' of made is another picture: it is 'made/y'",
    )
    same = merge_datasets([one, replace(one, profile=replace(one.profile, name="c"))], {})
    both = same.dataset.profile
    assert (both.coverage, both.overlap) == (Policy("exhaustive", True), Policy("forbid", True))
    assert (both.raster_rule, both.named_by_files, same.n_shared) == ("coco", True, 2)
    apart = merge_datasets([one, two], {}, apart=True)
    assert list(apart.dataset.source.image_ids) == ["a b 2/x", "a b 2/z", "a b/x", "a b/y"]
    assert [one.name for one in apart.dataset.profile.sequences] == ["a b/v", "a b 2/v", "a b 2/w"]
    assert (apart.remarks(), apart.n_shared) == ((), 0)
    subset = merge_datasets([replace(one, rows=np.array([1])), two], {})
    assert list(subset.dataset.source.image_ids) == ["x", "y", "z"]
    assert subset.n_shared == 0


def test_merges_that_cannot_be() -> None:
    one = open_data("a", {}, {})
    with pytest.raises(SegdataError, match="merge needs two datasets or more"):
        merge_datasets([one], {})
    other = open_data("b", {}, {}, task="semantic")
    with pytest.raises(SegdataError, match="datasets of different tasks cannot be merged: /a is instance, /b is sem"):
        merge_datasets([one, other], {})
    for number in (-1, 2):
        with pytest.raises(SegdataError, match=f"taxonomy_maps: there is no dataset {number}, only 0 to 1"):
            merge_datasets([one, one], {number: "map.yaml"})
    with pytest.raises(SegdataError, match="taxonomy_maps: there is no dataset 3, only 0 to 2"):
        merge_datasets([one, one, one], {3: "map.yaml"})


def test_a_part_of_splits_has_the_names_of_the_whole(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a.txt").touch()
    batch = batch_of({"a": {"sequence": "s", "split": "x"}, "b": {"sequence": "t"}}, {"a": {"ann": [(1, 3), (2, 1)]}})
    files = make_table(BATCH_SEGMENTS, 2, **{name: batch.segments[name] for name in BATCH_SEGMENTS.names[:3]},
                       file=["a.txt", "gone.txt"])  # fmt: skip
    batch = replace(batch, segments=files)
    defects = [Defect("SEG005", "m", "a.txt", image="a"), Defect("SEG004", "m"), Defect("SEG006", "m", "", image="b")]
    source = Memory(profile(), batch, 2, defects)
    names = _FileNames(tmp_path, tmp_path / "train")
    part = SplitSource(source, "train", names, {"a": "train/a"}, {"s": "train/s"}, None)
    assert part.image_ids == ["train/a", "b"]
    assert [(defect.file, defect.image) for defect in part.defects] == [
        ("train/a.txt", "train/a"), (None, None), ("", "b"),
    ]  # fmt: skip
    found = part.load(np.array([0, 1]))
    assert found.images.select(["image_id", "split", "sequence"]).to_pylist() == [
        {"image_id": "train/a", "split": "train", "sequence": "train/s"},
        {"image_id": "b", "split": "train", "sequence": "t"},
    ]
    assert found.segments["file"].to_pylist() == ["train/a.txt", "gone.txt"]
    plain = SplitSource(source, "val", names, {}, {}, None).load(np.array([1, 0]))
    assert plain.images.select(["image_id", "split", "sequence"]).to_pylist() == [
        {"image_id": "b", "split": "val", "sequence": "t"}, {"image_id": "a", "split": "val", "sequence": "s"},
    ]  # fmt: skip


def named(name: str, *categories: tuple[int, str] | Category) -> Profile:
    own = tuple(one if isinstance(one, Category) else Category(id=one[0], name=one[1]) for one in categories)
    return profile(name, taxonomy=Taxonomy(categories=own))


@pytest.mark.parametrize(
    ("here", "there", "told"),
    [
        ([(1, "car")], [(1, "car")], []),
        ([(1, "car"), (2, "bus")], [(2, "car"), (1, "bus")], [
            ("error", "car", "'car' and 'bus' have exchanged their ids: 1 and 2 here, 2 and 1 in /a; names decide"),
        ]),
        ([(1, "car"), (2, "bus")], [(2, "car"), (3, "bus")], [
            ("error", None, "one id means two categories: 2 is 'bus' here and 'car' in /a; names decide"),
        ]),
        ([(1, "car"), (2, "bus"), (3, "van")], [(2, "car"), (1, "bus"), (3, "lorry")], [
            ("error", "car", "'car' and 'bus' have exchanged their ids: 1 and 2 here, 2 and 1 in /a; names decide"),
            ("error", None, "one id means two categories: 3 is 'van' here and 'lorry' in /a; names decide"),
        ]),
        ([(1, "car"), (4, "bus")], [(1, "car"), (2, "bus")], [
            ("warning", None, "categories have other ids: 'bus' is 4 here and 2 in /a; names decide"),
        ]),
        ([(k + 10, str(k)) for k in range(4)], [(k + 20, str(k)) for k in range(4)], [
            ("warning", None, "categories have other ids: '0' is 10 here and 20 in /a; '1' is 11 here and 21 in /a; "
             "'2' is 12 here and 22 in /a (and 1 more); names decide"),
        ]),
        ([(k + 10, str(k)) for k in range(3)], [(k + 20, str(k)) for k in range(3)], [
            ("warning", None, "categories have other ids: '0' is 10 here and 20 in /a; '1' is 11 here and 21 in /a; "
             "'2' is 12 here and 22 in /a; names decide"),
        ]),
        ([(1, "Traffic light")], [(1, "traffic_light")], [
            ("warning", "Traffic light", "'Traffic light' here and 'traffic_light' in /a differ only in case or "
             "spaces; they are read as two categories"),
        ]),
        ([Category(id=1, name="car", parent="x")], [Category(id=1, name="car", parent="y")], [
            ("warning", "car", "supercategories differ from those in /a: 'car' is of 'x' here, of 'y' there; those of "
             "the first count"),
        ]),
        ([Category(id=k, name=str(k), parent="x") for k in range(2)], [(k, str(k)) for k in range(2)], [
            ("warning", None, "supercategories differ from those in /a: '0' is of 'x' here, of None there; "
             "'1' is of 'x' here, of None there; those of the first count"),
        ]),
        ([Category(id=1, name="sky", kind="stuff")], [(1, "sky")], [
            ("error", "sky", "'sky' is stuff here, thing in /a; the first counts"),
        ]),
        ([Category(id=1, name="auto", aliases=("car",))], [(1, "car")], []),
        ([(1, "car")], [Category(id=1, name="auto", aliases=("car",))], []),
        ([(1, "car"), (2, "Car")], [(1, "car")], []),
        ([(1, "car"), (7, "car")], [(1, "car")], []),
    ],
)  # fmt: skip
def test_what_two_datasets_mean_by_their_categories(
    here: list[Any], there: list[Any], told: list[tuple[str, str | None, str]]
) -> None:
    found = mapping_conflicts([named("a", *there), named("b", *here)])
    assert [(one.severity, one.category, one.message) for one in found] == told
    assert {one.files for one in found} <= {"/b"}


def test_each_dataset_is_compared_with_the_first_that_contradicts() -> None:
    sets = [named("a", (1, "car")), named("b", (1, "bus")), named("c", (1, "van"))]
    assert [one.files for one in mapping_conflicts(sets)] == ["/b", "/c"]
    sets = [named("a", (9, "x")), named("b", (1, "bus")), named("c", (1, "van"))]
    (one,) = mapping_conflicts(sets)
    assert one.message == "one id means two categories: 1 is 'van' here and 'bus' in /b; names decide"


@pytest.mark.parametrize("seed", SEEDS)
def test_category_ids_of_the_whole(seed: int) -> None:
    """Each name has one id, the first that it had where that was free; what nobody names moves out of the way."""
    rng = np.random.default_rng(seed)
    profiles = []
    for name in "abc":
        words = rng.permutation(["car", "bus", "van", "sign"])[: int(rng.integers(1, 5))].tolist()
        ids = rng.choice(6, len(words), replace=False).tolist()
        unknown = {str(-int(rng.integers(1, 3))): str(rng.choice(["car", "sled", "cart"]))}
        metadata = {"unknown_categories": json.dumps(unknown)} if rng.random() < 0.5 else {}
        own = tuple(Category(id=id_, name=word) for id_, word in zip(ids, words, strict=True))
        profiles.append(profile(name, taxonomy=Taxonomy(categories=own), metadata=metadata))
    id_of: dict[str, int] = {}
    unknown_of: dict[str, int] = {}
    moved: list[str] = []
    for one in profiles:
        here: list[str] = []
        for category in one.taxonomy.categories:
            if category.name in id_of:
                continue
            used = {*id_of.values(), *unknown_of.values()}
            id_ = category.id
            if id_ in used:
                id_ = next(n for n in range(1, 100) if n not in used)
                here.append(f"{category.name!r} {id_} (was {category.id})")
            id_of[category.name] = id_
        for id_, name in one.unknown_names.items():
            if name not in id_of and name not in unknown_of:
                used = {*id_of.values(), *unknown_of.values()}
                unknown_of[name] = id_ if id_ not in used else max(used) + 1
        if here:
            words = "1 category of {} has a new id, since its own is" if len(here) == 1 else (
                f"{len(here)} categories of {{}} have new ids, since theirs are"
            )  # fmt: skip
            moved.append(f"{words.format(one.name)} in use: {', '.join(here)}")
    found = merge_taxonomies(profiles)
    assert {category.name: category.id for category in found.taxonomy.categories} == id_of
    unknown_of = {name: id_ for name, id_ in unknown_of.items() if name not in id_of}
    assert dict(found.unknown) == {id_: name for name, id_ in unknown_of.items()}
    assert found.remarks == tuple(moved)
    taken = {*id_of.values(), *unknown_of.values()}
    for one, ids in zip(profiles, found.ids, strict=True):
        own_ids = {category.id: category.name for category in one.taxonomy.categories} | dict(one.unknown_names)
        for id_ in range(-3, 9):
            if id_ in own_ids:
                assert ids[id_] == (id_of | unknown_of)[own_ids[id_]]
            else:
                assert ids[id_] == (id_ + 2**40 if id_ in taken else id_)


def test_batches_of_the_merged_dataset_have_the_ids_of_the_whole() -> None:
    one = open_data("a", {"x": {}}, {"x": {None: [(1, 1)]}})
    swapped = Taxonomy(categories=(Category(id=1, name="bus"), Category(id=2, name="car")))
    two = open_data("b", {"y": {}}, {"y": {None: [(1, 2), (2, 4)]}}, taxonomy=swapped)
    source = merge_datasets([one, two], {}).dataset.source
    assert content(source.load(np.array([1, 0]))) == {"y": {None: [(2, 2), (1, 4)]}, "x": {None: [(1, 1)]}}
    together = concatenate_batches([source.load(rows) for rows in source.chunks()])
    assert all(a < b for a, b in pairwise(together.images["image_id"].to_pylist()))
