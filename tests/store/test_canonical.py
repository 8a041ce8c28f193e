"""The canonical dataset: it loses nothing, others can read it, and damage becomes findings."""

import dataclasses
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from pycocotools import mask as coco

from segdata.core.batch import Batch, concatenate_batches
from segdata.core.errors import SegdataError
from segdata.core.format import FileProbe, ReadRequest, find_format
from segdata.core.label_hash import content_hash
from segdata.core.losses import LossCounter
from segdata.core.profile import Profile
from segdata.store import canonical, revision_reader
from segdata.store.manifest import load
from segdata.store.revision_reader import CanonicalSource
from segdata.testing.pictures import masks_of_runs
from segdata.testing.round_trip import assert_round_trip, content
from segdata.testing.strategies import datasets


def in_order(batches: list[Batch]) -> list[Batch]:
    """One batch whose images are in ascending order of image_id, as the writer wants them."""
    together = concatenate_batches(batches)
    ids = np.array(together.images["image_id"].to_pylist(), dtype=object)
    order = np.argsort(ids, kind="stable")
    return [together.take_images(np.array([row])) for row in order]


def written(profile: Profile, batches: list[Batch], folder: Path) -> CanonicalSource:
    canonical.write(profile, iter(in_order(batches)), folder, LossCounter())
    return canonical.read(ReadRequest(folder))


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A dataset that holds every kind of segment, on disk."""
    profile, batches = _example()
    written(profile, batches, tmp_path / "d")
    return tmp_path / "d"


@cache
def _example() -> tuple[Profile, list[Batch]]:
    """The first random dataset with at least six segments; always the same."""
    found: list[tuple[Profile, list[Batch]]] = []

    class FoundError(Exception):
        pass

    @settings(derandomize=True, database=None, max_examples=300, phases=[Phase.generate], report_multiple_bugs=False)
    @given(datasets())
    def look(made: tuple[Profile, list[Batch]]) -> None:
        if sum(batch.n_segments for batch in made[1]) >= 6:
            found.append(made)
            raise FoundError

    with suppress(FoundError):
        look()
    return found[0]


@settings(max_examples=25)
@given(datasets())
def test_it_loses_nothing(made: tuple[Profile, list[Batch]]) -> None:
    profile, batches = made
    with tempfile.TemporaryDirectory() as folder:
        losses = assert_round_trip(find_format("canonical"), profile, in_order(batches), Path(folder))
    assert losses.listed() == []


@settings(max_examples=15)
@given(datasets())
def test_any_images_can_be_loaded_in_any_order(made: tuple[Profile, list[Batch]]) -> None:
    profile, batches = made
    with tempfile.TemporaryDirectory() as folder:
        source = written(profile, batches, Path(folder))
        rows = np.arange(len(source.image_ids))[::-1]
        whole = source.load(rows)
        assert whole.images["image_id"].to_pylist() == [source.image_ids[row] for row in rows]
        single = concatenate_batches([source.load(np.array([row])) for row in rows])
        assert content(whole, profile, frozenset()) == content(single, profile, frozenset())
        assert sorted(np.concatenate([np.empty(0, int), *source.chunks()])) == list(range(len(source.image_ids)))


@settings(max_examples=15)
@given(datasets())
def test_the_hash_follows_the_labels_alone(made: tuple[Profile, list[Batch]]) -> None:
    profile, batches = made
    ordered = in_order(batches)
    before = content_hash(ordered, profile.taxonomy)
    assert content_hash([concatenate_batches(ordered)], profile.taxonomy) == before
    with tempfile.TemporaryDirectory() as folder:
        source = written(profile, batches, Path(folder))
        assert content_hash([source.load(chunk) for chunk in source.chunks()], profile.taxonomy) == before
    together = concatenate_batches(ordered)
    if together.n_segments:
        fewer = together.take_segments(np.arange(together.n_segments - 1))
        assert content_hash([fewer], profile.taxonomy) != before


def test_pandas_alone_reads_it_and_pycocotools_decodes_the_counts(sample: Path) -> None:
    source = canonical.read(ReadRequest(sample))
    batch = source.load(np.arange(len(source.image_ids)))
    frame = pd.read_parquet(sample / "r0001" / "segments")
    images = pd.read_parquet(sample / "r0001" / "images.parquet").set_index("image_id")
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    found = []
    for row in frame.itertuples():
        size = [int(images.loc[row.image_id, name]) for name in ("height", "width")]
        mask = coco.decode({"size": size, "counts": row.counts}).astype(bool)
        assert mask.sum() == row.area
        found.append(mask.tobytes())
    assert sorted(found) == sorted(mask.tobytes() for mask in masks)


def test_duckdb_alone_reads_it(sample: Path) -> None:
    query = f"""
        select count(*), sum(area), count(distinct image_id)
        from '{sample}/r0001/segments/*.parquet' join '{sample}/r0001/images.parquet' using (image_id)
    """
    [(rows, area, images)] = duckdb.sql(query).fetchall()
    source = canonical.read(ReadRequest(sample))
    batch = source.load(np.arange(len(source.image_ids)))
    assert (rows, area) == (batch.n_segments, batch.runs.areas(batch.n_segments).sum())
    assert images == len(np.unique(batch.segment_image))


def test_row_groups_hold_whole_images_and_say_which(sample: Path) -> None:
    seen: set[str] = set()
    for path in sorted(sample.glob("r0001/segments/*.parquet")):
        file = pq.ParquetFile(path)
        for number in range(file.num_row_groups):
            ids = set(file.read_row_group(number, columns=["image_id"])["image_id"].to_pylist())
            column = file.metadata.row_group(number).column(0)
            assert column.path_in_schema == "image_id"
            assert (column.statistics.min, column.statistics.max) == (min(ids), max(ids))
            assert not ids & seen
            seen |= ids


def test_not_annotated_and_empty_stay_apart(sample: Path) -> None:
    source = canonical.read(ReadRequest(sample))
    batch = source.load(np.arange(len(source.image_ids)))
    _, batches = _example()
    together = concatenate_batches(in_order(batches))
    expected = np.bincount(together.annotation_image, minlength=together.images.num_rows)
    assert np.bincount(batch.annotation_image, minlength=batch.images.num_rows).tolist() == expected.tolist()


def test_images_inside_the_dataset_are_named_relative_to_it(tmp_path: Path) -> None:
    profile, batches = _example()
    one = in_order(batches)[0]
    uris = [str(tmp_path / "d" / "images" / "a.png")]
    column = one.images.schema.get_field_index("uri")
    inside = Batch(one.images.set_column(column, "uri", [uris]), one.annotations, one.segments, one.runs)
    written(profile, [inside], tmp_path / "d")
    assert pd.read_parquet(tmp_path / "d/r0001/images.parquet")["uri"].tolist() == ["images/a.png"]
    shutil.move(tmp_path / "d", tmp_path / "moved")
    source = canonical.read(ReadRequest(tmp_path / "moved"))
    assert source.load(np.array([0])).images["uri"].to_pylist() == [str(tmp_path / "moved/images/a.png")]


@pytest.mark.parametrize(
    ("name", "code"),
    [("images.parquet", "SEG001"), ("annotations.parquet", "SEG001"), ("segments/part-00000.parquet", "SEG001")],
)
def test_a_truncated_table_is_a_defect(sample: Path, name: str, code: str) -> None:
    path = sample / "r0001" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = canonical.read(ReadRequest(sample))
    source.load(np.arange(len(source.image_ids)))
    assert (code, f"r0001/{name}") in {(defect.code, defect.file) for defect in source.defects}


def test_a_missing_table_is_a_defect(sample: Path) -> None:
    (sample / "r0001/images.parquet").unlink()
    assert "SEG002" in {defect.code for defect in canonical.read(ReadRequest(sample)).defects}


def test_a_damaged_segment_is_a_defect_and_the_others_are_read(sample: Path) -> None:
    path = next(sample.glob("r0001/segments/*.parquet"))
    frame = pq.read_table(path).to_pylist()
    frame[0]["counts"] = b"0123"
    pq.write_table(pa.Table.from_pylist(frame, schema=pq.read_schema(path)), path)
    source = canonical.read(ReadRequest(sample))
    batch = source.load(np.arange(len(source.image_ids)))
    assert [defect.code for defect in batch.defects] == ["SEG005"]
    assert batch.n_segments == len(frame) - 1


def test_segments_of_unknown_images_are_defects(sample: Path) -> None:
    path = next(sample.glob("r0001/segments/*.parquet"))
    rows = pq.read_table(path).to_pylist()
    rows[0]["image_id"] = "nowhere.png"
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    source = canonical.read(ReadRequest(sample))
    assert ("SEG007", "nowhere.png") in {(defect.code, defect.image) for defect in source.defects}


def test_images_out_of_order_are_refused(tmp_path: Path) -> None:
    profile, batches = _example()
    with pytest.raises(ValueError, match="ascending"):
        canonical.write(profile, reversed(in_order(batches)), tmp_path / "d", LossCounter())
    assert canonical.detect(FileProbe(tmp_path / "d")) is None  # without dataset.yaml it is not a dataset


@pytest.mark.parametrize(
    ("was", "becomes", "problem"),
    [
        ("task: ", "tusk: ", "did you mean 'task'"),
        ("segdata: 1", "segdata: 99", "newer"),
        ("revision: r0001", "revision: r0009", "r0009"),
    ],
)
def test_a_broken_manifest_is_one_clear_error(sample: Path, was: str, becomes: str, problem: str) -> None:
    path = sample / "dataset.yaml"
    path.write_text(path.read_text().replace(was, becomes, 1))
    with pytest.raises(SegdataError, match=problem):
        canonical.read(ReadRequest(sample))


def test_the_manifest_says_where_the_data_came_from(sample: Path) -> None:
    manifest = load(sample)
    assert (manifest.origin.format, manifest.revision) == ("random", "r0001")
    assert [each.name for each in manifest.revisions] == ["r0001"]


@pytest.mark.parametrize(
    ("files", "path"), [("data/d.json", "{here}/data/d.json"), ("/d", "/d"), ("s3://b/d", "s3://b/d"), ("", "")]
)
def test_the_origin_means_the_same_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: str, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    profile, batches = _example()
    canonical.write(dataclasses.replace(profile, files=files), in_order(batches), tmp_path / "d", LossCounter())
    assert load(tmp_path / "d").origin.path == path.format(here=Path.cwd().as_posix())


def test_portions_read_each_row_group_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[tuple[Path, int]] = []
    read = revision_reader._read_row_group

    def counted(path: Path, number: int, metadata: pq.FileMetaData) -> pa.Table:
        reads.append((path, number))
        return read(path, number, metadata)

    monkeypatch.setattr(revision_reader, "_read_row_group", counted)
    source = written(*_example(), tmp_path / "d")
    for rows in source.chunks():
        source.load(rows)
    assert len(source._groups) > 1
    assert len(reads) == len(set(reads)) == len(source._groups)
