"""NIfTI: what a volume holds decides whether it is labels or an image; its name only where that cannot be told."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata import read
from segdata.core.errors import UnreadableError
from segdata.formats.medical.nifti_files import volume_content
from segdata.formats.medical.nifti_scans import find_scans
from tests.formats.medical.datasets import codes, met
from tests.generators.nifti_files import write_nifti

pytest.importorskip("nibabel")
PLACED = np.diag([1.0, 1, 2, 1])
SHAPE = (24, 20, 6)


def mri(seed: int = 0) -> np.ndarray:
    """Intensities: a smooth background with noise, as of a scanner."""
    rng = np.random.default_rng(seed)
    return (np.linspace(200, 900, SHAPE[0])[:, None, None] + rng.normal(0, 60, SHAPE)).astype(np.int16)


def mask(seed: int = 0, values: int = 1) -> np.ndarray:
    """Boxes of labels."""
    rng = np.random.default_rng(seed)
    made = np.zeros(SHAPE, np.int16)
    for value in range(1, values + 1):
        x, y = rng.integers(0, 8, 2)
        made[x : x + 12, y : y + 10, 1:5] = value
    return made


def save(path: Path, voxels: np.ndarray) -> None:
    write_nifti(path, voxels, sform=PLACED)


def roles(root: Path) -> dict[str, list[str]]:
    return {scan.name: [label.name for label in scan.labels] for scan in find_scans(root, None)}


def test_an_image_that_is_called_lesion_is_an_image(tmp_path: Path) -> None:
    """And its masks, whose names say nothing, are the labels."""
    save(tmp_path / "sub-01_lesion-flair.nii.gz", mri())
    save(tmp_path / "sub-01_lesion-flair_consensus.nii.gz", mask())
    assert roles(tmp_path) == {"sub-01_lesion-flair.nii.gz": ["sub-01_lesion-flair_consensus.nii.gz"]}
    dataset = read(tmp_path)
    assert codes(dataset) == []
    assert [category.id for category in dataset.taxonomy.categories] == [1]


def test_an_mri_in_a_folder_of_labels_is_named_and_left_out(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path / f"images/{name}.nii.gz", mri())
        save(tmp_path / f"label/{name}.nii.gz", mri() if name == "b" else mask())
    dataset = read(tmp_path)
    assert len(dataset.taxonomy.categories) == 1
    assert ("SEG004", "label/b.nii.gz") in codes(dataset)
    assert any("b.nii.gz holds intensities, not labels" in defect.message for defect in met(dataset))


def test_a_folder_of_images_alone_is_refused_with_the_reason(tmp_path: Path) -> None:
    save(tmp_path / "label/a.nii.gz", mri())
    for data in (tmp_path, tmp_path / "label/a.nii.gz"):
        with pytest.raises(UnreadableError, match=r"a\.nii\.gz holds intensities, not labels \([\d,]+ values"):
            read(data)


def test_names_decide_where_values_do_not(tmp_path: Path) -> None:
    """An empty mask, one of a single voxel, and probabilities have the names of labels."""
    save(tmp_path / "a.nii.gz", mri())
    single = np.zeros(SHAPE, np.int16)
    single[3, 4, 2] = 1
    for end, voxels in (("seg", 0 * single), ("label-disc", single), ("mask", mri().astype(np.float32) / 1100)):
        path = tmp_path / f"a_{end}.nii.gz"
        save(path, voxels)
        assert volume_content(path)[0] is None
    assert roles(tmp_path) == {"a.nii.gz": [f"a_{end}.nii.gz" for end in ("label-disc", "mask", "seg")]}


def test_small_masks_among_masks_are_labels(tmp_path: Path) -> None:
    """Empty ones, too; but not beside an image, not what labels belong to, and not in a folder of images."""
    for k in range(4):
        save(tmp_path / f"all/{k}.nii.gz", mask(k) * (k > 0))
        save(tmp_path / f"mixed/{k}.nii.gz", mri() if k == 3 else mask(k) * (k > 0))
    assert roles(tmp_path / "all") == {f"{k}.nii.gz": [f"{k}.nii.gz"] for k in range(4)}
    assert roles(tmp_path / "mixed") == {f"{k}.nii.gz": [f"{k}.nii.gz"] * (k in (1, 2)) for k in range(4)}
    save(tmp_path / "all/0_seg.nii.gz", mask(9))
    assert roles(tmp_path / "all")["0.nii.gz"] == ["0_seg.nii.gz"]
    for k in range(4):
        save(tmp_path / f"two/images/{k}.nii.gz", 0 * mask())
        save(tmp_path / f"two/labels/{k}.nii.gz", mask(k))
    assert roles(tmp_path / "two") == {f"{k}.nii.gz": [f"labels/{k}.nii.gz"] for k in range(4)}


def test_a_binary_image_stays_the_image_of_its_labels(tmp_path: Path) -> None:
    """A phantom, or a brain mask that is segmented further: the labels' name begins with its own."""
    save(tmp_path / "case.nii.gz", mask(1))
    save(tmp_path / "case_seg.nii.gz", mask(2))
    assert roles(tmp_path) == {"case.nii.gz": ["case_seg.nii.gz"]}
    save(tmp_path / "two/images/p.nii.gz", mask(1))
    save(tmp_path / "two/labels/p.nii.gz", mask(2))
    assert roles(tmp_path / "two") == {"p.nii.gz": ["labels/p.nii.gz"]}


