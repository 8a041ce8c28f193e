"""Growth as counts of work: rows, bytes and passes, never times; `benchmarks/speed/growth.py` has times and memory."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import segdata
from segdata.core.runs import Ints
from segdata.measure import stored_tables
from segdata.measure.partitions import MAX_PORTIONS, MAX_SINGLE_PORTIONS, MEAN_IMAGES, partition_chunks

N_ANNOTATORS = 4


def write_coco(path: Path, n_images: int, an_image: int, jitter: int = 0) -> Path:
    """Boxes that overlap those beside them; with `jitter` each is drawn a few pixels off."""
    rng = np.random.default_rng(jitter)
    annotations: list[dict[str, Any]] = []
    for image in range(1, n_images + 1):
        for k in range(an_image):
            x, y = 5 + 12 * (k % 40) + int(rng.integers(0, jitter + 1)), 5 + 12 * (k // 40)
            ring = [x, y, x + 15, y, x + 15, y + 10, x, y + 10]
            own = {"image_id": image, "category_id": 1 + k % 3, "segmentation": [ring], "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, "bbox": [x, y, 15, 10], "area": 150, **own})
    images = [{"id": k, "file_name": f"{k:05d}.png", "width": 512, "height": 512} for k in range(1, n_images + 1)]
    categories = [{"id": k, "name": name} for k, name in enumerate(("car", "road", "tree"), 1)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


class Work:
    """Counts what a command does.

    `images` counts how often each image is loaded, `groups` how often each row group is read, `rows` and `bytes` what
    is measured, by table; `looked_up` the ids that canonical data are searched for and in, while they are opened.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from segdata.formats.coco.instances_reader import InstancesSource
        from segdata.measure import measure
        from segdata.store import revision_reader

        self.images: Counter[str] = Counter()
        self.groups: Counter[tuple[str, int]] = Counter()
        self.rows: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.looked_up: Counter[str] = Counter()
        for source in (InstancesSource, revision_reader.CanonicalSource):
            monkeypatch.setattr(source, "load", self._loading(source.load))
        read, measured = revision_reader._read_row_group, measure.measure_batch
        positions = revision_reader._positions

        def look_up(values: Any, among: Any) -> Ints:
            self.looked_up["ids"] += len(values) + len(among)
            return positions(values, among)

        def read_row_group(path: Path, number: int, *rest: Any) -> Any:
            self.groups[path.name, number] += 1
            return read(path, number, *rest)

        def measure_batch(batch: Any, *rest: Any) -> Any:
            done = measured(batch, *rest)
            if batch.images.num_rows:
                for name, table in done.tables.items():
                    self.rows[name] += table.num_rows
                    self.bytes[name] += table.nbytes
            return done

        monkeypatch.setattr(revision_reader, "_read_row_group", read_row_group)
        monkeypatch.setattr(revision_reader, "_positions", look_up)
        monkeypatch.setattr(measure, "measure_batch", measure_batch)

    def _loading(self, load: Any) -> Any:
        def counted(source: Any, rows: Ints) -> Any:
            self.images.update(source.image_ids[row] for row in rows.tolist())
            return load(source, rows)

        return counted

    def clear(self) -> None:
        for counts in (self.images, self.groups, self.rows, self.bytes, self.looked_up):
            counts.clear()


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


