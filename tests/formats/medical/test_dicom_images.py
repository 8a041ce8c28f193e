"""Where slices lie: pixels to millimetres and back, volumes of even slices, and nothing where that is not known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.formats.medical import SEGMENTATIONS, sop_class
from segdata.formats.medical.dicom_images import (
    Plane,
    group_series,
    is_same_place,
    make_volume,
    parse_plane,
    read_dataset,
    scan_folder,
)
from segdata.formats.medical.rt_struct_reader import to_millimetres, to_pixels
from tests.generators.dicom_files import CT, write_ct

pytest.importorskip("pydicom")


@st.composite
def planes(draw: Any) -> Plane:
    """A plane turned in any way."""
    turn, _ = np.linalg.qr(np.array(draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))).reshape(3, 3) + np.eye(3))
    position = draw(st.tuples(*[st.floats(-500, 500)] * 3))
    spacing = draw(st.tuples(st.floats(0.1, 5), st.floats(0.1, 5)))
    found = parse_plane(position, [*turn[:, 0], *turn[:, 1]], spacing)
    assert found is not None
    return found


@given(plane=planes(), points=st.lists(st.tuples(st.floats(-10, 600), st.floats(-10, 600)), min_size=1, max_size=5))
def test_pixels_come_back_from_millimetres(plane: Plane, points: list[tuple[float, float]]) -> None:
    there = np.array(points)
    np.testing.assert_allclose(to_pixels(to_millimetres(there, plane), plane), there, atol=1e-6)


@given(plane=planes())
def test_the_first_pixels_centre_is_the_position(plane: Plane) -> None:
    np.testing.assert_allclose(to_millimetres(np.array([[0.5, 0.5]]), plane)[0], plane.position)
    right = to_millimetres(np.array([[1.5, 0.5]]), plane)[0] - plane.position
    np.testing.assert_allclose(right, plane.row * plane.spacing[0], atol=1e-9)


@pytest.mark.parametrize(
    "said",
    [
        (None, [1, 0, 0, 0, 1, 0], [1, 1]),
        ([0, 0], [1, 0, 0, 0, 1, 0], [1, 1]),
        ([0, 0, 0], [1, 0, 0], [1, 1]),
        ([0, 0, 0], [1, 0, 0, 1, 0, 0], [1, 1]),
        ([0, 0, 0], [2, 0, 0, 0, 1, 0], [1, 1]),
        ([0, 0, 0], [1, 0, 0, 0, 1, 0], [0, 1]),
        ([0, 0, 0], [1, 0, 0, 0, 1, 0], [1]),
        ([0, 0, float("nan")], [1, 0, 0, 0, 1, 0], [1, 1]),
        (["a", "b", "c"], [1, 0, 0, 0, 1, 0], [1, 1]),
    ],
)
def test_what_is_no_plane(said: tuple[Any, Any, Any]) -> None:
    assert parse_plane(*said) is None


def test_a_volume_points_to_the_right_and_to_the_front(tmp_path: Path) -> None:
    series = write_ct(tmp_path, 3, origin=(-20.0, -30.0, 40.0), spacing=(0.5, 0.7, 2.0))
    (found,) = group_series(scan_folder(tmp_path, ()).images)
    assert [image.uid for image in found.images] == series.uids
    sequence = found.sequence
    assert sequence.affine is not None
    affine = np.array(sequence.affine).reshape(4, 4)
    np.testing.assert_allclose(affine @ [0, 0, 0, 1], [20, 30, 40, 1])
    np.testing.assert_allclose(affine @ [1, 1, 1, 1], [19.5, 29.3, 42, 1])
    assert (sequence.axes, sequence.spacing) == ("LPS", (0.5, 0.7, 2.0))


def test_slices_that_are_not_even_have_no_affine(tmp_path: Path) -> None:
    write_ct(tmp_path, 3)
    (found,) = group_series(scan_folder(tmp_path, ()).images)
    (planes_,) = [[image.plane for image in found.images if image.plane]]
    assert make_volume("a", planes_).affine is not None
    assert make_volume("a", [planes_[0], planes_[0], planes_[2]]).affine is None
    assert make_volume("a", planes_[:1]).affine is None
    assert is_same_place(planes_[0], planes_[0])
    assert not is_same_place(planes_[0], planes_[1])


def test_series_are_named_by_their_folder_or_uid(tmp_path: Path) -> None:
    write_ct(tmp_path / "a", number=1)
    write_ct(tmp_path / "b", 1, number=2)
    write_ct(tmp_path / "b/more", 1, number=3)
    assert [each.name for each in group_series(scan_folder(tmp_path, ()).images)] == ["a", "b", "b/more"]
    write_ct(tmp_path / "mixed", 1, number=4)
    (tmp_path / "mixed/001.dcm").rename(tmp_path / "mixed/002.dcm")
    write_ct(tmp_path / "mixed", 1, number=5)
    names = [each.name for each in group_series(scan_folder(tmp_path, ()).images)]
    assert [name for name in names if name and "." in name] == names[3:], "two series in one folder"


def test_files_are_known_by_their_heads(tmp_path: Path) -> None:
    path = write_ct(tmp_path, 1).paths[0]
    assert sop_class(path.read_bytes()[:512]) == CT
    assert sop_class(b"") is None
    assert sop_class(b"\0" * 128 + b"DICM") is None
    (tmp_path / "notes.txt").write_text("no DICOM")
    (tmp_path / "again.dcm").write_bytes(path.read_bytes())
    folder = scan_folder(tmp_path, SEGMENTATIONS)
    assert len(folder.images) == 1
    assert [(each.code, each.file) for each in folder.defects] == [("SEG008", "again.dcm")]


def test_a_transfer_syntax_that_is_too_new_is_named(tmp_path: Path) -> None:
    """The file is not damaged: the installed pydicom is older than it."""
    write_ct(tmp_path, 1)
    path = tmp_path / "001.dcm"
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    with pytest.raises(OSError, match=r"^its transfer syntax 1\.2\.840\.10008\.1\.2\.9 is none that pydicom \d"):
        read_dataset(path)
