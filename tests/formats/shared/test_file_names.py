"""Bands in files of their own are the channels of one image: Sentinel-2's, RGB with near infrared, nnU-Net's."""

from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import segdata
from segdata.core.taxonomy import Category, Taxonomy
from segdata.core.tiff_files import create_raster
from segdata.formats.shared.file_names import folder_and_stem, group_bands, match_names

TAXONOMY = Taxonomy(categories=(Category(id=1, name="field", kind="stuff"),), unlabelled=0)


def save(path: Path, value: int, size: tuple[int, int] = (4, 3), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, value, value)).save(path)


def opened(root: Path, **options: object) -> segdata.Dataset:
    return segdata.read(root, taxonomy=TAXONOMY, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("files", "bands"),
    [
        (["t_B02.tif", "t_B12.tif", "t_B8A.tif", "t_B08.tif", "t_B03.tif"], ["B02", "B03", "B08", "B8A", "B12"]),
        (["t_nir.png", "t_rgb.png"], ["rgb", "nir"]),
        (["t_0001.png", "t_0000.png"], ["0000", "0001"]),
        (["t/VV.tif", "t/VH.tif"], ["VV", "VH"]),
        (["t.NIR.tif", "t.Green.tif", "t.Red.tif"], ["Red", "Green", "NIR"]),
    ],
)
def test_names_and_order_of_bands(files: list[str], bands: list[str]) -> None:
    (found,) = group_bands(["t_mask.png"], files).values()
    assert sorted(found.values()) == sorted(files)
    assert list(found) == bands


@pytest.mark.parametrize(
    ("masks", "images"),
    [
        (["f_0000.png", "f_0001.png"], ["f_0000.jpg", "f_0001.jpg"]),  # frames, each with its mask
        (["f.png"], ["f_0000.png"]),  # one file is no bands
        (["g.png"], ["f_0000.png", "f_0001.png"]),  # no mask has the name of the image
        (["f.png"], ["f_left.png", "f_right.png"]),  # no bands
    ],
)
def test_files_that_are_no_bands(masks: list[str], images: list[str]) -> None:
    assert group_bands(masks, images) == {}


def test_channels_of_colour_masks(tmp_path: Path) -> None:
    """Values of all files reach training, in the order of the bands; who has no mask is told once, not by band."""
    pytest.importorskip("torch")
    for stem, first in (("a", 10), ("b", 50)):
        for number, band in enumerate(("B08", "B02", "B03")):
            save(tmp_path / "images" / f"{stem}_{band}.png", first + number)
    save(tmp_path / "masks" / "a.png", 1)
    data = opened(tmp_path)
    assert data.image_ids == ["a.png", "b.png"]
    (channels,) = data.images["channels"][:1]
    assert [(each["name"], Path(each["uri"]).name) for each in channels] == [
        ("B02", "a_B02.png"),
        ("B03", "a_B03.png"),
        ("B08", "a_B08.png"),
    ]
    assert data.torch()[0]["image"][:, 0, 0].tolist() == [11, 12, 10]
    found = segdata.validate(data, select=["SEG0"]).findings
    assert [(each.code, each.image) for each in found] == [("SEG011", "b.png")]
    segdata.convert(data, tmp_path / "canonical")
    back = segdata.read(tmp_path / "canonical")
    assert [each["uri"] for each in back.images["channels"][0]] == [each["uri"] for each in channels]
    assert segdata.read(tmp_path / "canonical").torch()[0]["image"].shape[0] == 3


def test_masks_and_bands_in_one_folder(tmp_path: Path) -> None:
    save(tmp_path / "a_rgb.png", 5, mode="RGB")
    save(tmp_path / "a_nir.png", 7)
    save(tmp_path / "a_mask.png", 1)
    data = opened(tmp_path)
    assert data.image_ids == ["a.png"]
    assert [each["name"] for each in data.images["channels"][0]] == ["rgb", "nir"]


def test_bands_of_instance_ids(tmp_path: Path) -> None:
    for band in ("red", "nir"):
        save(tmp_path / "images" / "a" / f"{band}.png", 1)
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.full((3, 4), 300, np.uint16)).save(tmp_path / "masks" / "a.png")
    data = opened(tmp_path)
    assert data.profile.format == "instance-ids"
    assert [each["name"] for each in data.images["channels"][0]] == ["red", "nir"]


def test_bands_that_are_missing_damaged_or_of_another_size(tmp_path: Path) -> None:
    for stem in "abc":
        for band in ("B02", "B03"):
            save(tmp_path / "images" / f"{stem}_{band}.png", 1)
        save(tmp_path / "masks" / f"{stem}.png", 1)
    (tmp_path / "images" / "a_B02.png").unlink()
    save(tmp_path / "images" / "b_B03.png", 1, size=(2, 3))
    (tmp_path / "images" / "c_B03.png").write_bytes(b"no image")
    found = segdata.validate(opened(tmp_path), select=["SEG0"]).findings
    assert [(each.code, each.image, each.file) for each in found] == [
        ("SEG001", "c.png", "images/c_B03.png"),
        ("SEG002", "a.png", "images/a_B03.png"),
        ("SEG003", "b.png", "images/b_B03.png"),
    ]
    assert "has no band B02" in found[1].message
    assert "channel B03 is 2x3, the first one is 4x3" in found[2].message


def test_bands_of_rasters_and_their_windows(tmp_path: Path) -> None:
    """Each window has the same region of every band."""
    rasterio = pytest.importorskip("rasterio")
    pytest.importorskip("torch")
    bands = np.stack([np.arange(24), np.arange(24) + 1000]).reshape(2, 4, 6).astype(np.uint16)
    at = {"crs": "EPSG:32633", "transform": rasterio.Affine(10.0, 0.0, 5e5, 0.0, -10.0, 5e6), "dtype": "uint16"}
    for name, values in {"images/a_B02": bands[0], "images/a_B08": bands[1], "masks/a": np.ones_like(bands[0])}.items():
        path = tmp_path / f"{name}.tif"
        path.parent.mkdir(exist_ok=True)
        with create_raster(path, count=1, height=4, width=6, **at) as raster:
            raster.write(values, 1)
    whole = opened(tmp_path)
    assert whole.profile.format == "geotiff"
    assert whole.torch()[0]["image"].tolist() == bands.tolist()
    assert opened(tmp_path, options={"tile": 4}).torch()[1]["image"].tolist() == bands[:, :, 4:].tolist()


PARTS = st.text("ab._-", min_size=1, max_size=5).filter(lambda part: part not in (".", ".."))


@given(st.lists(PARTS, min_size=1, max_size=3))
def test_folder_and_stem_are_those_of_pathlib(parts: list[str]) -> None:
    path = PurePosixPath("/".join(parts))
    folder = path.parent.as_posix()
    assert folder_and_stem(str(path)) == ("" if folder == "." else f"{folder}/", path.stem)


def test_masks_named_as_their_images_and_a_word_of_their_own() -> None:
    """As GID's: the word is the same in all masks, and a sign stands before it."""
    masks, images = ["train/a1_15label.png", "val/b1_15label.png"], ["train/a1.tif", "val/b1.tif", "test/c1.tif"]
    assert match_names(masks, images)[0] == dict(zip(masks, images, strict=False))
    assert match_names(["0001.png", "0011.png"], ["000.jpg", "001.jpg"])[0] == {}
    assert match_names(["a_x.png", "b_y.png"], ["a.jpg", "b.jpg"])[0] == {}
