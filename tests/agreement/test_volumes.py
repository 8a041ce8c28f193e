"""Sizes of what is drawn in volumes, and what disagreeing pixels are due to; from labels to the result."""

from pathlib import Path

import numpy as np
import pytest

import segdata
from segdata.api.agreement import agree
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.testing.pictures import draw_picture

N_VOLUMES = 8
SPACING = (0.5, 1.0, 2.0)


def volumes(folder: Path, grow: int, noise: np.ndarray) -> OpenDataset:
    """Eight volumes of three slices with a bar each, whose length differs; `grow` and `noise` are voxels on top."""
    nibabel = pytest.importorskip("nibabel")
    folder.mkdir()
    for k in range(N_VOLUMES):
        labels = np.zeros((40, 4, 3), np.uint8)
        labels[: 4 + 3 * k + grow + noise[k]] = 1
        nibabel.save(nibabel.Nifti1Image(labels, np.diag([*SPACING, 1.0])), folder / f"{k}.nii.gz")
    return segdata.read(folder)


def dataset(text: str) -> OpenDataset:
    drawing = draw_picture(text)
    return OpenDataset(drawing, drawing.profile, Config())


PAIR = """
aaaa..........bbbb..
aaaa..........bbbb..
aaaa..........bbbb..
a: car
b: bus
c: car
category: bus
"""


def test_sizes_agree_but_for_a_habit(tmp_path: Path) -> None:
    """B draws two voxels longer: 24 voxels of 1 mm3 in each volume."""
    rng = np.random.default_rng(0)
    noise = rng.integers(-1, 2, (2, N_VOLUMES))
    named = [(name, volumes(tmp_path / name, 2 * k, noise[k])) for k, name in enumerate("ab")]
    (found,) = agree(named, resamples=100).volumes
    (pair,) = found.pairs
    difference = 12 * (2 + noise[1] - noise[0])
    assert (found.unit, found.volumes, pair.volumes) == ("mm3", N_VOLUMES, N_VOLUMES)
    assert pair.bias.value == pytest.approx(difference.mean())
    spread = 1.96 * difference.std(ddof=1)
    assert (pair.lower.value, pair.upper.value) == pytest.approx(
        (difference.mean() - spread, difference.mean() + spread)
    )
    assert 0.9 < found.icc.value < found.icc_consistency.value < 1
    assert np.isnan([found.icc.low, found.icc.high, pair.bias.low, pair.upper.high]).all()
    ordered = np.sort(difference)
    assert (pair.median.low, pair.median.value, pair.median.high) == (ordered[0], np.median(difference), ordered[-1])
    assert (pair.smallest, pair.largest) == (ordered[0], ordered[-1])
    assert pair.within == pytest.approx(0.529, abs=0.001)


def test_what_disagreeing_pixels_are_due_to() -> None:
    """Of 24 px: 12 in a bus that only A has, 6 at the edge of the car, 6 in a car that only B has."""
    other = PAIR.replace("aaaa..........bbbb..", "aaaaaa....cc........").replace("b: bus", "b: bus (empty)")
    found = agree([("a", dataset(PAIR)), ("b", dataset(other))], resamples=100)
    due = {each.category: each for each in found.disagreement}
    assert (due["bus"].pixels, due["bus"].missed) == (12, 1.0)
    assert (due["car"].pixels, due["car"].boundary, due["car"].extra) == (12, 0.5, 0.5)


def test_in_images_there_are_no_volumes() -> None:
    assert agree([("a", dataset(PAIR)), ("b", dataset(PAIR))], resamples=100).volumes == ()
