"""RT-STRUCT: contours where they lie, filled as other programs fill them; what is written comes back."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata import Dataset, read, validate
from segdata.core.errors import SegdataError
from segdata.core.format import detect
from tests.formats.medical.datasets import box as box_of
from tests.formats.medical.datasets import by_id, met, whole
from tests.generators.dicom_files import CtSeries, Points, contour, item, save, write_ct, write_structures

pytest.importorskip("pydicom")
SIZE = (7, 9)
box = partial(box_of, SIZE)
OUTER: Points = [(1, 1), (8, 1), (8, 6), (1, 6)]
INNER: Points = [(3, 2), (6, 2), (6, 4), (3, 4)]
Mask = np.ndarray[Any, Any]


def only(dataset: Dataset) -> Mask:
    (mask,) = by_id(dataset).values()
    return mask


def test_contours_are_put_where_they_lie(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 3, SIZE)
    regions = [
        (4, "liver", [contour(series, 2, OUTER), contour(series, 0, INNER)]),
        (9, "cord", [contour(series, 2, INNER)]),
    ]
    write_structures(tmp_path / "rt.dcm", series, regions)
    dataset = read(tmp_path)
    assert detect(tmp_path) == detect(tmp_path / "rt.dcm") == "rt-struct"
    assert met(dataset) == []
    found = by_id(dataset)
    assert sorted(found) == [("ct/001.dcm", 4), ("ct/003.dcm", 4), ("ct/003.dcm", 9)]
    np.testing.assert_array_equal(found["ct/003.dcm", 4], box(1, 1, 8, 6))
    np.testing.assert_array_equal(found["ct/001.dcm", 4], box(3, 2, 6, 4))
    batch = whole(dataset)
    assert batch.annotation_image.tolist() == [0, 1, 2], "a slice without a contour is annotated, and empty"
    assert batch.segments["track_id"].to_pylist() == [4, 4, 9]
    assert dataset.taxonomy.by_name()["cord"].rgb == (255, 0, 9)
    assert batch.segments["rings"].to_pylist()[1] == [[float(each) for point in OUTER for each in point]]
    assert dataset.profile.raster_rule == "centre-evenodd"


@settings(max_examples=20)
@given(
    points=st.lists(st.tuples(st.integers(-20, 110), st.integers(-20, 90)), min_size=3, max_size=9),
    shift=st.sampled_from([(0.31, 0.47), (0.03, 0.93)]),
)
def test_pixels_are_those_of_scikit_image_and_matplotlib(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[int, int]], shift: tuple[float, float]
) -> None:
    """The centre rule, where no centre is on an edge: a closed contour filled even-odd."""
    draw, path = pytest.importorskip("skimage.draw"), pytest.importorskip("matplotlib.path")
    ring = [(x / 10 + shift[0] / 97, y / 10 + shift[1] / 89) for x, y in points]
    folder = tmp_path_factory.mktemp("oracle")
    series = write_ct(folder, 1, SIZE)
    write_structures(folder / "rt.dcm", series, [(1, "a", [contour(series, 0, ring)])])
    rows = whole(read(folder)).segments["rings"].to_pylist()
    (used,) = rows[0] if rows else [[value for point in ring for value in point]]
    corners = np.array(used).reshape(-1, 2)
    np.testing.assert_allclose(corners, ring, atol=1e-5)
    found = by_id(read(folder)).get(("001.dcm", 1), np.zeros(SIZE, bool))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    centres = np.stack([x.ravel(), y.ravel()], axis=1) + 0.5
    apart = _distance(centres, corners)
    clear = (apart > 1e-4).reshape(SIZE)
    np.testing.assert_array_equal(found[clear], draw.polygon2mask(SIZE, corners[:, ::-1] - 0.5)[clear])
    np.testing.assert_array_equal(found[clear], path.Path(corners).contains_points(centres).reshape(SIZE)[clear])


def _distance(points: Mask, corners: Mask) -> Mask:
    """From each of the points to the nearest edge."""
    start, end = corners[None], np.roll(corners, -1, axis=0)[None]
    along = np.clip(
        ((points[:, None] - start) * (end - start)).sum(2) / np.maximum(((end - start) ** 2).sum(2), 1e-12), 0, 1
    )
    nearest: Mask = np.linalg.norm(start + along[:, :, None] * (end - start) - points[:, None], axis=2).min(1)
    return nearest


def test_a_keyhole_is_a_hole(tmp_path: Path) -> None:
    """One contour, whose inner part is reached by a bridge of no width: the standard's way of a hole."""
    series = write_ct(tmp_path, 1, SIZE)
    ring = [*OUTER, OUTER[0], *INNER[::-1], INNER[-1]]
    for holes in ("xor", "union"):
        write_structures(tmp_path / "rt.dcm", series, [(1, "a", [contour(series, 0, ring)])])
        dataset = read(tmp_path, options={"holes": holes})
        np.testing.assert_array_equal(only(dataset), box(1, 1, 8, 6) & ~box(3, 2, 6, 4))
        assert met(dataset) == []


