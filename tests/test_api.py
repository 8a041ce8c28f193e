"""The library's functions, on the sample data and from misuse."""

import json
from pathlib import Path

import numpy as np
import pytest

import segdata
from segdata.api.converting import LossError
from segdata.core.errors import InvalidDatasetError, SegdataError
from segdata.sample import make


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    make(folder, seed=1, images=3, only=("clean",))
    return folder / "clean"


def test_every_public_name_is_there_and_documented() -> None:
    for name in segdata.__all__:
        assert getattr(segdata, name).__doc__, name
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = segdata.nothing_like_it  # type: ignore[attr-defined]  # that is the point


def test_the_same_labels_have_the_same_hash_in_every_format(clean: Path, tmp_path: Path) -> None:
    source = clean / "instances"
    expected = segdata.hash_of(source)
    segdata.convert(source, tmp_path / "canonical")
    segdata.convert(tmp_path / "canonical", tmp_path / "coco.json", to="coco-instances")
    assert segdata.hash_of(tmp_path / "canonical") == segdata.hash_of(tmp_path / "coco.json") == expected
    assert segdata.hash_of(clean / "semantic") != expected


def test_a_dataset_is_tables_and_batches(clean: Path) -> None:
    data = segdata.read(clean / "instances")
    assert len(data) == len(data.images) == 3
    assert data.image_ids == data.images["image_id"].tolist()
    assert len(data.segments) == sum(batch.n_segments for batch in data.batches())
    assert set(data.segments["image_id"]) <= set(data.image_ids)
    one = segdata.read(clean / "instances", only=data.image_ids[1:2])
    assert one.images["image_id"].tolist() == data.image_ids[1:2]
    assert (one.segments["area"] > 0).all()


def test_assert_valid_is_silent_or_names_the_first_findings(clean: Path, tmp_path: Path) -> None:
    segdata.assert_valid(clean / "semantic")
    document = json.loads((clean / "instances" / "instances.json").read_text())
    document["annotations"][0]["category_id"] = 4711
    (tmp_path / "broken.json").write_text(json.dumps(document))
    with pytest.raises(InvalidDatasetError, match=r"SEG007 x1.*4711"):
        segdata.assert_valid(tmp_path / "broken.json", select=["SEG007"])


def test_convert_counts_losses_verifies_and_refuses(clean: Path, tmp_path: Path) -> None:
    done = segdata.convert(clean / "instances", tmp_path / "c", verify=True)
    assert (done.verified, done.losses, done.n_images) == (done.n_segments, (), 3)
    with pytest.raises(SegdataError, match="exists already"):
        segdata.convert(clean / "instances", tmp_path / "c")
    with pytest.raises(LossError, match="instance"):
        segdata.convert(tmp_path / "c", tmp_path / "m", to="colour-masks", on_loss="error")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c"]
    with pytest.raises(SegdataError, match="can only be read"):
        segdata.convert(tmp_path / "c", tmp_path / "l", to="layers")
    with pytest.raises(SegdataError, match="no format is called"):
        segdata.convert(tmp_path / "c", tmp_path / "l", to="coco")


def test_copied_images_travel_with_the_dataset(clean: Path, tmp_path: Path) -> None:
    segdata.convert(clean / "semantic", tmp_path / "c", copy_images=True)
    (tmp_path / "c").rename(tmp_path / "moved")
    uris = segdata.read(tmp_path / "moved").images["uri"]
    assert all(Path(uri).is_file() and Path(uri).is_relative_to(tmp_path / "moved") for uri in uris)


def test_info_counts_what_is_there(clean: Path) -> None:
    data = segdata.read(clean / "panoptic")
    summary = segdata.info(data)
    assert summary.facts["images"] == 3
    assert summary.facts["segments"] == len(data.segments)
    by_name = summary.categories.set_index("name")
    counted = data.segments.groupby("category_id")["area"].sum()
    assert by_name["pixels"].sum() == counted.sum()
    np.testing.assert_allclose(by_name["share"].sum(), 1)


def test_misuse_is_one_clear_error(clean: Path, tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match="does not exist"):
        segdata.read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SegdataError, match="is empty"):
        segdata.read(tmp_path / "empty")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("hello")
    with pytest.raises(SegdataError, match="no known format"):
        segdata.read(tmp_path / "text")
    with pytest.raises(SegdataError, match="no image 'x'"):
        segdata.read(clean / "semantic", only=["x"])
    with pytest.raises(SegdataError, match="no such folder of images"):
        segdata.read(clean / "semantic", images=tmp_path / "nowhere")
