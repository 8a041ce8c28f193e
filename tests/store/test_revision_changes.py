"""Revisions of small random tables: what is written, linked, kept and freed, against plain dictionaries and sets."""

import json
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segdata.core.batch import Batch, replace_column
from segdata.core.errors import SegdataError
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.profile import Policy, Profile
from segdata.core.schema import SEGMENTS
from segdata.core.taxonomy import Category, Taxonomy
from segdata.store import canonical, revision_writer
from segdata.store import manifest as manifests
from segdata.store.revision_reader import open_revision, part_name
from segdata.store.revision_writer import RevisionWriter, write_canonical
from segdata.store.revisions import ancestors, history, lock_dataset, prune, restore, revise
from tests.memory import make_batch

Rng = np.random.Generator
CARS = Taxonomy(categories=(Category(id=1, name="car"),))
PROFILE = Profile(
    "d", "made", "instance", CARS, True, Policy("sparse", True), Policy("allow"), "coco", files="/from/here",
    metadata={"aliases_used": "x", "who": "we"},
)  # fmt: skip
SEEDS = range(12)


def batch_of(images: dict[str, list[tuple[str | None, list[int]]]]) -> Batch:
    """Images of 2 x 2 pixels: name -> annotator and the ids of the segments; a segment's pixels are the bits of it."""
    annotations = [(row, who, ids) for row, drawn in enumerate(images.values()) for who, ids in drawn]
    segments = [
        (row, 1, np.array([bool(id_ >> bit & 1) for bit in range(4)]).reshape(2, 2))
        for row, (_, _, ids) in enumerate(annotations) for id_ in ids
    ]  # fmt: skip
    return make_batch(
        [{"image_id": name, "width": 2, "height": 2, "split": "train"} for name in images],
        [(row, who) for row, who, _ in annotations],
        segments,
        segment_id=[id_ for *_, ids in annotations for id_ in ids],
    )


def random_images(rng: Rng, most: int = 3) -> dict[str, list[tuple[str | None, list[int]]]]:
    names = sorted(rng.choice(list("abcdefghij"), 8, replace=False).tolist())
    return {
        name: [
            (who, sorted(rng.choice(16, int(rng.integers(0, most)), replace=False).tolist()))
            for who in ("ann", "bob") if rng.random() < 0.8
        ]
        for name in names
    }  # fmt: skip


def read(root: Path, revision: str | None = None) -> dict[str, list[tuple[str | None, list[int]]]]:
    """The images of a revision as `batch_of` takes them; also checks that the pixels are those of the ids."""
    source = canonical.read(ReadRequest(root, options={"revision": revision} if revision else {}))
    assert list(source.defects) == []
    batch = source.load(np.arange(len(source.image_ids)))
    assert batch.defects == ()
    drawn: list[Any] = [(row["annotator"], []) for row in batch.annotations.to_pylist()]
    masks = batch.runs.areas(batch.n_segments)
    for k, row in enumerate(batch.segments.to_pylist()):
        drawn[row["annotation"]][1].append(row["segment_id"])
        assert masks[k] == row["segment_id"].bit_count()
    return {
        name: [(who, sorted(ids)) for (who, ids), row in zip(drawn, batch.annotation_image.tolist(), strict=True)
               if row == k]
        for k, name in enumerate(batch.images["image_id"].to_pylist())
    }  # fmt: skip


def rows_of(images: dict[str, list[tuple[str | None, list[int]]]], name: str) -> pa.Table:
    return revision_writer.segment_rows(batch_of({name: images[name]}))