def test_images_are_loaded_once_and_measured_rows_grow_with_them(work: Work, tmp_path: Path) -> None:
    seen = {}
    for n in (20, 40, 80):
        data = segdata.read(write_coco(tmp_path / f"{n}.json", n, 12))
        work.clear()
        data.validate()
        assert set(work.images.values()) == {1}
        assert len(work.images) == n
        seen[n] = (work.rows.copy(), work.bytes.total())
    for n in (40, 80):
        assert seen[n][0] == Counter({name: n // 20 * count for name, count in seen[20][0].items()})
        assert seen[n][1] <= 1.05 * n / 20 * seen[20][1]


def test_row_groups_are_read_once(work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from segdata.formats.coco.instances_reader import InstancesSource

    parts = {"a": 3, "b": 6, "c": 12}
    for name, n_groups in parts.items():
        source = write_coco(tmp_path / f"{name}.json", 12 * n_groups, 5)
        monkeypatch.setattr(
            InstancesSource, "chunks", lambda self, n=n_groups: np.array_split(np.arange(len(self.image_ids)), n)
        )
        segdata.convert(source, tmp_path / name, on_loss="allow")
        work.clear()
        segdata.read(tmp_path / name)
        assert work.looked_up["ids"] <= 6 * 12 * n_groups  # not all images for each row group
        work.clear()
        segdata.validate(tmp_path / name)
        assert set(work.groups.values()) == {1}
        assert len(work.groups) == n_groups
        assert set(work.images.values()) == {1}


def test_neighbours_of_many_segments_in_an_image_grow_with_them(work: Work, tmp_path: Path) -> None:
    """Boxes in a row overlap the next one: one pair each, however many there are."""
    rows = {}
    for n in (100, 200, 400):
        work.clear()
        segdata.validate(write_coco(tmp_path / f"{n}.json", 1, n))
        rows[n] = work.rows.copy()
        assert rows[n]["segments"] == n
        assert rows[n].total() <= 1.15 * n / 100 * rows[100].total()


def test_columns_of_pairs_are_decoded_as_often_for_many_duplicates_as_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEG104: 12,000 segments upon each other have pairs by the million, and no room to keep their columns decoded."""
    decoded: Counter[int] = Counter()
    column = stored_tables.EncodedPiece.column

    def counted(piece: Any, field: Any) -> Any:
        decoded[n] += 1
        return column(piece, field)

    monkeypatch.setattr(stored_tables.EncodedPiece, "column", counted)
    monkeypatch.setattr(stored_tables, "MAX_UNCOMPRESSED_BYTES", 1)
    monkeypatch.setattr(stored_tables, "MAX_DECODED_BYTES", 1)
    for n in (1, 30):
        document = json.loads(write_coco(tmp_path / "once.json", 1, 40).read_text())
        twice = [{**row, "id": 1000 + row["id"]} for row in document["annotations"][:n]]
        document["annotations"] += twice
        (tmp_path / "twice.json").write_text(json.dumps(document))
        result = segdata.validate(tmp_path / "twice.json", select=["SEG104"], jobs=1)
        assert len(result.findings) == n
    assert decoded[30] == decoded[1]


def test_annotators_are_loaded_once_and_compared_in_pairs(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segdata.agreement import comparison

    compared: Counter[int] = Counter()
    columns = comparison._pair_columns

    def counted(opposite: Any, *rest: Any) -> Any:
        compared[len(files)] += opposite.n_cases
        return columns(opposite, *rest)

    monkeypatch.setattr(comparison, "_pair_columns", counted)
    for n in range(2, N_ANNOTATORS + 1):
        files = {f"a{k}": write_coco(tmp_path / f"{k}.json", 10, 8, jitter=k + 1) for k in range(n)}
        work.clear()
        segdata.agree(files, resamples=20)
        assert compared[n] == 10 * n * (n - 1) // 2
        assert set(work.images.values()) == {n}  # the images of each annotator once


def test_partitions_follow_from_the_data_alone() -> None:
    for n in (1, MAX_SINGLE_PORTIONS, 10 * MAX_SINGLE_PORTIONS, 100 * MAX_SINGLE_PORTIONS):
        chunks = [np.arange(k, k + 1) for k in range(n)]
        partitions = partition_chunks(chunks)
        assert [rows.tolist() for portions in partitions for rows in portions] == [rows.tolist() for rows in chunks]
        assert max(map(len, partitions)) <= MAX_PORTIONS
        assert len(partitions) <= max(2 * MAX_SINGLE_PORTIONS, n / MAX_PORTIONS + 1)


def test_partitions_of_large_portions_have_fewer_of_them() -> None:
    chunks = np.split(np.arange(400 * 5000), 400)
    partitions = partition_chunks(chunks)
    assert {sum(map(len, portions)) for portions in partitions} == {MEAN_IMAGES // 5000 * 5000, 5000}
    assert [rows[0] for portions in partitions for rows in portions] == [rows[0] for rows in chunks]
