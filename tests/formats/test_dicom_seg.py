"""DICOM-SEG: frames where they belong, whatever their order; what is written comes back, and highdicom reads it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata import Dataset, convert, diff, read
from segdata.core.batch import Batch, concatenate, replaced
from segdata.core.columns import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, table
from segdata.core.defect import Defect
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect, format_named
from segdata.core.loss import Losses
from segdata.core.profile import Policy, Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.dicom_seg import write
from segdata.testing.dense import masks_of_runs, runs_of_masks
from segdata.testing.dicom_files import CtSeries, item, segment, write_ct, write_seg
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import masks

pytest.importorskip("highdicom")
SIZE = (5, 6)
Mask = np.ndarray[Any, Any]


def box(left: int, top: int, right: int, bottom: int) -> Mask:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def whole(dataset: Dataset) -> Batch:
    batch = concatenate(list(dataset))
    batch.runs.checked(*batch.segment_size)
    return batch


def met(dataset: Dataset) -> list[Defect]:
    return [*dataset.source.defects, *whole(dataset).defects]


def drawn(dataset: Dataset) -> dict[tuple[str, int], list[list[bool]]]:
    """Image and segment id -> mask."""
    batch = whole(dataset)
    names = batch.images["image_id"].to_pylist()
    found = masks_of_runs(batch.runs, *batch.segment_size)
    ids = batch.segments["segment_id"].to_pylist()
    return {
        (names[image], id_): mask.tolist() for mask, image, id_ in zip(found, batch.segment_image, ids, strict=True)
    }


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
def test_frames_are_placed_by_position(tmp_path: Path, kind: str) -> None:
    series = write_ct(tmp_path / "ct", 4, SIZE)
    full = 2 if kind == "LABELMAP" else 255
    frames = [(None if kind == "LABELMAP" else 2, k, box(0, 0, k + 1, 2) * full) for k in (3, 0, 2)]
    write_seg(tmp_path / "seg.dcm", series, [segment(2, "liver")], frames, kind=kind)
    dataset = read(tmp_path)
    assert detect(tmp_path) == detect(tmp_path / "seg.dcm") == "dicom-seg"
    assert met(dataset) == []
    assert drawn(dataset) == {(f"ct/{k + 1:03d}.dcm", 2): box(0, 0, k + 1, 2).tolist() for k in (0, 2, 3)}
    batch = whole(dataset)
    assert batch.annotation_image.tolist() == [0, 1, 2, 3], "a slice without a frame is annotated, and empty"
    assert batch.images["frame"].to_pylist() == [0, 1, 2, 3]
    assert set(batch.segments["track_id"].to_pylist()) == {2}
    assert set(batch.images["group"].to_pylist()) == {"patient-1"}
    assert batch.segments["place"].to_pylist() == ["frame 2", "frame 3", "frame 1"]


def test_a_fractional_segmentation_is_cut_where_the_option_says(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 1, SIZE)
    values = np.zeros(SIZE, np.uint8)
    values[0] = [0, 1, 127, 128, 254, 255]
    write_seg(tmp_path / "seg.dcm", series, [segment(1, "liver")], [(1, 0, values)], kind="FRACTIONAL")
    for threshold, pixels in ((None, 3), ("0.5", 3), ("1", 1), ("0.001", 5)):
        dataset = read(tmp_path, options={} if threshold is None else {"threshold": threshold})
        assert whole(dataset).runs.areas(1).tolist() == [pixels]
        (soft,) = met(dataset)
        assert (soft.code, soft.severity, soft.pixels) == ("SEG010", "info", 4)
    for wrong in ("0", "1.5", "half", "nan"):
        with pytest.raises(SegdataError, match="threshold"):
            read(tmp_path, options={"threshold": wrong})


def test_who_drew(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 1, SIZE)
    model = segment(1, "liver", SegmentAlgorithmType="AUTOMATIC", SegmentAlgorithmName="net 3")
    write_seg(tmp_path / "a.dcm", series, [model], [(1, 0, box(0, 0, 2, 2))])
    write_seg(
        tmp_path / "b.dcm", series, [segment(1, "liver")], [(1, 0, box(0, 0, 3, 2))], ContentCreatorName="Doe^Ann"
    )
    both = [segment(1, "liver", SegmentAlgorithmType="SEMIAUTOMATIC", SegmentAlgorithmName="grow"), segment(2, "liver")]
    write_seg(tmp_path / "c.dcm", series, both, [(1, 0, box(0, 0, 4, 2)), (2, 0, box(5, 0, 6, 1))])
    write_seg(tmp_path / "d.dcm", series, [segment(1, "liver")], [(1, 0, box(0, 0, 1, 1))])
    batch = whole(read(tmp_path))
    said = zip(*(batch.annotations[name].to_pylist() for name in ("annotator", "source")), strict=True)
    assert list(said) == [("net 3", "model"), ("Doe Ann", "human"), ("c", None), ("d", "human")]
    assert batch.segments["source"].to_pylist() == [None, None, None, "human", None]
    attributes = [dict(each) for each in batch.segments["attributes"].to_pylist()]
    assert attributes[2] == {"algorithm_type": '"SEMIAUTOMATIC"', "algorithm_name": '"grow"'}


def test_codes_and_tracking_are_attributes(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 1, SIZE)
    code = item(CodeValue="10200004", CodingSchemeDesignator="SCT", CodeMeaning="Liver")
    one = segment(1, "left", SegmentedPropertyTypeCodeSequence=[code], TrackingID="12", TrackingUID="1.2")
    other = segment(2, "right", TrackingID="lesion A", TrackingUID="1.3")
    write_seg(tmp_path / "a.dcm", series, [one, other], [(1, 0, box(0, 0, 2, 2)), (2, 0, box(3, 0, 4, 2))])
    dataset = read(tmp_path)
    assert dataset.taxonomy.by_name()["left"].definition == "Liver"
    rows = whole(dataset).segments.select(["track_id", "attributes"]).to_pylist()
    assert rows[0]["track_id"] == 12
    assert dict(rows[0]["attributes"])["property_type"] == '{"value": "10200004", "scheme": "SCT", "meaning": "Liver"}'
    assert (rows[1]["track_id"], dict(rows[1]["attributes"])["tracking_id"]) == (None, '"lesion A"')


def test_without_the_images_it_has_slices_of_its_own(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 3, SIZE)
    write_seg(tmp_path / "seg/a.dcm", series, [segment(1, "liver")], [(1, k, box(0, 0, 1 + k, 1)) for k in (2, 0)])
    dataset = read(tmp_path / "seg")
    assert [(each.code, each.severity) for each in met(dataset)] == [("SEG002", "info")]
    assert drawn(dataset) == {("a.dcm/0000", 1): box(0, 0, 1, 1).tolist(), ("a.dcm/0001", 1): box(0, 0, 3, 1).tolist()}
    assert whole(dataset).images["source_id"].to_pylist() == [series.uids[0], series.uids[2]]
    there = read(tmp_path / "seg", images=tmp_path / "ct")
    assert sorted(drawn(there)) == [("001.dcm", 1), ("003.dcm", 1)]
    assert len(there) == 3


def test_a_grid_of_its_own_is_not_put_on_the_images(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 2, SIZE)
    finer = CtSeries([], series.uids, (10, 12), series.origin, (0.25, 0.25, 2.0))
    write_seg(tmp_path / "a.dcm", finer, [segment(1, "liver")], [(1, 0, np.ones((10, 12), bool))])
    dataset = read(tmp_path)
    assert list(drawn(dataset)) == [("a.dcm", 1)]
    assert met(dataset) == []


@st.composite
def scenes(draw: Any) -> list[list[tuple[int, int | None, Mask]]]:
    """Of each slice its segments: category, track, mask; they may overlap."""
    return [
        [
            (draw(st.integers(1, 2)), draw(st.sampled_from([None, 5, 6])), draw(masks(*SIZE)))
            for _ in range(draw(st.integers(0, 2)))
        ]
        for _ in range(3)
    ]


def dataset_of(series: CtSeries, scene: list[list[tuple[int, int | None, Mask]]]) -> tuple[Profile, Batch]:
    """A scene on the slices of a series; the third slice is not annotated where nothing is on it."""
    annotated = [k for k, each in enumerate(scene) if each or k < 2]
    rows = [(annotated.index(k), *each, id_) for k, some in enumerate(scene) for id_, each in enumerate(some, 1)]
    batch = Batch(
        table(
            BATCH_IMAGES,
            3,
            image_id=[f"a/{k}.dcm" for k in range(3)],
            uri=[path.as_uri() for path in series.paths],
            height=[SIZE[0]] * 3,
            width=[SIZE[1]] * 3,
            sequence=["a"] * 3,
            frame=[10, 11, 12],
        ),
        table(
            BATCH_ANNOTATIONS,
            len(annotated),
            image=annotated,
            annotator=["Ann"] * len(annotated),
            source=["model"] * len(annotated),
        ),
        table(
            BATCH_SEGMENTS,
            len(rows),
            annotation=[row[0] for row in rows],
            category_id=[row[1] for row in rows],
            track_id=[row[2] for row in rows],
            segment_id=[row[4] for row in rows],
            iscrowd=[False] * len(rows),
        ),
        runs_of_masks([row[3] for row in rows]),
    )
    taxonomy = Taxonomy(categories=(Category(id=1, name="Lebér \\ 水"), Category(id=2, name="b", color=(1, 2, 250))))
    return Profile("x", "x", "instance", taxonomy, True, Policy("sparse"), Policy("allow")), batch


@settings(max_examples=12)
@given(scene=scenes())
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, scene: list[list[tuple[int, int | None, Mask]]]
) -> None:
    folder = tmp_path_factory.mktemp("law")
    profile, batch = dataset_of(write_ct(folder / "ct", 3, SIZE), scene)
    losses = assert_round_trip(format_named("dicom-seg"), profile, [batch], folder)
    assert {loss.kind for loss in losses.listed()} <= {"empty-segment", "segment-id", "instance"}


def test_highdicom_reads_what_is_written(tmp_path: Path) -> None:
    import highdicom

    scene = [[(1, 5, box(0, 0, 3, 3)), (2, None, box(1, 1, 4, 4))], [(1, 5, box(2, 2, 4, 5))], []]
    profile, batch = dataset_of(write_ct(tmp_path / "ct", 3, SIZE), scene)
    losses = Losses()
    write(profile, [batch], tmp_path / "out", losses)
    assert losses.listed() == []
    (path,) = (tmp_path / "out/segmentations").iterdir()
    found = highdicom.seg.segread(path)
    assert found.number_of_segments == 2
    assert str(found.ContentCreatorName) == "Ann"
    described = found.get_segment_description(1)
    assert (described.segment_label, described.algorithm_type.value) == ("Lebér / 水", "AUTOMATIC")
    assert (described.algorithm_identification.name, described.tracking_id) == ("Ann", "5")
    sources = [each.ReferencedSOPInstanceUID for each in found.ReferencedSeriesSequence[0].ReferencedInstanceSequence]
    pixels = found.get_pixels_by_source_instance(sources, combine_segments=False)
    assert pixels.shape == (2, *SIZE, 2)
    np.testing.assert_array_equal(pixels[0, :, :, 0] > 0, box(0, 0, 3, 3))
    np.testing.assert_array_equal(pixels[0, :, :, 1] > 0, box(1, 1, 4, 4))
    np.testing.assert_array_equal(pixels[1, :, :, 0] > 0, box(2, 2, 4, 5))


def test_each_annotator_has_an_object_of_their_own(tmp_path: Path) -> None:
    given = tmp_path / "in"
    series = write_ct(given / "ct", 2, SIZE)
    for name, who in (("a", "Ann"), ("b", "Bob")):
        frames = [(1, 0, box(0, 0, 2, 2))]
        write_seg(given / f"{name}.dcm", series, [segment(1, "liver")], frames, ContentCreatorName=who)
    done = convert(given, tmp_path / "out", to="dicom-seg", on_loss="error")
    assert done.n_segments == 2
    assert len(list((tmp_path / "out/segmentations").iterdir())) == 2
    assert diff(read(given), read(tmp_path / "out")).same


def test_attributes_and_places_come_back(tmp_path: Path) -> None:
    """Or are counted: what is tracked by a name, drawn with an algorithm's help, or lies at decimals of decimals."""
    given = tmp_path / "in"
    series = write_ct(given / "ct", 3, SIZE, origin=(-123.4567, 0.1, 1 / 3), spacing=(0.7, 0.3, 2.1))
    code = item(CodeValue="10200004", CodingSchemeDesignator="SCT", CodeMeaning="Liver")
    segments = [
        segment(1, "liver", TrackingID="lesion A", TrackingUID="1.3", SegmentedPropertyTypeCodeSequence=[code]),
        segment(2, "vessel", SegmentAlgorithmType="SEMIAUTOMATIC"),
        segment(3, "duct", SegmentAlgorithmType="SEMIAUTOMATIC", SegmentAlgorithmName="grow"),
    ]
    frames = [(number, k, box(number, 0, number + 1, 3)) for number in (1, 2, 3) for k in (0, 1, 2)]
    write_seg(given / "a.dcm", series, segments, frames)
    for to in ("dicom-seg", "rt-struct", "nifti", "nnunet"):
        done = convert(given, tmp_path / to, to=to, verify=True)
        assert done.proof is not None
        assert done.proof.holds, to
    assert diff(given, tmp_path / "dicom-seg").same


