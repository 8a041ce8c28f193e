"""Portions of a dataset as workers load them: the same batches, from a few bytes of its files, in another process."""

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.parquet import ParquetFile

import segdata
from segdata.api.panel import PanelOptions, _with_recipe, open_members, open_panel
from segdata.core import kernels, storage
from segdata.core.batch import Batch
from segdata.core.cluster import ClusterError, RemoteDataset
from segdata.core.dataset import OpenDataset
from segdata.core.runs import Ints
from tests.test_growth import write_coco

N_IMAGES = 30
cloudpickle = pytest.importorskip("cloudpickle", reason="the extra `dask` is not installed")
# Without it items are decoded one by one, and a worker opens the whole file.
needs_ranges = pytest.mark.skipif(
    not kernels.is_compiled("scan_items"), reason="ranges of bytes need a compiled kernel"
)


def write_odd_coco(path: Path, odd_images: bool = True) -> Path:
    """Annotations in any order, letters beyond ASCII, further keys, and most of what can be wrong with items."""
    document = json.loads(write_coco(path, N_IMAGES, 5).read_text())
    annotations = document["annotations"]
    np.random.default_rng(3).shuffle(annotations)
    annotations[1]["segmentation"] = {"counts": "PP", "size": [100, 100]}
    annotations[2] |= {"quality": "gut – ja", "score": 0.5}
    annotations[3]["bbox"] = [1, 2, "x", 4]
    annotations[4]["id"] = annotations[5]["id"]
    annotations[6]["category_id"] = 77
    annotations[7]["image_id"] = 7777
    annotations[8]["segmentation"] = [[1, 2, 3]]
    annotations[9]["iscrowd"] = 1
    document["images"][4] |= {"weather": "Föhn", "file_name": "Zürich.png"}
    if odd_images:  # then images are read item by item
        document["images"][6]["height"] = None
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8-sig")
    return path


def load_there(data: OpenDataset, rows: Ints) -> Batch:
    """A portion that went to another process."""
    remote, cut = RemoteDataset.cut(data)
    there: RemoteDataset = pickle.loads(pickle.dumps(remote))
    assert there.reader is not None
    return there.load(pickle.loads(pickle.dumps(cut(rows))))


def assert_same(there: Batch, here: Batch) -> None:
    for name in ("images", "annotations", "segments"):
        own, other = getattr(there, name), getattr(here, name)
        assert own.to_pylist() == other.to_pylist()
        assert own.schema == other.schema
    for name in ("start", "length", "owner"):
        assert (getattr(there.runs, name) == getattr(here.runs, name)).all()
    assert there.defects == here.defects


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Sequence[OpenDataset]:
    folder = tmp_path_factory.mktemp("portions")
    coco = write_odd_coco(folder / "coco.json")
    segdata.convert(coco, folder / "canonical", on_loss="allow")
    big = write_coco(folder / "big.json", N_IMAGES, 150)  # ranges far from each other
    plain = write_odd_coco(folder / "plain.json", odd_images=False)
    sources = [segdata.read(path) for path in (coco, folder / "canonical", big)] + [segdata.read(plain, source="human")]
    assert [len(data.image_ids) for data in sources] == [N_IMAGES] * 4
    return Datasets(sources)


class Datasets(list[OpenDataset]):
    def __repr__(self) -> str:  # hypothesis prints it
        return "datasets"


@settings(max_examples=40, deadline=None)
@given(which=st.integers(0, 3), rows=st.lists(st.integers(0, N_IMAGES - 1), unique=True, max_size=12))
def test_a_portion_is_the_same_in_another_process(datasets: Sequence[OpenDataset], which: int, rows: list[int]) -> None:
    data, some = datasets[which], np.array(rows, np.int64)
    assert_same(load_there(data, some), data.source.load(some))


def test_all_portions_of_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_odd_coco(tmp_path / "coco.json")
    monkeypatch.chdir(tmp_path)
    data = segdata.read("coco.json")
    for rows in data.chunks():
        here, cut = RemoteDataset.cut(data)
        portion = cut(rows)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        there = here.load(portion)
        monkeypatch.chdir(tmp_path)
        assert_same(there, data.source.load(rows))


def test_frames_of_tracks_keep_their_places_and_keys(tmp_path: Path) -> None:
    """Each frame of a track of YouTube-VIS becomes an item of its own."""
    box = [[1, 1, 9, 1, 9, 9]]
    videos = [
        {"id": k, "file_names": [f"{k}/{frame}.png" for frame in range(6)], "width": 20, "height": 20, "scene": str(k)}
        for k in (7, 8)
    ]
    tracks = [
        {
            "id": k,
            "video_id": 7 + k % 2,
            "category_id": 1,
            "segmentations": [None, box, box, [[1, 2, 3]], box, None],
            "areas": [None, 32, 32, 2, 32, None],
            "occlusion": ["none", "slight", None, "none", "severe", "none"],
            "driver": str(k),
        }
        for k in range(1, 4)
    ]
    document = {"videos": videos, "annotations": tracks, "categories": [{"id": 1, "name": "car"}]}
    (tmp_path / "videos.json").write_text(json.dumps(document))
    data = segdata.read(tmp_path / "videos.json")
    for rows in (np.arange(12), np.array([9, 10]), np.array([3])):
        assert_same(load_there(data, rows), data.source.load(rows))
    here = data.source.load(np.arange(12))
    assert "/annotations/2/segmentations/4" in here.segments["place"].to_pylist()
    assert "/annotations/1/segmentations/3/0" in {defect.place for defect in here.defects}


