import numpy as np
import pytest

from segdata.core.batch import Batch, replaced
from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.measure.measure import measure
from segdata.noise.networks.folds import fold_of, units
from segdata.noise.networks.settings import Settings
from segdata.testing.pictures import PictureDataset, draw_picture

ALONE = Settings(near=False)


def tables_of(n: int, groups: list[str] | None = None) -> Tables:
    drawing = draw_picture("\n\n".join(["ab\n.."] * n))
    if groups is not None:
        batch = drawing.batch
        images = replaced(batch.images, "group", groups)
        drawing = PictureDataset(drawing.profile, Batch(images, batch.annotations, batch.segments, batch.runs))
    return measure(drawing, frozenset(), jobs=1)


def test_groups_are_in_one_fold() -> None:
    tables, all_ = tables_of(9, list("aabbccdde")), np.ones(9, bool)
    found = units(tables, all_, ALONE)
    assert (found.among(all_), found.note) == (5, "")
    fold = fold_of(tables, found, all_, 3, 0)
    assert set(fold.tolist()) == {0, 1, 2}
    for a, b in ((0, 1), (2, 3), (4, 5), (6, 7)):
        assert fold[a] == fold[b]


def test_one_group_is_separated_and_that_is_said() -> None:
    all_ = np.ones(4, bool)
    found = units(tables_of(4, list("aaaa")), all_, ALONE)
    assert found.among(all_) == 4
    assert "one group" in found.note


@pytest.mark.parametrize("seed", range(4))
def test_every_fold_has_images_to_learn_from(seed: int) -> None:
    tables, usable = tables_of(8), np.zeros(8, bool)
    usable[[1, 5, 6]] = True
    fold = fold_of(tables, units(tables, usable, ALONE), usable, 3, seed)
    assert set(fold[usable].tolist()) == {0, 1, 2}


def test_one_image_is_too_few() -> None:
    with pytest.raises(SegdataError, match="3 images, of which 1 can be read and are annotated: two are needed"):
        units(tables_of(3), np.array([True, False, False]), ALONE)
