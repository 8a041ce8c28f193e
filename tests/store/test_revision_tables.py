"""The tables of a revision, random and damaged, against loops over their rows that say what the docstrings say."""

import itertools
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pycocotools import mask as coco

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.profile import Policy, Profile
from segdata.core.schema import ANNOTATIONS, IMAGES, SEGMENTS, SEQUENCES, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.per_image import chunk_segments
from segdata.store import revision_reader
from segdata.store.revision_reader import (
    CanonicalSource,
    SegmentPart,
    conform,
    free_id,
    open_revision,
    part_name,
    unreadable_defect,
)

Rng = np.random.Generator
Row = dict[str, Any]  # Any: cells of all types
SEEDS = range(40)
CARS = Taxonomy(categories=(Category(id=1, name="car"),))
PROFILE = Profile("d", "canonical", "instance", CARS, True, Policy("sparse"), Policy("allow"))
NAMES = ["a", "b", "b/c", "d", "e"]
PEOPLE = ["ann", "bob", None]


def any_of(rng: Rng, values: list[Any]) -> Any:  # Any: values of all types
    return values[int(rng.integers(len(values)))]


def table(schema: pa.Schema, rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


def image_rows(rng: Rng, damaged: bool) -> list[Row]:
    """Images in ascending order; damaged ones in any, some twice, some with sizes and names that none has."""
    if not damaged:
        chosen = sorted(rng.choice(NAMES, int(rng.integers(1, 6)), replace=False).tolist())
        return [{"image_id": name, "width": 3, "height": 2, "split": "train"} for name in chosen]
    names = rng.choice([*NAMES, *NAMES, "", None, "../f", "/g"], 9).tolist()
    sides = [1, 2, 3, 3, 3, 3, None, 0, -1, 2**20, 2**20 + 1]
    return [
        {"image_id": name, "split": str(row), "width": any_of(rng, sides), "height": any_of(rng, [2, 2, 2, *sides])}
        for row, name in enumerate(names)
    ]


def annotation_rows(rng: Rng, images: list[Row], damaged: bool) -> list[Row]:
    names = [row["image_id"] for row in images]
    if not damaged:
        rows = [(name, who) for name in names for who in PEOPLE if rng.random() < 0.6]
    else:
        rows = [(any_of(rng, [*names, "nowhere", "x"]), any_of(rng, PEOPLE)) for _ in range(12)]
    return [{"image_id": name, "annotator": who, "stage": str(row)} for row, (name, who) in enumerate(rows)]


def segment_row(rng: Rng, name: str | None, who: str | None, number: int, damaged: bool) -> tuple[Row, np.ndarray]:
    """A segment and its mask, sometimes of another size than its image's, or with a byte that no counts have."""
    high, wide = (int(rng.integers(1, 4)), int(rng.integers(2, 5))) if damaged and rng.random() < 0.3 else (2, 3)
    mask = rng.random((high, wide)) < 0.5
    counts = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    if damaged and rng.random() < 0.1:
        counts, mask = b"\x01", np.zeros((0, 0), bool)
    box = [int(rng.integers(0, 9)) for _ in range(4)]
    row = {"image_id": name, "annotator": who, "segment_id": number, "category_id": int(rng.integers(0, 3))}
    row |= {
        "source_id": None if rng.random() < 0.7 else f"s{number}",
        "counts": counts,
        "area": number + 5,
        "bbox": box,
    }
    return row, mask


class Tables:
    """Random tables, and what a source of them has to say."""

    def __init__(self, seed: int, damaged: bool) -> None:
        rng = np.random.default_rng(seed)
        self.images = image_rows(rng, damaged)
        self.annotations = annotation_rows(rng, self.images, damaged)
        self.lacks_images, self.lacks_annotations = (damaged and rng.random() < 0.1 for _ in range(2))
        self.masks: dict[int, np.ndarray] = {}
        self.parts: list[list[Row]] = []
        names = sorted({row["image_id"] for row in self.images if row["image_id"]})
        if damaged:
            groups = [rng.choice([*names, "nowhere"], 3).tolist() for _ in range(int(rng.integers(0, 4)))]
        else:
            groups = [names[k : k + 2] for k in range(0, len(names), 2)]
        for group in groups:
            rows: list[Row] = []
            for name in group:
                people = PEOPLE if damaged else [a["annotator"] for a in self.annotations if a["image_id"] == name]
                for who in people:
                    for _ in range(int(rng.integers(0, 3))):
                        number = len(self.masks)
                        row, self.masks[number] = segment_row(rng, name, who, number, damaged)
                        rows.append(row)
            order = rng.permutation(len(rows)) if damaged else range(len(rows))
            self.parts.append([rows[k] for k in order])
        self.defects: list[tuple[Any, ...]] = []
        self._read_images()
        self._read_annotations()
        self._index()

    def source(self) -> CanonicalSource:
        parts = [
            SegmentPart(
                f"p{k}", f"row group {k}",
                pa.array(dict.fromkeys(row["image_id"] for row in rows), pa.string()),
                len(rows),
                partial(self._read, k),
            )
            for k, rows in enumerate(self.parts)
        ]  # fmt: skip
        return CanonicalSource(
            PROFILE,
            None if self.lacks_images else table(IMAGES, self.images),
            None if self.lacks_annotations else table(ANNOTATIONS, self.annotations),
            parts,
            files=("r/images.parquet", "r/annotations.parquet"),
            root=Path("/data"),
            defects=[Defect("SEG001", "before")],
        )

    def _read(self, part: int) -> pa.Table:
        if self.parts[part] is None:
            raise OSError(5, "Input/output error")
        return table(SEGMENTS, self.parts[part])

    def _read_images(self) -> None:
        self.kept: dict[str, Row] = {}
        rows = [] if self.lacks_images else [(number, row.copy()) for number, row in enumerate(self.images)]
        file = "r/images.parquet"
        for number, row in rows:
            name = row["image_id"]
            if not name or name.startswith(("/", "..")):
                message = f"row {number}: image_id {name!r} is no path below the images root; left out"
                self.defects.append(("SEG015", message, file, name))
        rows = [(number, row) for number, row in rows if row["image_id"] in NAMES]
        for number, row in rows:
            sides = [row["width"], row["height"]]
            if any(side is not None and not 1 <= side <= 2**20 for side in sides):
                told = " x ".join("unknown" if side is None else str(side) for side in sides)
                message = f"row {number}: the image's size is {told}; 1 to 1,048,576 is expected"
                self.defects.append(("SEG004", message, file, row["image_id"]))
                row["width"] = row["height"] = None
        for number, row in rows:
            if row["image_id"] in self.kept:
                message = f"row {number} repeats image_id ({row['image_id']})"
                self.defects.append(("SEG008", message, file, row["image_id"]))
            self.kept.setdefault(row["image_id"], row)
        self.kept = dict(sorted(self.kept.items()))

    def _read_annotations(self) -> None:
        rows = [] if self.lacks_annotations else list(enumerate(self.annotations))
        file = "r/annotations.parquet"
        for _, row in rows:
            if row["image_id"] not in self.kept and not self.lacks_images:
                message = f"annotation of image {row['image_id']!r}, which images.parquet lacks"
                self.defects.append(("SEG007", message, file, row["image_id"]))
        self.drawn: dict[tuple[str, str | None], Row] = {}
        for number, row in rows:
            key = row["image_id"], row["annotator"]
            if key in self.drawn:
                message = f"row {number} repeats image_id and annotator ({key[0]}, {key[1]})"
                self.defects.append(("SEG008", message, file, key[0]))
            if key[0] in self.kept:
                self.drawn.setdefault(key, row)

    def _index(self) -> None:
        for k, rows in enumerate(self.parts):
            for name in dict.fromkeys(row["image_id"] for row in rows):
                if name not in self.kept and not self.lacks_images:
                    message = f"segments of image {name!r}, which images.parquet lacks"
                    self.defects.append(("SEG007", message, f"p{k}", name))

    def loaded(self, names: list[str]) -> tuple[list[Any], list[tuple[Any, ...]]]:
        """Of these images: the annotations with their segments, and the defects."""
        stored = [row for rows in self.parts for row in rows if row["image_id"] in names]
        by_annotation = defaultdict[Any, list[Row]](list)
        defects = []
        for row in stored:
            key = row["image_id"], row["annotator"]
            told = (key[0], key[1], (row["source_id"] or row["segment_id"],))
            if key in self.drawn:
                by_annotation[key].append(row)
            elif not self.lacks_annotations:
                defects.append(("SEG007", "segment of an annotation that annotations.parquet lacks", *told))
        annotations: list[Any] = []
        for name in names:
            image = self.kept[name]
            size = (image["height"] or 0, image["width"] or 0)
            for who in sorted({who for other, who in self.drawn if other == name}, key=lambda who: (who is None, who)):
                segments = []
                for row in by_annotation[name, who]:
                    mask = self.masks[row["segment_id"]]
                    error = None
                    if row["counts"] == b"\x01":
                        error = "counts hold a byte that no compressed RLE has"
                    elif mask.size != size[0] * size[1]:
                        error = (
                            f"counts sum to {'less' if mask.size < size[0] * size[1] else 'more'} than height x width"
                        )
                    if error is None:
                        pixels = np.flatnonzero(mask.T).tolist()
                        box = [float(side) for side in row["bbox"]]
                        segments.append((row["segment_id"], row["category_id"], float(row["area"]), box, pixels))
                    else:
                        defects.append(("SEG005", error, name, who, (row["source_id"] or row["segment_id"],)))
                annotations.append((name, who, self.drawn[name, who]["stage"], segments))
        return annotations, defects


def content(batch: Batch) -> list[Any]:
    """By image, annotator and stage: the segments, as `Tables.loaded` has them."""
    images = batch.images["image_id"].to_pylist()
    found = [
        (images[row["image"]], row["annotator"], row["stage"], []) for row in batch.annotations.to_pylist()
    ]  # fmt: skip
    offset = batch.runs.offsets(batch.n_segments)
    for k, row in enumerate(batch.segments.to_pylist()):
        span = slice(offset[k], offset[k + 1])
        runs = zip(batch.runs.start[span].tolist(), batch.runs.length[span].tolist(), strict=True)
        pixels = [pixel for start, length in runs for pixel in range(start, start + length)]
        segment = (row["segment_id"], row["category_id"], row["declared_area"], row["declared_bbox"], pixels)
        found[row["annotation"]][3].append(segment)
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("damaged", [False, True])
def test_any_tables_are_read_as_loops_read_them(seed: int, damaged: bool) -> None:
    tables = Tables(seed, damaged)
    source = tables.source()
    told = [(one.code, one.message, one.file, one.image) for one in source.defects]
    assert told == [("SEG001", "before", None, None), *tables.defects]
    assert list(source.image_ids) == list(tables.kept)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(tables.kept))[: int(rng.integers(0, len(tables.kept) + 1))]
    batch = source.load(rows)
    names = [list(tables.kept)[row] for row in rows]
    expected, defects = tables.loaded(names)
    read = batch.images.select(["image_id", "width", "height", "split"]).to_pylist()
    assert read == [tables.kept[name] for name in names]
    assert content(batch) == expected
    found = [(one.code, one.message, one.image, one.annotator, one.segments) for one in batch.defects]
    assert sorted(found, key=repr) == sorted(defects, key=repr)
    assert {one.file for one in batch.defects} <= {"segments"}