@pytest.mark.parametrize("name", ["dicom-seg", "rt-struct"])
@pytest.mark.parametrize(
    ("of_all", "own", "lost"),
    [
        ("model", (None, None), []),
        (None, ("human", "model"), []),
        (None, (None, "model"), []),
        (None, ("model", "model"), ["source"]),
        ("human", ("model", None), ["source"]),
        (None, ("consensus", None), ["source"]),
        ("consensus", (None, None), ["source"]),
    ],
)
def test_what_drew_comes_back_or_is_counted(
    tmp_path: Path, name: str, of_all: str | None, own: tuple[str | None, ...], lost: list[str]
) -> None:
    scene = [[(1, 5, box(0, 0, 3, 3)), (2, None, box(3, 3, 5, 4))], [], []]
    profile, batch = dataset_of(write_ct(tmp_path / "ct", 3, SIZE), scene)
    given = replace(
        batch,
        annotations=replaced(batch.annotations, "source", [of_all] * 2),
        segments=replaced(batch.segments, "source", own),
    )
    losses = assert_round_trip(format_named(name), profile, [given], tmp_path)
    assert list(dict.fromkeys(loss.kind for loss in losses.listed())) == lost


def test_attributes_of_other_formats_are_counted(tmp_path: Path) -> None:
    """Names that DICOM has a place for, with values that it has none for."""
    values = {
        "property_type": "liver",
        "tracking_id": 5,
        "algorithm_name": "x",
        "description": ["a"],
        "algorithm_type": 1,
    }
    profile, batch = dataset_of(write_ct(tmp_path / "ct", 3, SIZE), [[(1, 5, box(0, 0, 3, 3))], [], []])
    said = [[(key, json.dumps(value)) for key, value in sorted(values.items())]]
    given = replace(batch, segments=replaced(batch.segments, "attributes", said))
    for name in ("dicom-seg", "rt-struct"):
        losses = assert_round_trip(format_named(name), profile, [given], tmp_path / name)
        assert [(loss.kind, loss.count) for loss in losses.listed()] == [("attributes", 1)]


