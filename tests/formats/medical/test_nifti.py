"""NIfTI: voxels, headers and names come back; what contradicts itself is found."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segdata import convert, diff, read
from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect, find_format
from segdata.core.losses import LossCounter
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.nifti import write
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets
from tests.formats.medical.datasets import by_category, codes, met, whole
from tests.generators.nifti_files import write_nifti

pytest.importorskip("nibabel")
PLACED = np.array([[-1.5, 0, 0, 10], [0, 1, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])


TYPES = ["<u1", "<i2", "<i4", "<f4", "<f8", "<u2", "<u4", "<i8", ">i2", ">f4", "<i1"]


@st.composite
def volumes(draw: Any) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    """Voxels in any type, and a header."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4)))
    labels = draw(hnp.arrays(np.int64, shape, elements=st.sampled_from([0, 0, 1, 2, 7, 100])))
    header: dict[str, Any] = {"spacing": draw(st.sampled_from([(1.0, 1.0, 1.0), (0.8, 0.8, 5.0)]))}
    if draw(st.booleans()):
        header["sform"] = PLACED
    header["extension"] = draw(st.sampled_from([b"", b"a note, 24 bytes" + bytes(8)]))
    scale = draw(st.sampled_from([(0.0, 0.0), (1.0, 0.0), (2.0, -4.0)]))
    header["scale"] = scale
    stored = labels if scale[0] != 2.0 else (labels + 4) // 2  # stored * 2 - 4 is not negative
    return stored.astype(draw(st.sampled_from(TYPES))), header


@settings(max_examples=10)
@given(volume=volumes())
def test_a_volume_that_nobody_edited_comes_back_byte_by_byte(
    tmp_path_factory: pytest.TempPathFactory, volume: tuple[np.ndarray[Any, Any], dict[str, Any]]
) -> None:
    """Through the canonical dataset too, which knows nothing of NIfTI."""
    folder = tmp_path_factory.mktemp("law")
    path = write_nifti(folder / "in/a.nii.gz", volume[0], **volume[1])
    convert(folder / "in", folder / "canonical")
    convert(folder / "canonical", folder / "out", to="nifti", on_loss="error")
    assert gzip.decompress((folder / "out/labels/a.nii.gz").read_bytes()) == gzip.decompress(path.read_bytes())
    assert diff(folder / "canonical", folder / "out").same


@settings(max_examples=25)
@given(dataset=datasets())
def test_only_what_was_counted_is_lost(
    tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]
) -> None:
    assert_round_trip(find_format("nifti"), *dataset, tmp_path_factory.mktemp("law"))


@settings(max_examples=25)
@given(dataset=datasets(Details(overlaps=False, several=False, extras=False)))
def test_pixels_and_instances_are_kept(
    tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]
) -> None:
    losses = assert_round_trip(find_format("nifti"), *dataset, tmp_path_factory.mktemp("law"))
    assert {loss.kind for loss in losses.listed()} <= {"empty-segment", "instance", "segment-id", "unlabelled"}


@settings(max_examples=30)
@given(
    labels=hnp.arrays(
        np.int32,
        st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(2, 4)),
        elements=st.sampled_from([0, 3, 9, 70000]),
    )
)
def test_instances_are_tracks_and_come_back(
    tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray[Any, Any]
) -> None:
    folder = tmp_path_factory.mktemp("law")
    path = write_nifti(folder / "in/a.nii", labels, sform=PLACED)
    dataset = read(path, options={"instances": "yes"})
    assert dataset.profile.task == "instance"
    batch = whole(dataset)
    assert batch.segments["track_id"].to_pylist() == batch.segments["segment_id"].to_pylist()
    convert(dataset, folder / "out", to="nifti", on_loss="error")
    assert (folder / "out/labels/a.nii").read_bytes() == path.read_bytes()
    assert diff(dataset, read(folder / "out")).same


