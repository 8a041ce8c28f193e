"""Open Images: rows of a CSV file and binary masks. The rows have the columns of the published files (V5 to V7)."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.errors import SegdataError
from segdata.core.format import detect
from segdata.testing.pictures import masks_of_runs

HEADER = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"
IMAGE = "e88da03f2d80f1a1"


def row(mask: str, image: str = IMAGE, label: str = "/m/0k4j", iou: str = "0.83") -> str:
    return f"{mask},{image},{label},bf16d01c,0.1,0.5,0.1,0.5,{iou},0.2 0.3 1;0.4 0.4 0"


def table(folder: Path, *rows: str) -> Path:
    (folder / "train-annotations-object-segmentation.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder


def save(path: Path, mask: np.ndarray) -> np.ndarray:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(mask).save(path)
    return mask


def masks(dataset: segdata.Dataset) -> list[np.ndarray]:
    return [mask for batch in dataset for mask in masks_of_runs(batch.runs, *batch.segment_size)]


def test_rows_masks_names_and_split(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    one = save(tmp_path / "train-masks/a.png", rng.random((30, 40)) > 0.5)  # 1 bit, as published
    two = save(tmp_path / "train-masks/b.png", (rng.random((30, 40)) > 0.5).astype(np.uint8) * np.uint8(255))
    Image.new("RGB", (40, 30)).save(tmp_path / f"{IMAGE}.jpg")
    (tmp_path / "class-descriptions-boxable.csv").write_text("/m/0k4j,Car\n/m/01g317,Person\n")
    table(tmp_path, row("a.png"), row("b.png", label="/m/01g317", iou=""))
    assert detect(tmp_path) == "openimages"
    dataset = segdata.read(tmp_path)
    assert dataset.images[["image_id", "source_id", "split"]].to_numpy().tolist() == [[f"{IMAGE}.jpg", IMAGE, "train"]]
    assert dataset.segments["category"].tolist() == ["Car", "Person"]
    assert [dict(each or ()) for each in dataset.segments["attributes"]] == [{"PredictedIoU": "0.83"}, {}]
    assert [mask.tolist() for mask in masks(dataset)] == [one.tolist(), (two > 0).tolist()]
    assert not dataset.source.defects


def test_a_mask_of_another_size_is_scaled_to_the_image(tmp_path: Path) -> None:
    small = save(tmp_path / "a.png", np.random.default_rng(1).random((15, 20)) > 0.5)
    Image.new("RGB", (40, 30)).save(tmp_path / f"{IMAGE}.jpg")
    (mask,) = masks(segdata.read(table(tmp_path, row("a.png"))))
    assert (mask == np.kron(small, np.ones((2, 2), bool))).all()


def test_defects_are_named_and_the_others_are_read(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.ones((3, 4), bool))
    save(tmp_path / "flat.png", np.ones((3, 9), bool))
    (tmp_path / "bad.png").write_bytes(b"\x89PNG")
    rows = [row("a.png"), row("a.png"), row("../a.png"), row("none.png"), row("bad.png"), row("flat.png"), ",,,,,,,,,"]
    dataset = segdata.read(table(tmp_path, *rows))
    defects = [*dataset.source.defects, *(defect for batch in dataset for defect in batch.defects)]
    codes = {(each.code, each.line) for each in defects if each.severity != "info"}
    assert codes == {("SEG008", 3), ("SEG015", 4), ("SEG002", 5), ("SEG001", None), ("SEG003", 7), ("SEG004", 8)}
    (unreadable,) = [each for each in defects if each.code == "SEG001"]
    assert unreadable.file == "bad.png"
    assert "line 6 of train-annotations-object-segmentation.csv" in unreadable.message
    assert dataset.segments["area"].tolist() == [12, 12]


@pytest.mark.parametrize("text", ["", "ImageID,LabelName\na,b\n", "\xff"])
def test_other_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(SegdataError, match="MaskPath"):
        segdata.read(tmp_path, format="openimages")