@pytest.mark.parametrize("seed", SEEDS)
def test_portions_follow_the_last_row_group_of_their_images(seed: int) -> None:
    tables = Tables(seed, damaged=True)
    last = {row["image_id"]: k for k, rows in enumerate(tables.parts) for row in rows}
    portions: list[list[int]] = []
    group = 0
    for row, name in enumerate(tables.kept):
        if row == 0 or last.get(name, 0) > group:
            portions.append([])
        group = max(group, last.get(name, 0))
        portions[-1].append(row)
    assert [portion.tolist() for portion in tables.source().chunks()] == portions


@pytest.mark.parametrize("height", [10, 2**20])
def test_row_groups_of_a_large_dataset_are_joined_to_portions_as_a_json_has_them(height: int) -> None:
    """So a copy of a copy has the same row groups. Groups of tall images stay alone."""
    names, per_image = [f"{k:05d}" for k in range(9_000)], 8
    every = np.arange(0, len(names), 125)
    of_json = [int(rows[0]) for rows in chunk_segments(per_image * np.arange(len(names) + 1), 9 * len(names) // 40)]
    starts = np.union1d(every, of_json).tolist() if height == 10 else every.tolist()
    parts = [
        SegmentPart("p", "group", pa.array(names[a:b]), per_image * (b - a), SEGMENTS.empty_table)
        for a, b in itertools.pairwise([*starts, len(names)])
    ]
    images = table(IMAGES, [{"image_id": name, "width": 10, "height": height} for name in names])
    chunks = CanonicalSource(PROFILE, images, None, parts, files=("i", "a"), root=Path("/data")).chunks()
    assert [int(rows[0]) for rows in chunks] == (of_json if height == 10 else starts)
    assert np.array_equal(np.concatenate(chunks), np.arange(len(names)))


def written(tables: Tables, folder: Path, sizes: list[int]) -> None:
    """The tables as a revision; each file has so many of the row groups."""
    (folder / "segments").mkdir(parents=True)
    pq.write_table(table(IMAGES, tables.images), folder / "images.parquet")
    pq.write_table(table(ANNOTATIONS, tables.annotations), folder / "annotations.parquet")
    groups = iter(tables.parts)
    for number, size in enumerate(sizes):
        with pq.ParquetWriter(folder / "segments" / part_name(number), SEGMENTS) as writer:
            for _ in range(size):
                writer.write_table(table(SEGMENTS, next(groups, [])))


@pytest.mark.parametrize("seed", range(12))
def test_a_portion_that_travels_has_all_it_needs(seed: int, tmp_path: Path) -> None:
    tables = Tables(seed, damaged=False)
    folder = tmp_path / "r0001"
    written(tables, folder, [1, 2])
    source = open_revision(folder, tmp_path, PROFILE)
    assert list(source.defects) == []
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(tables.kept))[: int(rng.integers(1, len(tables.kept) + 1))]
    pieces = source.detached()
    assert pieces is not None
    portion = pieces.cut(rows)
    needed = {tables.parts.index(part) for part in tables.parts for row in part if row["image_id"] in
              {list(tables.kept)[row] for row in rows}}  # fmt: skip
    assert len(portion.parts) == len(needed)
    assert all(part.read.metadata is None for part in portion.parts)
    batch = pieces.reader.load(portion)
    assert batch.defects == ()
    assert content(batch) == content(source.load(rows)) == tables.loaded([list(tables.kept)[row] for row in rows])[0]


def test_a_portion_of_a_file_that_is_another_one_now_is_refused(tmp_path: Path) -> None:
    tables = next(tables for tables in (Tables(seed, False) for seed in SEEDS) if tables.masks)
    written(tables, tmp_path / "r0001", [3])
    source = open_revision(tmp_path / "r0001", tmp_path, PROFILE)
    pieces = source.detached()
    assert pieces is not None
    portion = pieces.cut(np.arange(len(tables.kept)))
    (path,) = (tmp_path / "r0001/segments").iterdir()
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(SegdataError, match="is another file than where the dataset was opened"):
        pieces.reader.load(portion)
    assert Tables(0, damaged=False).source().detached() is None or not Tables(0, damaged=False).parts


@pytest.mark.parametrize(("n_parts", "missing"), [(0, []), (2, []), (3, [2]), (5, [2, 3, 4])])
def test_part_files_that_are_missing_are_named_up_to_a_limit(
    n_parts: int, missing: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision_reader, "_MAX_MISSING_NAMED", 3)
    tables = Tables(1, damaged=False)
    written(tables, tmp_path / "r0001", [1, 1])
    (tmp_path / "r0001/segments/notes.txt").write_text("")
    found = open_revision(tmp_path / "r0001", tmp_path, PROFILE, n_parts).defects
    assert [(one.code, one.file) for one in found] == [
        ("SEG002", f"r0001/segments/part-{number:05d}.parquet") for number in missing
    ]
    assert all(one.message == "the part does not exist; restore the file from a backup" for one in found)
    (one,) = open_revision(tmp_path / "r0001", tmp_path, PROFILE, 2_006).defects
    assert one.message == "dataset.yaml says 2,006 part files, 2 are there; restore them from a backup"
    assert (one.code, one.file) == ("SEG002", "r0001/segments")
    with pytest.raises(UnreadableError, match=r"dataset.yaml names revision r0002, which has no folder"):
        open_revision(tmp_path / "r0002", tmp_path, PROFILE)


def test_a_row_group_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    tables = Tables(3, damaged=False)
    lost = {row["image_id"] for row in tables.parts[0]}
    expected, _ = tables.loaded(list(tables.kept))
    source = tables.source()
    tables.parts[0] = None  # type: ignore[call-overload]  # what cannot be read
    batch = source.load(np.arange(len(tables.kept)))
    told = "row group 0 cannot be read: Input/output error; restore the file from a backup"
    assert [(one.code, one.message, one.file) for one in batch.defects] == [("SEG001", told, "p0")]
    assert content(batch) == [(*row[:3], [] if row[0] in lost else row[3]) for row in expected]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError("Couldn't open '/a/b.parquet': it is short.\nmore"), "Couldn't open it is short"),
        (pa.ArrowInvalid(f"{'x' * 300}."), "x" * 200),
        (OSError(13, "Permission denied"), "Permission denied"),
        (KeyError("area"), "'area'"),
    ],
)
def test_reasons_are_one_line_without_paths(error: Exception, told: str) -> None:
    assert unreadable_defect("it", error, "f") == Defect(
        "SEG001", f"it cannot be read: {told}; restore the file from a backup", "f"
    )


