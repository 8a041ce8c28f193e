"""Parts that workers write, files of splits that are joined, and what a conversion and its fixes are held against."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import segdata
from segdata.core.batch import Batch
from segdata.core.cluster import ClusterError, Portion
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Finding
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.validation import FixedFinding, FixedImage
from segdata.formats.dataset_folders import SplitPath
from segdata.store import merge, revision_writer
from segdata.store.fixes import change_log
from segdata.store.manifest import load
from segdata.store.merge import merge_datasets
from segdata.store.revision_reader import part_name
from segdata.store.revision_writer import RemoteDataset, write_canonical, write_canonical_on_cluster
from tests.memory import Memory
from tests.store.test_joined_splits import coco, picture
from tests.store.test_merge_by_loops import open_data
from tests.store.test_revision_changes import PROFILE, SEEDS, batch_of, groups_of, random_images, read


class _Cluster:
    """Runs here what a cluster runs in its workers; `written` are the numbers of the parts."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def share(self, shared: Any) -> Any:
        return shared

    def pipeline(self, work: Any, summarise: Any, portions: Any, *shared: Any, **options: Any) -> Any:
        for portion in portions:
            done = work(portion, *shared, **options)
            yield summarise(done), done

    def submit(self, work: Any, *arguments: Any) -> Any:
        self.written.append(Path(arguments[-1]).name)
        return work(*arguments)

    def results(self, futures: Any) -> Any:
        return futures


def data_of(images: dict[str, Any]) -> OpenDataset:
    return OpenDataset(Memory(PROFILE, batch_of(images), 1), PROFILE, Config())


@pytest.mark.parametrize("seed", SEEDS)
def test_workers_write_the_parts_that_one_program_writes(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision_writer, "PART_SEGMENTS", 4)
    images = random_images(np.random.default_rng(seed))
    if seed == 0:
        images = {name: [] for name in images}
    data = data_of(images)
    remote = SimpleNamespace(load=lambda portion: data.source.load(portion.rows))
    monkeypatch.setattr(RemoteDataset, "cut", lambda data: (remote, Portion))
    cluster, seen = _Cluster(), []
    finished: list[bool] = []
    write_canonical_on_cluster(
        cluster,
        data,
        tmp_path / "many",
        LossCounter(),
        "made",
        seen.append,
        lambda: finished.append(True),  # type: ignore[arg-type]  # as much of one as this needs
    )
    batches = (batch_of({name: drawn}) for name, drawn in images.items())
    write_canonical(PROFILE, batches, tmp_path / "one", LossCounter(), "made")
    names = sorted(path.name for path in (tmp_path / "one/r0001/segments").iterdir())
    assert sorted(path.name for path in (tmp_path / "many/r0001/segments").iterdir()) == names == cluster.written
    for name in names:
        places = [tmp_path / way / "r0001/segments" / name for way in ("many", "one")]
        assert groups_of(places[0]) == groups_of(places[1])
        assert pq.read_table(places[0]).equals(pq.read_table(places[1]))
    assert [load(tmp_path / way).revisions[0].parts for way in ("many", "one")] == [len(names)] * 2
    assert read(tmp_path / "many") == images
    assert finished == [True]
    assert [summary.n_segments for summary in seen] == [sum(len(ids) for _, ids in drawn) for drawn in images.values()]


