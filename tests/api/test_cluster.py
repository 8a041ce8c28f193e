"""A dataset on a Dask cluster of processes: the same bytes as in one process, also where a worker dies meanwhile."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import segdata
from segdata.cli.main import main
from segdata.core.errors import SegdataError
from segdata.core.pixel_limit import pixel_limit
from segdata.core.rule import rules
from segdata.core.runs import Ints
from tests.rules.test_outlier_rules import film, moved

pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
]
ROOT = Path(__file__).parents[2]
N_IMAGES = 36


def write_coco(path: Path, seed: int = 5) -> Path:
    """A COCO file with overlaps, specks, copies, and most of what can be wrong with a file."""
    rng = np.random.default_rng(seed)
    annotations = []
    for image in range(1, N_IMAGES + 1):
        for _ in range(int(rng.integers(0, 9))):
            x, y, width, height = (int(v) for v in (*rng.integers(0, 60, 2), *rng.integers(6, 40, 2)))
            rings = [[x, y, x + width, y, x + width, y + height, x, y + height]]
            if rng.random() < 0.2:
                rings.append([x + width + 2, y, x + width + 4, y, x + width + 4, y + 2, x + width + 2, y + 2])
            own = {"image_id": image, "category_id": int(rng.integers(1, 4)), "segmentation": rings, "iscrowd": 0}
            annotations.append(
                {"id": len(annotations) + 1, "bbox": [x, y, width, height], "area": width * height, **own}
            )
    annotations.append({**annotations[0], "id": annotations[1]["id"]})  # an id twice, and a copy
    annotations.append({**annotations[2], "id": 9001, "image_id": 777})  # of no image
    annotations.append({**annotations[3], "id": 9002, "segmentation": {"counts": "PP", "size": [100, 100]}})
    annotations.append({**annotations[4], "id": 9003, "category_id": 44})
    images = [{"id": k, "file_name": f"{k:03d}.png", "width": 100, "height": 100} for k in range(1, N_IMAGES + 1)]
    categories = [{"id": k, "name": name} for k, name in enumerate(("car", "road", "tree", "sky"), 1)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coco(tmp_path_factory.mktemp("coco") / "coco.json")


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A COCO file comes in portions of ten images."""
    from segdata.formats.coco.instances_reader import InstancesSource

    def chunks(source: InstancesSource) -> list[Ints]:
        return np.array_split(np.arange(len(source.image_ids)), 6)

    monkeypatch.setattr(InstancesSource, "chunks", chunks)