def test_rows_conform_to_their_columns() -> None:
    rows = pa.table({"segment_id": pa.array([1], pa.int32()), "more": [2], "category_id": [3], "image_id": ["a"],
                     "counts": [b"1"]})  # fmt: skip
    found = conform(rows, SEGMENTS)
    assert found.schema == SEGMENTS
    assert found.select(["image_id", "segment_id", "category_id", "counts", "area"]).to_pylist() == [
        {"image_id": "a", "segment_id": 1, "category_id": 3, "counts": b"1", "area": None}
    ]
    with pytest.raises(pa.ArrowInvalid, match=r"^no column counts, image_id$"):
        conform(rows.drop_columns(["image_id", "counts"]), SEGMENTS)
    assert conform(rows.select([]), ANNOTATIONS.remove(0)).num_rows == 1
    for name in ("segment_id", "category_id", "counts"):
        empty = rows.set_column(rows.schema.get_field_index(name), name, pa.nulls(1))
        with pytest.raises(pa.ArrowInvalid, match=f"^column {name} has empty cells$"):
            conform(empty, SEGMENTS)
    twice = pa.Table.from_arrays([*rows.columns, *rows.columns], names=[*rows.column_names, *rows.column_names])
    with pytest.raises(pa.ArrowInvalid, match=r"^column category_id, counts, image_id, segment_id is there twice$"):
        conform(twice, SEGMENTS)


