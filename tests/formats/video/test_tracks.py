"""A track has one number in all frames of its sequence, and nobody else has it there."""

import numpy as np
import pytest

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.formats.video.tracks import TrackNumbers

Row = tuple[int, int | None, int]  # image, track, category


def batch(sequences: list[str | None], rows: list[Row]) -> Batch:
    n = len(sequences)
    images = make_table(BATCH_IMAGES, n, image_id=[str(k) for k in range(n)], sequence=sequences)
    columns = {"annotation": [row[0] for row in rows], "track_id": [row[1] for row in rows]}
    segments = make_table(BATCH_SEGMENTS, len(rows), category_id=[row[2] for row in rows], **columns)
    return Batch(images, make_table(BATCH_ANNOTATIONS, n, image=list(range(n))), segments, Runs.empty())


def numbered(
    numbers: TrackNumbers, sequences: list[str | None], rows: list[Row], base: int = 0
) -> tuple[list[int], list[bool]]:
    every = np.arange(len(rows))
    found, own = numbers.of(batch(sequences, rows), every, np.full(len(rows), base))
    return found.tolist(), own.tolist()


def test_a_track_keeps_its_number_from_batch_to_batch() -> None:
    numbers = TrackNumbers(1, 9, "")
    assert numbered(numbers, ["a", "a"], [(0, 700, 1), (0, 3, 1), (1, 700, 1)]) == ([1, 3, 1], [True] * 3)
    assert numbered(numbers, ["a", "b"], [(0, 3, 1), (0, 700, 1), (1, 700, 1)]) == ([3, 1, 1], [True] * 3)
    assert numbered(numbers, ["a"], [(0, 1, 1), (0, 2, 1)]) == ([2, 4], [True] * 2), "1 is taken, and then 2 is"


def test_an_id_with_the_base_is_a_number_already() -> None:
    assert numbered(TrackNumbers(0, 999, ""), ["a"], [(0, 2007, 2), (0, 7, 2), (0, 1007, 2)], base=2000)[0] == [7, 0, 1]
    assert numbered(TrackNumbers(1, 65_535, "", small=999), ["a"], [(0, 1000, 1), (0, 999, 1)])[0] == [1000, 999]
    assert numbered(TrackNumbers(1, 65_535, "", small=999), ["a"], [(0, 1000, 1)], base=1 << 16)[0] == [1]


def test_what_is_no_tracks_has_a_number_of_its_own() -> None:
    """One without a track, a second one in a frame, and one of another category than the track's."""
    rows = [(0, 5, 1), (0, None, 1), (0, 5, 1), (0, 5, 2), (1, None, 1), (1, 5, 1)]
    found, own = numbered(TrackNumbers(1, 9, ""), ["a", "a"], rows)
    assert own == [True, False, False, False, False, True]
    assert found[0] == found[5] == 5
    assert len(set(found)) == 5


def test_images_without_a_sequence_share_nothing() -> None:
    numbers = TrackNumbers(1, 2, "")
    assert numbered(numbers, [None, None], [(0, 7, 1), (1, 8, 1), (1, 7, 1)])[0] == [1, 1, 2]
    assert numbered(numbers, [None], [(0, None, 1), (0, None, 1)])[0] == [1, 2]


def test_too_many_are_refused_with_the_number() -> None:
    numbers = TrackNumbers(1, 2, "three are too many")
    numbered(numbers, ["a"], [(0, 1, 1), (0, 2, 1)])
    with pytest.raises(SegdataError, match="sequence 'a' has 3 tracks or more; three are too many"):
        numbered(numbers, ["a"], [(0, 3, 1)])
    with pytest.raises(SegdataError, match="an image has 3 tracks or more"):
        numbered(numbers, [None], [(0, None, 1)] * 3)
