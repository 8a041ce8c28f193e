"""Consensus of real annotators, from files to a dataset, against SimpleITK on dense masks."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import segdata
from segdata.agreement.staple import staple
from segdata.agreement.votes import ABSENT, collect_votes
from segdata.core.dataset import OpenDataset
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.pictures import masks_of_runs
from tests.agreement.pattern_maps import pattern_maps
from tests.generators.panels import panel_of_masks

N_DRIVE = 3  # images: more tell nothing else


def vessels(real_data: Path, folder: Path) -> dict[str, OpenDataset]:
    """Two observers' masks of retinas; their values are not the same."""
    found = {}
    for who, value, digit in (("1st_manual", 255, 1), ("2nd_manual", 1, 2)):
        (folder / who).mkdir()
        for k in range(1, N_DRIVE + 1):
            shutil.copy(real_data / "drive" / who / f"{k:02}_manual{digit}.gif", folder / who)
        taxonomy = Taxonomy(unlabelled=0, categories=(Category(id=value, name="vessel", kind="stuff"),))
        found[who] = segdata.read(folder / who, taxonomy=taxonomy)
    return found


def masks_of(data: OpenDataset) -> dict[str, np.ndarray]:
    """(H, W) the pixels that are no void, by image or slice."""
    found = {}
    void = set(data.taxonomy.void_ids)
    for batch in data.batches(1):
        names, (height, width) = batch.images["image_id"].to_pylist(), batch.image_size
        for name, *size in zip(names, height.tolist(), width.tolist(), strict=True):
            found[name] = np.zeros(size, bool)
        masks = masks_of_runs(batch.runs, *batch.segment_size)
        for image, id_, mask in zip(
            batch.segment_image.tolist(), batch.segments["category_id"].to_pylist(), masks, strict=True
        ):
            if id_ not in void:
                found[names[image]] |= mask
    return found


def test_two_observers_of_retinas(real_data: Path, tmp_path: Path) -> None:
    """Majority is what both drew, void what one did; STAPLE of three whole images is SimpleITK's, pixel by pixel."""
    sitk = pytest.importorskip("SimpleITK")
    people = vessels(real_data, tmp_path)
    one, two = (list(masks_of(each).values()) for each in people.values())
    done = segdata.consensus(people, tmp_path / "both", resamples=100)
    for mask, a, b in zip(masks_of(segdata.read(tmp_path / "both")).values(), one, two, strict=True):
        np.testing.assert_array_equal(mask, a & b)
    assert done.without_consensus.pixels == sum(int((a ^ b).sum()) for a, b in zip(one, two, strict=True))
    both, either = (
        sum(int(op(a, b).sum()) for a, b in zip(one, two, strict=True)) for op in (np.logical_and, np.logical_or)
    )
    np.testing.assert_allclose([each.iou_micro.value for each in done.against_others], both / either)
    for a, b in zip(one[::4], two[::4], strict=True):
        filtered = sitk.STAPLEImageFilter()
        filtered.SetForegroundValue(1)
        likely = sitk.GetArrayFromImage(
            filtered.Execute([sitk.GetImageFromArray(each.astype(np.uint8)) for each in (a, b)])
        )
        drawn = panel_of_masks([a.shape], [[[(0, each)]] for each in (a, b)], ["stuff"])
        votes = collect_votes(drawn)
        found = staple(votes.vote == 0, votes.vote > ABSENT, votes.pixels)
        np.testing.assert_allclose(found.sensitivity[0], filtered.GetSensitivity(), atol=1e-4)
        np.testing.assert_allclose(found.specificity[0], filtered.GetSpecificity(), atol=1e-4)
        (patterns,) = pattern_maps(drawn, votes)
        np.testing.assert_array_equal(found.probability[patterns] > 0.5, likely > 0.5)


def test_three_readers_of_a_volume(real_data: Path, tmp_path: Path) -> None:
    """The second reader's file is turned by 180 degrees; turned back, all slices of a volume are decided as one."""
    nib = pytest.importorskip("nibabel")
    voxels = {}
    for k in (1, 2, 3):
        image = nib.load(real_data / "nifti_three_readers" / f"seg_{k}.nii.gz")
        values = np.asarray(image.dataobj)
        voxels[k] = values[::-1, ::-1] if k == 2 else values
        (tmp_path / f"reader{k}").mkdir()
        nib.save(nib.Nifti1Image(voxels[k], image.affine, image.header), tmp_path / f"reader{k}" / "lesion.nii.gz")
    people = {f"reader {k}": segdata.read(tmp_path / f"reader{k}") for k in voxels}
    done = segdata.consensus(people, tmp_path / "agreed", leave_one_out=False)
    made = segdata.read(tmp_path / "agreed")
    wanted = sum(each > 0 for each in voxels.values()) > 1
    assert (done.without_consensus.pixels, len(made)) == (0, 256)
    assert sum(int(mask.sum()) for mask in masks_of(made).values()) == wanted.sum()
    assert [each.kind for each in made.profile.sequences] == ["volume"]
    segdata.convert(made, tmp_path / "nifti", to="nifti")
    (path,) = (tmp_path / "nifti").rglob("*.nii*")
    np.testing.assert_array_equal(np.asarray(nib.load(path).dataobj) == 1, wanted)


def test_two_equal_coco_files_are_their_consensus(real_data: Path, tmp_path: Path) -> None:
    """Crowds and overlapping segments too; crowds of a category in an image become one."""
    one = segdata.read(real_data / "coco_tiny")
    done = segdata.consensus({"anna": one, "ben": one}, tmp_path / "same", leave_one_out=False)
    assert done.without_consensus.pixels == done.rejected == done.disputed == 0

    def shown(data: OpenDataset) -> set[tuple[str, str, bool, str]]:
        rows = data.segments
        return set(zip(rows["image_id"], rows["category"], rows["iscrowd"], rows["counts"], strict=True))

    made = segdata.read(tmp_path / "same")
    assert len(made.segments) == done.segments == len(one.segments)
    assert shown(made) == shown(one)
    assert set(made.segments["score"]) == {1.0}