def test_without_dicom_images_it_says_what_is_needed(tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "sample_data/panoptic"
    with pytest.raises(SegdataError, match="needs the DICOM file that it was drawn on"):
        convert(sample, tmp_path / "out", to="dicom-seg")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnreadableError, match="no DICOM segmentation"):
        read(tmp_path, format="dicom-seg")


def test_dcmqis_liver_is_that_of_its_nrrd_file(real_data: Path, tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    folder = real_data / "peer_fixtures/dicom_seg/dcmqi"
    dataset = read(folder)
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "liver_seg.nrrd"))) > 0
    batch = whole(dataset)
    frames = batch.images["frame"].to_pylist()
    for mask, image in zip(masks_of_runs(batch.runs, *batch.segment_size), batch.segment_image, strict=True):
        np.testing.assert_array_equal(mask, truth[frames[image]])
    assert batch.runs.areas(3).sum() == 107098
    assert met(dataset) == []
    convert(dataset, tmp_path / "nifti", to="nifti")
    written = sitk.ReadImage(str(next((tmp_path / "nifti").rglob("*.nii.gz"))))
    reference = sitk.ReadImage(str(folder / "liver_seg.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written) > 0, truth)
    np.testing.assert_allclose(written.GetOrigin(), reference.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(written.GetDirection(), reference.GetDirection(), atol=1e-6)
    convert(folder, tmp_path / "seg", to="dicom-seg", on_loss="error")
    assert diff(dataset, read(tmp_path / "seg")).same


def test_highdicoms_own_files(real_data: Path) -> None:
    areas = read(real_data / "peer_fixtures/dicom_seg/highdicom").segments.groupby("file")["area"].sum().to_dict()
    assert areas == {
        "seg_image_ct_binary.dcm": 638,
        "seg_image_ct_binary_overlap.dcm": 80,
        "seg_image_ct_binary_single_frame.dcm": 1832,
    }
