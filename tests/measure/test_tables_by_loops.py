"""Tables over several images, and what is kept of them, against loops over few rows and files."""

import hashlib
import os
import time
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.config import Config
from segdata.core.finding import Defect, Finding
from segdata.core.format import ReadRequest
from segdata.core.profile import Profile
from segdata.core.rule import Family
from segdata.core.table import Table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.measure import cache, source_cache
from segdata.measure.cache import CacheEntry, FileListing, cut_images, hash_file, interleave_measured
from segdata.measure.measure import MeasuredTables, measure_batch, measure_source
from segdata.measure.placements import ELSEWHERE, FITS, OutlinePlanes, Placement, change_words
from segdata.measure.registry import row_links
from segdata.measure.sequences import DatasetView
from segdata.measure.stored_tables import StoredTables
from segdata.measure.tables import duplicates, picture_edges
from segdata.measure.tables.duplicates import difference_hash, differing_bits, hash_image_files
from segdata.testing.pictures import Mask
from tests.memory import Memory, make_batch, profile_of

Rng = np.random.Generator
SEEDS = range(15)
KINDS = (("car", "thing"), ("road", "stuff"), ("haze", "void"))
TAXONOMY = Taxonomy(categories=tuple(Category(id=k + 1, name=name, kind=kind) for k, (name, kind) in enumerate(KINDS)))
PROFILE = profile_of(TAXONOMY, name="d", format="made")


def batch_of(
    images: list[dict[str, Any]], annotations: list[tuple[int, str | None]], segments: list[tuple[int, int, Mask, bool]]
) -> Batch:
    """Images by their columns, annotations as (image, annotator), segments as (annotation, category, mask, crowd)."""
    return make_batch(images, annotations, [one[:3] for one in segments], iscrowd=[one[3] for one in segments])