@needs_ranges
def test_only_its_own_bytes_are_read(datasets: Sequence[OpenDataset], monkeypatch: pytest.MonkeyPatch) -> None:
    """A portion of the twentieth part of a file reads about as much of it, and opens nothing."""
    data = datasets[2]
    size = Path(data.profile.files).stat().st_size
    n_bytes = 0
    read_ranges = storage.read_ranges

    def counted(place: str, ranges: Sequence[tuple[int, int]], all_bytes: int) -> bytes:
        nonlocal n_bytes
        n_bytes += sum(last - first for first, last in ranges)
        return read_ranges(place, ranges, all_bytes)

    monkeypatch.setattr("segdata.formats.coco.columns.read_ranges", counted)
    assert load_there(data, np.arange(10, 13)).n_segments == 450
    assert 0.05 * size < n_bytes < 0.15 * size


@needs_ranges
@pytest.mark.parametrize("change", [lambda old: old + b" ", lambda old: old.replace(b"15", b"16")])
def test_a_file_that_is_another_there(tmp_path: Path, change: object) -> None:
    path = write_coco(tmp_path / "coco.json", 4, 3)
    remote, cut = RemoteDataset.cut(segdata.read(path))
    portion = cut(np.arange(4))
    assert callable(change)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ClusterError, match=r"coco.json: (has .* bytes, and|the file differs).*at the same path"):
        remote.load(portion)
    path.unlink()
    with pytest.raises(ClusterError, match=r"No such file.*coco.json.*at the same path"):
        remote.load(portion)


def test_row_groups_that_are_not_there(tmp_path: Path) -> None:
    segdata.convert(write_coco(tmp_path / "coco.json", 4, 3), tmp_path / "data")
    remote, cut = RemoteDataset.cut(segdata.read(tmp_path / "data"))
    portion = cut(np.arange(4))
    part = tmp_path / "data/r0001/segments/part-00000.parquet"
    part.write_bytes(part.read_bytes() + b"x")
    with pytest.raises(ClusterError, match=r"part-00000.parquet: is another file than where"):
        remote.load(portion)
    part.unlink()
    with pytest.raises(ClusterError, match=r"No such file.*part-00000.parquet"):
        remote.load(portion)


def test_damage_in_a_row_group_is_the_same_finding(tmp_path: Path) -> None:
    segdata.convert(write_coco(tmp_path / "coco.json", 40, 30), tmp_path / "data")
    part = tmp_path / "data/r0001/segments/part-00000.parquet"
    content = bytearray(part.read_bytes())
    group = ParquetFile(part).metadata.row_group(0)
    columns = [group.column(k) for k in range(group.num_columns)]
    first = next(column for column in columns if column.path_in_schema == "counts").data_page_offset
    content[first : first + 60] = b"\xff" * 60
    part.write_bytes(content)
    data = segdata.read(tmp_path / "data")
    here = data.source.load(np.arange(40))
    assert here.defects
    assert_same(load_there(data, np.arange(40)), here)


@pytest.mark.parametrize("format", ["colour-masks", "instance-ids", "yolo-seg", "labelme", "pascal-voc", "supervisely"])
def test_images_with_files_of_their_own_travel_as_entries(tmp_path: Path, format: str) -> None:
    source = write_coco(tmp_path / "coco.json", 7, 4)
    target = tmp_path / "data"
    segdata.convert(source, target, to=format, on_loss="allow")
    data = segdata.read(target)
    remote, cut = RemoteDataset.cut(data)
    blob = cloudpickle.dumps((remote, [cut(np.array(rows)) for rows in ([0], [2, 5], [6])]))
    assert b"ImageEntry" in blob
    there, portions = pickle.loads(blob)
    there = replace(there, open=None)  # nothing is opened again
    for portion in portions:
        assert_same(there.load(portion), data.source.load(portion.rows))
        assert len(portion.cut) == len(portion.rows)


def test_a_worker_without_the_label_files_stops(tmp_path: Path) -> None:
    segdata.convert(write_coco(tmp_path / "coco.json", 3, 4), tmp_path / "data", to="labelme", on_loss="allow")
    remote, cut = RemoteDataset.cut(segdata.read(tmp_path / "data"))
    portion = cut(np.arange(3))
    for path in (tmp_path / "data").rglob("*.json"):
        path.unlink()
    with pytest.raises(ClusterError, match=r"00001\.json does not exist; workers need the data at the same path"):
        remote.load(portion)


def test_portions_of_a_panel_are_read_without_opening_its_members(tmp_path: Path) -> None:
    segdata.convert(write_coco(tmp_path / "coco.json", 9, 4), tmp_path / "b", to="labelme", on_loss="allow")
    options: PanelOptions = {"pair_by": "stem"}
    members = open_members({"anna": str(tmp_path / "coco.json"), "ben": str(tmp_path / "b")}, {})
    panel = open_panel(members, "stem", None)
    remote, cut = RemoteDataset.cut(_with_recipe(panel, members, options))
    rows = np.array([1, 4, 5])
    there, portion = pickle.loads(cloudpickle.dumps((replace(remote, open=None), cut(rows))))
    (batch, asked), (own, own_asked) = there.load_part(portion), panel.load_asked(rows)
    assert own.annotations.num_rows == 6
    assert_same(batch, own)
    np.testing.assert_array_equal(asked, own_asked)
