"""nnU-Net: labels, regions, channels and what its own checks would refuse."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from segdata import convert, diff, read
from segdata.core.batch import Batch, replace_column
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect, find_format
from segdata.core.losses import LossCounter
from segdata.core.profile import Policy, Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.nnunet import write
from segdata.formats.medical.nnunet_reader import _existing_file
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets
from tests.formats.medical.datasets import by_category, lists, met, whole
from tests.generators.nifti_files import write_nifti

pytest.importorskip("nibabel")
PLACED = np.diag([-1.0, 1.0, 3.0, 1.0])
PLAIN = {"background": 0, "liver": 1, "tumour": 2}
REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
Voxels = np.ndarray[Any, Any]


def described(folder: Path, labels: dict[str, Any], n: int, ending: str, **more: Any) -> None:
    said = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": n, "file_ending": ending, **more}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(said))


def with_volumes(folder: Path, labels: dict[str, Any], voxels: Voxels, n_channels: int = 1, **more: Any) -> Path:
    channels = {str(number): f"T{number + 1}" for number in range(n_channels)}
    described(folder, labels, 1, ".nii.gz", **{"channel_names": channels, **more})
    for number in range(n_channels):
        write_nifti(folder / f"imagesTr/case_1_{number:04d}.nii.gz", voxels.astype(np.int16) * 9, sform=PLACED)
    write_nifti(folder / "labelsTr/case_1.nii.gz", voxels, sform=PLACED)
    return folder


def test_volumes_with_channels(tmp_path: Path) -> None:
    voxels = np.zeros((4, 3, 2), np.uint8)
    voxels[1, 2, 0], voxels[3, 0, 1] = 1, 2
    write_nifti(tmp_path / "imagesTs/case_9_0000.nii.gz", voxels, sform=PLACED)
    write_nifti(tmp_path / "imagesTs/case_9_0001.nii.gz", voxels, sform=PLACED)
    with_volumes(tmp_path, PLAIN, voxels, 2)
    assert detect(tmp_path) == detect(tmp_path / "dataset.json") == "nnunet"
    dataset = read(tmp_path)
    assert met(dataset) == []
    found = lists(by_category(dataset))
    assert found.keys() == {("case_1.nii.gz/0000", "liver"), ("case_1.nii.gz/0001", "tumour")}
    assert np.argwhere(found["case_1.nii.gz/0000", "liver"]).tolist() == [[2, 1]]
    batch = whole(dataset)
    assert batch.images["split"].to_pylist() == ["train", "train", "test", "test"]
    assert batch.annotation_image.tolist() == [0, 1], "nobody annotated the test images"
    channels = batch.images["channels"].to_pylist()[1]
    assert [(each["name"], Path(each["uri"]).name) for each in channels] == [
        ("T1", "case_1_0000.nii.gz#k=1"),
        ("T2", "case_1_0001.nii.gz#k=1"),
    ]
    convert(dataset, tmp_path / "can")
    convert(tmp_path / "can", tmp_path / "out", to="nnunet")
    again = read(tmp_path / "out")
    assert whole(again).images["channels"].to_pylist() == batch.images["channels"].to_pylist()
    one, other = (each / "labelsTr/case_1.nii.gz" for each in (tmp_path, tmp_path / "out"))
    assert gzip.decompress(one.read_bytes()) == gzip.decompress(other.read_bytes())


def test_pictures_of_red_green_blue_and_near_infrared(tmp_path: Path) -> None:
    """A colour file for three channels, and a second file for the fourth."""
    described(tmp_path, {"background": 0, "road": 1}, 1, ".png", channel_names={"0": "rgb", "1": "nir"})
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "labelsTr").mkdir()
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / "imagesTr/a_0000.png")
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "imagesTr/a_0001.png")
    labels = np.zeros((3, 4), np.uint8)
    labels[1, 2:] = 1
    Image.fromarray(labels).save(tmp_path / "labelsTr/a.png")
    dataset = read(tmp_path)
    assert met(dataset) == []
    assert lists(by_category(dataset)) == {("a.png", "road"): (labels > 0).tolist()}
    (channels,) = whole(dataset).images["channels"].to_pylist()
    assert [each["name"] for each in channels] == ["rgb", "nir"]
    convert(dataset, tmp_path / "out", to="nnunet")
    said = json.loads((tmp_path / "out/dataset.json").read_text())
    assert said["channel_names"] == {"0": "rgb", "1": "nir"}
    assert said["dataset"]["a"]["images"] == [str(tmp_path / f"imagesTr/a_000{number}.png") for number in (0, 1)]
    assert whole(read(tmp_path / "out")).images["channels"].to_pylist() == [channels]


def test_regions_overlap_and_come_back(tmp_path: Path) -> None:
    voxels = np.arange(8, dtype=np.uint8).reshape(2, 4, 1) % 4
    with_volumes(tmp_path, REGIONS, voxels, regions_class_order=[1, 2, 3])
    dataset = read(tmp_path)
    assert met(dataset) == []
    assert dataset.profile.overlap.value == "allow"
    found = lists(by_category(dataset))
    flat = voxels[:, :, 0].T
    assert found["case_1.nii.gz", "whole"] == np.isin(flat, [1, 2, 3]).tolist()
    assert found["case_1.nii.gz", "core"] == np.isin(flat, [2, 3]).tolist()
    assert found["case_1.nii.gz", "enhancing"] == (flat == 3).tolist()
    convert(dataset, tmp_path / "can")
    done = convert(tmp_path / "can", tmp_path / "out", to="nnunet")
    assert {loss.kind for loss in done.losses} <= {"image-details"}
    one, other = (each / "labelsTr/case_1.nii.gz" for each in (tmp_path, tmp_path / "out"))
    assert gzip.decompress(one.read_bytes()) == gzip.decompress(other.read_bytes())
    said = json.loads((tmp_path / "out/dataset.json").read_text())
    assert (said["labels"], said["regions_class_order"]) == (REGIONS, [1, 2, 3])
    assert list(said["labels"]) == list(REGIONS), "the order of regions means something"


def test_what_regions_cannot_hold_is_counted(tmp_path: Path) -> None:
    """`enhancing` outside of `core`: no value stands for that."""
    voxels = np.zeros((2, 1, 1), np.uint8)
    voxels[0] = 2
    with_volumes(tmp_path, REGIONS, voxels, regions_class_order=[1, 2, 3])
    dataset = read(tmp_path)
    batch = whole(dataset)
    core = batch.segments["category_id"].to_pylist().index(2)
    kept = batch.take_segments(np.array([core]))
    losses = LossCounter()
    write(dataset.profile, [kept], tmp_path / "out", losses)
    assert [(loss.kind, loss.count, loss.pixels) for loss in losses.listed() if loss.kind == "overlap"] == [
        ("overlap", 1, 1)
    ]


def test_ignore_is_void(tmp_path: Path) -> None:
    with_volumes(tmp_path, {**PLAIN, "ignore": 3}, np.array([[[3], [1]]], np.uint8))
    dataset = read(tmp_path)
    assert {each.name: each.kind for each in dataset.taxonomy.categories} == {
        "liver": "stuff",
        "tumour": "stuff",
        "ignore": "void",
    }


def one_void(dataset: tuple[Profile, list[Batch]]) -> bool:
    return len(dataset[0].taxonomy.void_ids) <= 1


@settings(max_examples=25)
@given(dataset=datasets().filter(one_void))
def test_only_what_was_counted_is_lost(
    tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]
) -> None:
    assert_round_trip(find_format("nnunet"), *dataset, tmp_path_factory.mktemp("law"))


@settings(max_examples=25)
@given(dataset=datasets(Details(overlaps=False, several=False, extras=False)).filter(one_void))
def test_categories_are_kept(tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]) -> None:
    losses = assert_round_trip(find_format("nnunet"), *dataset, tmp_path_factory.mktemp("law"))
    assert {loss.kind for loss in losses.listed()} <= {"empty-segment", "instance", "segment-id"}


def test_void_categories_become_one_and_are_counted(tmp_path: Path) -> None:
    void = [Category(id=id_, name=name, kind="void") for id_, name in ((7, "void"), (9, "ego vehicle"))]
    taxonomy = Taxonomy(categories=(Category(id=4, name="background"), *void))
    source = with_volumes(tmp_path / "in", {"background": 0, "void": 1}, np.array([[[1], [1]]], np.uint8))
    batch = whole(read(source))
    moved = Batch(batch.images, batch.annotations, replace_column(batch.segments, "category_id", [9]), batch.runs)
    profile = Profile("x", "x", "semantic", taxonomy, True, Policy("sparse"), Policy("allow"))
    losses = LossCounter()
    write(profile, [moved], tmp_path / "out", losses)
    assert {loss.kind: loss.pixels for loss in losses.listed()}["void"] == 2
    said = json.loads((tmp_path / "out/dataset.json").read_text())
    assert said["labels"] == {"background": 0, "background_4": 1, "ignore": 2}, "names that mean something are not used"
    assert {category for _, category in by_category(read(tmp_path / "out"))} == {"void"}


def test_what_nnunet_refuses_is_found(tmp_path: Path) -> None:
    voxels = np.array([[[1], [5]]], np.uint8)
    with_volumes(tmp_path, {"background": 0, "a": 1, "ignore": 2, "b": 4}, voxels, numTraining=3)
    write_nifti(tmp_path / "labelsTr/case_2.nii.gz", voxels, sform=PLACED)
    write_nifti(tmp_path / "imagesTr/case_3_0000.nii.gz", voxels, sform=PLACED)
    write_nifti(tmp_path / "imagesTr/case.nii.gz", voxels, sform=PLACED)
    found = sorted((each.code, each.file, each.place) for each in met(read(tmp_path)) if each.code != "SEG017")
    assert found == [
        ("SEG004", "dataset.json", "/labels"),
        ("SEG004", "dataset.json", "/labels/ignore"),
        ("SEG009", "labelsTr/case_1.nii.gz", "x=0, y=1"),
        ("SEG009", "labelsTr/case_2.nii.gz", "x=0, y=1"),
        ("SEG011", "imagesTr/case.nii.gz", None),
        ("SEG011", "imagesTr/case_3_0000.nii.gz", None),
        ("SEG011", "labelsTr/case_2.nii.gz", None),
    ]


def test_channels_that_lie_elsewhere_or_are_missing(tmp_path: Path) -> None:
    voxels = np.ones((2, 2, 1), np.uint8)
    with_volumes(tmp_path, {"background": 0, "a": 1}, voxels, 2, channel_names={"0": "a", "1": "b", "2": "c"})
    write_nifti(tmp_path / "imagesTr/case_1_0001.nii.gz", voxels, sform=PLACED * 2)
    found = [(each.code, each.file) for each in met(read(tmp_path))]
    assert ("SEG017", "imagesTr/case_1_0001.nii.gz") in found
    assert ("SEG002", "imagesTr/case_1_0000.nii.gz") in found


@pytest.mark.parametrize(("n_copied", "is_told"), [(0, False), (1, True), (3, False)])
def test_cases_with_one_channel_twice_are_told_if_others_have_two(tmp_path: Path, n_copied: int, is_told: bool) -> None:
    voxels = np.arange(12, dtype=np.int16).reshape(2, 3, 2)
    described(tmp_path, {"background": 0, "a": 1}, 3, ".nii.gz", channel_names={"0": "T1", "1": "T2"})
    for k in range(3):
        write_nifti(tmp_path / f"imagesTr/c{k}_0000.nii.gz", voxels + k, sform=PLACED)
        write_nifti(tmp_path / f"imagesTr/c{k}_0001.nii.gz", voxels + k + 7 * (k >= n_copied), sform=PLACED)
        write_nifti(tmp_path / f"labelsTr/c{k}.nii.gz", (voxels > 5).astype(np.uint8), sform=PLACED)
    told = [each.message for each in met(read(tmp_path)) if "one channel twice" in each.message]
    assert [message[:45] for message in told] == ["1 of 3 cases has one channel twice: two of th"] * is_told


def test_decathlon(tmp_path: Path) -> None:
    """Version 1: value -> name, and all channels of an image in one file."""
    voxels = np.ones((2, 2, 2), np.uint8)
    described(tmp_path, {"0": "background", "1": "liver"}, 1, ".nii.gz", modality={"0": "FLAIR", "1": "T1"})
    write_nifti(tmp_path / "imagesTr/BRATS_001.nii.gz", np.zeros((2, 2, 2, 2), np.int16), sform=PLACED)
    write_nifti(tmp_path / "labelsTr/BRATS_001.nii.gz", voxels, sform=PLACED)
    dataset = read(tmp_path)
    assert met(dataset) == []
    assert set(by_category(dataset)) == {(f"BRATS_001.nii.gz/000{k}", "liver") for k in (0, 1)}


def test_labels_of_version_1_beside_channels_of_version_2(tmp_path: Path) -> None:
    labels = {"0": "background", "1": "liver"}
    with_volumes(tmp_path, labels, np.ones((2, 2, 1), np.uint8), channel_names={"0": "CT"})
    (defect,) = met(read(tmp_path))
    assert (defect.code, defect.place, "refuses it" in defect.message) == ("SEG004", "/labels", True)


def test_the_folder_above_a_dataset_is_that_dataset(tmp_path: Path) -> None:
    """As nnUNet_raw/ that holds one dataset; of two, you choose."""
    for name in ("Dataset007_Liver", "Dataset008_Spleen"):
        described(tmp_path / name, {"background": 0, "liver": 1}, 1, ".nii.gz")
        write_nifti(tmp_path / name / "imagesTr/a_0000.nii.gz", np.zeros((2, 2, 2), np.int16), sform=PLACED)
        write_nifti(tmp_path / name / "labelsTr/a.nii.gz", np.ones((2, 2, 2), np.uint8), sform=PLACED)
        if name == "Dataset007_Liver":
            dataset = read(tmp_path)
            assert (dataset.profile.format, met(dataset)) == ("nnunet", [])
            assert set(by_category(dataset)) == {(f"a.nii.gz/000{k}", "liver") for k in (0, 1)}
    refused_by_name(tmp_path, "Dataset007_Liver", "Dataset008_Spleen")


def test_several_datasets_of_pictures_in_one_folder_are_named(tmp_path: Path) -> None:
    for name in ("Dataset001_A", "Dataset002_B"):
        described(tmp_path / name, {"background": 0, "road": 1}, 1, ".png")
        for folder, file in (("imagesTr", "a_0000.png"), ("labelsTr", "a.png")):
            (tmp_path / name / folder).mkdir()
            Image.fromarray(np.ones((3, 4), np.uint8)).save(tmp_path / name / folder / file)
    refused_by_name(tmp_path, "Dataset001_A", "Dataset002_B")


def refused_by_name(root: Path, *names: str) -> None:
    """Whether it is read as it is or as nnU-Net's."""
    for options in ({}, {"format": "nnunet"}):
        with pytest.raises(UnreadableError, match=".*".join([*names, "give one"])):
            read(root, **options)  # type: ignore[arg-type]


