import numpy as np

from segdata.core.batch import Batch
from segdata.core.columns import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, table
from segdata.core.runs import Runs
from segdata.formats.sheets import examples, sheets


def _batch() -> Batch:
    """Two images of 2 x 2 pixels: a.png with three segments, b.png with one."""
    return Batch(
        table(BATCH_IMAGES, 2, image_id=["a.png", "b.png"], width=[2, 2], height=[2, 2]),
        table(BATCH_ANNOTATIONS, 2, image=np.array([0, 1], np.int32)),
        table(
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
    assert list(examples(_batch(), np.array([3, 1]))) == ["b.png: 8", "a.png: x"]


def test_three_examples_are_enough() -> None:
    assert list(examples(_batch(), np.arange(4))) == ["a.png: 5", "a.png: x", "a.png: 7"]
    assert list(examples(_batch(), np.empty(0, np.int64))) == []


def test_a_sheet_of_some_segments_has_their_pixels() -> None:
    sheet = next(sheets(_batch())).only(np.array([2, 0]))
    assert sheet.segments.tolist() == [2, 0]
    np.testing.assert_array_equal(sheet.runs.start[np.argsort(sheet.runs.owner)], [2, 0])
