"""OME-Zarr: files that ome-zarr 0.18 wrote (ome_zarr_0_18.zip), and hand-made ones; pixels as zarr has them."""

import json
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

import segdata
from segdata.core.errors import SegdataError
from segdata.core.format import detect
from segdata.core.pixel_limit import pixel_limit
from segdata.testing.pictures import masks_of_runs

zarr = pytest.importorskip("zarr")
numcodecs = pytest.importorskip("numcodecs")
Array = np.ndarray[Any, Any]


def save(
    folder: Path,
    name: str,
    values: Array,
    version: int = 2,
    chunks: tuple[int, ...] | None = None,
    compressors: Any = "auto",
    **image_label: Any,
) -> Path:
    """A label image as version 0.4 (Zarr 2) or 0.5 (Zarr 3) has it, in `folder`/labels."""
    labels = zarr.open_group(str(folder / "labels"), mode="a", zarr_format=version)
    group = labels.create_group(name)
    array = group.create_array(
        "0", shape=values.shape, dtype=values.dtype, chunks=chunks or values.shape, compressors=compressors
    )
    array[...] = values
    axes = [{"name": axis} for axis in "tczyx"[5 - values.ndim :]]
    content = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}], "image-label": image_label}
    listed = [*_content(labels).get("labels", []), name]
    for node, more in ((group, content), (labels, {"labels": listed})):
        node.attrs.update(more if version == 2 else {"ome": more})
    return folder


def _content(group: Any) -> dict[str, Any]:
    attributes = dict(group.attrs.asdict())
    return dict(attributes.get("ome", attributes))


def planes(data: segdata.Dataset) -> dict[str, Array]:
    """The segment ids at each pixel, (height, width) by image."""
    found = {}
    for batch in data:
        images = batch.images["image_id"].to_pylist()
        of_segment = batch.annotations["image"].to_numpy()[batch.segments["annotation"].to_numpy()]
        ids = batch.segments["segment_id"].to_numpy()
        for row, image_id in enumerate(images):
            size = (batch.images["height"].to_pylist()[row], batch.images["width"].to_pylist()[row])
            found[image_id] = np.zeros(size, np.int64)
        for mask, row, number in zip(masks_of_runs(batch.runs, *batch.segment_size), of_segment, ids, strict=True):
            found[images[row]][mask] = number
    return found


@pytest.mark.parametrize("version", ["v04", "v05"])
def test_what_ome_zarr_wrote(tmp_path: Path, version: str) -> None:
    with ZipFile(Path(__file__).with_name("ome_zarr_0_18.zip")) as file:
        file.extractall(tmp_path)
    root = tmp_path / version
    assert detect(root) == "ome-zarr"
    data = segdata.read(root)
    assert not data.source.defects
    truth = np.load(tmp_path / f"{version}.npy")
    assert {name: plane.tolist() for name, plane in planes(data).items()} == {
        f"cells.ome.zarr/{row:04d}": plane.tolist() for row, plane in enumerate(truth)
    }
    assert data.images["sequence"].tolist() == ["cells.ome.zarr"] * 3
    assert set(data.segments["category"]) == {"nuclei"}
    assert data.segments["track_id"].tolist() == data.segments["segment_id"].tolist()
    for inner in ("cells.ome.zarr", "cells.ome.zarr/labels/nuclei"):
        assert len(segdata.read(root / inner)) == 3


@pytest.mark.parametrize("version", [2, 3])
def test_label_images_are_categories_and_may_overlap(tmp_path: Path, version: int) -> None:
    rng = np.random.default_rng(version)
    cells, nuclei = (
        rng.integers(0, 4, (1, 1, 7, 9)).astype(np.uint16),
        rng.integers(0, 3, (1, 1, 7, 9)).astype(np.int32),
    )
    save(tmp_path / "a.zarr", "cells", cells, version)
    save(tmp_path / "a.zarr", "nuclei", nuclei, version)
    data = segdata.read(tmp_path)
    (batch,) = data
    names = data.segments["category"].tolist()
    values = [int(place.removeprefix("value ")) for place in batch.segments["place"].to_pylist()]
    for mask, name, value in zip(masks_of_runs(batch.runs, *batch.segment_size), names, values, strict=True):
        assert (mask == ((cells if name == "cells" else nuclei)[0, 0] == value)).all()
    assert sorted(names) == ["cells"] * 3 + ["nuclei"] * 2
    assert len(set(data.segments["segment_id"])) == 5
    assert data.images["image_id"].tolist() == ["a.zarr"]