def test_a_dataset_of_instances_is_written_as_pictures(tmp_path: Path) -> None:
    sample = Path(__file__).parents[3] / "sample_data/panoptic"
    convert(sample, tmp_path / "out", to="nnunet", copy_images=True)
    assert detect(tmp_path / "out") == "nnunet"
    said = checked_as_nnunet_does(tmp_path / "out")
    assert said["file_ending"] == ".png"
    values = sorted(value for value in said["labels"].values() if value)
    assert values == list(range(1, len(values) + 1))
    assert diff(tmp_path / "out", read(tmp_path / "out")).same
    convert(sample, tmp_path / "volumes", to="nnunet", write_options={"file_ending": ".nii.gz", "channels": "R,G,B"})
    said = json.loads((tmp_path / "volumes/dataset.json").read_text())
    assert (said["file_ending"], said["channel_names"]) == (".nii.gz", {"0": "R", "1": "G", "2": "B"})
    with pytest.raises(SegdataError, match=r"it must be \.nii\.gz or \.png"):
        convert(sample, tmp_path / "jpg", to="nnunet", write_options={"file_ending": ".jpg"})


def test_no_dataset_json(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no dataset"):
        read(tmp_path, format="nnunet")


def checked_as_nnunet_does(folder: Path) -> dict[str, Any]:
    """What its verify_dataset_integrity asserts, where cases are found by the names of their files."""
    said: dict[str, Any] = json.loads((folder / "dataset.json").read_text())
    assert "dataset" not in said
    ending = said["file_ending"]
    files = sorted(each.name for each in (folder / "imagesTr").iterdir())
    assert all(name.endswith(ending) for name in files)
    cases = sorted({name[: -len(ending) - 5] for name in files})
    assert len(cases) == said["numTraining"]
    assert {f"{case}{ending}" for case in cases} == {each.name for each in (folder / "labelsTr").iterdir()}
    known = {0, *(value for value in said["labels"].values())}
    for case in cases:
        images = [voxels_of(folder / "imagesTr" / name) for name in files if name[: -len(ending) - 5] == case]
        label = voxels_of(folder / "labelsTr" / f"{case}{ending}")
        assert sum(1 if image.ndim == label.ndim else image.shape[-1] for image in images) == len(said["channel_names"])
        assert all(image.shape[: label.ndim] == label.shape for image in images)
        assert set(np.unique(label).tolist()) <= known
    return said


def voxels_of(path: Path) -> Voxels:
    """As nnU-Net reads them: pictures with scikit-image, volumes with nibabel."""
    if path.suffix == ".png":
        return np.asarray(pytest.importorskip("skimage.io").imread(path))
    return np.asarray(pytest.importorskip("nibabel").load(path).dataobj)


def test_copies_of_pictures_are_where_nnunet_looks(tmp_path: Path) -> None:
    """JPEG, grey and turned pictures: all become PNG files of three channels, of the size that their labels have."""
    rng = np.random.default_rng(0)
    (tmp_path / "in/images").mkdir(parents=True)
    (tmp_path / "in/masks").mkdir()
    colours = rng.integers(0, 255, (4, 6, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / "in/images/a.png")
    Image.fromarray(colours[..., 0]).save(tmp_path / "in/images/b.tif")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rng.integers(0, 255, (6, 4, 3), np.uint8)).save(tmp_path / "in/images/c.jpg", exif=exif)
    for stem in "abc":
        Image.fromarray(rng.integers(0, 3, (4, 6), np.uint8)).save(tmp_path / f"in/masks/{stem}.png")
    taxonomy = Taxonomy(categories=(Category(id=1, name="road"), Category(id=2, name="sky")), unlabelled=0)
    source = read(tmp_path / "in", format="colour-masks", taxonomy=taxonomy)
    done = convert(source, tmp_path / "Dataset001_Street", to="nnunet", copy_images=True)
    assert done.not_copied == ()
    said = checked_as_nnunet_does(tmp_path / "Dataset001_Street")
    assert said["channel_names"] == {"0": "R", "1": "G", "2": "B"}
    assert voxels_of(tmp_path / "Dataset001_Street/imagesTr/a_0000.png").tolist() == colours.tolist()
    assert (voxels_of(tmp_path / "Dataset001_Street/imagesTr/b_0000.png") == colours[..., :1]).all()
    assert not (tmp_path / "Dataset001_Street/images").exists()
    again = read((tmp_path / "Dataset001_Street").rename(tmp_path / "moved"))
    assert [Path(uri).name for uri in whole(again).images["uri"].to_pylist()] == [
        "a_0000.png",
        "b_0000.png",
        "c_0000.png",
    ]
    assert not [each for each in met(again) if each[0] in ("SEG001", "SEG002", "SEG003")]


def test_copies_of_volumes_are_where_nnunet_looks(tmp_path: Path) -> None:
    voxels = np.zeros((4, 3, 2), np.uint8)
    voxels[1, 2, 0] = 2
    convert(with_volumes(tmp_path / "in", PLAIN, voxels, 2), tmp_path / "out", to="nnunet", copy_images=True)
    said = checked_as_nnunet_does(tmp_path / "out")
    assert said["channel_names"] == {"0": "T1", "1": "T2"}
    again = read((tmp_path / "out").rename(tmp_path / "moved"))
    channels = whole(again).images["channels"].to_pylist()[1]
    assert [each["uri"].rpartition("/")[2] for each in channels] == ["case_1_0000.nii.gz#k=1", "case_1_0001.nii.gz#k=1"]
    assert met(again) == []


def test_images_that_nnunet_cannot_read_are_told(tmp_path: Path) -> None:
    """A volume among pictures: its slices are pictures nowhere."""
    voxels = np.zeros((4, 3, 2), np.uint8)
    source = with_volumes(tmp_path / "in", PLAIN, voxels)
    said = {"write_options": {"file_ending": ".png"}}
    done = convert(source, tmp_path / "out", to="nnunet", copy_images=True, **said)
    assert [each for each in done.not_copied if "no image file in imagesTr for 2 cases" in each]
    assert read(tmp_path / "out").image_ids == read(source).image_ids


def test_files_of_labels_that_become_one_are_counted(tmp_path: Path) -> None:
    """Two files of labels of one volume, which lie a little apart from it: a case has one file."""
    voxels = np.zeros((4, 3, 2), np.uint8)
    write_nifti(tmp_path / "in/scan.nii.gz", voxels.astype(np.int16) * 9, sform=PLACED)
    for row, name in enumerate(("scan_lesion-manual", "scan_seg-manual")):
        labels = voxels.copy()
        labels[row, :2] = 1
        apart = PLACED.copy()
        apart[0, 3] = 1e-4 * (row + 1)
        write_nifti(tmp_path / f"in/derivatives/labels/{name}.nii.gz", labels, sform=apart)
    done = convert(tmp_path / "in", tmp_path / "out", to="nnunet", verify=True)
    assert done.proof is not None
    assert done.proof.holds
    assert [(each.kind, each.of, each.count) for each in done.losses] == [("spatial", "sequences", 2)]


def test_a_name_that_no_file_can_have_is_no_file(tmp_path: Path) -> None:
    assert _existing_file((tmp_path / ("a" * 300)).as_uri()) is None


@pytest.mark.parametrize(("labels", "is_told"), [(PLAIN, False), ({"liver": 1, "tumour": 2}, True), (REGIONS, False)])
def test_a_list_without_background_is_refused_by_nnunet(tmp_path: Path, labels: dict[str, Any], is_told: bool) -> None:
    more = {"regions_class_order": [1, 2, 3]} if labels is REGIONS else {}
    dataset = read(with_volumes(tmp_path, labels, np.ones((2, 2, 1), np.uint8), **more))
    told = [defect.severity for defect in met(dataset) if "'background': 0" in defect.message]
    assert told == ["warning"] * is_told


def test_a_dicom_file_called_nifti_is_one_broken_file_of_the_dataset(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    with_volumes(tmp_path, PLAIN, np.ones((2, 2, 1), np.uint8))
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"  # a segmentation
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    empty = pydicom.Dataset()
    empty.file_meta = meta
    empty.save_as(tmp_path / "labelsTr/case_2.nii.gz", enforce_file_format=True)
    assert detect(tmp_path) == "nnunet"
    assert "SEG001" in [defect.code for defect in met(read(tmp_path))]


@pytest.mark.parametrize("folder", ["labelsTr", "labelsTr2"])
def test_listed_labels_that_are_not_read_are_told(tmp_path: Path, folder: str) -> None:
    listed = [{"image": "./imagesTr/case_1_0000.nii.gz", "label": f"./{folder}/case_1.nii.gz"}]
    with_volumes(tmp_path, PLAIN, np.ones((4, 3, 2), np.uint8), training=listed)
    told = [defect.message for defect in met(read(tmp_path)) if "training lists" in defect.message]
    assert told == ["training lists labels in labelsTr2; nnU-Net reads those of labelsTr, and so does segdata"] * (
        folder == "labelsTr2"
    )


def test_cases_in_folders_of_the_folder_of_cases_are_read_and_told(tmp_path: Path) -> None:
    described(tmp_path, {"background": 0, "road": 1}, 2, ".png")
    for view in ("Axial", "Coronal"):
        for folder, name in (("imagesTr", "a_0000.png"), ("labelsTr", "a.png")):
            (tmp_path / folder / view).mkdir(parents=True)
            Image.fromarray(np.ones((3, 4), np.uint8)).save(tmp_path / folder / view / name)
    dataset = read(tmp_path)
    assert list(dataset.image_ids) == ["Axial/a.png", "Coronal/a.png"]
    assert [(defect.code, defect.file) for defect in dataset.source.defects] == [
        ("SEG004", "imagesTr"),
        ("SEG004", "labelsTr"),
    ]
    assert "the files lie in folders of it (Axial, Coronal)" in dataset.source.defects[0].message
