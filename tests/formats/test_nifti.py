"""NIfTI: voxels, headers and names come back; what contradicts itself is found."""

import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segdata import Dataset, convert, diff, read
from segdata.core.batch import Batch, concatenate, replaced
from segdata.core.defect import Defect
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect, format_named
from segdata.core.loss import Losses
from segdata.core.profile import Profile
from segdata.core.runs import Runs
from segdata.core.sequence import ImageSequence
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.nifti.voxels import decode
from segdata.formats.medical.shelf import Shelf
from segdata.formats.nifti import write
from segdata.testing.dense import masks_of_runs
from segdata.testing.nifti_files import nifti_bytes, write_nifti
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets

pytest.importorskip("nibabel")
PLACED = np.array([[-1.5, 0, 0, 10], [0, 1, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])


def whole(dataset: Dataset) -> Batch:
    batch = concatenate(list(dataset))
    batch.runs.checked(*batch.segment_size)
    return batch


def met(dataset: Dataset) -> list[Defect]:
    return [*dataset.source.defects, *whole(dataset).defects]


def codes(dataset: Dataset) -> list[tuple[str, str | None]]:
    return sorted((each.code, each.file) for each in met(dataset) if each.severity != "info")


def drawn(dataset: Dataset) -> dict[tuple[str, str], np.ndarray[Any, Any]]:
    """Image and category -> mask."""
    batch = whole(dataset)
    names = batch.images["image_id"].to_pylist()
    found = {}
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    for mask, image, category in zip(
        masks, batch.segment_image, batch.segments["category_id"].to_pylist(), strict=True
    ):
        found[names[image], dataset.profile.name_of(category)] = mask
    return found


def voxels_of(dataset: Dataset, shape: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    """(i, j, k) the category ids."""
    found = np.zeros(shape, np.int64)
    batch = whole(dataset)
    frames = batch.images["frame"].to_pylist()
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    for mask, image, category in zip(
        masks, batch.segment_image, batch.segments["category_id"].to_pylist(), strict=True
    ):
        found[:, :, frames[image]][mask.T] = category
    return found


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
    assert_round_trip(format_named("nifti"), *dataset, tmp_path_factory.mktemp("law"))


@settings(max_examples=25)
@given(dataset=datasets(Details(overlaps=False, several=False, extras=False)))
def test_pixels_and_instances_are_kept(
    tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]
) -> None:
    losses = assert_round_trip(format_named("nifti"), *dataset, tmp_path_factory.mktemp("law"))
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
        head = decode(path).head
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

    write(replace(dataset.profile, sequences=(replace(placed, name="a.nii.gz"),)), batches, tmp_path / "out", Losses())
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
    losses = Losses()
    write(profile, [batch], tmp_path / "out", losses)
    assert losses.listed() == []
    back = read(tmp_path / "out", format="nifti")
    (found,) = back.profile.sequences
    assert (found.affine, found.axes, found.spacing) == (place.affine, place.axes, place.spacing)
    assert codes(back) == []


def test_a_place_that_somebody_changed_is_the_files(tmp_path: Path) -> None:
    dataset = read(write_nifti(tmp_path / "in/a.nii", np.ones((3, 2, 2), np.uint8)))
    place = ImageSequence("a.nii", "volume", EXACT, "RPS", (0.1, 0.7, 2.5))
    write(replace(dataset.profile, sequences=(place,)), list(dataset), tmp_path / "out", Losses())
    (path,) = (tmp_path / "out/labels").iterdir()
    write_nifti(path, np.ones((3, 2, 2), np.uint8), sform=PLACED)
    assert read(tmp_path / "out").profile.sequences[0].affine == tuple(PLACED.ravel())


def test_a_type_that_is_too_small_is_widened_and_the_rest_of_the_header_kept(tmp_path: Path) -> None:

    voxels = np.ones((2, 2, 1), ">u1")
    write_nifti(tmp_path / "a.nii", voxels, sform=PLACED, extension=bytes(8))
    many = Taxonomy(categories=(Category(id=1, name="a"), Category(id=70_000, name="b")))
    dataset = read(tmp_path / "a.nii", taxonomy=many)
    batch = whole(dataset)

    moved = Batch(batch.images, batch.annotations, replaced(batch.segments, "category_id", [70_000]), batch.runs)
    losses = Losses()
    write(dataset.profile, [moved], tmp_path / "out", losses)
    assert [loss.kind for loss in losses.listed()] == ["segment-id"]
    made = decode(tmp_path / "out/labels/a.nii")
    assert made.values.tolist() == [70_000]
    assert made.head.offset == 352 + 16
    np.testing.assert_array_equal(made.head.affine, PLACED)


@pytest.mark.parametrize("id_", [-1, 2**31])
def test_ids_that_no_value_can_be_are_refused_with_the_number(tmp_path: Path, id_: int) -> None:

    profile = read(write_nifti(tmp_path / "a.nii", np.ones((2, 2, 1), np.uint8))).profile
    wrong = replace(profile, taxonomy=Taxonomy(categories=(Category(id=id_, name="a"),)))
    with pytest.raises(SegdataError, match=str(id_)):
        write(wrong, [], tmp_path / "out", Losses())


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
    found = drawn(dataset)
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
    with pytest.raises(SegdataError, match="no regular expression"):
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


@pytest.mark.parametrize(
    ("values", "broken", "rounded"),
    [([1, 2.5, 0, 0], 1, 0), ([1, np.nan, np.inf, 0], 2, 0), ([1, 1.9995, 0, 0], 0, 1), ([1, 1e12, 0, 0], 1, 0)],
)
def test_voxels_that_are_no_labels(tmp_path: Path, values: list[float], broken: int, rounded: int) -> None:
    voxels = np.array(values, np.float64).reshape(2, 2, 1)
    dataset = read(write_nifti(tmp_path / "a.nii", voxels, sform=PLACED))
    found = [each for each in met(dataset) if each.code == "SEG017"]
    assert [each.pixels for each in found if each.severity is None] == [broken] * bool(broken)
    assert sum(each.severity == "info" for each in found) == rounded
    if broken:
        assert found[0].place is not None
        assert found[0].file == "a.nii"


def test_voxels_that_are_left_out_are_a_loss(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", np.array([[[1], [2.5]], [[0], [1.9999]]]), sform=PLACED)
    done = convert(path, tmp_path / "out", to="canonical")
    assert [(loss.kind, loss.count) for loss in done.losses if loss.kind == "unreadable"] == [("unreadable", 1)]
    with pytest.raises(SegdataError, match="unreadable"):
        convert(path, tmp_path / "strict", to="canonical", on_loss="error")


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
    assert "2 mm apart: origin" in found["labels/b.nii.gz"].message
    assert "spacing 1.5x1x3 mm, of the image 1.5x1x6 mm" in found["labels/c.nii.gz"].message
    assert "directions LAS, of the image RAS (up to 180° apart)" in found["labels/d.nii.gz"].message
    assert "qform and sform" in found["labels/f.nii.gz"].message
    assert ("SEG003", "labels/f.nii.gz") in codes(read(tmp_path))


def test_images_and_labels_without_each_other(tmp_path: Path) -> None:
    voxels = np.ones((2, 2, 2), np.uint8)
    for name in ("images/a", "images/b", "labels/b", "labels/c"):
        write_nifti(tmp_path / f"{name}.nii.gz", voxels, sform=PLACED)
    dataset = read(tmp_path)
    assert codes(dataset) == [("SEG011", "images/a.nii.gz"), ("SEG011", "labels/c.nii.gz")]
    batch = whole(dataset)
    assert batch.images["image_id"].to_pylist() == [f"{name}.nii.gz/000{k}" for name in "abc" for k in (0, 1)]
    assert batch.annotation_image.tolist() == [2, 3, 4, 5], "nobody worked on a"


def test_what_cannot_be_volumes_of_labels_is_said(tmp_path: Path) -> None:
    write_nifti(tmp_path / "time.nii", np.ones((2, 2, 2, 3), np.uint8))
    write_nifti(tmp_path / "flat.nii", np.ones((3, 2), np.uint8), sform=PLACED)
    write_nifti(tmp_path / "single.nii", np.ones((3, 2, 1, 1), np.uint8), sform=PLACED)
    dataset = read(tmp_path)
    assert codes(dataset) == [("SEG001", "time.nii")]
    assert "Write each as a volume of its own" in met(dataset)[0].message
    assert dataset.image_ids == ["flat.nii", "single.nii"]
    (tmp_path / "many").mkdir()
    write_nifti(tmp_path / "many/ct.nii", np.arange(4000, dtype=np.int16).reshape(20, 20, 10))
    with pytest.raises(UnreadableError, match="intensities"):
        read(tmp_path / "many")


def test_detection(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz", np.ones((2, 2, 1), np.uint8))
    assert detect(tmp_path) == detect(tmp_path / "a.nii.gz") == "nifti"


def test_a_shelf_decodes_each_file_once_for_all_threads() -> None:
    begun: list[Path] = []
    gate = threading.Event()

    def slow(path: Path) -> str:
        begun.append(path)
        gate.wait(10)
        if path.name == "bad":
            raise OSError("damaged")
        return path.name

    shelf = Shelf(slow, most=2)
    got: list[str] = []

    def ask(name: str) -> None:
        try:
            got.append(shelf.take(Path(name)))
        except OSError as error:
            got.append(str(error))

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("a", "a", "bad", "bad")]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert sorted(got) == ["a", "a", "damaged", "damaged"]
    assert sorted(path.name for path in begun) == ["a", "bad"]
    for name in ("b", "c", "a"):
        ask(name)
    assert [path.name for path in begun].count("a") == 2, "only the last two are kept"


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


def test_the_bytes_are_those_that_nibabel_reads() -> None:
    import nibabel

    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = nibabel.Nifti1Image.from_bytes(nifti_bytes(voxels, sform=PLACED))
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), voxels)
    np.testing.assert_array_equal(image.affine, PLACED)
