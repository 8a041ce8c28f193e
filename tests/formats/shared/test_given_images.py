"""`--images` of a canonical dataset: pictures, slices of volumes and DICOM files, by id or by name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata import convert, read
from segdata.core.dataset import OpenDataset
from tests.generators.dicom_files import segment, write_ct, write_seg
from tests.generators.nifti_files import write_nifti


def uris(dataset: OpenDataset) -> list[str]:
    return [uri for rows in dataset.chunks() for uri in dataset.source.load(rows).images["uri"].to_pylist()]


def defects(dataset: OpenDataset) -> list[str]:
    met = [defect for rows in dataset.chunks() for defect in dataset.source.load(rows).defects]
    return [defect.code for defect in (*dataset.source.defects, *met)]


@pytest.mark.parametrize("where", ["same", "flat", "deeper"])
def test_volumes_are_found(tmp_path: Path, where: str) -> None:
    pytest.importorskip("nibabel")
    rng = np.random.default_rng(0)
    mask = np.zeros((12, 10, 3), np.uint8)
    mask[2:9, 2:9] = 1
    image = rng.integers(100, 900, (12, 10, 3)).astype(np.int16)
    write_nifti(tmp_path / "raw/images/case/ct.nii.gz", image, sform=np.eye(4))
    write_nifti(tmp_path / "raw/labels/case/ct.nii.gz", mask, sform=np.eye(4))
    convert(tmp_path / "raw", tmp_path / "made")
    below = {"same": "case/ct.nii.gz", "flat": "ct.nii.gz", "deeper": "a/b/ct.nii.gz"}[where]
    (tmp_path / "moved" / below).parent.mkdir(parents=True)
    (tmp_path / "raw/images/case/ct.nii.gz").rename(tmp_path / "moved" / below)
    dataset = read(tmp_path / "made", images=tmp_path / "moved")
    assert uris(dataset) == [(tmp_path / "moved" / below).as_uri() + f"#k={k}" for k in range(3)]
    assert defects(dataset) == []
    (tmp_path / "none").mkdir()
    assert defects(read(tmp_path / "made", images=tmp_path / "none")) == ["SEG002"]


def test_dicom_files_are_found(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    series = write_ct(tmp_path / "raw/ct", 2, (5, 6))
    write_seg(tmp_path / "raw/seg.dcm", series, [segment(1, "liver")], [(1, 0, np.full((5, 6), 255, np.uint8))])
    convert(tmp_path / "raw", tmp_path / "made")
    shutil.move(tmp_path / "raw/ct", tmp_path / "moved")
    dataset = read(tmp_path / "made", images=tmp_path / "moved")
    assert uris(dataset) == [(tmp_path / f"moved/{k:03d}.dcm").as_uri() for k in (1, 2)]
    assert defects(dataset) == []


def test_of_pictures_with_one_name_the_folders_decide(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for folder, value in (("images", 90), ("masks", 1)):
            path = tmp_path / f"raw/{folder}/{split}/a.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(np.full((4, 5), value, np.uint8)).save(path)
    (tmp_path / "raw/taxonomy.yaml").write_text("categories: [{id: 1, name: road, kind: stuff}]\n")
    convert(tmp_path / "raw", tmp_path / "made")
    shutil.copytree(tmp_path / "raw/images", tmp_path / "moved/new")
    dataset = read(tmp_path / "made", images=tmp_path / "moved")
    assert uris(dataset) == [str(tmp_path / f"moved/new/{image}") for image in dataset.image_ids]
    shutil.move(tmp_path / "moved/new/train/a.png", tmp_path / "moved/new/other.png")
    assert defects(read(tmp_path / "made", images=tmp_path / "moved")) == ["SEG002"]  # that of val is another image
    shutil.copytree(tmp_path / "moved/new/val", tmp_path / "moved/more/train")
    assert defects(read(tmp_path / "made", images=tmp_path / "moved")) == []
    shutil.copytree(tmp_path / "moved/new/val", tmp_path / "moved/most/train")
    assert defects(read(tmp_path / "made", images=tmp_path / "moved")) == ["SEG002"]  # two fit: none is taken