@pytest.fixture(scope="module")
def flagged_coco(coco: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with an attribute that is true or false."""
    document = json.loads(coco.read_text())
    for number, annotation in enumerate(document["annotations"]):
        annotation["attributes"] = {"occluded": number % 3 == 0}
    path = tmp_path_factory.mktemp("flagged") / "coco.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.usefixtures("small_portions")
@pytest.mark.parametrize("name", ["coco", "flagged_coco"])
def test_no_rule_reads_a_column_of_all_segments(
    cluster: Any, name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a finding tells is read row by row; everything else comes as sums, or as rows of annotations."""
    from segdata.measure import partitions

    read: set[tuple[str, str]] = set()
    column = partitions.RemoteTables.column

    def noted(tables: Any, name: str, which: str) -> Any:
        read.add((name, which))
        return column(tables, name, which)

    monkeypatch.setattr(partitions, "_MAX_SMALL_ROWS", 0)  # tables of so few rows are fetched whole
    monkeypatch.setattr(partitions, "_MAX_FEW_SHARE", 1)
    monkeypatch.setattr(partitions.RemoteTables, "column", noted)
    data = segdata.read(request.getfixturevalue(name))
    assert data.validate(client=cluster).to_json() == data.validate().to_json()
    of_segments = {name for name, links in partitions.row_links().items() if "segments" in links.values()}
    of_segments |= {"segments"}
    assert of_segments >= {"parts", "pairs", "outlines"}
    assert not [(name, which) for name, which in read if name in of_segments]


@pytest.mark.usefixtures("small_portions")
def test_findings_of_a_coco_file_are_the_same(cluster: Any, coco: Path) -> None:
    data = segdata.read(coco)
    here, there = data.validate(), data.validate(client=cluster)
    assert {finding.code for finding in here.single} >= {"SEG005", "SEG007", "SEG008", "SEG104", "SEG106", "SEG102"}
    assert there.to_json() == here.to_json()
    assert there.members == here.members


@pytest.mark.usefixtures("small_portions")
def test_findings_of_a_canonical_dataset_are_the_same(cluster: Any, coco: Path, tmp_path: Path) -> None:
    segdata.convert(coco, tmp_path / "data", on_loss="allow")
    data = segdata.read(tmp_path / "data")
    assert len(data.chunks()) == 6  # a partition is a row group
    assert data.validate(client=cluster).to_json() == data.validate().to_json()


@pytest.mark.parametrize("name", ["panoptic", "semantic"])
def test_findings_of_sample_data_are_the_same(cluster: Any, name: str) -> None:
    data = ROOT / "sample_data" / name
    rule_codes = [code for code, rule in rules().items() if rule.command == "validate"]
    here = segdata.validate(data, select=rule_codes)
    assert segdata.validate(data, select=rule_codes, client=cluster).to_json() == here.to_json()


def test_findings_of_videos_that_partitions_divide_are_the_same(cluster: Any, tmp_path: Path) -> None:
    steady = film(24, speed=1.0)
    steady[9][steady[9] == 2] = 0
    jumps = np.where(np.arange(24)[:, None, None] < 8, film(24), moved(film(24), 2, 0, 40))
    for name, labels in (("walk", steady), ("jump", jumps)):
        (tmp_path / name).mkdir()
        for frame, mask in enumerate(labels.astype(np.uint8)):
            image = Image.fromarray(mask)
            image.putpalette([value for k in range(256) for value in (k, 40 * k % 256, 90 * k % 256)])
            image.save(tmp_path / name / f"{frame:05d}.png")
    data = segdata.read(tmp_path)
    assert [len(rows) for rows in data.chunks()] == [16, 16, 16]
    here = data.validate()
    assert {finding.code for finding in here.single} >= {"SEG353", "SEG354"}
    assert data.validate(client=cluster).to_json() == here.to_json()


def test_workers_decode_images_up_to_the_same_size(cluster: Any) -> None:
    data = ROOT / "sample_data" / "semantic"
    with pixel_limit(1000):
        here, there = (segdata.validate(data, client=client) for client in (None, cluster))
    assert "SEG001" in here.by_code
    assert there.to_json() == here.to_json()
    assert "SEG001" not in segdata.validate(data, client=cluster).by_code


@pytest.mark.usefixtures("small_portions")
def test_workers_read_headers_of_images_of_any_size(cluster: Any, coco: Path) -> None:
    """The sizes of images with polygons are compared, though nobody decodes so many pixels."""
    Image.new("1", (20_000, 19_000)).save(coco.parent / "007.png")
    here, there = (segdata.validate(coco, client=client) for client in (None, cluster))
    (coco.parent / "007.png").unlink()
    assert [finding.image for finding in here.findings if "20000" in finding.message.replace(",", "")] == ["007.png"]
    assert there.to_json() == here.to_json()


@pytest.mark.usefixtures("small_portions")
def test_a_part_of_a_dataset_and_a_relative_path(cluster: Any, coco: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (coco.parent / "007.png").write_bytes(b"no image")
    monkeypatch.chdir(coco.parent)
    names = [f"{k:03d}.png" for k in range(3, 30)]
    here, there = (segdata.validate("coco.json", only=names, client=client) for client in (None, cluster))
    assert there.to_json() == here.to_json()
    assert there.image_files == here.image_files
    (coco.parent / "007.png").unlink()


@pytest.mark.usefixtures("small_portions")
def test_a_worker_that_dies_in_the_middle_changes_nothing(cluster: Any, coco: Path) -> None:
    data = segdata.read(coco)
    before, killed = cluster.run(os.getpid), []

    def progress(n_images: int) -> None:
        if not killed:  # one partition is done, others are not
            killed.append(next(iter(before.values())))
            os.kill(killed[0], signal.SIGKILL)

    there = data.validate(client=cluster, progress=progress)
    assert killed
    assert there.to_json() == data.validate().to_json()
    cluster.wait_for_workers(2, timeout=120)
    assert killed[0] not in cluster.run(os.getpid).values()


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file, without the times that it was made at."""
    texts = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {
        name: re.sub(rb"created: .*", b"", data) if name == "dataset.yaml" else data for name, data in texts.items()
    }


@pytest.mark.usefixtures("small_portions")
def test_a_canonical_target_has_the_same_bytes(
    cluster: Any, coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segdata.store.revision_writer.PART_SEGMENTS", 48)
    here, there = (
        segdata.convert(coco, tmp_path / name, client=client) for name, client in (("here", None), ("there", cluster))
    )
    files = files_below(tmp_path / "here")
    assert len([name for name in files if "part-" in name]) == 3
    assert files_below(tmp_path / "there") == files
    assert (there.n_segments, there.losses, there.defects) == (here.n_segments, here.losses, here.defects)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("small_portions")
def test_another_format_has_the_same_bytes(cluster: Any, coco: Path, tmp_path: Path) -> None:
    for name, client in (("here", None), ("there", cluster)):
        segdata.convert(coco, tmp_path / name / "data", to="labelme", client=client)
    assert files_below(tmp_path / "there") == files_below(tmp_path / "here")


@pytest.mark.usefixtures("small_portions")
def test_a_conversion_that_fails_leaves_nothing(
    cluster: Any, coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segdata.store.revision_writer.part_name", lambda number: "a" * 300)
    with pytest.raises(SegdataError, match=r"File name too long.*a disk that all workers share"):
        segdata.convert(coco, tmp_path / "there", client=cluster)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_portions")
def test_agreement_is_the_same(cluster: Any, coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from segdata.agreement.panel import Panel

    def chunks(panel: Panel) -> list[Ints]:
        return np.array_split(np.arange(len(panel.image_ids)), 4)

    monkeypatch.setattr(Panel, "chunks", chunks)
    panel = {"anna": coco, "ben": write_coco(tmp_path / "other.json", seed=6)}
    here, there = (segdata.agree(panel, client=client, resamples=50) for client in (None, cluster))
    assert there.to_json() == here.to_json()


@pytest.mark.usefixtures("small_portions")
def test_workers_read_and_write_an_object_store(
    cluster: Any, coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3fs = pytest.importorskip("s3fs", reason="the extra `cloud` is not installed")
    moto_server = pytest.importorskip("moto.server", reason="moto is not installed")
    monkeypatch.setattr("segdata.store.revision_writer.PART_SEGMENTS", 48)
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    settings |= {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    cluster.run(exec, f"import os; os.environ.update({settings!r})")
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    try:
        store.mkdir("data")
        segdata.convert(coco, tmp_path / "here")
        store.put(str(coco), "data/coco.json")
        address = cluster.scheduler.address
        words = ["convert", "s3://data/coco.json", "s3://data/there", "--scheduler", address, "--on-loss", "allow"]
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 1, done.output  # the file has errors
        there = files_below(tmp_path / "here")
        assert sorted(store.find("data/there")) == sorted(f"data/there/{name}" for name in there)
        parts = [name for name in there if "part-" in name]
        assert len(parts) == 3
        assert all(store.cat(f"data/there/{name}") == there[name] for name in parts)
        findings = segdata.validate("s3://data/there", client=cluster).to_json().replace("s3://data/there", "PLACE")
        here = segdata.validate(tmp_path / "here").to_json().replace(str(tmp_path / "here"), "PLACE")
        assert findings == here
    finally:
        store.rm("data", recursive=True)  # all servers of a process share what they hold
        server.stop()
        s3fs.S3FileSystem.clear_instance_cache()


def test_the_command_line_prints_the_same(cluster: Any, coco: Path) -> None:
    shared = ["validate", str(coco), "--format", "json", "--no-cache"]
    here = CliRunner().invoke(main, shared)
    there = CliRunner().invoke(main, [*shared, "--scheduler", cluster.scheduler.address])
    assert (there.exit_code, there.stdout) == (here.exit_code, here.stdout)


def test_rules_of_single_images_need_no_other(tmp_path: Path, coco: Path) -> None:
    """What a rule that declares it finds in a dataset is what it finds in its images one by one."""
    data = segdata.read(coco)
    codes = [rule.code for rule in rules().values() if rule.applies(data.profile) and rule.runs_per_image(data.profile)]
    whole = segdata.validate(coco, select=codes, one_by_one=True)
    single = [
        finding
        for image in data.image_ids[:12]
        for finding in segdata.validate(coco, select=codes, only=image).findings
        if finding.image == image
    ]
    of_twelve = {finding for finding in whole.findings if finding.image in data.image_ids[:12]}
    assert {*single} == of_twelve


class TestErrors:
    """Each says what to do, and none is a traceback."""

    def test_no_scheduler_answers(self, coco: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("segdata.core.cluster._SECONDS_TO_CONNECT", 1)
        with pytest.raises(SegdataError, match=r"tcp://127.0.0.1:9: no Dask scheduler answers; start one with"):
            segdata.validate(coco, client="tcp://127.0.0.1:9")

    @pytest.mark.parametrize("address", ["", "here", "http://127.0.0.1:80"])
    def test_what_is_no_address(self, coco: Path, address: str) -> None:
        with pytest.raises(SegdataError, match="an address looks like tcp://10"):
            segdata.validate(coco, client=address)

    def test_workers_of_another_version(self, cluster: Any, coco: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(segdata, "__version__", "9.9")
        with pytest.raises(SegdataError, match=r"worker tcp://\S+: has segdata 0.1.0, this program is 9.9"):
            segdata.validate(coco, client=cluster)

    def test_data_that_workers_do_not_see(self, cluster: Any, coco: Path, tmp_path: Path) -> None:
        (tmp_path / "some.json").write_bytes(coco.read_bytes())
        data = segdata.read(tmp_path / "some.json")
        (tmp_path / "some.json").unlink()
        with pytest.raises(
            SegdataError, match=r"worker tcp://\S+: .*some.json.*; workers need the data at the same path"
        ):
            data.validate(client=cluster)

    def test_other_data_at_the_same_path(self, cluster: Any, coco: Path, tmp_path: Path) -> None:
        (tmp_path / "some.json").write_bytes(coco.read_bytes())
        data = segdata.read(tmp_path / "some.json")
        (tmp_path / "some.json").write_bytes(coco.read_bytes().replace(b'"001.png"', b'"x01.png"'))
        with pytest.raises(SegdataError, match=r"some.json: the file differs from the one with which the dataset"):
            data.validate(client=cluster)

    def test_data_in_memory(self, cluster: Any) -> None:
        data = segdata.from_arrays({"a.png": np.array([[1, 2]])}, ["grass", "road"])
        with pytest.raises(SegdataError, match="write it with `convert` first"):
            data.validate(client=cluster)

    def test_the_extra_is_missing(self, coco: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "distributed", None)
        with pytest.raises(SegdataError, match=r"pip install 'segdata\[dask\]'"):
            segdata.validate(coco, client="tcp://127.0.0.1:8786")