def groups_of(path: Path) -> list[set[str]]:
    file = pq.ParquetFile(path)
    return [
        set(file.read_row_group(number, columns=["image_id"])["image_id"].to_pylist())
        for number in range(file.num_row_groups)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_batch_is_written_in_row_groups_of_whole_images(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision_writer, "_GROUP_SEGMENTS", 4)
    images = random_images(np.random.default_rng(seed), most=4)
    write_canonical(PROFILE, [batch_of(images)], tmp_path / "d", LossCounter())
    assert read(tmp_path / "d") == images
    (path,) = (tmp_path / "d").glob("r0001/segments/*.parquet")
    expected: list[set[str]] = []
    first, begun = 0, -1
    for name, drawn in images.items():
        n_segments = sum(len(ids) for _, ids in drawn)
        if n_segments:
            if first // 4 != begun:
                expected.append(set())
            begun = first // 4
            expected[-1].add(name)
            first += n_segments
    assert groups_of(path) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_a_part_is_full_with_so_many_segments_and_images_stay_whole(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision_writer, "PART_SEGMENTS", 4)
    images = random_images(np.random.default_rng(seed))
    parts: list[list[set[str]]] = []
    n_rows = 4
    for name, drawn in images.items():
        n = sum(len(ids) for _, ids in drawn)
        if n:
            if n_rows >= 4:
                parts.append([])
                n_rows = 0
            parts[-1].append({name})
            n_rows += n
    write_canonical(PROFILE, (batch_of({name: drawn}) for name, drawn in images.items()), tmp_path, LossCounter())
    files = sorted((tmp_path / "r0001/segments").iterdir())
    assert [path.name for path in files] == [part_name(k) for k in range(len(parts))]
    assert [groups_of(path) for path in files] == parts
    manifest = manifests.load(tmp_path)
    assert manifest.revisions[0].parts == len(parts)
    assert manifest.revisions[0].what == "converted from made"
    assert (manifest.origin.format, manifest.origin.path, manifest.metadata) == ("made", "/from/here", {"who": "we"})
    assert (manifest.coverage.value, manifest.coverage.declared) == ("sparse", True)
    assert (manifest.overlap.value, manifest.overlap.declared) == ("allow", False)
    assert (manifest.task, manifest.raster_rule, manifest.taxonomy_declared) == ("instance", "coco", True)
    assert read(tmp_path) == images


def test_a_dataset_without_segments_has_one_empty_part(tmp_path: Path) -> None:
    write_canonical(PROFILE, [batch_of({"a": []})], tmp_path, LossCounter(), "by hand")
    assert [path.name for path in (tmp_path / "r0001/segments").iterdir()] == ["part-00000.parquet"]
    assert groups_of(tmp_path / "r0001/segments/part-00000.parquet") == []
    (revision,) = manifests.load(tmp_path).revisions
    assert (revision.parts, revision.what) == (1, "by hand")
    with pytest.raises(ZeroDivisionError), RevisionWriter(tmp_path / "r0002", tmp_path):
        raise ZeroDivisionError
    assert list((tmp_path / "r0002/segments").iterdir()) == []


@pytest.mark.parametrize("names", [["b", "a"], ["a", "a"], ["", "a", "a"], ["a", "c", "b"]])
@pytest.mark.parametrize("apart", [False, True])
def test_images_come_in_ascending_order_and_once(names: list[str], apart: bool, tmp_path: Path) -> None:
    rows = [batch_of({name: []}).images for name in names]
    tables = rows if apart else [pa.concat_tables(rows)]
    nothing = revision_writer.annotation_rows(batch_of({}))

    def write() -> None:
        with RevisionWriter(tmp_path / "r", tmp_path) as writer:
            for images in tables:
                writer.add_rows(images, nothing, 0)

    with pytest.raises(ValueError, match="ascending order"):
        write()


def test_a_batch_begins_after_the_last_image_of_the_one_before(tmp_path: Path) -> None:
    nothing = revision_writer.annotation_rows(batch_of({}))
    with RevisionWriter(tmp_path / "r", tmp_path) as writer:
        writer.add_rows(batch_of({"b": [], "e": []}).images, nothing, 0)
        for name in "bce":
            with pytest.raises(ValueError, match=f"each once: '{name}'"):
                writer.add_rows(batch_of({name: []}).images, nothing, 0)
        writer.add_rows(batch_of({"f": []}).images, nothing, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_revision_has_what_changed_and_links_the_rest(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision_writer, "PART_SEGMENTS", 3)
    rng = np.random.default_rng(seed)
    images, other = random_images(rng), random_images(rng, 4)
    write_canonical(PROFILE, (batch_of({name: drawn}) for name, drawn in images.items()), tmp_path, LossCounter())
    names = rng.choice(list(images), int(rng.integers(0, 4)), replace=False).tolist()
    expected, changed = dict(images), {}
    for name in names:
        ids = iter([ids for _, ids in other.get(name, [])] + [[], []])
        expected[name] = [(who, next(ids)) for who, _ in images[name]]
        changed[name] = rows_of(expected, name)
    split = {name: f"s{name}" for name in images if rng.random() < 0.3}
    stage = {(name, who): "accepted" for name in images for who, _ in images[name] if rng.random() < 0.3}
    log = [{"ä": 1}, {"b": None}]
    assert revise(
        tmp_path, changed, "why", log, "r0001", images={"split": split} if split else None,
        annotations={"stage": stage} if stage else None,
    ) == "r0002"  # fmt: skip
    assert read(tmp_path) == expected
    assert read(tmp_path, "r0001") == images
    old, new = tmp_path / "r0001", tmp_path / "r0002"
    assert (new / "changes.jsonl").read_text("utf-8") == '{"ä": 1}\n{"b": null}\n'
    assert pq.read_table(new / "images.parquet")["split"].to_pylist() == [split.get(name, "train") for name in images]
    keys = [(name, who) for name, drawn in images.items() for who, _ in drawn]
    assert pq.read_table(new / "annotations.parquet")["stage"].to_pylist() == [stage.get(key) for key in keys]
    assert (new / "images.parquet").samefile(old / "images.parquet") == (not split)
    assert (new / "annotations.parquet").samefile(old / "annotations.parquet") == (not stage)
    parts = sorted((old / "segments").iterdir())
    of_part = [set().union(*groups_of(path)) for path in parts]
    homeless = set(names) - set().union(*of_part)
    for path, own in zip(parts, of_part, strict=True):
        stays = not own & set(names) and not (homeless and path == parts[-1])
        assert (new / "segments" / path.name).samefile(path) == stays
        assert set().union(*groups_of(new / "segments" / path.name)) <= own | (homeless if path == parts[-1] else set())
    assert len(list((new / "segments").iterdir())) == len(parts)
    entry = manifests.load(tmp_path).current
    assert (entry.name, entry.parent, entry.what, entry.parts) == ("r0002", "r0001", "why", len(parts))
    for path in (new / "segments").iterdir():
        groups = groups_of(path)
        assert all(groups)
        assert sum(len(group) for group in groups) == len(set().union(*groups))


def test_row_groups_stay_in_the_order_of_their_images(tmp_path: Path) -> None:
    images = {name: [("ann", [1, 2])] for name in "abc"} | {"d": [("ann", [])], "e": [("ann", [])]}
    write_canonical(PROFILE, [batch_of(images)], tmp_path, LossCounter())
    again = {name: [("ann", [4, 5, 6])] for name in "abcde"}
    revise(tmp_path, {name: rows_of(again, name) for name in "bed"}, "", [])
    file = pq.ParquetFile(tmp_path / "r0002/segments/part-00000.parquet")
    groups = [file.read_row_group(number)["image_id"].to_pylist() for number in range(file.num_row_groups)]
    assert groups == [["a", "a", "b", "b", "b", "c", "c"], ["d", "d", "d", "e", "e", "e"]]
    revise(tmp_path, {"d": rows_of(images, "d"), "e": rows_of(images, "e")}, "", [])
    assert groups_of(tmp_path / "r0003/segments/part-00000.parquet") == [{"a", "b", "c"}]


def small(root: Path) -> dict[str, list[tuple[str | None, list[int]]]]:
    images: dict[str, list[tuple[str | None, list[int]]]] = {name: [("ann", [1, 2])] for name in "abc"}
    write_canonical(PROFILE, [batch_of(images)], root, LossCounter())
    return images


def test_a_revision_of_another_parent_or_beside_another_program_is_refused(tmp_path: Path) -> None:
    images = small(tmp_path)
    revise(tmp_path, {}, "", [], "r0001")
    with pytest.raises(SegdataError, match=r"revision r0002 has been made since r0001 was read; nothing is changed"):
        revise(tmp_path, {}, "", [], "r0001")
    with lock_dataset(tmp_path), pytest.raises(SegdataError, match="another program is changing it"):
        revise(tmp_path, {}, "", [])
    with pytest.raises(SegdataError, match="cannot be read: No such file"), lock_dataset(tmp_path / "none"):
        pass
    assert revise(tmp_path, {}, "", []) == "r0003"
    assert read(tmp_path) == images


def test_a_revision_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = small(tmp_path)
    (tmp_path / "r0007").mkdir()
    (tmp_path / "r09").touch()
    with pytest.raises(SegdataError, match=r"(?s)revision r0010 cannot be written: .*; the dataset is as it was$"):
        revise(tmp_path, {"a": rows_of(images, "a").drop_columns(["rings"])}, "", [])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dataset.yaml", "r0001", "r0007", "r09", "taxonomy.yaml",
    ]  # fmt: skip
    with pytest.raises(TypeError):
        revise(tmp_path, {}, "", [{"a": {1, 2}}])
    assert not (tmp_path / "r0010").exists()
    commit = manifests.commit

    def interrupted(root: Path, manifest: manifests.Manifest) -> None:
        commit(root, manifest)
        raise KeyboardInterrupt

    monkeypatch.setattr(manifests, "commit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        revise(tmp_path, {}, "done", [])
    assert manifests.load(tmp_path).current.what == "done"
    assert read(tmp_path) == images


@pytest.mark.parametrize("seed", SEEDS)
def test_history_and_prune_count_as_sets_do(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    images = small(tmp_path)
    current = "r0001"
    parents: dict[str, str | None] = {"r0001": None}
    for number in range(2, 6):
        some = rng.choice(list(images), int(rng.integers(0, 2)), replace=False).tolist()
        split = {"split": {"a": str(number)}} if rng.random() < 0.5 else None
        made = revise(tmp_path, {name: rows_of(images, name) for name in some}, f"step {number}", [{"n": number}],
                      images=split)  # fmt: skip
        parents[made], current = current, made
        if rng.random() < 0.3:
            current = str(rng.choice(list(parents)))
            assert restore(tmp_path, current) == made
    shutil.copytree(tmp_path / "r0002", tmp_path / "r0011")
    (tmp_path / "r0012").mkdir()
    (tmp_path / "r0012/changes.jsonl").hardlink_to(tmp_path / "r0001/images.parquet")
    (tmp_path / "r12").mkdir()
    folders = {path.name: [file for file in path.rglob("*") if file.is_file()] for path in tmp_path.iterdir() if
               path.is_dir()}  # fmt: skip
    owners = defaultdict[int, set[str]](set)
    size = {}
    for name, files in folders.items():
        for file in files:
            owners[file.stat().st_ino].add(name)
            size[file.stat().st_ino] = file.stat().st_size
    for one in history(tmp_path):
        inodes = {file.stat().st_ino for file in folders[one.name]}
        assert one.size == sum(size[inode] for inode in inodes)
        assert one.own == sum(size[inode] for inode in inodes if owners[inode] == {one.name})
        assert (one.parent, one.current, one.present) == (parents[one.name], one.name == current, True)
        assert (one.images, one.segments) == (3, 6)
    line = [current]
    while parents[line[-1]]:
        line.append(str(parents[line[-1]]))
    assert ancestors(tmp_path, current) == line
    keep = int(rng.integers(1, 7))
    kept = {*sorted(parents)[-keep:], current}
    gone = tuple(name for name in sorted(parents) if name not in kept)
    found = prune(tmp_path, keep, dry_run=bool(seed % 2))
    assert (found.revisions, found.unfinished) == (gone, ("r0011", "r0012"))
    assert found.size == sum(size[inode] for inode, names in owners.items() if not names & kept)
    left = set(folders) if seed % 2 else kept | {"r12"}
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == left
    listed = [entry.name for entry in manifests.load(tmp_path).revisions]
    assert listed == sorted(parents if seed % 2 else kept)
    assert read(tmp_path) == images


def test_ancestors_of_a_circle_and_of_what_nobody_knows(tmp_path: Path) -> None:
    small(tmp_path)
    for parent in ("r0002", "r0001"):
        revise(tmp_path, {}, parent, [])
    text = (tmp_path / "dataset.yaml").read_text()
    (tmp_path / "dataset.yaml").write_text(text.replace("parent: r0001", "parent: r0003"))
    assert ancestors(tmp_path, "r0003") == ["r0003", "r0002"]
    assert ancestors(tmp_path, "r0001") == ["r0001"]
    assert ancestors(tmp_path, "r0044") == ["r0044"]


def test_history_says_where_files_are_gone_or_damaged(tmp_path: Path) -> None:
    small(tmp_path)
    revise(tmp_path, {}, "", [], images={"split": {"a": "val"}})
    (tmp_path / "r0002/images.parquet").write_bytes(b"nothing")
    first, second = history(tmp_path)
    assert (first.images, first.segments, second.images, second.segments) == (3, 6, None, 6)
    shutil.rmtree(tmp_path / "r0001")
    first, second = history(tmp_path)
    assert (first.images, first.segments, first.size, first.own, first.present) == (None, None, 0, 0, False)
    with pytest.raises(SegdataError, match=r"revision r0001 has no files any more; nothing is changed"):
        restore(tmp_path, "r0001")


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("revision: r0001", "revision: '../x'", r"revision: '../x' is not a revision; they are called r0001, r0002"),
        ("revision: r0001", "revision: xr0001", "is not a revision"),
        ("revision: r0001", "revision: r0001x", "is not a revision"),
        ("segdata: 1", "segdata: 2", "layout version 2 is newer than this segdata; update it"),
        ("value: sparse", "value: forbid", "coverage: 'forbid' is not 'exhaustive' or 'sparse'"),
        ("value: sparse", "value: allow", "coverage: 'allow' is not"),
        ("value: sparse", "value: same-category-forbid", "coverage: 'same-category-forbid' is not"),
        ("value: allow", "value: sparse", "overlap: 'sparse' is not 'forbid', 'allow' or 'same-category-forbid'"),
        ("value: allow", "value: {car: sparse}", "overlap: {'car': 'sparse'} is not 'forbid'"),
    ],
)
def test_a_manifest_that_cannot_be_meant(was: str, becomes: str, told: str, tmp_path: Path) -> None:
    small(tmp_path)
    path = tmp_path / "dataset.yaml"
    assert was in path.read_text()
    path.write_text(path.read_text().replace(was, becomes))
    with pytest.raises(SegdataError) as caught:
        manifests.load(tmp_path)
    assert told in str(caught.value)


def test_a_manifest_that_can_be_meant(tmp_path: Path) -> None:
    small(tmp_path)
    path = tmp_path / "dataset.yaml"
    text = path.read_text()
    for was, becomes in (
        ("segdata: 1", "segdata: 0"), ("value: sparse", "value: exhaustive"), ("value: sparse", "value: {car: sparse}"),
        ("value: allow", "value: forbid"), ("value: allow", "value: same-category-forbid"),
    ):  # fmt: skip
        path.write_text(text.replace(was, becomes))
        manifests.load(tmp_path)
    path.write_text(text.replace("revision: r0001", "revision: r12345"))
    manifest = manifests.load(tmp_path)
    assert (manifest.current.name, manifest.current.what, manifest.current.parts) == ("r12345", "unknown", None)
    with pytest.raises(SegdataError, match=r"has no revision 'r12345'; it has r0001$"):
        manifest.at_revision("r12345", tmp_path)
    assert manifest.at_revision("r0001", tmp_path).current.what == "converted from made"
    profile = manifest.profile(CARS, tmp_path)
    assert (profile.files, profile.revision, profile.format) == (str(tmp_path), "r12345", "canonical")


def test_images_and_annotations_keep_their_row_groups(tmp_path: Path) -> None:
    write_canonical(PROFILE, [batch_of({"a": []}), batch_of({"b": [("x", [])], "c": []})], tmp_path, LossCounter())
    revise(tmp_path, {}, "", [], images={"split": {"c": "val"}, "camera": {"a": "left"}})
    file = pq.ParquetFile(tmp_path / "r0002/images.parquet")
    rows = [file.read_row_group(k).select(["image_id", "split", "camera"]).to_pylist() for k in range(2)]
    assert rows == [
        [{"image_id": "a", "split": "train", "camera": "left"}],
        [{"image_id": "b", "split": "train", "camera": None}, {"image_id": "c", "split": "val", "camera": None}],
    ]


def test_stored_paths_are_relative_and_statistics_are_those_of_images(tmp_path: Path) -> None:
    batch = batch_of({"a": [("ann", [3])], "b": [("ann", [5])]})
    inside = [str(tmp_path / "x.png"), None]
    images = replace_column(batch.images, "uri", inside)
    images = replace_column(images, "channels", [None, [{"uri": str(tmp_path / "y.png"), "name": "y"}]])
    batch = Batch(images, batch.annotations, batch.segments, batch.runs)
    write_canonical(PROFILE, [batch], tmp_path, LossCounter())
    stored = pq.read_table(tmp_path / "r0001/images.parquet")
    assert stored["uri"].to_pylist()[1] is None
    file = pq.ParquetFile(tmp_path / "r0001/segments/part-00000.parquet")
    columns = [file.metadata.row_group(0).column(k) for k in range(file.metadata.num_columns)]
    assert {column.path_in_schema for column in columns if column.is_stats_set} == {"image_id"}
    assert {column.compression for column in columns} == {"ZSTD"}
    rows = file.read().to_pylist()
    assert [(row["area"], row["bbox"], row["annotator"]) for row in rows] == [
        (2, [0, 0, 2, 1], "ann"), (2, [0, 0, 1, 2], "ann"),
    ]  # fmt: skip
    assert file.schema_arrow.equals(SEGMENTS)
    source = open_revision(tmp_path / "r0001", tmp_path, PROFILE)
    assert json.loads(json.dumps(source.load(np.array([1])).images["channels"].to_pylist()[0]))[0]["name"] == "y"
