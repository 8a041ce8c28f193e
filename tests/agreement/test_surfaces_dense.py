"""Boundary agreement from runs, against the same from dense masks, in images and in volumes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from segdata.agreement.instance_matching import instance_tables
from segdata.agreement.paired_segments import pair_annotators
from segdata.agreement.surface_distances import Tolerance
from tests.agreement.dense_boundaries import assert_like, blobs, compare, dense, measured, nsd, one, only, volumes
from tests.generators.panels import Panel, panel_of_masks, panels

spacings = st.sampled_from([np.nan, 1.0, 0.7, 2.5])


@given(panel=panels(), x=spacings, y=spacings, mm=st.sampled_from([0.5, 1.4, 3.0]))
def test_small_images_are_as_dense_masks_say(panel: Panel, x: float, y: float, mm: float) -> None:
    opposite = next(pair_annotators(panel), None)
    if opposite is not None:
        spacing = np.tile([x, y, np.nan], (opposite.n_cases, 1))
        compare(opposite, instance_tables(opposite)["matches"], spacing, Tolerance(1, mm=mm))


@settings(max_examples=20)
@given(
    panel=blobs(),
    sequences=st.sampled_from(["xxx", "xxx", "xx-", "-xx", "xyx", "x-x"]),
    x=spacings,
    z=spacings,
    tracks=st.booleans(),
)
def test_volumes_are_as_dense_masks_say(panel: Panel, sequences: str, x: float, z: float, tracks: bool) -> None:
    """Among them volumes of one slice, images beside them, and slices with other images between them."""
    batch = volumes(panel, [None if name == "-" else name for name in sequences], tracks)
    opposite = only(replace(panel, batch=batch), volumes=frozenset("xy"), is_semantic=not tracks)
    assert opposite.n_cases == len(set(sequences))
    spacing = np.tile([x, 1.3, z], (opposite.n_cases, 1))
    compare(opposite, instance_tables(opposite)["matches"], spacing, Tolerance(1, mm=1.4))


def test_slices_of_other_sizes_are_no_neighbours() -> None:
    sizes = [(5, 5), (6, 5), (5, 5)]
    panel = panel_of_masks(sizes, [[[(0, np.ones(size, bool))] for size in sizes]] * 2, ["stuff"])
    batch = volumes(panel, ["x"] * 3, tracks=False)
    (row,) = measured(only(replace(panel, batch=batch), volumes=frozenset("x"), is_semantic=True))
    assert (row["edge_a"], row["hd"]) == (25 + 30 + 25, 0)


@settings(max_examples=20)
@given(panel=blobs())
def test_images_are_as_dense_masks_say(panel: Panel) -> None:
    opposite = only(panel)
    compare(opposite, instance_tables(opposite)["matches"], np.full((3, 3), np.nan), Tolerance(1.5))


def test_deep_bands_in_images_of_several_sizes() -> None:
    """Depths from 1 to 9, with noise that erosion removes and shapes that it leaves."""
    rng = np.random.default_rng(5)
    sizes = [(200, 400), (7, 3), (90, 61), (400, 130), (200, 400)]
    layers: list[list[Any]] = [[], []]
    for size in sizes:
        field = ndimage.gaussian_filter(rng.normal(size=size), 12)
        for of_annotator in layers:
            own = ndimage.gaussian_filter(rng.normal(size=size), 3) / 8
            of_annotator.append([(0, field + own > 0), (1, field + own < -0.01)])
    opposite = only(panel_of_masks(sizes, layers, ["thing", "stuff"]))
    compare(opposite, instance_tables(opposite)["matches"], np.full((5, 3), np.nan), Tolerance(2))


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image) > 0


def test_retinal_vessels_of_two_observers(real_data: Path) -> None:
    """Boundaries agree within two pixels at 92 % of their pixels; the second observer drew less."""
    offsets, dice = [], []
    for first in sorted((real_data / "drive" / "1st_manual").iterdir()):
        second = real_data / "drive" / "2nd_manual" / first.name.replace("manual1", "manual2")
        a, b = read(first), read(second)
        row = one(a, b)
        assert_like(row, dense(a, b, np.zeros(a.shape, bool), 2, [1, 1]))
        offsets.append(row["offset"])
        dice.append(nsd(row))
    assert round(float(np.mean(dice)), 4) == 0.9197
    assert round(float(np.mean(offsets)), 4) == -0.2904


def test_brain_lesions_of_two_readers(real_data: Path) -> None:
    """The first and the third reader, whose files have the same orientation."""
    nibabel = pytest.importorskip("nibabel")
    paths = sorted((real_data / "nifti_three_readers").rglob("*.nii*"))
    whole = [np.asarray(nibabel.load(paths[k]).dataobj) > 0 for k in (0, 2)]
    # Without what both leave empty.
    box = tuple(slice(max(0, min(of) - 2), max(of) + 3) for of in np.nonzero(whole[0] | whole[1]))
    a, b = (mask[box] for mask in whole)
    panel = panel_of_masks([a.shape[1:]] * len(a), [[[(0, plane)] for plane in each] for each in (a, b)], ["stuff"])
    batch = volumes(panel, ["x"] * len(a), tracks=False)
    opposite = only(replace(panel, batch=batch), volumes=frozenset("x"), is_semantic=True)
    (row,) = measured(opposite, spacing=np.array([[1.0, 0.9, 2.0]]), tolerance=Tolerance(mm=2.0))
    assert_like(row, dense(a, b, np.zeros(a.shape, bool), 2.0, [2.0, 0.9, 1.0]))
