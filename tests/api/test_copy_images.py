"""--copy-images: pictures, volumes, DICOM files, rasters and channels go along, and what does not is said."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.format import formats
from segdata.core.paths import local_file
from segdata.core.taxonomy import Category, Taxonomy
from tests.generators.dicom_files import contour, write_ct, write_structures
from tests.generators.nifti_files import write_nifti

SAMPLE = Path(__file__).parents[2] / "sample_data" / "panoptic"
TAXONOMY = Taxonomy(categories=(Category(id=1, name="field", kind="stuff"),), unlabelled=0)
LAYOUTS = {
    "cityscapes": "leftImg8bit/train/default/street001_leftImg8bit.jpg",
    "kitti": "training/image_2/street001.jpg",
    "mapillary-vistas": "training/images/street001.jpg",
    "pascal-voc": "JPEGImages/street001.jpg",
    "ade20k": "street001.jpg",
    "davis": "JPEGImages/480p/street001/00000.jpg",
    "supervisely": "dataset/img/street001.jpg",
    "colour-masks": "images/street001.jpg",
    "canonical": "images/street001.jpg",
}


def files_of(data: segdata.Dataset) -> list[Path | None]:
    """Where the images, and their channels, are."""
    rows = data.images[["uri", "channels"]].to_dict("records")
    return [
        local_file(each["uri"])
        for row in rows
        for each in (row, *(row["channels"] if row["channels"] is not None else ()))
    ]


def moved(made: Path, source: Path) -> Path:
    """The conversion in another place, and what it was made of gone."""
    target = made.with_name("moved")
    made.rename(target)
    shutil.rmtree(source)
    return target


@pytest.mark.parametrize("to", LAYOUTS)
def test_images_go_where_the_formats_programs_look(tmp_path: Path, to: str) -> None:
    source = Path(shutil.copytree(SAMPLE, tmp_path / "in"))
    said = {"write_options": {"unknown": "drop"}} if "unknown" in formats()[to].write_options else {}
    done = segdata.convert(source, tmp_path / "out", to=to, copy_images=True, **said)
    assert done.not_copied == ()
    (picture,) = SAMPLE.rglob("street001.jpg")
    assert (tmp_path / "out" / LAYOUTS[to]).read_bytes() == picture.read_bytes()
    data = segdata.read(moved(tmp_path / "out", source), format=to)
    assert all(path is not None and path.is_file() for path in files_of(data))
    assert len(files_of(data)) == done.n_images
    found = segdata.validate(data, select=["SEG001", "SEG002", "SEG003", "SEG011"]).findings
    assert [each for each in found if each.severity == "error"] == []


def pixels(data: segdata.Dataset) -> list[str]:
    """What training would see of each image."""
    pytest.importorskip("torch")
    return [hashlib.md5(data.torch()[row]["image"].numpy().tobytes()).hexdigest() for row in range(len(data))]


@pytest.mark.parametrize("to", ["canonical", "nifti"])
def test_volumes(tmp_path: Path, to: str) -> None:
    pytest.importorskip("nibabel")
    voxels = np.arange(24, dtype=np.int16).reshape(3, 4, 2)
    write_nifti(tmp_path / "in/images/case one.nii.gz", voxels)
    write_nifti(tmp_path / "in/labels/case one.nii.gz", (voxels % 2).astype(np.uint8))
    before = pixels(segdata.read(tmp_path / "in"))
    done = segdata.convert(tmp_path / "in", tmp_path / "out", to=to, copy_images=True)
    assert done.not_copied == ()
    assert [path.name for path in (tmp_path / "out/images").rglob("*.nii.gz")] == ["case one.nii.gz"]
    assert pixels(segdata.read(moved(tmp_path / "out", tmp_path / "in"))) == before


@pytest.mark.parametrize("to", ["canonical", "rt-struct"])
def test_dicom_files(tmp_path: Path, to: str) -> None:
    pytest.importorskip("pydicom")
    series = write_ct(tmp_path / "in/ct", 2, (5, 6))
    square = contour(series, 0, [(1, 1), (4, 1), (4, 4), (1, 4)])
    write_structures(tmp_path / "in/a.dcm", series, [(1, "liver", [square])])
    data = segdata.read(tmp_path / "in")
    before = pixels(data)
    segdata.convert(data, tmp_path / "out", to=to, copy_images=True)
    back = segdata.read(moved(tmp_path / "out", tmp_path / "in"))
    assert pixels(back) == before
    assert segdata.validate(back, select=["SEG0"]).findings == ()
    assert len(back.segments) == 1


@pytest.mark.parametrize("to", ["canonical", "geotiff"])
def test_windows_and_bands_of_rasters(tmp_path: Path, to: str) -> None:
    rasterio = pytest.importorskip("rasterio")
    from segdata.core.tiff_files import create_raster

    at = {"crs": "EPSG:32633", "transform": rasterio.Affine(10.0, 0.0, 5e5, 0.0, -10.0, 5e6), "dtype": "uint16"}
    values = np.arange(24, dtype=np.uint16).reshape(4, 6)
    for name, pixels_ in {"images/a_B02": values, "images/a_B08": values * 9, "masks/a": values * 0 + 1}.items():
        path = tmp_path / "in" / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        with create_raster(path, count=1, height=4, width=6, **at) as raster:
            raster.write(pixels_, 1)
    data = segdata.read(tmp_path / "in", taxonomy=TAXONOMY, options={"tile": 4})
    before = pixels(data)
    assert len(before) == 2
    segdata.convert(data, tmp_path / "out", to=to, copy_images=True)
    assert sorted(path.name for path in (tmp_path / "out/images").iterdir()) == ["a_B02.tif", "a_B08.tif"]
    assert pixels(segdata.read(moved(tmp_path / "out", tmp_path / "in"))) == before


def test_a_store_that_refuses_is_asked_once_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    pytest.importorskip("s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    uris = {f"{name}.png": f"s3://bucket/{name}.png" for name in "ab"}
    images = pd.DataFrame({"image_id": list(uris), "height": 2, "width": 2, "uri": list(uris.values())})
    drawn = pd.DataFrame({"image_id": list(uris), "category": "car", "mask": [np.ones((2, 2))] * 2})
    done = segdata.convert(segdata.from_frames(images, drawn), tmp_path / "out", copy_images=True)
    assert len(done.not_copied) == 1
    assert done.not_copied[0].startswith("2 images not copied, no credentials: set AWS_ACCESS_KEY_ID")
    assert list(segdata.read(tmp_path / "out").images["uri"]) == list(uris.values())


def test_what_is_not_copied_is_said(tmp_path: Path) -> None:
    import pandas as pd

    uris = {
        "a.png": str(tmp_path / "a.png"),
        "b.png": "ftp://server/b.png",
        "c.png": None,
        "d.png": "/gone/d.png",
        "e.png": None,
    }
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    images = pd.DataFrame({"image_id": list(uris), "height": 2, "width": 2, "uri": list(uris.values())})
    drawn = pd.DataFrame({"image_id": list(uris), "category": "car", "mask": [np.ones((2, 2))] * 5})
    done = segdata.convert(segdata.from_frames(images, drawn), tmp_path / "out", copy_images=True)
    assert done.not_copied == (
        "1 image not copied, on another machine (b.png)",
        "2 images not copied, no file is known (c.png, …)",
        "1 image not copied, the file does not exist (d.png)",
    )
    back = segdata.read(tmp_path / "out").images.set_index("image_id")["uri"]
    assert back["a.png"] == str(tmp_path / "out/images/a.png")
    assert back["b.png"] == "ftp://server/b.png"


def test_two_files_of_one_name_both_go_along(tmp_path: Path) -> None:
    import pandas as pd

    for folder, value in (("x", 1), ("y", 2)):
        (tmp_path / folder).mkdir()
        for band in ("rgb", "nir"):
            Image.new("L", (2, 2), value).save(tmp_path / folder / f"{band}.png")
    channels = [
        [{"uri": str(tmp_path / folder / f"{band}.png"), "name": band} for band in ("rgb", "nir")] for folder in "xy"
    ]
    images = pd.DataFrame({"image_id": ["x.png", "y.png"], "height": 2, "width": 2, "channels": channels})
    images["uri"] = [each[0]["uri"] for each in channels]
    drawn = pd.DataFrame({"image_id": ["x.png"], "category": "car", "mask": [np.ones((2, 2))]})
    data = segdata.from_frames(images, drawn)
    before = pixels(data)
    segdata.convert(data, tmp_path / "out", copy_images=True)
    assert pixels(segdata.read(tmp_path / "out")) == before
    assert len(list((tmp_path / "out/images").rglob("*.png"))) == 4
