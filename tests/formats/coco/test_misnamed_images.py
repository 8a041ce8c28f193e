"""Images that createPanopticImgs.py misnames are found all the same, and that is said once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata import read, validate
from tests.generators.coco_documents import annotation, document, write_document
from tests.generators.traps.street_scenes import names_of_images_that_are_not_there


@pytest.mark.parametrize("given", [None, "leftImg8bit", "leftImg8bit/train"])
def test_images_of_cityscapes_panoptic(tmp_path: Path, given: str | None) -> None:
    truth = names_of_images_that_are_not_there(tmp_path)
    dataset = read(tmp_path / truth.open, images=None if given is None else tmp_path / given)
    (batch,) = dataset
    (uri,) = batch.images["uri"].to_pylist()
    assert Path(uri) == tmp_path / "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"
    assert [(each.code, each.severity) for each in (*dataset.source.defects, *batch.defects)] == [("SEG002", "info")]
    assert "1 image name such as" in dataset.source.defects[0].message


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize(
    ("named", "file", "hint"),
    [
        ("a.jpg?X-Amz-Signature=1", "a.jpg", "an address goes on with a question mark"),
        ("a.png", "a.jpg", "the extension of the files"),
        ("a.png", "b.jpg", ""),
    ],
)
def test_why_no_image_is_found(tmp_path: Path, named: str, file: str, hint: str, linked: bool) -> None:
    root = tmp_path / "set"
    write_document(root, document(images=[{"id": 1, "file_name": named, "width": 90, "height": 60}]))
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    pictures = tmp_path / "elsewhere" if linked else root / "images"
    pictures.mkdir()
    Image.fromarray(noise).save(pictures / file)
    if linked:
        (root / "images").symlink_to(pictures)
    (finding,) = validate(root, select="SEG002").findings
    assert finding.severity == ("error" if hint else "info")
    assert hint in finding.message


@pytest.mark.parametrize(
    ("ids", "used", "hint"),
    [
        ([7, 9, 12], [0, 1, 2], "are image ids positions in the list of images, from 0?"),
        ([7, 9, 12], [1, 2, 3], "are image ids positions in the list of images, from 1?"),
        ([7, 9, 12], [9, 7, 2], ""),
        ([7, 9, 12, 13, 14, 15], [0, 1], ""),
    ],
)
def test_positions_in_place_of_ids(tmp_path: Path, ids: list[int], used: list[int], hint: str) -> None:
    content = document(
        images=[{"id": id_, "file_name": f"{id_}.png", "width": 9, "height": 9} for id_ in ids],
        annotations=[annotation(id=row, image_id=id_) for row, id_ in enumerate(used)],
    )
    messages = [finding.message for finding in validate(write_document(tmp_path, content), select="SEG007").findings]
    assert messages
    assert all(hint in message and ("positions" in message) == (hint != "") for message in messages)


def test_other_names_are_not_touched(tmp_path: Path) -> None:
    truth = names_of_images_that_are_not_there(tmp_path)
    document = tmp_path / truth.open
    document.write_text(document.read_text().replace("_gtFine_leftImg8bit", "_other"))
    dataset = read(document)
    assert ["the image file was not found in" in each.message for each in dataset.source.defects] == [True]
