"""Traps of DICOM segmentations and structure sets: frames in any order, slices without a frame, holes."""

from pathlib import Path

import numpy as np

from tests.generators.dicom_files import contour, segment, write_ct, write_seg, write_structures
from tests.generators.traps.trap import Mask, TrueSegment, Truth, trap

_SIZE = (5, 6)


def _box(left: int, top: int, right: int, bottom: int) -> Mask:
    mask = np.zeros(_SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


@trap("T50", format="dicom-seg")
def frames_in_reverse_order_with_one_left_out(folder: Path) -> Truth:
    """A segmentation of 4 slices with 3 frames, the highest slice first, the second lowest without a frame.

    Frame i put on slice i lands on wrong slices, all but by chance (highdicom#117, #214, OHIF#2833). A frame that was
    left out is empty, which is not the same as a slice that nobody worked on.
    """
    series = write_ct(folder / "ct", 4, _SIZE)
    frames = [(1, k, _box(k, 1, k + 1, 3)) for k in (3, 2, 0)]
    write_seg(folder / "seg.dcm", series, [segment(1, "liver")], frames)
    found = [TrueSegment(f"ct/{k + 1:03d}.dcm", "liver", _box(k, 1, k + 1, 3), track=1) for k in (0, 2, 3)]
    return Truth("", found)


@trap("T50", format="dicom-seg")
def a_frame_that_names_another_slice_than_it_lies_on(folder: Path) -> Truth:
    """A frame whose source image is the slice above the one where its position puts it. Its position counts."""
    series = write_ct(folder / "ct", 3, _SIZE)
    write_seg(folder / "seg.dcm", series, [segment(1, "liver")], [(1, 1, _box(0, 0, 2, 2))], refers=[2])
    return Truth("", [TrueSegment("ct/002.dcm", "liver", _box(0, 0, 2, 2))], findings=["SEG017"])


@trap("T50", format="dicom-seg")
def segments_that_overlap(folder: Path) -> Truth:
    """Two segments with common pixels, as a vessel within an organ: in one label map the first would lose them."""
    series = write_ct(folder / "ct", 1, _SIZE)
    frames = [(1, 0, _box(0, 0, 4, 4)), (2, 0, _box(1, 1, 3, 3))]
    write_seg(folder / "seg.dcm", series, [segment(1, "liver"), segment(2, "vessel")], frames)
    found = [
        TrueSegment("ct/001.dcm", "liver", _box(0, 0, 4, 4)),
        TrueSegment("ct/001.dcm", "vessel", _box(1, 1, 3, 3)),
    ]
    return Truth("", found)


@trap("T50", format="rt-struct")
def a_contour_within_another(folder: Path) -> Truth:
    """An outline with a hole as two closed contours, and a contour of two points, which has no pixels.

    Filled one after the other the hole disappears (platipy#244, dcmrtstruct2nii#37).
    """
    series = write_ct(folder / "ct", 1, _SIZE)
    contours = [
        contour(series, 0, [(0, 0), (5, 0), (5, 5), (0, 5)]),
        contour(series, 0, [(1, 1), (3, 1), (3, 3), (1, 3)]),
        contour(series, 0, [(1, 1), (3, 1)]),
    ]
    write_structures(folder / "rt.dcm", series, [(4, "rind", contours)])
    mask = _box(0, 0, 5, 5) & ~_box(1, 1, 3, 3)
    return Truth("", [TrueSegment("ct/001.dcm", "rind", mask, track=4)], findings=["SEG006"])
