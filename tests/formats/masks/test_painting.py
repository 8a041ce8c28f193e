"""Painted masks: names of their own, later segments on top, and everything that could not be painted counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segdata.core.batch import Batch, replaced
from segdata.core.columns import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, table
from segdata.core.config import load_config
from segdata.core.errors import SegdataError
from segdata.core.loss import Losses
from segdata.core.profile import Policy, Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats import colour_masks, instance_ids
from segdata.formats.masks.painting import MaskNames, occurs, painted
from segdata.formats.sheets import sheets
from segdata.testing.dense import runs_of_masks

PROFILE = Profile(
    name="x",
    format="x",
    task="instance",
    taxonomy=Taxonomy(categories=(Category(id=1, name="a"), Category(id=2, name="b"))),
    taxonomy_declared=True,
    coverage=Policy("exhaustive", declared=True),
    overlap=Policy("forbid"),
)
WRITERS = pytest.mark.parametrize("write", [colour_masks.write, instance_ids.write])


def batch_of(categories: list[int], masks: list[list[list[int]]], size: tuple[int, int] | None = None) -> Batch:
    """One annotated image with a segment for each mask."""
    height, width = size or np.array(masks[0]).shape
    return Batch(
        table(BATCH_IMAGES, 1, image_id=["a.jpg"], height=[height], width=[width]),
        table(BATCH_ANNOTATIONS, 1, image=np.zeros(1, np.int32)),
        table(
            BATCH_SEGMENTS,
            len(categories),
            annotation=np.zeros(len(categories), np.int32),
            segment_id=list(range(1, len(categories) + 1)),
            category_id=categories,
        ),
        runs_of_masks([np.array(mask, bool) for mask in masks]),
    )


def test_later_segments_are_on_top() -> None:
    batch = batch_of([1, 2], [[[1, 1], [1, 0]], [[0, 1], [0, 1]]])
    (sheet,) = sheets(batch)
    pixels = painted(sheet, np.array([7, 9]), 0, np.uint8)
    assert pixels.tolist() == [[7, 9], [7, 9]]
    assert occurs(np.array([7, 9, 5]), pixels).tolist() == [True, True, False]


def test_each_image_has_a_mask_of_its_own() -> None:
    """Also where only the extension or, for some file systems, the case tells them apart."""
    names = MaskNames()
    found = [names.name(each) for each in ("d/a.jpg", "d/a.png", "d/A.png", "b.jpg")]
    assert found[0] == "masks/d/a.png"
    assert len({each.lower() for each in found}) == 4
    with pytest.raises(SegdataError, match="leaves the dataset's root"):
        names.name("../a.jpg")


@WRITERS
def test_unknown_categories_are_a_loss(write: object, tmp_path: Path) -> None:
    losses = Losses()
    write(PROFILE, [batch_of([1, 5], [[[1, 0]], [[0, 1]]])], tmp_path / "out", losses)  # type: ignore[operator]  # a writer
    (loss,) = [each for each in losses.listed() if each.kind == "category"]
    assert (loss.count, loss.pixels, loss.examples) == (1, 1, ["a.jpg: 2"])


@WRITERS
def test_a_mask_needs_a_size(write: object, tmp_path: Path) -> None:
    batch = batch_of([], [], size=(0, 0))
    batch = replace(batch, images=replaced(batch.images, "height", [None]))
    with pytest.raises(SegdataError, match="its size is not known"):
        write(PROFILE, [batch], tmp_path / "out", Losses())  # type: ignore[operator]  # a writer


@WRITERS
def test_what_is_declared_is_written_down(write: object, tmp_path: Path) -> None:
    write(PROFILE, [], tmp_path / "out", Losses())  # type: ignore[operator]  # a writer
    config = load_config(tmp_path / "out/segdata.yaml")
    assert (config.coverage, config.overlap) == ("exhaustive", None)