@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
def test_a_contour_in_another(tmp_path: Path, kind: str) -> None:
    series = write_ct(tmp_path, 1, SIZE)
    rings = [OUTER, INNER, [(4, 3), (5, 3), (5, 4), (4, 4)]]
    write_structures(tmp_path / "rt.dcm", series, [(1, "a", [contour(series, 0, ring, kind) for ring in rings])])
    hole = box(1, 1, 8, 6) & ~box(3, 2, 6, 4) | box(4, 3, 5, 4)
    plain = read(tmp_path)
    np.testing.assert_array_equal(only(plain), hole)
    full = read(tmp_path, options={"holes": "union"})
    if kind == "CLOSEDPLANAR_XOR":
        assert met(plain) == met(full) == []
        np.testing.assert_array_equal(only(full), hole)
        return
    np.testing.assert_array_equal(only(full), box(1, 1, 8, 6))
    (nested,) = met(plain)
    assert (nested.code, nested.severity, nested.pixels) == ("SEG018", "info", 5), "its pixel in the middle is inside"
    for dataset in (plain, full):
        assert [each.code for each in validate(dataset).findings if each.code == "SEG018"] == ["SEG018"]
    with pytest.raises(SegdataError, match="xor"):
        read(tmp_path, options={"holes": "or"})


def test_what_has_no_pixels_is_told(tmp_path: Path) -> None:
    series = write_ct(tmp_path, 2, SIZE)
    skew = contour(series, 0, OUTER)
    skew.ContourData = [float(value) + 3 * (place in (2, 5)) for place, value in enumerate(skew.ContourData)]
    region = [
        contour(series, 0, INNER),
        contour(series, 0, [(1, 1), (2, 2)]),
        contour(series, 0, [(1, 1)], "POINT"),
        contour(series, 0, [(2, 1)], "POINT"),
        contour(series, 0, OUTER, "OPEN_PLANAR"),
        contour(series, 0, OUTER, "ROUND"),
        contour(series, 0, OUTER, ContourData=[1.0, 2.0, 3.0, 4.0]),
        contour(series, 0, OUTER, ContourData=[]),
        skew,
    ]
    write_structures(tmp_path / "rt.dcm", series, [(3, "a", region)])
    dataset = read(tmp_path)
    np.testing.assert_array_equal(only(dataset), box(3, 2, 6, 4))
    found = met(dataset)
    assert [(each.code, each.severity) for each in found if each.severity == "info"] == [("SEG006", "info")] * 2
    assert [each.message[:2] for each in found if each.severity == "info"] == ["1 ", "2 "]
    left_out = [(each.code, each.place[-2:-1]) for each in found if each.severity != "info"]
    assert sorted(left_out) == [("SEG006", row) for row in "15678"]
    assert {each.segments for each in found} == {(3,)}


