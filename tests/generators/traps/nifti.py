"""Traps of NIfTI volumes: axes, numbers that are none, and headers that contradict each other."""

from pathlib import Path

import numpy as np

from tests.generators.nifti_files import write_nifti
from tests.generators.traps.trap import Mask, TrueSegment, Truth, trap

_PLACED = np.diag([1.0, 1.0, 1.0, 1.0])


def _at(columns: int, rows: int, *voxels: tuple[int, int]) -> Mask:
    """A mask of some pixels (column i, row j)."""
    mask = np.zeros((rows, columns), bool)
    for i, j in voxels:
        mask[j, i] = True
    return mask


@trap("T49", format="nifti")
def a_volume_of_three_different_sides(folder: Path) -> Truth:
    """A volume of 4 columns, 3 rows and 2 slices with one voxel, whose array is shown as [x, y, z] by most libraries.

    Taken for rows and columns it comes out transposed, or flipped by those who reorient. Voxel (i, j, k) is column i
    and row j of slice k.
    """
    voxels = np.zeros((4, 3, 2), np.uint8)
    voxels[3, 1, 0] = 1
    write_nifti(folder / "a.nii.gz", voxels, sform=np.diag([-1.0, 1, 2, 1]))
    return Truth("a.nii.gz", [TrueSegment("a.nii.gz/0000", "category_1", _at(4, 3, (3, 1)))])


@trap("T49", format="nifti")
def labels_a_little_below_whole_numbers(folder: Path) -> Truth:
    """Labels stored as floats, 2.9999 for 3. Cast to integers they are 2, of the wrong side of the body."""
    voxels = np.zeros((3, 2, 1), np.float32)
    voxels[0, 0, 0] = 2.9999
    write_nifti(folder / "a.nii.gz", voxels, sform=_PLACED)
    return Truth("a.nii.gz", [TrueSegment("a.nii.gz", "category_3", _at(3, 2, (0, 0)))])


@trap("T49", format="nifti")
def labels_between_whole_numbers(folder: Path) -> Truth:
    """Labels that were resampled with interpolation: 0.5 between 0 and 1. Casting makes them background."""
    voxels = np.zeros((3, 2, 1), np.float32)
    voxels[0, 0, 0], voxels[1, 0, 0] = 1, 0.5
    write_nifti(folder / "a.nii.gz", voxels, sform=_PLACED)
    return Truth("a.nii.gz", [TrueSegment("a.nii.gz", "category_1", _at(3, 2, (0, 0)))], findings=["SEG017"])


@trap("T49", format="nifti")
def forms_that_disagree(folder: Path) -> Truth:
    """A header whose qform and sform place the volume 5 mm apart: half of all programs take the one, half the other."""
    voxels = np.zeros((3, 2, 1), np.uint8)
    voxels[2, 1, 0] = 1
    write_nifti(folder / "a.nii.gz", voxels, sform=_PLACED, qform=(5.0, 0.0, 0.0))
    return Truth("a.nii.gz", [TrueSegment("a.nii.gz", "category_1", _at(3, 2, (2, 1)))], findings=["SEG017"])


@trap("T49", format="nifti")
def labels_that_lie_elsewhere_than_their_image(folder: Path) -> Truth:
    """Labels with the array of their image and another header: viewers show them beside the organ."""
    voxels = np.zeros((3, 2, 1), np.int16)
    write_nifti(folder / "images/a.nii.gz", voxels, sform=_PLACED)
    voxels[0, 1, 0] = 1
    moved = _PLACED.copy()
    moved[2, 3] = 7.5
    write_nifti(folder / "labels/a.nii.gz", voxels, sform=moved)
    return Truth("", [TrueSegment("a.nii.gz", "category_1", _at(3, 2, (0, 1)))], findings=["SEG017"])