def test_one_that_differs_among_many_is_seen(tmp_path: Path) -> None:
    """Of many volumes with alike names a few are looked at; where these disagree, all are."""
    for k in range(40):
        save(tmp_path / f"labels/{k:02d}.nii.gz", mri(k) if k == 20 else mask(k))
    assert ("SEG004", "labels/20.nii.gz") in codes(read(tmp_path))


@settings(max_examples=30)
@given(
    values=st.integers(1, 200),
    kind=st.sampled_from(["<i2", ">i2", "<f4", "<u1", "<f8"]),
    side=st.integers(2, 6),
    scale=st.sampled_from([(0.0, 0.0), (2.0, 0.0), (0.5, 0.0)]),
)
def test_regions_are_labels_and_noise_is_not(
    tmp_path_factory: pytest.TempPathFactory, values: int, kind: str, side: int, scale: tuple[float, float]
) -> None:
    """However many values there are, of any type: regions of `side` voxels are labels from 4 on, noise never is."""
    folder = tmp_path_factory.mktemp("law")
    rng = np.random.default_rng(values)
    noise = rng.integers(1, values + 1, (48, 48, 2)) * 2
    write_nifti(folder / "noise.nii.gz", noise.astype(kind), sform=PLACED, scale=scale)
    regions = np.kron(noise[:8, :8], np.ones((side, side, 1), int))
    write_nifti(folder / "regions.nii.gz", regions.astype(kind), sform=PLACED, scale=scale)
    if values > 64:
        assert volume_content(folder / "noise.nii.gz")[0] == "intensities"
    if side >= 4 and values > 1:
        assert volume_content(folder / "regions.nii.gz")[0] == "labels"
    assert volume_content(folder / "regions.nii.gz")[0] != "intensities" or side < 3


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("volume-?.nii", "segmentation-?.nii"),  # LiTS
        ("case_0000?/imaging.nii.gz", "case_0000?/segmentation.nii.gz"),  # KiTS
        ("averaged-training-images/img000?.nii.gz", "averaged-training-labels/label000?.nii.gz"),  # BTCV
        ("patient00?/patient00?_frame01.nii.gz", "patient00?/patient00?_frame01_gt.nii.gz"),  # ACDC
    ],
)
def test_images_are_found_in_layouts_of_public_datasets(tmp_path: Path, image: str, labels: str) -> None:
    for number in "123":
        save(tmp_path / image.replace("?", number), mri(int(number)))
        save(tmp_path / labels.replace("?", number), mask(int(number)))
    scans = find_scans(tmp_path, None)
    assert [scan.image is not None and len(scan.labels) for scan in scans] == [1, 1, 1]
    dataset = read(tmp_path)
    assert set(dataset.images["uri"].str.contains(image.split("?")[-1].lstrip("_"), regex=False)) == {True}
    assert codes(dataset) == []


def test_modalities_of_a_case_are_channels_of_one_image(tmp_path: Path) -> None:
    """BraTS."""
    for case in ("BraTS_1", "BraTS_12"):
        for number, end in enumerate(("flair", "t1", "t1ce", "t2")):
            save(tmp_path / case / f"{case}_{end}.nii.gz", mri(number))
        save(tmp_path / case / f"{case}_seg.nii.gz", mask(values=2))
    scans = find_scans(tmp_path, None)
    assert [list(scan.channels) for scan in scans] == [["flair", "t1", "t1ce", "t2"]] * 2
    assert [len(scan.labels) for scan in scans] == [1, 1]
    dataset = read(tmp_path)
    assert len(dataset.images) == 2 * SHAPE[2]
    assert codes(dataset) == []


@pytest.mark.parametrize("scanned", [True, False])
def test_a_file_for_each_category_of_a_case_is_a_layer(tmp_path: Path, scanned: bool) -> None:
    """TotalSegmentator."""
    for case in ("s0001", "s0002"):
        if scanned:
            save(tmp_path / case / "ct.nii.gz", mri())
        for seed, organ in enumerate(("liver", "spleen")):
            save(tmp_path / case / "segmentations" / f"{organ}.nii.gz", mask(seed))
    dataset = read(tmp_path)
    assert {category.name for category in dataset.taxonomy.categories} == {"liver", "spleen"}
    assert len(dataset.images) == 2 * SHAPE[2]
    assert set(dataset.segments["category"]) == {"liver", "spleen"}


def test_folders_of_cases_whose_files_are_called_alike(tmp_path: Path) -> None:
    """The images are the channels of the case; a file of one folder only is of no case."""
    for k in (1, 2):
        for name, voxels in (("flair", mri()), ("t1c", mri()), ("lesion", mask(k)), ("brain", mask(k + 3))):
            save(tmp_path / f"train/p{k}/{name}.nii.gz", voxels)
    assert roles(tmp_path) == {
        f"train/p{k}.nii.gz": [f"train/p{k}/{name}.nii.gz" for name in ("brain", "lesion")] for k in (1, 2)
    }
    (first, _) = find_scans(tmp_path, None)
    assert list(first.channels) == ["flair", "t1c"]
    assert [label.layer for label in first.labels] == ["brain", "lesion"]
    save(tmp_path / "train/p2/t2.nii.gz", mri())
    assert "train/p2.nii.gz" not in roles(tmp_path)


def test_images_of_a_test_set_have_no_labels(tmp_path: Path) -> None:
    for folder, name in {"imagesTr": "a", "imagesTs": "b"}.items():
        save(tmp_path / folder / f"{name}.nii.gz", mri())
    save(tmp_path / "labelsTr" / "a.nii.gz", mask())
    assert codes(read(tmp_path)) == []
    save(tmp_path / "imagesTr" / "c.nii.gz", mri())
    assert codes(read(tmp_path)) == [("SEG011", "imagesTr/c.nii.gz")]
