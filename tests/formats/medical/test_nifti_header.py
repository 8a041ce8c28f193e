"""NIfTI headers: where voxels lie is what nibabel and SimpleITK say, comes back, and is found where it contradicts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segdata import convert, read
from segdata.core.batch import Batch, replace_column
from segdata.core.losses import LossCounter
from segdata.core.profile import ImageSequence
from segdata.core.runs import Runs
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.nifti import write
from segdata.formats.medical.nifti_files import decode_volume
from tests.formats.medical.datasets import codes, met, voxels_of, whole
from tests.generators.nifti_files import nifti_bytes, write_nifti

pytest.importorskip("nibabel")
PLACED = np.array([[-1.5, 0, 0, 10], [0, 1, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])


def test_rows_columns_and_slices(tmp_path: Path) -> None:
    voxels = np.zeros((4, 3, 2), np.uint8)
    voxels[3, 1, 0], voxels[0, 2, 1] = 5, 6
    dataset = read(write_nifti(tmp_path / "a.nii.gz", voxels, sform=PLACED))
    assert voxels_of(dataset, (4, 3, 2)).tolist() == voxels.tolist()
    batch = whole(dataset)
    assert batch.images["image_id"].to_pylist() == ["a.nii.gz/0000", "a.nii.gz/0001"]
    assert batch.images["width"].to_pylist() == [4, 4]
    assert batch.segments["place"].to_pylist() == ["value 5 in slice 0", "value 6 in slice 1"]
    (sequence,) = dataset.profile.sequences
    assert sequence.affine == tuple(PLACED.ravel())
    assert (sequence.axes, sequence.spacing, sequence.dtype) == ("LAS", (1.5, 1.0, 3.0), "|u1")


def test_the_affine_is_nibabels(tmp_path: Path) -> None:
    import nibabel

    turned = np.array([[0, -2.0, 0, 3], [0, 0, 1.5, 4], [-1.0, 0.1, 0, 5], [0, 0, 0, 1]])
    for name, header in {
        "sform.nii": {"sform": turned},
        "qform.nii": {"qform": (1.0, 2.0, 3.0), "spacing": (1.0, 2.0, 4.0)},
        "neither.nii": {"spacing": (1.0, 2.0, 4.0)},
    }.items():
        path = write_nifti(tmp_path / name, np.ones((2, 3, 4), np.uint8), **header)
        image = nibabel.load(path)
        head = decode_volume(path).head
        np.testing.assert_array_equal(head.affine, image.affine)
        assert head.shape == image.shape
        (sequence,) = read(path).profile.sequences
        if name != "neither.nii":
            assert sequence.axes == "".join(nibabel.aff2axcodes(image.affine))
        else:
            assert (sequence.affine, sequence.axes, sequence.spacing) == (None, None, (1.0, 2.0, 4.0))


def test_simpleitk_reads_what_is_written(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    voxels = np.zeros((4, 3, 2), np.int16)
    voxels[1, 2, 0], voxels[3, 0, 1] = 1, 300
    source = write_nifti(tmp_path / "a.nii.gz", voxels, sform=PLACED, spacing=(1.5, 1.0, 3.0))
    profile = read(source).profile
    placed = ImageSequence("v", "volume", profile.sequences[0].affine, None, (1.5, 1.0, 3.0))  # and no header
    convert(source, tmp_path / "can")
    dataset = read(tmp_path / "can")
    batches = list(dataset.batches(in_order=True))

    write(
        replace(dataset.profile, sequences=(replace(placed, name="a.nii.gz"),)),
        batches,
        tmp_path / "out",
        LossCounter(),
    )
    one, other = (sitk.ReadImage(str(path)) for path in (source, tmp_path / "out/labels/a.nii.gz"))
    assert one.GetSize() == other.GetSize() == (4, 3, 2)
    np.testing.assert_allclose(one.GetOrigin(), other.GetOrigin())
    np.testing.assert_allclose(one.GetDirection(), other.GetDirection())
    np.testing.assert_allclose(one.GetSpacing(), other.GetSpacing())
    np.testing.assert_array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(other))
    assert other.GetPixelIDTypeAsString() == "16-bit signed integer", "the smallest type that holds 300"


EXACT = (0.1, 1e-9, 0, -123.456, 0, -0.7, 0, 1 / 3, 0, 0, 2.5, 9.87654321, 0, 0, 0, 1)


@pytest.mark.parametrize("annotated", [True, False])
@pytest.mark.parametrize(
    "place",
    [
        ImageSequence("a.nii", "volume"),
        ImageSequence("a.nii", "volume", spacing=(0.1, 0.7, 2.5)),
        ImageSequence("a.nii", "volume", EXACT, "RPS", (0.1, 0.7, 2.5)),
    ],
)
def test_a_place_comes_back_as_it_is_known(tmp_path: Path, place: ImageSequence, annotated: bool) -> None:
    """Headers have single precision, and millimetres where nothing is known."""
    dataset = read(write_nifti(tmp_path / "in/a.nii", np.ones((3, 2, 2), np.uint8)))
    batch = whole(dataset)
    if not annotated:
        batch = Batch(batch.images, batch.annotations.slice(0, 0), batch.segments.slice(0, 0), Runs.empty())
    profile = replace(dataset.profile, sequences=(place,), metadata={})
    losses = LossCounter()
    write(profile, [batch], tmp_path / "out", losses)
    assert losses.listed() == []
    back = read(tmp_path / "out", format="nifti")
    (found,) = back.profile.sequences
    assert (found.affine, found.axes, found.spacing) == (place.affine, place.axes, place.spacing)
    assert codes(back) == []


def test_a_place_that_somebody_changed_is_the_files(tmp_path: Path) -> None:
    dataset = read(write_nifti(tmp_path / "in/a.nii", np.ones((3, 2, 2), np.uint8)))
    place = ImageSequence("a.nii", "volume", EXACT, "RPS", (0.1, 0.7, 2.5))
    write(replace(dataset.profile, sequences=(place,)), list(dataset), tmp_path / "out", LossCounter())
    (path,) = (tmp_path / "out/labels").iterdir()
    write_nifti(path, np.ones((3, 2, 2), np.uint8), sform=PLACED)
    assert read(tmp_path / "out").profile.sequences[0].affine == tuple(PLACED.ravel())


def test_a_type_that_is_too_small_is_widened_and_the_rest_of_the_header_kept(tmp_path: Path) -> None:

    voxels = np.ones((2, 2, 1), ">u1")
    write_nifti(tmp_path / "a.nii", voxels, sform=PLACED, extension=bytes(8))
    many = Taxonomy(categories=(Category(id=1, name="a"), Category(id=70_000, name="b")))
    dataset = read(tmp_path / "a.nii", taxonomy=many)
    batch = whole(dataset)

    moved = Batch(batch.images, batch.annotations, replace_column(batch.segments, "category_id", [70_000]), batch.runs)
    losses = LossCounter()
    write(dataset.profile, [moved], tmp_path / "out", losses)
    assert [loss.kind for loss in losses.listed()] == ["segment-id"]
    made = decode_volume(tmp_path / "out/labels/a.nii")
    assert made.values.tolist() == [70_000]
    assert made.head.offset == 352 + 16
    np.testing.assert_array_equal(made.head.affine, PLACED)


def test_headers_that_contradict_each_other(tmp_path: Path) -> None:
    voxels = np.ones((2, 2, 2), np.uint8)
    elsewhere = PLACED.copy()
    elsewhere[2, 3] += 2
    coarser = PLACED @ np.diag([1, 1, 2.0, 1])
    flipped = PLACED @ np.diag([-1.0, 1, 1, 1])
    for name, affine in {"a": PLACED, "b": elsewhere, "c": coarser, "d": flipped, "e": PLACED + 1e-4}.items():
        write_nifti(tmp_path / f"images/{name}.nii.gz", voxels.astype(np.int16), sform=affine)
        write_nifti(tmp_path / f"labels/{name}.nii.gz", voxels, sform=PLACED)
    write_nifti(tmp_path / "images/f.nii.gz", np.ones((3, 2, 2), np.int16), sform=PLACED)
    write_nifti(tmp_path / "labels/f.nii.gz", voxels, sform=PLACED, qform=(10.0, -20.0, 5.0))
    found = {each.file: each for each in met(read(tmp_path))}
    assert {name: each.code for name, each in found.items()} == {
        "labels/b.nii.gz": "SEG017",
        "labels/c.nii.gz": "SEG017",
        "labels/d.nii.gz": "SEG017",
        "labels/f.nii.gz": "SEG017",
    }
    assert "up to 2 mm from the image: origin" in found["labels/b.nii.gz"].message
    assert "spacing 1.5x1x3 mm, there 1.5x1x6 mm" in found["labels/c.nii.gz"].message
    assert "directions LAS, there RAS (up to 180° apart)" in found["labels/d.nii.gz"].message
    assert "qform and sform" in found["labels/f.nii.gz"].message
    assert ("SEG003", "labels/f.nii.gz") in codes(read(tmp_path))


def test_the_bytes_are_those_that_nibabel_reads() -> None:
    import nibabel

    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = nibabel.Nifti1Image.from_bytes(nifti_bytes(voxels, sform=PLACED))
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), voxels)
    np.testing.assert_array_equal(image.affine, PLACED)


@pytest.mark.parametrize(("sizes", "flagged"), [((0.1, 1, 1.4, 1), ["1.nii.gz"]), ((0.1, 0.1, 0.1, 1), [])])
def test_voxels_in_another_unit(tmp_path: Path, sizes: tuple[float, ...], flagged: list[str]) -> None:
    """One of several scans; of pictures of two scales nothing is said, nor where slices alone are thicker."""
    for k, size in enumerate((1.0, *sizes, 1.0)):
        affine = np.diag([1.5 * size, 1.5 * size, 3.0 * size, 1])
        write_nifti(tmp_path / f"{k}.nii.gz", np.ones((2, 2, 2), np.uint8), sform=affine)
    write_nifti(tmp_path / "9.nii.gz", np.ones((2, 2, 2), np.uint8), sform=np.diag([1.5, 1.5, 60, 1]))
    told = [one for one in met(read(tmp_path)) if "another unit" in one.message]
    assert [one.file for one in told] == flagged
    assert all(one.message.startswith("voxels of 0.15x0.15x0.3 mm, where others have 1.5x1.5x3 mm") for one in told)


def test_values_that_some_headers_scale(tmp_path: Path) -> None:
    """They are read as the header says, and SEG016 compares encodings."""
    voxels = np.zeros((6, 5, 1), np.uint8)
    voxels[1:4, 1:4] = 1
    for name in "ab":
        write_nifti(tmp_path / f"{name}.nii", voxels, sform=PLACED)
    content = bytearray((tmp_path / "b.nii").read_bytes())
    content[112:120] = np.array([2, 1], "<f4").tobytes()  # scl_slope, scl_inter
    (tmp_path / "b.nii").write_bytes(bytes(content))
    batch = whole(read(tmp_path))
    assert batch.annotations["encoding"].to_pylist() == ["NIfTI uint8", "NIfTI uint8, times 2, plus 1"]
    assert set(batch.segment_category.tolist()) == {1, 3}
