"""Annotators of real images, against figures that were computed from the files with other tools."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.agreement.contingency import pixel_tables
from segdata.agreement.metrics.cohen_kappa import category_kappa, cohen_kappa
from segdata.agreement.metrics.dice import dice
from segdata.agreement.metrics.krippendorff_alpha import coincidences, krippendorff_alpha
from segdata.agreement.paired_segments import pair_annotators
from segdata.agreement.staple import staple
from segdata.agreement.votes import ABSENT, collect_votes, plurality
from tests.generators.panels import Panel, panel_of_masks

DICE = (0.8039, 0.8290, 0.7845, 0.8022, 0.7897, 0.7699, 0.7684, 0.7423, 0.7700, 0.7661)
KAPPA = (0.7751, 0.8000, 0.7503, 0.7728, 0.7595, 0.7332, 0.7381, 0.7116, 0.7394, 0.7369)


def masks(folder: Path) -> list[np.ndarray]:
    found = []
    for path in sorted(folder.glob("*.gif")):
        with Image.open(path) as image:
            found.append(np.array(image) > 0)
    return found


def vessels(folder: Path, *, void: bool) -> Panel:
    """Vessels in ten retinas as two observers drew them; outside the field of view is void if asked for."""
    outside = [~each for each in masks(folder / "mask")]
    layers = [
        [[(0, mask), *([(1, out)] if void else [])] for mask, out in zip(masks(folder / name), outside, strict=True)]
        for name in ("1st_manual", "2nd_manual")
    ]
    return panel_of_masks([each.shape for each in outside], layers, ["stuff", "void"])


def test_two_observers_of_retinas(real_data: Path) -> None:
    """Dice of whole images; kappa inside the field of view."""
    whole = vessels(real_data / "drive", void=False)
    (opposite,) = pair_annotators(whole)
    found = pixel_tables(opposite)["overlaps"]
    scores = dice(found["both"], found["area_a"], found["area_b"])
    np.testing.assert_allclose(scores, DICE, atol=5e-5)
    np.testing.assert_allclose(scores.mean(), 0.7826, atol=5e-5)

    seen = vessels(real_data / "drive", void=True)
    (opposite,) = pair_annotators(seen)
    tables = pixel_tables(opposite)
    pair, a, b, n = tables["cells"].values()
    kappas = [float(cohen_kappa(a[pair == case], b[pair == case], n[pair == case])) for case in range(10)]
    np.testing.assert_allclose(kappas, KAPPA, atol=5e-5)
    found = tables["overlaps"]
    counted = opposite.pixels - opposite.void_pixels
    np.testing.assert_allclose(category_kappa(found["both"], found["area_a"], found["area_b"], counted), kappas)
    assert round(float(np.mean(kappas)), 4) == 0.7517


def lesions(folder: Path, *, turned: bool) -> list[np.ndarray]:
    """A brain lesion as three readers drew it; the second one's file is stored the other way round."""
    nibabel = pytest.importorskip("nibabel")
    volumes = [np.asarray(nibabel.load(folder / f"seg_{k}.nii.gz").dataobj) > 0 for k in (1, 2, 3)]
    if turned:
        volumes[1] = volumes[1][::-1, ::-1]
    return volumes


def slices(volumes: list[np.ndarray]) -> Panel:
    layers = [[[(0, mask)] for mask in volume] for volume in volumes]
    return panel_of_masks([mask.shape for mask in volumes[0]], layers, ["stuff"])


@pytest.mark.parametrize(("turned", "wanted"), [(False, (0.0881, 0.8186, 0.0823)), (True, (0.7482, 0.8186, None))])
def test_three_readers_of_a_volume(real_data: Path, turned: bool, wanted: tuple[float | None, ...]) -> None:
    drawn = slices(lesions(real_data / "nifti_three_readers", turned=turned))
    for opposite, value in zip(pair_annotators(drawn), wanted, strict=True):
        both, a, b = (pixel_tables(opposite)["overlaps"][name].sum() for name in ("both", "area_a", "area_b"))
        if value is not None:
            np.testing.assert_allclose(dice(both, a, b), value, atol=5e-5)


def test_consensus_of_three_readers(real_data: Path) -> None:
    """SimpleITK's vote and STAPLE of the whole volume, voxel by voxel, and alpha of the voxels."""
    sitk = pytest.importorskip("SimpleITK")
    volumes = lesions(real_data / "nifti_three_readers", turned=True)
    drawn = slices(volumes)
    case = np.zeros(drawn.batch.images.num_rows, np.int64)
    votes = collect_votes(replace(drawn, cases=case))
    images = [sitk.GetImageFromArray(volume.astype(np.uint8)) for volume in volumes]
    filtered = sitk.STAPLEImageFilter()
    filtered.SetForegroundValue(1)
    likely = sitk.GetArrayFromImage(filtered.Execute(images))
    found = staple(votes.vote == 0, votes.vote > ABSENT, votes.pixels)
    assert votes.pixels[found.probability > 0.5].sum() == np.count_nonzero(likely > 0.5)
    np.testing.assert_allclose(found.sensitivity[0], filtered.GetSensitivity(), atol=1e-4)
    np.testing.assert_allclose(found.specificity[0], filtered.GetSpecificity(), atol=1e-4)
    most = plurality(votes.vote).category == 0
    assert votes.pixels[most].sum() == np.count_nonzero(sum(volume.astype(int) for volume in volumes) > 1)
    patterns, cast = votes.tables().values()
    sums = coincidences(cast["pattern"], cast["category"], patterns["pixels"], patterns["case"], 1, 1)
    counts = sum(volume.astype(int) for volume in volumes).ravel()
    n, yes = counts.size, counts.sum()
    differ = (counts * (3 - counts)).sum() / (3 * n)
    by_chance = 2 * yes * (3 * n - yes) / (3 * n * (3 * n - 1))
    np.testing.assert_allclose(krippendorff_alpha(sums.agreeing[0], sums.votes[0]), 1 - differ / by_chance, rtol=1e-9)
