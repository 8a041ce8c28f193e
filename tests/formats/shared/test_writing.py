"""Painting: the first annotation of each image, and its pixel values."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from segdata import convert
from segdata.core.batch import Batch, replace_column
from segdata.core.config import load_config
from segdata.core.errors import SegdataError
from segdata.core.format import Format, formats
from segdata.core.losses import LossCounter
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Runs, expand_ranges
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.masks import colour_masks, instance_ids
from segdata.formats.shared.instance_id_rules import ID_TABLE_COLUMNS, IdTableWriter
from segdata.formats.shared.writing import (
    MaskPaths,
    are_visible,
    number_segments,
    paint,
    segment_examples,
    segments_by_image,
)
from segdata.testing.pictures import runs_of_masks
from segdata.testing.strategies import datasets
from tests.generators.nifti_files import write_nifti

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
        make_table(BATCH_IMAGES, 1, image_id=["a.jpg"], height=[height], width=[width]),
        make_table(BATCH_ANNOTATIONS, 1, image=np.zeros(1, np.int32)),
        make_table(
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
    (sheet,) = segments_by_image(batch)
    pixels = paint(sheet, np.array([7, 9]), 0, np.uint8)
    assert pixels.tolist() == [[7, 9], [7, 9]]
    assert are_visible(np.array([7, 9, 5]), pixels).tolist() == [True, True, False]


def test_each_image_has_a_mask_of_its_own() -> None:
    """Also where only the extension or, for some file systems, the case tells them apart."""
    names = MaskPaths()
    found = [names.name(each) for each in ("d/a.jpg", "d/a.png", "d/A.png", "b.jpg")]
    assert found[0] == "masks/d/a.png"
    assert len({each.lower() for each in found}) == 4
    with pytest.raises(SegdataError, match="leaves the dataset's root"):
        names.name("../a.jpg")


@WRITERS
def test_unknown_categories_are_a_loss(write: object, tmp_path: Path) -> None:
    losses = LossCounter()
    write(PROFILE, [batch_of([1, 5], [[[1, 0]], [[0, 1]]])], tmp_path / "out", losses)  # type: ignore[operator]  # a writer
    (loss,) = [each for each in losses.listed() if each.kind == "category"]
    assert (loss.count, loss.pixels, loss.examples) == (1, 1, ["a.jpg: 2"])


@WRITERS
def test_a_mask_needs_a_size(write: object, tmp_path: Path) -> None:
    batch = batch_of([], [], size=(0, 0))
    batch = replace(batch, images=replace_column(batch.images, "height", [None]))
    with pytest.raises(SegdataError, match="its size is unknown"):
        write(PROFILE, [batch], tmp_path / "out", LossCounter())  # type: ignore[operator]  # a writer


@WRITERS
def test_what_is_declared_is_written_down(write: object, tmp_path: Path) -> None:
    write(PROFILE, [], tmp_path / "out", LossCounter())  # type: ignore[operator]  # a writer
    config = load_config(tmp_path / "out/segdata.yaml")
    assert (config.coverage, config.overlap) == ("exhaustive", None)


def _batch() -> Batch:
    """Two images of 2 x 2 pixels: a.png with three segments, b.png with one."""
    return Batch(
        make_table(BATCH_IMAGES, 2, image_id=["a.png", "b.png"], width=[2, 2], height=[2, 2]),
        make_table(BATCH_ANNOTATIONS, 2, image=np.array([0, 1], np.int32)),
        make_table(
            BATCH_SEGMENTS,
            4,
            annotation=np.array([0, 0, 0, 1], np.int32),
            segment_id=[5, 6, 7, 8],
            source_id=[None, "x", None, None],
            category_id=[1, 1, 1, 1],
            iscrowd=[False] * 4,
        ),
        Runs(np.array([0, 1, 2, 3]), np.ones(4, np.int64), np.arange(4, dtype=np.int32)),
        (),
    )


def test_examples_are_called_as_the_source_calls_them() -> None:
    assert list(segment_examples(_batch(), np.array([3, 1]))) == ["b.png: 8", "a.png: x"]


def test_three_examples_are_enough() -> None:
    assert list(segment_examples(_batch(), np.arange(4))) == ["a.png: 5", "a.png: x", "a.png: 7"]
    assert list(segment_examples(_batch(), np.empty(0, np.int64))) == []


def test_a_sheet_of_some_segments_has_their_pixels() -> None:
    sheet = next(segments_by_image(_batch())).only(np.array([2, 0]))
    assert sheet.segments.tolist() == [2, 0]
    np.testing.assert_array_equal(sheet.runs.start[np.argsort(sheet.runs.owner)], [2, 0])


pytest.importorskip("nibabel")
PLACED = np.array([[-1.5, 0, 0, 10], [0, 1, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])
LIVER = Taxonomy(categories=(Category(id=1, name="liver"),))
WRITTEN = [each for each in formats().values() if each.write is not None]


@pytest.mark.parametrize("each", WRITTEN, ids=lambda each: each.name)
def test_the_place_of_a_volume_is_kept_or_counted(each: Format, tmp_path: Path) -> None:
    voxels = np.zeros((6, 5, 2), np.uint8)
    voxels[1:4, 1:3] = 1
    volume = write_nifti(tmp_path / "liver.nii.gz", voxels, sform=PLACED)
    target = tmp_path / f"written{each.file_suffixes[0] if each.file_suffixes else ''}"
    try:
        result = convert(volume, target, to=each.name, taxonomy=LIVER, verify=True)
    except SegdataError as error:
        pytest.skip(f"{each.name} refuses a volume of livers: {error}")
    assert result.proof is not None
    assert result.proof.unexplained == ()
    assert {loss.kind for loss in result.losses} <= each.losses


@given(drawn=datasets())
@settings(max_examples=40)
def test_numbered_segments_are_what_pixels_and_table_say(drawn: tuple[Profile, list[Batch]]) -> None:
    for batch in drawn[1]:
        if (batch.image_size[0] > 0).all() and (batch.image_size[1] > 0).all():
            _check_numbers(batch)


def _check_numbers(batch: Batch) -> None:
    losses, text = LossCounter(), io.StringIO()
    names = {id_: f"c{id_}" for id_ in set(batch.segments["category_id"].to_pylist())}
    table = IdTableWriter(text, names)
    expected = []
    for image, numbered in number_segments(batch, names, losses):
        assert (numbered is None) == (not image.annotated)
        if numbered is None:
            continue
        table.add_segments(batch, image.image_id, numbered)
        assert numbered.pixels.shape == (image.height, image.width)
        assert set(numbered.values.tolist()) == set(np.unique(numbered.pixels).tolist()) - {0}
        for value, row in zip(numbered.values.tolist(), numbered.rows.tolist(), strict=True):
            drawn = batch.runs.take(np.array([row]), batch.n_segments)
            own = np.zeros(image.width * image.height, bool)
            own[expand_ranges(drawn.start, drawn.length)] = True
            assert own.reshape(image.width, image.height).T[numbered.pixels == value].all()
            segment = batch.segments["segment_id"][row].as_py()
            identity = "" if segment in (None, value) else str(segment)
            expected.append([image.image_id, str(value), names[batch.segments["category_id"][row].as_py()], identity])
    rows = list(csv.reader(io.StringIO(text.getvalue())))
    assert rows[0] == list(ID_TABLE_COLUMNS)
    assert [row[:4] for row in rows[1:]] == expected
