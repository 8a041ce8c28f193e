"""Datasets under URLs: read from an object store, written to it, and what goes wrong there."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import segdata
from segdata.cli.main import main
from segdata.core.errors import SegdataError
from segdata.core.paths import as_url
from segdata.core.storage import upload

pytest.importorskip("s3fs", reason="the extra `cloud` is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_data" / "semantic"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 server in a thread of this process."""
    running = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket called data, as s3fs sees it."""
    import s3fs

    for name, value in (
        ("AWS_ENDPOINT_URL", server),
        ("AWS_ACCESS_KEY_ID", "somebody"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.mkdir("data")
    yield store
    store.rm("data", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


def reports(*places: str | Path) -> list[str]:
    """The findings of datasets, with the name of the dataset taken out."""
    return [segdata.validate(place).to_json().replace(str(place), "PLACE") for place in places]


def test_a_folder_of_masks_is_read(bucket: Any) -> None:
    bucket.put(str(SAMPLE), "data/street", recursive=True)
    data = segdata.read("s3://data/street")
    assert data.profile.files == "s3://data/street"
    uris = data.images["uri"].tolist()
    assert all(uri.startswith("s3://data/street/") and bucket.exists(uri) for uri in uris)
    here, there = reports(SAMPLE, "s3://data/street")
    assert there == here


def test_a_canonical_dataset_is_written_and_read_piece_by_piece(bucket: Any, tmp_path: Path) -> None:
    segdata.convert(SAMPLE, tmp_path / "street")
    done = segdata.convert(SAMPLE, "s3://data/street", verify=True)
    assert (str(done.target), done.proof is not None and done.proof.holds) == ("s3://data/street", True)
    names = sorted(name.removeprefix("data/street/") for name in bucket.find("data/street"))
    assert names == sorted(p.relative_to(tmp_path / "street").as_posix() for p in (tmp_path / "street").rglob("*.*"))
    here, there = (segdata.read(place) for place in (tmp_path / "street", "s3://data/street"))
    assert there.segments.equals(here.segments)
    assert segdata.read(Path("s3://data/street@r0001")).images["image_id"].tolist() == here.image_ids
    bucket.rm("data/street/r0001/segments/part-00000.parquet")
    (finding,) = segdata.validate("s3://data/street", select="SEG002").findings
    assert finding.file == "r0001/segments/part-00000.parquet"


def test_a_coco_file_and_its_images(bucket: Any, tmp_path: Path) -> None:
    segdata.convert(SAMPLE, tmp_path / "coco.json", to="coco", on_loss="allow", copy_images=True)
    bucket.put(str(tmp_path / "coco.json"), "data/coco.json")
    bucket.put(str(tmp_path / "images"), "data/images", recursive=True)
    data = segdata.read("s3://data/coco.json", images="s3://data/images")
    assert data.images["uri"].str.startswith("s3://data/images/").all()
    assert data.validate().by_code == segdata.validate(tmp_path / "coco.json").by_code


def test_image_files_are_copied_from_store_to_store(bucket: Any, tmp_path: Path) -> None:
    bucket.put(str(SAMPLE), "data/semantic", recursive=True)
    segdata.convert(SAMPLE, tmp_path / "street", copy_images=True)
    done = segdata.convert("s3://data/semantic", "s3://data/street", copy_images=True)
    assert done.not_copied == ()
    segdata.convert("s3://data/street", "s3://data/labelme", to="labelme", copy_images=True, on_loss="allow")
    for name in ("street001.jpg", "street002.jpg", "street003.jpg"):
        own = (SAMPLE / "images" / name).read_bytes()
        assert all(bucket.cat(f"data/{folder}/images/{name}") == own for folder in ("street", "labelme"))
    bucket.rm("data/semantic", recursive=True)
    here, there = (segdata.read(place).images["uri"].tolist() for place in (tmp_path / "street", "s3://data/street"))
    assert there == [uri.replace(str(tmp_path), "s3://data") for uri in here]


def test_texts_name_the_url_and_reports_go_there(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bucket.put(str(SAMPLE), "data/semantic", recursive=True)
    bucket.rm("data/semantic/images", recursive=True)
    done = CliRunner().invoke(main, ["validate", "s3://data/semantic"])
    assert "masks: s3://data/semantic/masks" in done.output
    assert "segdata validate s3://data/semantic --format json" in " ".join(done.output.split())
    assert "/tmp" not in done.output
    words = ["validate", "s3://data/semantic", "--format", "json"]
    printed = CliRunner().invoke(main, words).stdout
    written = CliRunner().invoke(main, [*words, "--output", "s3://data/report.json"])
    assert "see s3://data/report.json" in written.output
    assert bucket.cat("data/report.json").decode() == printed
    refused = CliRunner().invoke(main, ["validate", "s3://data/semantic", "--overlays", "s3://data/pictures"])
    assert "s3://data/pictures: pictures need a folder on a disk" in refused.output
    assert list(tmp_path.iterdir()) == []


def test_an_image_in_a_store_is_decoded(bucket: Any) -> None:
    from segdata.core.image_files import read_channels

    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    bucket.pipe("data/a.png", file.getvalue())
    assert (read_channels("s3://data/a.png", (4, 4)) == picture.transpose(2, 0, 1)).all()
    with pytest.raises(FileNotFoundError):
        read_channels("s3://data/b.png", (4, 4))
    with pytest.raises(SegdataError, match="of stores such as s3://"):
        read_channels("https://example.org/a.png", (4, 4))


def test_a_write_that_fails_leaves_no_dataset(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import segdata.core.storage as storage

    written, put = [], storage.upload_file

    def upload_file(path: Path, url: str) -> int:
        if len(written) == 3:
            raise SegdataError(f"{url}: the store is full")
        written.append(url)
        return put(path, url)

    monkeypatch.setattr(storage, "upload_file", upload_file)
    with pytest.raises(SegdataError, match="the store is full"):
        segdata.convert(SAMPLE, "s3://data/street")
    assert written
    assert bucket.find("data/street") == []


def test_the_manifest_comes_last(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import segdata.core.storage as storage

    order: list[str] = []
    monkeypatch.setattr(storage, "upload_file", lambda path, url: order.append(url.rpartition("/")[2]))
    segdata.convert(SAMPLE, tmp_path / "street")
    upload(tmp_path / "street", "s3://data/street", "dataset.yaml")
    assert order[-1] == "dataset.yaml"
    assert len(order) == 6


class TestErrors:
    def test_nothing_is_there(self, bucket: Any) -> None:
        with pytest.raises(SegdataError, match=r"s3://data/none: no file is there; check the bucket"):
            segdata.read("s3://data/none")

    def test_no_such_bucket(self, bucket: Any) -> None:
        for use in (segdata.read, lambda url: segdata.convert(SAMPLE, url)):
            with pytest.raises(SegdataError, match=r"s3://nowhere/street: there is no bucket 'nowhere'"):
                use("s3://nowhere/street")

    def test_the_target_is_taken(self, bucket: Any) -> None:
        bucket.pipe("data/street/a.txt", b"mine")
        with pytest.raises(SegdataError, match=r"1 file there already \(a.txt\).* interrupted"):
            segdata.convert(SAMPLE, "s3://data/street")
        assert bucket.find("data/street") == ["data/street/a.txt"]

    def test_no_credentials(self, bucket: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        import s3fs

        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("HOME", str(tmp_path))
        s3fs.S3FileSystem.clear_instance_cache()
        with pytest.raises(SegdataError, match=r"no credentials: set AWS_ACCESS_KEY_ID"):
            segdata.read("s3://data/street")
        monkeypatch.undo()
        s3fs.S3FileSystem.clear_instance_cache()

    def test_the_store_does_not_answer(self, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        import s3fs

        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
        s3fs.S3FileSystem.clear_instance_cache()
        with pytest.raises(SegdataError, match=r"the store does not answer .*AWS_ENDPOINT_URL"):
            segdata.read("s3://data/street")
        s3fs.S3FileSystem.clear_instance_cache()

    def test_the_extra_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
        with pytest.raises(SegdataError, match=r"pip install 'segdata\[cloud\]'"):
            segdata.read("s3://data/street")

    def test_no_such_protocol(self) -> None:
        with pytest.raises(SegdataError, match="fsspec knows no 'nosuch'"):
            segdata.read("nosuch://data/street")


def test_what_is_a_url() -> None:
    assert as_url("S3://bucket/a/") == "s3://bucket/a"
    assert [as_url(text) for text in ("C:/data", "C:\\data", "a:b", "file:///a", "data/s3://", "s3://")] == [None] * 6
