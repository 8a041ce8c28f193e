"""images.csv that is damaged is told of, whatever the format that left it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy

TAXONOMY = Taxonomy(categories=(Category(id=1, name="road", kind="stuff", color=(9, 9, 9)),), unlabelled=0)
FORMATS = ("colour-masks", "instance-ids", "cityscapes", "pascal-voc", "yolo-seg", "davis")


def written(folder: Path, format: str) -> Path:
    data = segdata.from_arrays({"a.png": np.eye(4, dtype=np.uint8)}, TAXONOMY)
    if format == "cityscapes":
        data = segdata.from_arrays({"a.png": np.eye(4, dtype=np.uint8)}, ["road"])
    segdata.convert(data, folder / "out", to=format)
    assert (folder / "out" / "images.csv").is_file()
    return folder / "out"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("text", "words"),
    [("", "is empty; it has image, mask"), ("name;path\na;b\n", "has the columns name;path, not image, mask")],
)
def test_an_index_without_its_columns(tmp_path: Path, format: str, text: str, words: str) -> None:
    root = written(tmp_path, format)
    (root / "images.csv").write_text(text)
    found = segdata.validate(segdata.read(root, format=format), select=["SEG001"]).findings
    assert [(each.file, each.image) for each in found] == [("images.csv", None)]
    assert words in found[0].message


@pytest.mark.parametrize("format", FORMATS)
def test_an_index_that_is_a_link_to_itself(tmp_path: Path, format: str) -> None:
    root = written(tmp_path, format)
    (root / "images.csv").unlink()
    (root / "images.csv").symlink_to("images.csv")
    with pytest.raises(SegdataError, match=r"images\.csv: cannot be read"):
        segdata.read(root, format=format)


def test_an_index_that_names_itself_as_a_mask(tmp_path: Path) -> None:
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "images.csv").write_text("image,mask\na.png,images.csv\n")
    data = segdata.read(tmp_path, format="colour-masks", taxonomy=TAXONOMY)
    assert [each.file for each in segdata.validate(data, select=["SEG001"]).findings] == ["images.csv"]