def test_a_class_that_values_share_is_the_category(tmp_path: Path) -> None:
    properties = [{"label-value": k, "class": name, "area": 7.5} for k, name in ((1, "T"), (2, "B"), (3, "T"))]
    save(tmp_path / "a.zarr", "cells", np.arange(6, dtype=np.uint8).reshape(2, 3) % 5, properties=properties)
    assert segdata.read(tmp_path).segments["category"].tolist() == ["T", "B", "T", "cells"]
    unique = [{"label-value": k, "name": f"cell {k}"} for k in (1, 2, 3)]
    save(tmp_path / "b.zarr", "cells", np.arange(6, dtype=np.uint8).reshape(2, 3) % 5, properties=unique)
    assert set(segdata.read(tmp_path / "b.zarr").segments["category"]) == {"cells"}


def test_defects_are_named_and_the_others_are_read(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    root = save(save(save(tmp_path / "a.zarr", "a", values), "b", values[:2]), "c", values.astype(np.float32))
    save(root, "d", -values.astype(np.int16))
    shutil.rmtree(save(root, "e", values) / "labels/e")
    listed = json.loads((root / "labels/.zattrs").read_text())
    (root / "labels/.zattrs").write_text(json.dumps(listed | {"labels": ["a", "b", "c", "e"]}))
    found = {(finding.code, finding.file) for finding in segdata.validate(tmp_path, select=["SEG0"]).findings}
    assert found >= {
        ("SEG002", "a.zarr/labels/e"),
        ("SEG001", "a.zarr/labels/c"),
        ("SEG003", "a.zarr/labels/b"),
        ("SEG004", "a.zarr/labels/d"),
        ("SEG001", "a.zarr/labels/d"),
    }
    assert planes(segdata.read(tmp_path))["a.zarr"].tolist() == values.tolist()


def test_a_damaged_chunk_and_damaged_metadata_are_findings(tmp_path: Path) -> None:
    root = save(save(tmp_path / "a.zarr", "a", np.ones((8, 8), np.uint8)), "b", np.ones((8, 8), np.uint8))
    (root / "labels/a/0/0.0").write_bytes(b"nothing")
    (root / "labels/b/.zattrs").write_text('{"multiscales": 7}')
    report = segdata.validate(tmp_path, select=["SEG001"])
    assert {finding.file for finding in report.findings} == {"a.zarr/labels/a", "a.zarr/labels/b"}


def test_a_chunk_whose_header_says_a_size_below_zero_is_a_finding(tmp_path: Path) -> None:
    chunk = save(tmp_path / "a.zarr", "a", np.ones((80, 80), np.uint8)) / "labels/a/0/0.0"
    content = bytearray(chunk.read_bytes())
    content[4:8] = b"\xff\xff\xff\xff"  # of Blosc: the number of bytes that it decodes to
    chunk.write_bytes(content)
    report = segdata.validate(tmp_path, select=["SEG001"])
    assert {finding.file for finding in report.findings} == {"a.zarr/labels/a"}


@pytest.mark.parametrize("version", [2, 3])
def test_a_chunk_that_is_shorter_than_its_header_says_is_a_finding(tmp_path: Path, version: int) -> None:
    values = np.zeros((2, 80, 80), np.uint8)
    values[:, :40] = np.arange(80)
    blosc = numcodecs.Blosc() if version == 2 else zarr.codecs.BloscCodec()
    root = save(tmp_path / "a.zarr", "a", values, version, chunks=(1, 40, 40), compressors=blosc)
    name = "0/1.0.1" if version == 2 else "0/c/1/0/1"
    chunk = root / "labels/a" / name
    content = bytearray(chunk.read_bytes())
    content[12:16] = b"\xff\xff\xff\x7f"  # of Blosc: the number of its own bytes
    chunk.write_bytes(content)
    report = segdata.validate(tmp_path, select=["SEG001"])
    assert [(finding.file, f"chunk {name} is shorter" in finding.message) for finding in report.findings] == [
        ("a.zarr/labels/a", True)
    ]


def test_a_zarr_without_labels_is_refused(tmp_path: Path) -> None:
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    with pytest.raises(SegdataError, match="no Zarr folder with label images"):
        segdata.read(tmp_path, format="ome-zarr")


def test_chunks_beyond_the_limit_are_not_decoded(tmp_path: Path) -> None:
    save(tmp_path / "a.zarr", "a", np.ones((40, 40), np.uint8))
    with pixel_limit(1000):
        report = segdata.validate(tmp_path, select=["SEG001"])
    assert ["--max-pixels 1600" in finding.message for finding in report.findings] == [True]
