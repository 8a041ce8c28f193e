"""The everyday commands on real datasets: their laws hold there too."""

from pathlib import Path

import pytest

import segdata

DATA = {
    "coco": ("coco_tiny/annotations/instances_train2017.json", {}),
    "nuclei": ("gbm40_nuclei/instances.json", {}),
    "street": ("camvid11/valannot", {"options": {"preset": "camvid11"}}),
    "volume": ("nifti_three_readers/seg_1.nii.gz", {}),
}


@pytest.fixture(params=DATA)
def some(request: pytest.FixtureRequest, real_data: Path) -> segdata.Dataset:
    """Eight images that have segments of each dataset."""
    path, options = DATA[request.param]
    if request.param == "volume":
        pytest.importorskip("nibabel")
    whole = segdata.read(real_data / path, **options)  # type: ignore[arg-type]  # options of several types
    names = whole.segments["image_id"].unique()[:8].tolist()
    return segdata.read(real_data / path, only=names, **options)  # type: ignore[arg-type]  # as above


def test_parts_merged_are_the_whole(some: segdata.Dataset, tmp_path: Path) -> None:
    segdata.filter(some, tmp_path / "all")
    assert segdata.diff(tmp_path / "all", some, strict=True).same
    if not some.profile.sequences:  # slices of one volume stay together
        split = segdata.split(tmp_path / "all", {"a": 0.5, "b": 0.5}, near=False, lists=tmp_path / "lists")
        parts = [segdata.read(tmp_path / "all", only=path.read_text().split()) for path in split.lists]
        segdata.merge(parts, tmp_path / "again")
        assert segdata.diff(tmp_path / "all", tmp_path / "again", strict=True).same


def test_tiled_and_back_is_the_same(some: segdata.Dataset, tmp_path: Path) -> None:
    segdata.tile(some, tmp_path / "tiles", 100, overlap=24, crop_images=False)
    segdata.untile(tmp_path / "tiles", tmp_path / "whole")
    assert segdata.diff(some, tmp_path / "whole").same


def test_objects_cover_what_is_drawn(some: segdata.Dataset) -> None:
    rows = segdata.objects(some)
    assert rows["area_px"].sum() == some.segments["area"].sum()
    assert (rows["width_px"] <= rows["length_px"] + 1e-9).all()
    assert rows["area_mm2"].notna().all() == bool(some.profile.sequences)