def test_a_contour_off_every_slice(tmp_path: Path) -> None:
    series = write_ct(tmp_path, 2, SIZE)
    above = CtSeries(series.paths, series.uids, SIZE, (-20.0, -30.0, 47.5), series.spacing)
    near = CtSeries(series.paths, series.uids, SIZE, (-20.0, -30.0, 40.4), series.spacing)
    write_structures(tmp_path / "rt.dcm", series, [(3, "a", [contour(above, 0, OUTER), contour(near, 0, INNER)])])
    dataset = read(tmp_path)
    assert list(by_id(dataset)) == [("001.dcm", 3)], "less than half a slice away"
    (lost,) = met(dataset)
    assert lost.code == "SEG007"
    assert "5.5 mm" in lost.message


def test_a_contour_that_names_another_slice(tmp_path: Path) -> None:
    series = write_ct(tmp_path, 2, SIZE)
    wrong = contour(series, 0, OUTER)
    wrong.ContourImageSequence[0].ReferencedSOPInstanceUID = series.uids[1]
    write_structures(tmp_path / "rt.dcm", series, [(3, "a", [wrong])])
    dataset = read(tmp_path)
    assert list(by_id(dataset)) == [("001.dcm", 3)]
    assert [each.code for each in met(dataset)] == ["SEG017"]


def test_a_turned_patient(tmp_path: Path) -> None:
    """Slices that are not along the axes, with pixels that are not square."""
    series = write_ct(tmp_path, 3, SIZE, spacing=(0.5, 0.8, 2.0))
    turn = np.linalg.qr(np.array([[1.0, 0.2, 0.1], [-0.3, 1.0, 0.4], [0.2, -0.3, 1.0]]))[0]
    turn *= np.sign(np.linalg.det(turn))
    for header in series.headers:
        header.ImagePositionPatient = [f"{each:.10g}" for each in turn @ np.array(header.ImagePositionPatient, float)]
        header.ImageOrientationPatient = [f"{each:.10g}" for each in turn[:, :2].T.ravel()]
        save(header, series.paths[header.InstanceNumber - 1])
    made = contour(series, 1, OUTER)
    points = np.array([float(each) for each in made.ContourData]).reshape(-1, 3) @ turn.T
    made.ContourData = [f"{each:.10g}" for each in points.ravel()]
    write_structures(tmp_path / "rt.dcm", series, [(1, "a", [made])])
    dataset = read(tmp_path)
    assert met(dataset) == []
    assert list(by_id(dataset)) == [("002.dcm", 1)]
    np.testing.assert_array_equal(only(dataset), box(1, 1, 8, 6))


def test_who_drew(tmp_path: Path) -> None:
    series = write_ct(tmp_path, 1, SIZE)
    path = write_structures(tmp_path / "rt.dcm", series, [(1, "a", [contour(series, 0, OUTER)])])
    said = pytest.importorskip("pydicom").dcmread(path)
    said.StructureSetROISequence[0].ROIGenerationAlgorithm = "AUTOMATIC"
    said.RTROIObservationsSequence = [
        item(ObservationNumber=1, ReferencedROINumber=1, RTROIInterpretedType="ORGAN", ROIInterpreter="Doe^Ann")
    ]
    said.save_as(path)
    batch = whole(read(tmp_path))
    assert batch.annotations.select(["annotator", "source"]).to_pylist() == [
        {"annotator": "Doe Ann", "source": "model"}
    ]
    assert batch.segments["attributes"].to_pylist() == [[("interpreted_type", '"ORGAN"')]]


def test_without_its_images_there_are_no_pixels(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 1, SIZE)
    write_structures(tmp_path / "rt/rt.dcm", series, [(1, "a", [contour(series, 0, OUTER)])])
    dataset = read(tmp_path / "rt")
    assert len(dataset) == 0
    assert [(each.code, each.severity) for each in dataset.source.defects] == [("SEG002", None)]
    there = read(tmp_path / "rt", images=tmp_path / "ct")
    np.testing.assert_array_equal(only(there), box(1, 1, 8, 6))
