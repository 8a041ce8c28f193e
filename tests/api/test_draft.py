"""The images that a draft is made of: those that nobody annotated, with all that is known of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import segdata
from segdata.api.draft import unannotated_images
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy

TAXONOMY = Taxonomy(categories=(Category(id=1, name="coin"), Category(id=2, name="table", kind="stuff")))


def made(task: str = "instance", uri: str | None = "b.png", annotated: str = "a.png") -> segdata.Dataset:
    """Two images, one of them annotated."""
    images = pd.DataFrame(
        {
            "image_id": ["a.png", "b.png"],
            "height": 4,
            "width": 5,
            "split": "val",
            "group": "ward",
            "uri": ["a.png", uri],
        }
    )
    whole = np.ones((4, 5), bool)
    rows = [{"image_id": each, "category_id": 1, "mask": whole} for each in annotated.split()]
    people = pd.DataFrame([{"image_id": each} for each in annotated.split()])
    segments = pd.DataFrame(rows)
    return segdata.from_frames(images, segments, people, taxonomy=TAXONOMY, task=task)  # type: ignore[arg-type]


def test_what_is_known_of_an_image_goes_with_it() -> None:
    (entry,) = unannotated_images(made())
    assert (entry.image_id, entry.record, entry.size) == ("b.png", 1, (4, 5))
    assert (entry.split, entry.group) == ("val", "ward")


def test_images_that_are_annotated_and_images_without_a_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match="every image is annotated"):
        unannotated_images(made(annotated="a.png b.png"))
    with pytest.raises(SegdataError, match="no file is known of 1 image that nobody annotated"):
        segdata.draft_by_model(made(uri=None), tmp_path / "out")
