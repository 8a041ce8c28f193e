"""GeoTIFF that is wrong: each thing is found with its place, or refused with words; the rest is read."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import segdata
from segdata.core.batch import replace_column
from segdata.core.errors import SegdataError
from segdata.core.losses import LossCounter
from segdata.core.taxonomy import Category, Taxonomy
from segdata.core.tiff_files import create_raster
from segdata.formats.geo.geotiff import write

rasterio = pytest.importorskip("rasterio")
TAXONOMY = Taxonomy(categories=(Category(id=1, name="field"),), unlabelled=0)


def raster(path: Path, pixels: np.ndarray, **said: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    at = rasterio.Affine(0.5, 0.0, 1.0, 0.0, -0.5, 2.0)
    height, width = pixels.shape
    size = {"count": 1, "height": height, "width": width, "dtype": pixels.dtype}
    with create_raster(path, **size, crs="EPSG:32633", transform=at, **said) as file:
        file.write(pixels, 1)
    return path


def met(root: Path, **options: object) -> list[tuple[str, str | None, str]]:
    """Code, file and message of everything but information."""
    dataset = segdata.read(root, format="geotiff", taxonomy=TAXONOMY, **options)  # type: ignore[arg-type]
    found = [*dataset.source.defects, *(defect for batch in dataset for defect in batch.defects)]
    return [(each.code, each.file, each.message) for each in found if each.severity != "info"]


def test_damaged_files_are_found_and_the_rest_is_read(tmp_path: Path) -> None:
    whole = raster(tmp_path / "masks" / "a.tif", np.ones((300, 300), np.uint8)).read_bytes()
    (tmp_path / "masks" / "cut.tif").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "masks" / "empty.tif").write_bytes(b"")
    (tmp_path / "masks" / "text.tif").write_text('<VRTDataset rasterXSize="1" rasterYSize="1"/>')
    found = met(tmp_path)
    assert sorted((code, file) for code, file, _ in found) == [
        ("SEG001", f"masks/{name}.tif") for name in ("cut", "empty", "text")
    ]
    dataset = segdata.read(tmp_path, format="geotiff", taxonomy=TAXONOMY)
    assert sum(batch.annotations.num_rows for batch in dataset) == 1


def test_texts_that_name_other_files_are_not_followed(tmp_path: Path) -> None:
    """GDAL would open a VRT by its content, whatever it is called, and read what it names."""
    secret = raster(tmp_path / "secret.tif", np.ones((2, 2), np.uint8))
    vrt = f"""<VRTDataset rasterXSize="2" rasterYSize="2"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
      <SourceFilename>{secret}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"""
    (tmp_path / "d" / "masks").mkdir(parents=True)
    (tmp_path / "d" / "masks" / "a.tif").write_text(vrt)
    with warnings.catch_warnings(action="ignore"), rasterio.open(tmp_path / "d" / "masks" / "a.tif") as opened:
        assert opened.driver == "VRT"
    assert [code for code, _, _ in met(tmp_path / "d")] == ["SEG001"]


def test_absurd_sizes_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "masks" / "a.tif"
    path.parent.mkdir()
    blocks = {"tiled": True, "blockxsize": 2**15, "blockysize": 2**15, "SPARSE_OK": True}
    with create_raster(path, width=2**20, height=2**20, count=1, dtype="uint8", **blocks):
        pass
    (code, file, message) = met(tmp_path)[0]
    assert (code, file) == ("SEG001", "masks/a.tif")
    assert "1,048,576 x 1,048,576 pixels" in message
    assert "tile=2048" in met(tmp_path, options={"tile": 0})[0][2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tile": "wide"}, "tile is 'wide'"),
        ({"tile": -1}, "tile is -1"),
        ({"band": "0"}, "band is '0'"),
        ({"band": "red"}, "band is 'red'"),
        ({"preset": "voc"}, "give only one of them"),
        ({"tiles": 3}, "did you mean 'tile'"),
    ],
)
def test_options_that_are_none(tmp_path: Path, options: dict[str, object], words: str) -> None:
    raster(tmp_path / "a.tif", np.ones((2, 2), np.uint8))
    with pytest.raises(SegdataError) as raised:
        met(tmp_path, options=options)
    assert words in str(raised.value)


def test_complex_values_and_bands_that_are_not_there(tmp_path: Path) -> None:
    path = raster(tmp_path / "a.tif", np.ones((2, 2), np.complex64))
    assert "complex64 values, which cannot be labels" in met(path)[0][2]
    path = raster(tmp_path / "b.tif", np.ones((2, 2), np.uint8))
    assert "there is no band 2" in met(path, options={"band": 2})[0][2]


def test_jpeg_in_tiff_is_lossy(tmp_path: Path) -> None:
    path = raster(tmp_path / "a.tif", np.tile(np.uint8([0, 1]), (64, 32)), compress="jpeg")
    assert [(code, "JPEG compression" in message) for code, _, message in met(path)] == [("SEG010", True)]


def written(tmp_path: Path) -> Path:
    raster(tmp_path / "a.tif", np.ones((4, 4), np.uint8))
    dataset = segdata.read(tmp_path / "a.tif", taxonomy=TAXONOMY, options={"tile": 2})
    segdata.convert(dataset, tmp_path / "d", to="geotiff")
    return tmp_path / "d"


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (7, "SEG004"),
        ({}, "SEG004"),
        ({"image": 3}, "SEG004"),
        ({"image": ""}, "SEG004"),
        ({"image": "b.tif", "width": "2"}, "SEG004"),
        ({"image": "b.tif", "mask": "masks/a.tif", "part": True, "width": -2, "height": 2}, "SEG004"),
        ({"image": "b.tif", "mask": "masks/a.tif", "part": True, "x": 3, "width": 2, "height": 2}, "SEG004"),
        ({"image": "b.tif", "mask": "masks/a.tif", "part": True}, "SEG004"),
        ({"image": "b.tif", "metadata": {"crs": 3}}, "SEG004"),
        ({"image": "../b.tif"}, "SEG015"),
        ({"image": "b.tif", "mask": "/etc/passwd"}, "SEG015"),
        ({"image": "b.tif", "mask": "masks/none.tif"}, "SEG002"),
        ({"image": "b.tif", "mask": "taxonomy.yaml"}, "SEG001"),
        ({"image": "b.tif", "mask": "masks/a.tif", "width": 9, "height": 9}, "SEG003"),
        ({"image": "a.tif/000000_000000"}, "SEG008"),
    ],
)
def test_rows_of_the_index_that_are_wrong(tmp_path: Path, row: object, code: str) -> None:
    target = written(tmp_path)
    index = json.loads((target / "rasters.json").read_text())
    index["images"].append(row)
    (target / "rasters.json").write_text(json.dumps(index))
    found = [each for each in met(target) if each[0] != "SEG002" or code == "SEG002"]
    assert [each[0] for each in found] == [code]
    assert len(segdata.read(target, format="geotiff").image_ids) >= 4


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"images": 3}', '{"version": 2, "images": []}', "\ufeff{", '{"images": ' + "[" * 5000]
)
def test_an_index_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    target = written(tmp_path)
    (target / "rasters.json").write_text(text, encoding="utf-8")
    with pytest.raises(SegdataError, match=r"rasters\.json: (cannot be read|version 2)"):
        segdata.read(target)


@pytest.mark.parametrize(
    "metadata",
    [
        {"crs": "7", "transform": '["a"]'},
        {"crs": '"EPSG:99999999"', "transform": "[1, 0, 0, 0, -1, 1e999]"},
        {"crs": "nonsense", "transform": "[0, 0, 0, 0, 0, 0]"},
        {"window": '{"raster": "../x.tif", "raster_width": 9, "raster_height": 9, "x": 0, "y": 0}'},
        {"window": '{"raster": "x.tif", "raster_width": 1, "raster_height": 1, "x": 0, "y": 0}'},
        {"window": "[1]", "tags": "[1]"},
        {"tags": '{"a": 1, "b": "c"}'},
    ],
)
def test_metadata_that_say_nothing_of_the_kind_are_kept_as_they_are(tmp_path: Path, metadata: dict[str, str]) -> None:
    """Of any source: what is no place is not taken for one; a name that leaves the root is refused."""
    dataset = segdata.from_arrays({"a.png": np.array([[1, 1], [0, 1]])}, TAXONOMY)
    batch = next(iter(dataset))
    said = type(batch)(
        replace_column(batch.images, "metadata", [list(metadata.items())]),
        batch.annotations,
        batch.segments,
        batch.runs,
    )
    if "../" in metadata.get("window", ""):
        with pytest.raises(SegdataError, match="leaves the dataset's root"):
            write(dataset.profile, [said], tmp_path / "w", LossCounter())
        return
    write(dataset.profile, [said], tmp_path / "w", LossCounter())
    back = segdata.read(tmp_path / "w")
    assert dict(back.images["metadata"][0]) == metadata