@pytest.mark.parametrize("id_", [-1, 2**31])
def test_ids_that_no_value_can_be_are_refused_with_the_number(tmp_path: Path, id_: int) -> None:

    profile = read(write_nifti(tmp_path / "a.nii", np.ones((2, 2, 1), np.uint8))).profile
    wrong = replace(profile, taxonomy=Taxonomy(categories=(Category(id=id_, name="a"),)))
    with pytest.raises(SegdataError, match=str(id_)):
        write(wrong, [], tmp_path / "out", LossCounter())


def test_layers_of_one_image_overlap_and_keep_their_files(tmp_path: Path) -> None:
    """As in BIDS derivatives: each file has a header, a type and values of its own."""
    voxels = np.zeros((3, 3, 2), np.float32)
    write_nifti(tmp_path / "in/sub-1/anat/sub-1_T2w.nii.gz", voxels, sform=PLACED)
    labels = tmp_path / "in/derivatives/labels/sub-1/anat"
    cord, lesion, discs = voxels.copy(), voxels.astype(np.uint8), voxels.astype(np.int16)
    cord[:2], lesion[1:], discs[0, 0, 1], discs[2, 2, 1] = 1, 1, 3, 4
    write_nifti(labels / "sub-1_T2w_seg-manual.nii.gz", cord, sform=PLACED)
    write_nifti(labels / "sub-1_T2w_lesion-manual.nii.gz", lesion, sform=PLACED)
    write_nifti(labels / "sub-1_T2w_labels-disc.nii.gz", discs, sform=PLACED)
    dataset = read(tmp_path / "in")
    assert met(dataset) == []
    names = [category.name for category in dataset.taxonomy.categories]
    assert names == ["labels-disc 3", "labels-disc 4", "lesion-manual", "seg-manual"]
    found = by_category(dataset)
    image = "sub-1/anat/sub-1_T2w.nii.gz/0001"
    assert found[image, "seg-manual"].tolist() == (cord[:, :, 1].T > 0).tolist()
    assert found[image, "lesion-manual"].tolist() == (lesion[:, :, 1].T > 0).tolist()
    assert found[image, "labels-disc 4"].sum() == 1
    assert set(whole(dataset).images["uri"].to_pylist()) == {
        f"{(tmp_path / 'in/sub-1/anat/sub-1_T2w.nii.gz').as_uri()}#k={k}" for k in (0, 1)
    }
    convert(dataset, tmp_path / "can")
    convert(tmp_path / "can", tmp_path / "out", to="nifti", on_loss="error")
    for source in sorted(labels.iterdir()):
        written = tmp_path / "out/labels/sub-1/anat" / source.name
        assert gzip.decompress(written.read_bytes()) == gzip.decompress(source.read_bytes())
    assert diff(dataset, read(tmp_path / "out")).same


def test_several_readers_of_one_volume(tmp_path: Path) -> None:
    for number in (1, 2):
        voxels = np.zeros((2, 2, 2), np.uint8)
        voxels[number - 1] = 1
        write_nifti(tmp_path / f"seg_{number}.nii.gz", voxels, sform=PLACED)
    assert len(read(tmp_path)) == 4
    dataset = read(tmp_path, options={"annotator": r"_(\d)"})
    batch = whole(dataset)
    assert batch.images["image_id"].to_pylist() == ["seg.nii.gz/0000", "seg.nii.gz/0001"]
    assert batch.annotations["annotator"].to_pylist() == ["1", "2", "1", "2"]
    with pytest.raises(SegdataError, match="not a regular expression"):
        read(tmp_path, options={"annotator": "("})


def tables() -> Iterator[tuple[str, str]]:
    yield "a.tsv", "index\tname\tcolor\n1\tliver\t#ff0000\n2\ttumour\tn/a\n"
    yield "dseg.tsv", "index\tname\n1\tliver\n2\ttumour\n"
    snap = '# ITK-SnAP Label Description File\n    0     0    0    0        0  0  0    "Clear Label"\n'
    yield "labels.txt", snap + '    1   255    0    0        1  1  1    "liver"\n 2 0 9 8 0.5 1 0 "tumour"\n'
    yield "dataset.json", json.dumps({"labels": {"background": 0, "liver": 1, "tumour": 2}})
    yield "dataset.json", json.dumps({"labels": {"0": "background", "1": "liver", "2": "tumour"}})


