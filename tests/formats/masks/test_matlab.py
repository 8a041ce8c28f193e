"""MATLAB: label matrices as BSDS500, SBD, CrackForest and Clothing Co-Parsing have them, written by SciPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

import segdata
from segdata.core.errors import SegdataError
from segdata.core.format import detect
from segdata.testing.pictures import masks_of_runs


def write(path: Path, **variables: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=True)
    return path


def photograph(path: Path, shape: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((*shape, 3), np.uint8)).save(path)


def cell(*items: Any) -> np.ndarray:
    cells = np.empty((1, len(items)), object)
    cells[0, :] = items
    return cells


def labels(seed: int, top: int, low: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, top + 1, (20, 30)).astype(np.uint16)


def test_a_cell_of_structs_has_an_annotator_each_and_regions_as_segments(tmp_path: Path) -> None:
    matrices = [labels(seed, 3 + seed, 1) for seed in range(3)]
    structs = [{"Segmentation": matrix, "Boundaries": matrix > 1} for matrix in matrices]
    write(tmp_path / "groundTruth/val/7.mat", groundTruth=cell(*structs))
    write(tmp_path / "groundTruth/test/7.mat", groundTruth=cell(*structs[:2]))
    for split in ("val", "test"):
        photograph(tmp_path / f"images/{split}/7.jpg", (20, 30))
    dataset = segdata.read(tmp_path)
    assert detect(tmp_path) == "matlab"
    (batch,) = dataset
    assert batch.images["image_id"].to_pylist() == ["images/test/7.jpg", "images/val/7.jpg"]
    assert batch.images["split"].to_pylist() == ["test", "val"]
    assert batch.annotations["annotator"].to_pylist() == ["1", "2", "1", "2", "3"]
    expected = [matrix == value for matrix in (*matrices[:2], *matrices) for value in np.unique(matrix)]
    found = masks_of_runs(batch.runs, *batch.segment_size)
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert dataset.taxonomy.by_name().keys() == {"region"}


@pytest.mark.parametrize(("first", "ids"), [("null", {1: "skin", 2: "hair"}), ("skin", {1: "skin", 2: "hair"})])
def test_a_matrix_has_the_names_of_a_list(tmp_path: Path, first: str, ids: dict[int, str]) -> None:
    matrix = labels(5, 2)
    write(tmp_path / "annotations/0001.mat", groundtruth=matrix.astype(float), note=np.array(["made by hand"]))
    names = ["null", "skin", "hair"] if first == "null" else ["skin", "hair"]
    write(tmp_path / "label_list.mat", label_list=cell(*names))
    dataset = segdata.read(tmp_path)
    (batch,) = dataset
    assert {id_: category.name for id_, category in dataset.taxonomy.by_id().items()} == ids
    assert batch.segments["category_id"].to_pylist() == [1, 2]
    found = masks_of_runs(batch.runs, *batch.segment_size)
    assert all(np.array_equal(mask, matrix == value) for value, mask in zip((1, 2), found, strict=True))


def test_instances_have_the_categories_of_their_file(tmp_path: Path) -> None:
    matrix = labels(2, 3)
    write(tmp_path / "inst/a.mat", GTinst={"Segmentation": matrix, "Categories": np.array([[9], [15], [9]], np.uint8)})
    dataset = segdata.read(tmp_path / "inst")
    (batch,) = dataset
    assert batch.segments["category_id"].to_pylist() == [9, 15, 9]
    assert dataset.taxonomy.by_id()[15].name == "person"
    write(tmp_path / "cls/a.mat", GTcls={"Segmentation": np.where(matrix == 1, 9, 0), "CategoriesPresent": [9]})
    (batch,) = segdata.read(tmp_path / "cls")
    assert batch.segments["category_id"].to_pylist() == [9]
    write(tmp_path / "few/a.mat", GTinst={"Segmentation": matrix, "Categories": np.array([[9], [15]], np.uint8)})
    (finding,) = segdata.read(tmp_path / "few").validate(select=["SEG009"]).findings
    assert "instance 3 has no category" in finding.message


def test_values_without_names_are_guessed_and_said_so(tmp_path: Path) -> None:
    write(tmp_path / "a.mat", mask=labels(1, 1))
    write(tmp_path / "b.mat", mask=labels(2, 1))
    findings = segdata.read(tmp_path).validate(select=["SEG219"]).findings
    assert [finding.code for finding in findings] == ["SEG219"]
    assert "value 1 is read as foreground" in findings[0].message


def test_a_table_of_colours_is_no_label_matrix(tmp_path: Path) -> None:
    """The 150 colours of a program were a mask, and 168 pictures of a project images without labels."""
    colours = np.random.default_rng(0).integers(0, 256, (150, 3), np.uint8)
    write(tmp_path / "utils/color150.mat", colors=colours)
    photograph(tmp_path / "pictures/a.jpg", (20, 30))
    with pytest.raises(SegdataError, match=r"no \.mat file holds a label matrix"):
        segdata.read(tmp_path)
    write(tmp_path / "utils/a.mat", colors=colours, labels=labels(1, 3))
    assert segdata.read(tmp_path / "utils/a.mat", format="matlab").segments["area"].sum() <= 600


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/a.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(128) + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(SegdataError, match=r"MATLAB 7\.3, .*-v7"):
        segdata.read(tmp_path / "new")
    write(tmp_path / "several/a.mat", left=labels(1, 3), right=labels(2, 3))
    with pytest.raises(SegdataError, match="--read-option variable=NAME"):
        segdata.read(tmp_path / "several")
    (batch,) = segdata.read(tmp_path / "several", options={"variable": "right"})
    assert batch.images.num_rows == 1
    whole = write(tmp_path / "cut/a.mat", mask=labels(1, 1)).read_bytes()
    write(tmp_path / "cut/b.mat", mask=labels(2, 1))
    (tmp_path / "cut/a.mat").write_bytes(whole[: len(whole) // 2])
    (finding,) = segdata.read(tmp_path / "cut").validate(select=["SEG001"]).findings
    assert finding.file == "a.mat"


def test_a_file_that_decompresses_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segdata.formats.masks.matlab_files._MAX_BYTES", 1000)
    write(tmp_path / "a.mat", mask=np.zeros((200, 300), np.uint8))
    with pytest.raises(SegdataError, match="holds more than 1,000 bytes"):
        segdata.read(tmp_path)