@pytest.mark.parametrize("ids", [[[]], [[0]], [[-3, -2]], [[1, 5], [4]], [[2], [9, 9]]])
def test_the_free_id_is_above_all(ids: list[list[int]], tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    for number, own in enumerate(ids):
        pq.write_table(make_table(SEGMENTS, len(own), segment_id=own), tmp_path / "segments" / part_name(number))
    assert free_id(tmp_path) == max([0, *(id_ for own in ids for id_ in own)]) + 1


@pytest.mark.parametrize(("column", "length"), [("affine", 16), ("spacing", 3)])
def test_numbers_of_sequences_are_as_many_as_they_have_to_be(column: str, length: int, tmp_path: Path) -> None:
    written(Tables(0, damaged=False), tmp_path / "r0001", [1])
    for values, fits in (
        ([1.0] * length, True), (None, True), ([1.0] * (length - 1), False), ([1.0] * (length + 1), False),
        ([None, *[1.0] * (length - 1)], False),
    ):  # fmt: skip
        rows = [{"sequence": "v", "kind": "volume", column: values}, {"sequence": "w", "kind": "x"}]
        pq.write_table(table(SEQUENCES, rows), tmp_path / "r0001/sequences.parquet")
        source = open_revision(tmp_path / "r0001", tmp_path, PROFILE)
        if fits:
            assert list(source.defects) == []
            assert [(one.name, one.kind) for one in source.profile.sequences] == [("v", "volume"), ("w", "video")]
            assert getattr(source.profile.sequences[0], column) == (values and tuple(values))
        else:
            (defect,) = source.defects
            assert defect.file == "r0001/sequences.parquet"
            assert f"column {column} has {values!r:.60}, which is not {length} numbers" in defect.message
            assert source.profile.sequences == ()