@pytest.mark.parametrize(("name", "text"), list(tables()))
def test_names_come_from_tables(tmp_path: Path, name: str, text: str) -> None:
    voxels = np.array([[[0], [1]], [[2], [1]]], np.uint8)
    write_nifti(tmp_path / "a.nii.gz", voxels, sform=PLACED)
    (tmp_path / name).write_text(text)
    dataset = read(tmp_path / "a.nii.gz", format="nifti")
    assert [(each.id, each.name) for each in dataset.taxonomy.categories] == [(1, "liver"), (2, "tumour")]
    if "255" in text or "#ff0000" in text:
        assert dataset.taxonomy.categories[0].rgb == (255, 0, 0)
    assert met(dataset)[0].severity == "info"


def test_a_value_without_a_name_is_found_once_for_each_slice(tmp_path: Path) -> None:
    voxels = np.full((2, 2, 2), 9, np.uint8)
    write_nifti(tmp_path / "a.nii.gz", voxels, sform=PLACED)
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: liver}]")
    found = [each for each in met(read(tmp_path / "a.nii.gz")) if each.code == "SEG009"]
    assert [(each.image, each.pixels, each.place) for each in found] == [
        ("a.nii.gz/0000", 4, "x=0, y=0"),
        ("a.nii.gz/0001", 4, "x=0, y=0"),
    ]


def test_images_and_labels_without_each_other(tmp_path: Path) -> None:
    voxels = np.ones((2, 2, 2), np.uint8)
    for name in ("images/a", "images/b", "labels/b", "labels/c"):
        write_nifti(tmp_path / f"{name}.nii.gz", voxels, sform=PLACED)
    dataset = read(tmp_path)
    assert codes(dataset) == [("SEG011", "images/a.nii.gz"), ("SEG011", "labels/c.nii.gz")]
    batch = whole(dataset)
    assert batch.images["image_id"].to_pylist() == [f"{name}.nii.gz/000{k}" for name in "abc" for k in (0, 1)]
    assert batch.annotation_image.tolist() == [2, 3, 4, 5], "nobody worked on a"


def test_a_pointer_of_git_lfs_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n")
    message = met(read(tmp_path))[0].message
    assert message.endswith("is a pointer of Git LFS, not the volume; run `git lfs pull`")


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_a_pointer_in_place_of_an_image_is_no_image_without_labels(tmp_path: Path, name: str) -> None:
    write_nifti(tmp_path / "b_seg.nii.gz", np.ones((2, 2, 2), np.uint8), sform=PLACED)
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n")
    (pointer,) = [defect for defect in met(read(tmp_path)) if defect.file == name]
    assert (pointer.code, pointer.message.partition(": ")[2]) == (
        "SEG001", "is a pointer of Git LFS, not the volume; run `git lfs pull`",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("names", "volumes"),
    [
        (["brain_seg_01", "brain_seg_02", "brain_seg_03"], ["brain_seg_01", "brain_seg_02", "brain_seg_03"]),
        (["a_seg_1", "a_seg_2", "b_seg_1", "b_seg_2"], ["a", "b"]),
        (["brain_seg_tumour", "brain_seg_cyst"], ["brain"]),
    ],
)
def test_a_number_counts_volumes_where_nothing_else_tells_them_apart(
    tmp_path: Path, names: list[str], volumes: list[str]
) -> None:
    for name in names:
        write_nifti(tmp_path / f"{name}.nii.gz", np.ones((2, 2, 2), np.uint8), sform=PLACED)
    images = whole(read(tmp_path)).images["image_id"].to_pylist()
    assert images == [f"{name}.nii.gz/000{k}" for name in volumes for k in (0, 1)]