def picture(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    blobs = Image.fromarray(np.random.default_rng(seed).integers(0, 200, (9, 12, 3), np.uint8))
    return blobs.resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_two_pictures_that_are_one_have_in_common(seed: int, tmp_path: Path) -> None:
    """Pixels of each category by annotator, of pairs of one size; slices of two equal volumes pair up in order."""
    rng = np.random.default_rng(seed)
    uris = ["/a", "/b", "/c", "file:///v.nii#k=0", "file:///v.nii#k=1", "file:///w.nii#k=0", "file:///w.nii#k=1"]
    sizes = [(5, 4) if rng.random() < 0.8 else (4, 5) for _ in range(3)] + [(5, 4)] * 4
    images = [
        {"image_id": f"{k}.png", "width": sizes[k][0], "height": sizes[k][1], "uri": uri} for k, uri in enumerate(uris)
    ]
    annotations = [(k, who) for k in range(7) for who in (None, "ann", "bob") if rng.random() < 0.7]
    segments = [
        (row, int(rng.integers(1, 4)), rng.random(sizes[image][::-1]) < 0.5, bool(rng.random() < 0.2))
        for row, (image, _) in enumerate(annotations) for _ in range(int(rng.integers(0, 4)))
    ]  # fmt: skip
    batch = batch_of(images, annotations, segments)
    source = Memory(PROFILE, batch, 2)
    alike = [(1, 0, 0), (2, 0, 1), (2, 1, 0), (5, 3, 1)]
    tables = measure_source(source, frozenset({"shapes"}), jobs=1)
    columns = {name: np.array([pair[k] for pair in alike]) for k, name in enumerate(("image", "of", "same"))}
    view_tables = {"images": tables.images, "annotations": tables.annotations, "alike": Table(columns)}
    view = DatasetView(source, PROFILE, view_tables, source.chunks(), 1)
    found = duplicates.compare_duplicates(view)["twins"]
    rows = Counter(
        row
        for portion in found
        for row in zip(*(portion[name].tolist() for name in
                         ("pair", "annotation", "other", "category_id", "area", "other_area", "shared")), strict=True)
    )  # fmt: skip
    expected: Counter[tuple[int, ...]] = Counter()
    pairs = [(k, image, of) for k, (image, of, _) in enumerate(alike)] + [(3, 6, 4)]
    for pair, image, of in pairs:
        if sizes[image] != sizes[of]:
            continue
        for own, (at, who) in enumerate(annotations):
            others = [row for row, one in enumerate(annotations) if one == (of, who)]
            if at != image or not others:
                continue
            for category in (1, 2):
                covers = []
                for annotation in (own, others[0]):
                    cover = np.zeros(sizes[image][::-1], bool)
                    for row, kind, mask, crowd in segments:
                        if row == annotation and kind == category and not crowd:
                            cover |= mask
                    covers.append(cover)
                areas = [int(cover.sum()) for cover in covers]
                if sum(areas):
                    expected[pair, own, others[0], category, *areas, int((covers[0] & covers[1]).sum())] += 1
    assert rows == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_files_are_paired_with_the_first_and_with_the_first_of_another_split(seed: int) -> None:
    rng = np.random.default_rng(seed)
    content, part = rng.integers(0, 3, 9), rng.integers(-1, 2, 9)
    rows = np.flatnonzero(rng.random(9) < 0.8)
    expected = set()
    for k, row in enumerate(rows):
        same = [other for other in rows[:k].tolist() if content[other] == content[row]]
        apart = [other for other in same if part[other] != part[row]]
        expected |= {(int(row), other) for other in (*same[:1], *apart[:1])}
    found = duplicates._repeated_files(content, part, rows)
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_files_are_read_where_another_has_the_size_and_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tail = b"t" * 4096
    contents = {
        "a": b"1" + tail, "b": b"1" + tail, "c": b"2" + tail, "d": b"3" + tail[:-1] + b"x", "e": b"short", "f": b"",
        "g": b"22" + tail,
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    hashed: list[str] = []

    def spied(path: str) -> str | None:
        hashed.append(Path(path).name)
        return hash_file(path)

    monkeypatch.setattr(duplicates, "hash_file", spied)
    names = ["a", "b", "c", "d", "e", "f", "g", "none", "a", "a"]
    uris: list[str | None] = [str(tmp_path / name) for name in names]
    uris += [None, "s3://bucket/a", f"file://{tmp_path}/b#k=1", f"file://{tmp_path}/b#k=2"]
    n = len(uris)
    table = pa.table({
        "uri": pa.array(uris, pa.string()), "image_id": [f"train/{k}" if k else "val/0" for k in range(n)],
        "sequence": pa.array([None] * 9 + ["v"] + [None] * 4, pa.string()),
        "split": pa.array(["test", *[None] * (n - 1)], pa.string()),
    })  # fmt: skip
    found = hash_image_files(table)
    digest = {name: hashlib.blake2b(content, digest_size=16).hexdigest() for name, content in contents.items()}
    read = [digest["a"], digest["b"], digest["c"], *[None] * 5, digest["a"], None, None, None, None, None]
    assert found["content"].to_pylist() == read
    assert found["part"].to_pylist() == ["test", *["train"] * (n - 1)]
    assert sorted(hashed) == ["a", "a", "b", "c"]


@pytest.mark.parametrize("n_pairs", [3, 4, 5])
def test_labels_that_are_on_several_images(n_pairs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_MAX_REPEATED_PAIRS", 4)
    uris: list[str | None] = []
    for k in range(6):
        picture(k % 2).save(tmp_path / f"{k}.png")
        uris.append(str(tmp_path / f"{k}.png"))
    uris += [None, str(tmp_path / "5.png")]
    images = Table({"uri": np.array(uris, object)})
    imprint = ["x", "x", "y", "x", "x", "y", "z", "x", "w", "w"]
    image = [0, 0, 0, 1, 2, 3, 4, 6, 5, 7]
    n_segments = [1, 1, 1, 1, 1, 1, 1, int(n_pairs > 3), int(n_pairs > 4), int(n_pairs > 4)]
    annotations = Table({
        "n_segments": np.array(n_segments), "imprint": np.array(imprint, object), "image": np.array(image),
    })  # fmt: skip
    view = DatasetView(Memory(PROFILE, batch_of([], [], [])), PROFILE, {"annotations": annotations, "images": images},
                       [], 1)  # fmt: skip
    (columns,) = duplicates.measure_repeated_labels(view)["repeated_labels"]
    found = list(zip(*(columns[name].tolist() for name in ("annotation", "of", "bits")), strict=True))
    looks = [None if uri is None or k in (5, 7) else difference_hash(uri) for k, uri in enumerate(uris)]
    expected = []
    for row, name in enumerate(imprint):
        first = imprint.index(name)
        if n_segments[row] and image[first] != image[row]:
            one, other = looks[image[row]], looks[image[first]]
            unknown = one is None or other is None or n_pairs > 4
            expected.append((row, first, -1 if unknown else int(differing_bits(one, other))))
    assert len(expected) == n_pairs
    assert found == expected


def listing(root: Path, most: int = 99, but: tuple[str, ...] = (), *more: Path) -> set[str] | None:
    found = FileListing.from_folders(root, more, most, but)
    return None if found is None else {Path(path).relative_to(root.parent).as_posix() for path in found.files}


def test_the_files_of_a_dataset(tmp_path: Path) -> None:
    root = tmp_path / "d"
    for name in ("a/x", "a/.hidden/y", "b/z", ".dot", "s.yaml", "b/s.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1")
    (root / "b/round").symlink_to(root)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/m").write_text("22")
    every = {"d/a/x", "d/b/z", "d/b/s.yaml", "d/s.yaml"}
    assert listing(root) == every
    assert listing(root, 99, ("s.yaml",)) == every - {"d/s.yaml"}
    assert listing(root, 4) == every
    assert listing(root, 3) is None
    assert listing(root, 99, (), tmp_path / "more", tmp_path / "none") == every | {"more/m"}
    of_file = FileListing.from_folders(root / "a/x", (), 99)
    assert of_file is not None
    assert list(of_file.files) == [str(root / "a/x")]
    before = of_file.with_files([str(root / "b/z"), str(root / "gone")])
    stat = (root / "b/z").stat()
    assert before.files[str(root / "b/z")] == (1, stat.st_mtime_ns, stat.st_ctime_ns)
    assert before.files[str(root / "gone")] == (-1, 0, 0)
    os.utime(root / "a/x", ns=(1, 1))
    after = FileListing({}).with_files([*before.files, str(root / "new")])
    assert before.changed_files(after) == {str(root / "a/x"), str(root / "new")}
    assert before.with_files([str(root / "a/x")]) == before
    assert after.changed_files(before) == {str(root / "a/x"), str(root / "new")}


def test_the_oldest_go_until_the_rest_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    files = {"a.segdata": 5, "b.segdata": 4, "c.segdata": 3, "d.segdata": 2, "old.partial": 9, "new.partial": 9}
    files["e"] = 50
    ages = {"old.partial": 86_500, "new.partial": 86_000}
    for place, most, left in (
        ("1", 14, "abcd"), ("2", 13, "bcd"), ("3", 9, "bcd"), ("4", 8, "cd"), ("5", 2, "d"), ("6", 0, "d"),
    ):  # fmt: skip
        folder = tmp_path / place
        folder.mkdir()
        for number, (name, size) in enumerate(files.items()):
            (folder / name).write_bytes(b"x" * size)
            when = now - ages.get(name, 1000 - number)
            os.utime(folder / name, (when, when))
        monkeypatch.setattr(cache, "MAX_CACHE_BYTES", most)
        cache._delete_old(folder)
        assert {path.name for path in folder.iterdir()} == {*(f"{name}.segdata" for name in left), "new.partial", "e"}


def test_findings_are_known_by_entry_and_by_what_decided_them(tmp_path: Path) -> None:
    def finding(message: str) -> Finding:
        return Finding(code="SEG106", rule="speck", severity="info", message=message)

    cache.save_findings(tmp_path, "k", "t", {"SEG1": "x", "SEG2": "y"}, {"SEG1": [finding("a")], "SEG3": []})
    cache.save_findings(tmp_path, "k", "t", {"SEG2": "z"}, {"SEG2": [finding("b"), finding("c")]})
    every = {"SEG1": "x", "SEG2": "z", "SEG3": "w"}
    assert cache.load_findings(tmp_path, "k", "t", every) == {
        "SEG1": [finding("a")], "SEG2": [finding("b"), finding("c")],
    }  # fmt: skip
    assert cache.load_findings(tmp_path, "k", "t", {"SEG1": "x", "SEG2": "y"}) == {"SEG1": [finding("a")]}
    assert cache.load_findings(tmp_path, "k", "other", every) == {}
    assert cache.load_findings(tmp_path, "l", "t", every) == {}
    cache.save_findings(tmp_path, "k", "other", {"SEG1": "x"}, {"SEG1": []})
    assert cache.load_findings(tmp_path, "k", "other", every) == {"SEG1": []}
    assert cache.load_findings(tmp_path, "k", "t", every) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["k-findings.segdata"]


def random_batch(rng: Rng, n_images: int = 6) -> Batch:
    images = [{"image_id": f"{k}.png", "width": 6, "height": 5} for k in range(n_images)]
    annotations = [(k, who) for k in range(n_images) for who in (None, "ann") if rng.random() < 0.6]
    segments = [
        (row, int(rng.integers(1, 3)), rng.random((5, 6)) < 0.6, False)
        for row in range(len(annotations)) for _ in range(int(rng.integers(0, 4)))
    ]  # fmt: skip
    return batch_of(images, annotations, segments)


FAMILIES: frozenset[Family] = frozenset(
    {"coverage", "gaps", "shapes", "parts", "holes", "outlines", "pairs", "contacts"}
)


def plain(tables: MeasuredTables) -> dict[str, dict[str, str]]:
    return {
        name: {column: repr(table[column].to_pylist()) for column in table.column_names}
        for name, table in tables.tables.items() if name in row_links() or name == "images"
    }  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_tables_cut_are_those_of_some_images_measured(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = random_batch(rng)
    batch = replace(batch, defects=tuple(Defect("SEG005", str(k), image=name) for k, name in
                                         enumerate([None, "0.png", "3.png", "4.png", "nowhere"])))  # fmt: skip
    whole = measure_batch(batch, PROFILE, FAMILIES)
    first = int(rng.integers(0, 6))
    last = int(rng.integers(first, 7))
    found = cut_images(whole, first, last)
    rows = np.arange(first, last)
    expected = measure_batch(replace(batch.take_images(rows), defects=()), PROFILE, FAMILIES)
    assert plain(found) == plain(expected)
    assert [defect.image for defect in found.defects] == [
        name for name in ("0.png", "3.png", "4.png") if first <= int(name[0]) < last
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_kept_and_what_is_new_come_in_the_order_of_the_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 7
    order = rng.permutation(n)
    old = rng.permutation(n)[: int(rng.integers(1, n + 1))]  # rows of the source that `before` has, in its order
    if rng.random() < 0.5:
        old = np.array([row for row in order if row in old])  # so that neighbours stay neighbours
    images = [{"image_id": f"{k}.png", "width": 2, "height": 2} for k in range(n)]
    before = measure_batch(batch_of([images[row] for row in old], [], []), PROFILE, frozenset())
    kept = {int(row): place for place, row in enumerate(old) if rng.random() < 0.8}
    rest = [int(row) for row in order if int(row) not in kept]
    cut = int(rng.integers(0, len(rest) + 1))
    portions = [np.array(rows, np.int64) for rows in (rest[:cut], rest[cut:]) if rows]
    fresh = [
        (rows, measure_batch(batch_of([images[row] for row in rows], [], []), PROFILE, frozenset()))
        for rows in portions
    ]
    pieces = list(interleave_measured(order, kept, before, fresh))
    names = [name for piece in pieces for name in piece.tables["images"]["image_id"].to_pylist()]
    assert names == [f"{row}.png" for row in order]
    runs = 0
    for place, row in enumerate(order.tolist()):
        follows = place and row in kept and kept.get(int(order[place - 1])) == kept[row] - 1
        runs += not follows
    assert len(pieces) == runs


def entry(profile: Profile = PROFILE, **fields: Any) -> CacheEntry:  # Any: fields of all types
    names = ["a", "b", "c"]
    images = pa.table({"image_id": names, "uri": [f"/{name}" for name in names], "row": [2, 0, 1]})
    tables = StoredTables({"images": images})
    plain_fields: dict[str, Any] = {
        "profile": profile, "image_ids": tuple(names), "families": frozenset({"shapes"}), "tables": tables,
        "defects": (Defect("SEG001", "opening"), Defect("SEG005", "m", image="a")), "opened": 1,
        "listing": FileListing({"/x": (1, 2, 3), "/gone": (-1, 0, 0)}), "hashes": {"/x": "h"}, "token": "t",
    }  # fmt: skip
    return CacheEntry(**plain_fields | fields)


def test_an_entry_comes_back_as_it_was_and_counts_as_used(tmp_path: Path) -> None:
    saved = entry()
    cache.save_entry(tmp_path, "k", saved)
    os.utime(tmp_path / "k.segdata", (1, 1))
    found = cache.load_entry(tmp_path, "k")
    assert found is not None
    assert (tmp_path / "k.segdata").stat().st_mtime > 1
    for name in ("profile", "image_ids", "families", "defects", "opened", "listing", "hashes", "token"):
        assert getattr(found, name) == getattr(saved, name), name
    assert list(found.tables) == ["images"]
    assert found.tables["images"].equals(saved.tables["images"])
    assert cache.load_entry(tmp_path, "l") is None
    assert [path.name for path in tmp_path.iterdir()] == ["k.segdata"]


class _Source(Memory):
    """Images a, b and c, and which files each is read from."""

    image_names = ("a", "b", "c")

    @property
    def image_ids(self) -> list[str]:
        return list(self.image_names)

    def files(self, row: int) -> list[str]:
        return [f"/masks/{self.image_names[row]}", "/both"] if row < 2 else ["/masks/c"]


def cached(tmp_path: Path, stored: CacheEntry | None, changed: set[str]) -> source_cache.CachedSource:
    source = source_cache.CachedSource(tmp_path, "none", FileListing({}), lambda: _Source(PROFILE, Batch.empty()))
    source._entry, source._changed = stored, changed
    return source


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ((), {0: 0, 1: 1, 2: 2}), (("/masks/a",), {1: 1, 2: 2}), (("/both",), {2: 2}), (("/b",), {0: 0, 2: 2}),
        (("/x",), {0: 0, 1: 1, 2: 2}), (("/stranger",), {}), (("/masks/c", "/a"), {1: 1}),
    ],
)  # fmt: skip
def test_images_whose_files_did_not_change_are_kept(changed: Any, kept: dict[int, int], tmp_path: Path) -> None:
    families: frozenset[Family] = frozenset({"shapes"})
    source = cached(tmp_path, entry(), set(changed))
    assert source._unchanged_rows(source.source_itself, families) == kept
    assert source.stored_entry is (None if changed else source._entry)


def test_nothing_is_kept_where_it_may_be_of_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    families: frozenset[Family] = frozenset({"shapes"})
    own = _Source(PROFILE, Batch.empty())
    for stored, asked in (
        (None, families), (entry(), families | {"pairs"}), (entry(replace(PROFILE, name="other")), families),
        (entry(defects=(Defect("SEG001", ""), Defect("SEG005", "of no image"))), families),
    ):  # fmt: skip
        assert cached(tmp_path, stored, {"/masks/a"})._unchanged_rows(own, asked) == {}
    of_before = entry(defects=(Defect("SEG001", "while opening"),))
    assert len(cached(tmp_path, of_before, {"/masks/a"})._unchanged_rows(own, families)) == 2
    monkeypatch.setattr(_Source, "image_names", ("a", "b", "a"))
    assert cached(tmp_path, entry(), set())._unchanged_rows(own, families) == {}
    monkeypatch.setattr(_Source, "image_names", ("c", "new", "a"))
    found = cached(tmp_path, entry(), set())._unchanged_rows(own, families)
    assert found == {0: 2, 2: 0}


def test_hashes_of_labels_are_taken_from_before_where_nothing_changed(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in "abc"]
    for path in paths:
        Path(path).write_text(path)
    now = FileListing({}).with_files(paths)
    before = entry(hashes={paths[0]: "known", paths[1]: "stale", "/else": "x"})
    found = source_cache._label_hashes([*paths, paths[2], "/none"], now, before, {paths[1]})
    assert found == {paths[0]: "known", paths[1]: hash_file(paths[1]), paths[2]: hash_file(paths[2])}
    moved = FileListing(now.files | {paths[2]: (1, 1, 1)})
    assert source_cache._label_hashes(paths, moved, None, set()).keys() == {paths[0], paths[1]}
    stored = entry(listing=now, hashes={paths[0]: str(hash_file(paths[0])), paths[1]: "other"})
    later = FileListing(now.files | dict.fromkeys(paths, (9, 9, 9)))
    assert source_cache._changed_files(stored, later) == {paths[1], paths[2]}


def test_the_name_of_an_entry_is_that_of_all_that_decides_the_reading(tmp_path: Path) -> None:
    def key(form: str = "coco", more: Any = None, config: Config | None = None, **fields: Any) -> str:
        request = ReadRequest(**{"root": tmp_path, "config": config or Config()} | fields)
        return source_cache._entry_key(request, form, more or {})

    same = key()
    judging = {"select": ("SEG1",), "ignore": ("SEG1",), "severity": {"SEG1": "error"}, "rules": {"a": {}}, "by": "x"}
    for name, value in judging.items():
        assert key(config=msgspec.structs.replace(Config(), **{name: value})) == same
    others = [
        key("yolo"), key(more={"roi": "x"}), key(more={"roi": "y"}), key(root=tmp_path / "x"), key(images=tmp_path),
        key(annotator="ann"), key(options={"revision": "r0001"}), key(taxonomy=TAXONOMY),
    ]  # fmt: skip
    assert len({same, *others}) == len(others) + 1


def test_more_files_than_can_be_listed_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_cache, "_FEW_FILES", 2)
    monkeypatch.setattr(source_cache, "_MAX_FOLDER_FILES", 3)
    root = tmp_path / "d"
    root.mkdir()
    for number in range(3):
        (root / f"{number}.json").write_bytes(b"x" * 500)

    def cached_at(path: Path) -> bool:
        opened = source_cache.cached_source(
            ReadRequest(path), "coco", {}, lambda: _Source(PROFILE, Batch.empty()), tmp_path / "kept"
        )
        return isinstance(opened, source_cache.CachedSource)

    assert cached_at(root)
    assert cached_at(root / "0.json")
    (root / "0.json").write_bytes(b"x" * 499)
    assert not cached_at(root / "0.json")
    (root / "3.json").touch()
    assert not cached_at(root)


def test_labels_that_lie_on_another_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of the other pictures, if it is better than what was found, and fits."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        edges = [(rng.random((20, 24)) < 0.2).astype(np.float32) - 0.2 for _ in range(5)]
        edges.append((rng.random((24, 20)) < 0.2).astype(np.float32) - 0.2)
        whose = [0, 2, 1, 3, 3, 5]
        outlines = [edges[k] * 0.5 if rng.random() < 0.8 else -edges[k] for k in whose]
        planes = [
            OutlinePlanes.from_outline(10 + k, np.asarray(outline, np.float32), edge, edge.shape)
            for k, (outline, edge) in enumerate(zip(outlines, edges, strict=True))
        ]
        placements = [Placement(10 + k, 1.0, 2, float(rng.choice([1.0, 9.0, 40.0]))) for k in range(6)]
        expected = []
        for k in range(6):
            best = (2, placements[k].score, -1)
            for other in range(6):
                if other != k and planes[other].edges.shape == planes[k].edges.shape and k < 5:
                    product = float((planes[other].edges * planes[k].outline).sum())
                    noise = np.sqrt((planes[k].outline ** 2).sum() * (planes[other].edges ** 2).mean())
                    (score,) = planes[other].scores([planes[k].outline])
                    if product / noise > best[1] and product / noise >= FITS and score > best[1]:
                        best = (ELSEWHERE, score, 10 + other)
            expected.append(best)
        picture_edges._find_pictures(planes, placements, [0, 1, 2, 3, 4])
        assert [(one.change, one.score, one.other) for one in placements] == expected
        assert [(one.annotation, one.own) for one in placements] == [(10 + k, 1.0) for k in range(6)]
    monkeypatch.setattr(picture_edges, "_MAX_EXCHANGED", 1)
    fresh = [Placement(k, 1.0, 2, 1.0) for k in range(6)]
    picture_edges._find_pictures(planes, fresh, [4, 3])
    assert {k for k in range(6) if fresh[k].change == ELSEWHERE} <= {4}


@pytest.mark.parametrize("seed", SEEDS)
def test_annotations_whose_pictures_are_compared(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labelled ones with a file of their own, and of each volume and annotator the slice in the middle."""
    rng = np.random.default_rng(seed)
    uris = ["/a", "/b", "/b", None, "http://x/c", *(f"file:///{v}.nii#k={k}" for v in "vw" for k in range(4)), "/d"]
    n = len(uris)
    images = Table({
        "uri": np.array(uris, object), "width": np.where(rng.random(n) < 0.9, 5, 0), "height": np.full(n, 4),
        "split": np.array([[None, "a", "b"][int(rng.integers(3))] for _ in range(n)], object),
    })  # fmt: skip
    rows = [(k, who) for k in range(n) for who in ("ann", "bob", None) if rng.random() < 0.7]
    labelled = [bool(rng.random() < 0.8) for _ in rows]
    annotations = Table({
        "image": np.array([k for k, _ in rows]), "n_segments": np.array(labelled).astype(int),
        "annotator": np.array([who for _, who in rows], object),
        "encoding": np.array([["x", None][int(rng.integers(2))] for _ in rows], object),
    })  # fmt: skip
    tables = {"images": images, "annotations": annotations, "segments": Table({"annotation": np.zeros(0, np.int64)})}
    view = DatasetView(Memory(PROFILE, Batch.empty()), PROFILE, tables, [], 1)
    plain_rows = [
        row for row, (k, _) in enumerate(rows) if labelled[row] and uris[k] in ("/a", "/d") and images["width"][k] > 0
    ]
    middle = []
    for volume in "vw":
        for who in ("ann", "bob", None):
            theirs = [row for row, (_, name) in enumerate(rows) if labelled[row] and name == who]
            own = [row for row in theirs if f"/{volume}." in (uris[rows[row][0]] or "")]
            middle += [own[len(own) // 2]] if own else []
    assert picture_edges._choose(view).tolist() == sorted(plain_rows + middle)
    groups = picture_edges._groups(view)
    keys = [(who, annotations["encoding"][row], images["split"][k]) for row, (k, who) in enumerate(rows)]
    for a, b in combinations(range(len(rows)), 2):
        assert (groups[a] == groups[b]) == (keys[a] == keys[b])
    monkeypatch.setattr(picture_edges, "MAX_PICTURES", 1)
    monkeypatch.setattr(picture_edges, "MAX_VOLUMES", 2)
    few = set(picture_edges._choose(view).tolist())
    assert len(few & set(plain_rows)) == min(1, len(plain_rows))
    assert len(few & set(middle)) == min(2, len(middle))


@pytest.mark.parametrize(
    ("change", "x", "y", "words"),
    [
        (0, 0, 0, "mirrored left to right"), (5, 0, 0, "turned by 270 degrees"),
        (6, 3.4, -2.6, "shifted by +3 px across and -3 px down"), (6, 0, 0, "shifted by +0 px across and +0 px down"),
        (7, 1.25, 1 / 3, "scaled by 1.25 across and 0.333 down"),
    ],
)  # fmt: skip
def test_changes_in_words(change: int, x: float, y: float, words: str) -> None:
    assert change_words(change, x, y) == words
