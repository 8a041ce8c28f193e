"""NRRD and MetaImage: voxels and places are those that SimpleITK gives, in every way of storing them."""

from pathlib import Path

import numpy as np
import pytest

from segdata import convert, read
from segdata.core.image_files import read_channels
from segdata.core.medical_files import read_text_header
from segdata.testing.pictures import masks_of_runs
from tests.formats.medical.datasets import codes, met, voxels_of, whole

pytest.importorskip("nibabel")
sitk = pytest.importorskip("SimpleITK")
SHAPE = (16, 15, 8)
TURNED = (0.0, -1.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0)


def _voxels() -> np.ndarray:
    voxels = np.zeros(SHAPE, np.int16)
    voxels[1:9, 1:8, :4], voxels[3:, 3:, 4:] = 2, 300
    return voxels


def _save(path: Path, voxels: np.ndarray, packed: bool = False) -> Path:
    image = sitk.GetImageFromArray(voxels.transpose(2, 1, 0))
    image.SetSpacing((0.5, 2.0, 3.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    image.SetDirection(TURNED)
    sitk.WriteImage(image, str(path), packed)
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", ["nrrd", "nhdr", "mha", "mhd"])
def test_voxels_and_place_are_those_of_nifti(tmp_path: Path, suffix: str, packed: bool) -> None:
    volume = read(_save(tmp_path / f"a.{suffix}", _voxels(), packed), format="nifti")
    nifti = read(_save(tmp_path / "b.nii.gz", _voxels()))
    assert voxels_of(volume, SHAPE).tolist() == _voxels().tolist()
    (placed,), (expected,) = volume.profile.sequences, nifti.profile.sequences
    assert (placed.axes, placed.dtype) == (expected.axes, "<i2")
    np.testing.assert_allclose(placed.affine, expected.affine, atol=1e-6)
    assert not codes(volume)


@pytest.mark.parametrize("suffix", ["nrrd", "mha"])
def test_an_image_and_its_labels(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(1).integers(0, 3000, SHAPE).astype(np.int16)
    _save(tmp_path / f"ct.{suffix}", noise, packed=True)
    _save(tmp_path / f"ct_mask.{suffix}", _voxels())
    dataset = read(tmp_path)
    assert dataset.profile.format == "nifti"
    uris = whole(dataset).images["uri"].to_pylist()
    assert [read_channels(uri, (15, 16))[0].tolist() for uri in uris] == noise.transpose(2, 1, 0).tolist()
    assert not codes(dataset)


@pytest.mark.parametrize("target", ["canonical", "nifti"])
def test_everything_comes_back(tmp_path: Path, target: str) -> None:
    source = _save(tmp_path / "a.seg.nrrd", _voxels(), packed=True)
    convert(read(source), tmp_path / "out", to=target, on_loss="error")
    again = read(tmp_path / "out")
    assert voxels_of(again, SHAPE).tolist() == _voxels().tolist()
    np.testing.assert_allclose(again.profile.sequences[0].affine, read(source).profile.sequences[0].affine, atol=1e-6)


def _nrrd(path: Path, *lines: str, data: bytes = bytes(range(24))) -> Path:
    head = ["NRRD0004", "type: unsigned char", "encoding: raw", "endian: little", *lines]
    path.write_bytes("\n".join([*head, "", ""]).encode() + data)
    return path


def test_segments_of_slicer_have_their_names(tmp_path: Path) -> None:
    names = ("Segment0_LabelValue:=1", "Segment0_Name:=left lung", "Segment0_Color:=1 0.5 0", "Segment1_LabelValue:=2")
    data = b"\1\1\0\2\2\0\1\1"
    path = _nrrd(tmp_path / "a.seg.nrrd", "dimension: 3", "sizes: 2 2 2", "spacings: 1 1 1", *names, data=data)
    categories = read(path).profile.taxonomy.categories
    assert [(category.id, category.name, category.color) for category in categories] == [
        (1, "left lung", (255, 128, 0)),
        (2, "segment_1", None),
    ]


@pytest.mark.parametrize("target", [None, "canonical", "nifti"])
def test_layers_of_slicer_overlap(tmp_path: Path, target: str | None) -> None:
    """A vessel lies on the lung that it runs through: two layers in one file, with equal values."""
    rng = np.random.default_rng(3)
    planes = rng.integers(0, 3, (3, 4, 5, 2)).astype(np.uint8)  # slices, rows, columns, layers
    image = sitk.GetImageFromArray(planes, isVector=True)
    image.SetSpacing((0.1, 2.0, 3.3))
    segments = {"lung": (0, 1), "heart": (0, 2), "vessel": (1, 1), "tumour": (1, 2)}
    for number, (name, (layer, value)) in enumerate(segments.items()):
        for key, entry in (("Name", name), ("Layer", layer), ("LabelValue", value)):
            image.SetMetaData(f"Segment{number}_{key}", str(entry))
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    dataset = read(tmp_path / "a.seg.nrrd")
    if target is not None:
        convert(dataset, tmp_path / "out", to=target, on_loss="error")
        dataset = read(tmp_path / "out")
    batch = whole(dataset)
    names = {category.id: category.name for category in dataset.profile.taxonomy.categories}
    drawn = {name: np.zeros(planes.shape[:3], bool) for name in segments}
    owners = batch.annotations["image"].to_numpy()[batch.segments["annotation"].to_numpy()]
    pixels = masks_of_runs(batch.runs, *batch.segment_size)
    for mask, category, owner in zip(pixels, batch.segments["category_id"].to_pylist(), owners.tolist(), strict=True):
        drawn[names[category]][batch.images["frame"][owner].as_py()] |= mask
    for name, (layer, value) in segments.items():
        np.testing.assert_array_equal(drawn[name], planes[..., layer] == value)
    assert not [code for code in codes(dataset) if code == "SEG001"]


REFUSED = {
    "colours": (
        ("dimension: 4", "sizes: 2 2 3 2", "space directions: none (1,0,0) (0,1,0) (0,0,1)"),
        "2 values at each voxel are no labels",
    ),
    "cut off": (("dimension: 3", "sizes: 2 3 5"), "cut off: its voxels need 30 bytes, the file has 24"),
    "elsewhere": (("dimension: 3", "sizes: 2 3 4", "data file: ../a.raw"), "outside its folder"),
    "several": (("dimension: 3", "sizes: 2 3 4", "data file: LIST"), "in several files"),
    "numbers": (("dimension: 3", "sizes: 2 3 x"), "damaged header"),
    "sizes": (("dimension: 3",), "has no 'sizes'"),
    "axes": (("dimension: 2", "sizes: 2 3 4"), "not those of 2 dimensions"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_says_why(tmp_path: Path, case: str) -> None:
    lines, reason = REFUSED[case]
    _nrrd(tmp_path / "good_seg.nrrd", "dimension: 3", "sizes: 2 3 4", data=bytes([1, 1, 1, 0, 0, 0] * 4))
    _nrrd(tmp_path / "bad_seg.nrrd", *lines)
    (defect,) = [defect for defect in met(read(tmp_path)) if defect.file == "bad_seg.nrrd"]
    assert defect.code == "SEG001"
    assert reason in defect.message


def test_a_damaged_volume_is_a_finding(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.mha", _voxels(), packed=True)
    path.write_bytes(path.read_bytes()[:-20])
    assert ("SEG001", "a.mha") in codes(read(path))


def test_bytes_that_lie_before_the_voxels(tmp_path: Path) -> None:
    voxels = bytes([1, 1, 1, 0, 0, 0] * 4)
    path = _nrrd(tmp_path / "a.nrrd", "dimension: 3", "sizes: 2 3 4", "byte skip: -1", data=b"junk" + voxels)
    assert read_text_header(path).offset == path.stat().st_size - 24
    assert np.bincount(voxels_of(read(path), (2, 3, 4)).ravel()).tolist() == [12, 12]


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_other_bytes_are_a_finding(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"NRRD0004\xff\xfe" if name == "a.nrrd" else b"\x00" * 50)
    assert codes(read(tmp_path)) == [("SEG001", name)]


def test_files_of_one_folder_are_of_the_only_image_beside_it(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 3000, SHAPE).astype(np.int16)
    (tmp_path / "total").mkdir()
    _save(tmp_path / "ct.nii.gz", noise)
    for name, value in {"liver": 2, "spleen": 300}.items():
        _save(tmp_path / "total" / f"{name}.nii.gz", (_voxels() == value).astype(np.uint8))
    dataset = read(tmp_path)
    assert sorted(category.name for category in dataset.profile.taxonomy.categories) == ["liver", "spleen"]
    assert not codes(dataset)
    assert len(whole(dataset).images) == 8
    _save(tmp_path / "other.nii.gz", noise)
    assert ("SEG011", "ct.nii.gz") in codes(read(tmp_path))