def test_what_cannot_be_volumes_of_labels_is_said(tmp_path: Path) -> None:
    write_nifti(tmp_path / "time.nii", np.ones((2, 2, 2, 3), np.uint8))
    write_nifti(tmp_path / "flat.nii", np.ones((3, 2), np.uint8), sform=PLACED)
    write_nifti(tmp_path / "single.nii", np.ones((3, 2, 1, 1), np.uint8), sform=PLACED)
    dataset = read(tmp_path)
    assert codes(dataset) == [("SEG001", "time.nii")]
    assert "Save each as its own volume" in met(dataset)[0].message
    assert dataset.image_ids == ["flat.nii", "single.nii"]
    (tmp_path / "many").mkdir()
    write_nifti(tmp_path / "many/ct.nii", np.arange(4000, dtype=np.int16).reshape(20, 20, 10))
    with pytest.raises(UnreadableError, match="intensities"):
        read(tmp_path / "many")


def test_masks_that_are_no_volumes_are_named(tmp_path: Path) -> None:
    write_nifti(tmp_path / "mri/labels/a.nii.gz", np.ones((2, 2, 1), np.uint8), sform=PLACED)
    for name in ("micr/derivatives/labels/b_seg-axon.png", "micr/derivatives/labels/c.png", "micr/b.png", "logo.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (found,) = [each for each in met(read(tmp_path)) if each.code == "SEG011"]
    assert found.severity == "warning"
    assert found.message == (
        "2 image files named like masks, such as micr/derivatives/labels/b_seg-axon.png, and not read beside volumes: "
        "give micr as DATA to read them"
    )
    assert not [each for each in met(read(tmp_path / "mri")) if each.code == "SEG011"]


def test_detection(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz", np.ones((2, 2, 1), np.uint8))
    assert detect(tmp_path) == detect(tmp_path / "a.nii.gz") == "nifti"


def test_three_readers(real_data: Path, tmp_path: Path) -> None:
    """Headers look alike: that reader 2 is flipped cannot be told from them, but that nothing is known can."""
    folder = real_data / "nifti_three_readers"
    dataset = read(folder)
    pixels = dataset.segments.groupby(dataset.segments["image_id"].str[:12])["area"].sum()
    assert pixels.tolist() == [32590, 33013, 30078]
    assert codes(dataset) == [("SEG017", f"seg_{number}.nii.gz") for number in (1, 2, 3)]
    convert(folder, tmp_path / "out", to="nifti", on_loss="error")
    for number in (1, 2, 3):
        one, other = (each / f"seg_{number}.nii.gz" for each in (folder, tmp_path / "out/labels"))
        assert gzip.decompress(one.read_bytes()) == gzip.decompress(other.read_bytes())
    shared = read(folder, options={"annotator": r"_(\d)"})
    assert len(shared) == 256
    assert sorted(shared.annotations["annotator"].unique()) == ["1", "2", "3"]


def test_bids_derivatives(real_data: Path, tmp_path: Path) -> None:
    dataset = read(real_data / "ivadomed_testing/mri")
    areas = dataset.segments.groupby("category")["area"].sum().to_dict()
    assert areas == {"labels-disc-manual 3": 1, "lesion-manual": 81 + 90 + 141, "seg-manual": 3 * 1227}
    empty = [f"sub-unf0{subject}/anat/sub-unf0{subject}_T{t}w.nii.gz" for subject in (2, 3) for t in (1, 2)]
    assert set(dataset.images["sequence"]) >= set(empty)
    convert(dataset, tmp_path / "out", to="nifti", on_loss="error")
    sources = sorted((real_data / "ivadomed_testing/mri/derivatives").rglob("*.nii.gz"))
    assert len(sources) == 11
    for source in sources:
        (written,) = (tmp_path / "out/labels").rglob(source.name)
        assert gzip.decompress(written.read_bytes()) == gzip.decompress(source.read_bytes())
    spleen = read(real_data / "ivadomed_testing/ct_scan")
    assert spleen.segments["area"].sum() == 96672
    np.testing.assert_allclose(spleen.profile.sequences[0].spacing, (0.795, 0.795, 5.0), atol=1e-3)