def test_a_part_on_a_disk_of_the_worker_s_own_is_an_error(tmp_path: Path) -> None:
    (tmp_path / part_name(0)).write_bytes(b"12")
    revision_writer._check_parts(str(tmp_path), [2])
    for sizes, name in (([3], part_name(0)), ([2, 5], part_name(1))):
        with pytest.raises(ClusterError) as caught:
            revision_writer._check_parts(str(tmp_path), sizes)
        assert str(caught.value).startswith(f"{tmp_path}/{name}: a worker has written it to a disk of its own; ")
    (tmp_path / "file").touch()
    with pytest.raises(ClusterError, match="a worker cannot write it"):
        revision_writer._write_part([], str(tmp_path / "file/segments/part.parquet"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", part_name(0)]


def test_what_was_fixed_is_listed_with_its_pixels() -> None:
    one, other = (Finding(code=code, rule="r", severity="info", message="m") for code in ("SEG101", "SEG106"))
    image = FixedImage("a", Batch.empty(), Batch.empty(), (FixedFinding(one, 5), FixedFinding(other, 7)))
    found = change_log([image, FixedImage("b", Batch.empty(), Batch.empty(), (FixedFinding(one, 9),))])
    assert [(row["code"], row["changed_pixels"], row["message"]) for row in found] == [
        ("SEG101", 5, "m"), ("SEG106", 7, "m"), ("SEG101", 9, "m"),
    ]  # fmt: skip


def test_datasets_of_one_name_get_numbers() -> None:
    datasets = [open_data("a", {}, {}), open_data("a", {}, {}), open_data("a 2", {}, {}), open_data("a", {}, {})]
    assert merge_datasets(datasets, {}).origin == "merged of a, a 2, a 2 2, a 3"


@pytest.mark.parametrize("own", [False, True])
def test_splits_that_are_joined_have_what_all_have(own: bool, tmp_path: Path) -> None:
    """The metadata of the first where all are alike; a user's taxonomy before their own; images beside each part."""
    coco(tmp_path / "d/train.json", {"a.png": [("car", (2, 2, 10))]}, {"car": 1, "bus": 2})
    coco(tmp_path / "d/val.json", {"b.png": [("bus", (1, 1, 30))]}, {"car": 1, "bus": 2, "van": 3})
    for seed, name in enumerate(("train/a.png", "val/b.png")):
        picture(tmp_path / "images" / name, seed)
    taxonomy = tmp_path / "t.yaml"
    taxonomy.write_text("categories: [{id: 4, name: bus}, {id: 1, name: car}, {id: 9, name: sled}]\n")
    data = segdata.read(tmp_path / "d", images=tmp_path / "images", taxonomy=taxonomy if own else None)
    names = ["bus", "car", "sled"] if own else ["car", "bus", "van"]
    assert [category.name for category in data.taxonomy.categories] == names
    assert {Path(uri).parent.name for uri in data.images["uri"]} == {"train", "val"}
    assert [(Path(row.image_id).name, row.split) for row in data.images.itertuples()] == [
        ("a.png", "train"), ("b.png", "val"),
    ]  # fmt: skip
    assert not segdata.validate(data, select=["SEG002"]).findings


def test_a_canonical_dataset_under_another_taxonomy_and_without_a_part(tmp_path: Path) -> None:
    write_canonical(PROFILE, [batch_of({"a": [("ann", [3])]})], tmp_path / "d", LossCounter())
    taxonomy = tmp_path / "t.yaml"
    taxonomy.write_text(json.dumps({"categories": [{"id": 1, "name": "auto"}]}))
    assert segdata.read(tmp_path / "d").taxonomy.name_of(1) == "car"
    assert segdata.read(tmp_path / "d", taxonomy=taxonomy).taxonomy.name_of(1) == "auto"
    (tmp_path / "d/r0001/segments" / part_name(0)).unlink()
    (found,) = [one for one in segdata.validate(tmp_path / "d").findings if one.code == "SEG002"]
    assert found.file == f"r0001/segments/{part_name(0)}"


def test_the_request_for_a_part_and_what_the_first_part_tells(tmp_path: Path) -> None:
    """Images may be in folders that are called as the parts, a taxonomy in the part's own folder."""
    part, plain = tmp_path / "d/train", tmp_path / "d/val.json"
    (tmp_path / "images/train").mkdir(parents=True)
    part.mkdir(parents=True)
    plain.touch()
    (part / "taxonomy.yaml").write_text("categories: [{id: 1, name: sled}]\n")
    request = ReadRequest(tmp_path / "d", images=tmp_path / "images")
    own = merge._part_request(request, SplitPath("train", part))
    assert (own.root, own.images) == (part, tmp_path / "images/train")
    assert own.taxonomy is not None
    assert own.taxonomy.name_of(1) == "sled"
    other = merge._part_request(request, SplitPath("val", plain))
    assert (other.root, other.images, other.taxonomy) == (plain, tmp_path / "images", None)
    assert merge._part_request(ReadRequest(tmp_path / "d"), SplitPath("train", part)).images is None
    given = ReadRequest(tmp_path / "d", images=tmp_path / "none", taxonomy=PROFILE.taxonomy)
    kept = merge._part_request(given, SplitPath("train", part))
    assert (kept.images, kept.taxonomy) == (tmp_path / "none", PROFILE.taxonomy)
    first = replace(PROFILE, raster_rule="coco", metadata={"k": "1", "aliases_used": "x"}, places={"a": "p"})
    second = replace(PROFILE, raster_rule="voc", metadata={"k": "2"}, places={"a": "q", "b": "r"})
    whole = merge._joined_profile(request, [first, second], merge.merge_taxonomies([first, second]), [{}, {}])
    assert (whole.raster_rule, whole.metadata, whole.places) == ("coco", {"k": "1"}, {"a": "p, q", "b": "r"})
    assert (whole.name, whole.files) == ("d", str(tmp_path / "d"))
    same = merge._joined_profile(given, [first, first], merge.merge_taxonomies([first]), [{}, {}])
    assert same.metadata == first.metadata
