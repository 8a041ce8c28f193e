"""Volume files: slices and DICOM images as nibabel and pydicom read them, and damage told with its reason."""

from pathlib import Path

import numpy as np
import pytest

from segdata import read
from segdata.core.errors import SegdataError
from segdata.core.image_files import read_channels
from segdata.core.medical_files import read_dicom_image, read_volume_slice
from segdata.report.pictures.canvas import BackgroundImage
from tests.generators.dicom_files import save, write_ct
from tests.generators.nifti_files import nifti_bytes, write_nifti

nibabel = pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")


@pytest.mark.parametrize("name", ["a b.nii", "a.nii.gz"])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (4, 3, 5, 2)])
def test_slices_are_nibabels(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    """The first axis are columns, the second rows; steps in time are channels."""
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / name)
    for k in range(shape[2] if len(shape) > 2 else 1):
        found = read_channels(f"{(tmp_path / name).as_uri()}#k={k}", (3, 4))
        of_slice = values[:, :, k] if len(shape) > 2 else values
        assert found.dtype == np.int16
        np.testing.assert_array_equal(found, of_slice.reshape(4, 3, -1).transpose(2, 1, 0))


def test_a_scale_is_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.array([[[1], [2]]], np.int16), np.eye(4))
    image.header.set_slope_inter(2, -1000)
    nibabel.save(image, tmp_path / "a.nii")
    assert read_volume_slice(tmp_path / "a.nii", 0).tolist() == nibabel.load(tmp_path / "a.nii").get_fdata().T.tolist()


def test_slices_that_cannot_be_read(tmp_path: Path) -> None:
    sound = nifti_bytes(np.ones((2, 3, 4), np.uint8))
    path = write_nifti(tmp_path / "a.nii", np.ones((2, 3, 4), np.uint8))
    with pytest.raises(OSError, match="has 4 slices, there is no slice 4"):
        read_volume_slice(path, 4)
    with pytest.raises(FileNotFoundError):
        read_volume_slice(tmp_path / "b.nii", 0)
    for damaged in (b"", b"text" * 200, sound[:100], sound[:-20], sound[:40] + b"\xff" * 16 + sound[56:]):
        path.write_bytes(damaged)
        with pytest.raises(OSError, match=r"\w"):
            read_volume_slice(path, 3)


def test_dicom_images_are_pydicoms(tmp_path: Path) -> None:
    series = write_ct(tmp_path, 1, (5, 6))
    (header,) = series.headers
    stored = np.arange(30, dtype=np.uint16).reshape(5, 6)
    header.PixelData, header.RescaleSlope, header.RescaleIntercept = stored.tobytes(), 2, -1024
    path = save(header, series.paths[0])
    assert read_channels(str(path), (5, 6)).tolist() == [(stored * 2.0 - 1024).tolist()]
    ground = BackgroundImage.from_uri(path.as_uri(), 6, 5)
    assert ground.note == ""
    assert ground.image is not None
    assert ground.image.getpixel((5, 4)) == (255, 255, 255)


@pytest.mark.parametrize("keyword", ["PixelData", "Rows", "BitsAllocated", "PhotometricInterpretation"])
def test_dicom_images_that_cannot_be_read(tmp_path: Path, keyword: str) -> None:
    series = write_ct(tmp_path, 1, (5, 6))
    delattr(series.headers[0], keyword)
    path = save(series.headers[0], series.paths[0])
    with pytest.raises(OSError, match="damaged"):
        read_dicom_image(path)
    assert "cannot be decoded" in BackgroundImage.from_uri(path.as_uri(), 6, 5).note
    data = path.read_bytes()
    path.write_bytes(data[:200])
    with pytest.raises(OSError, match=r"\w"):
        read_dicom_image(path)


def test_slices_are_drawn(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.int16).reshape(3, 4, 2)
    write_nifti(tmp_path / "images/a.nii", values)
    write_nifti(tmp_path / "labels/a.nii", (values % 2).astype(np.uint8))
    dataset = read(tmp_path / "labels", images=tmp_path / "images", format="nifti")
    uris = next(iter(dataset)).images["uri"].to_pylist()
    assert BackgroundImage.from_uri(uris[0], 3, 4).note == ""
    assert BackgroundImage.from_uri(uris[1], 3, 4).image is not None
    with pytest.raises(SegdataError, match="a slice k=number"):
        read_channels(uris[0].replace("k=", "n="), (4, 3))
