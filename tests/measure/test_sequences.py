"""What was loaded once is not loaded again, and is what it was."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.batch import Batch
from segdata.core.runs import Ints
from segdata.measure import sequences
from segdata.measure.measure import measure_source
from segdata.measure.sequences import DatasetView, FrameWindow, RetainedSource
from segdata.testing.strategies import videos
from tests.generators.sequences import SequenceDataset, sequence_dataset


@dataclass(frozen=True, slots=True)
class Counting(SequenceDataset):
    """A dataset that notes what is loaded of it."""

    loaded: list[int] = field(default_factory=list)

    def load(self, rows: Ints) -> Batch:
        """Some of the images."""
        self.loaded.extend(rows.tolist())
        return SequenceDataset.load(self, rows)


def same(one: Batch, other: Batch) -> bool:
    names = ("start", "length", "owner")
    runs = all(np.array_equal(getattr(one.runs, name), getattr(other.runs, name)) for name in names)
    return runs and all(getattr(one, name) == getattr(other, name) for name in ("images", "annotations", "segments"))


@settings(max_examples=40)
@given(videos(), st.data())
def test_rows_come_again_as_the_source_has_them(made: tuple[object, list[Batch]], data: st.DataObject) -> None:
    profile, (batch,) = made
    source = Counting(profile, batch)  # type: ignore[arg-type]  # a profile
    kept, n_images = RetainedSource(source), batch.images.num_rows
    for rows in np.array_split(np.arange(n_images), data.draw(st.integers(1, n_images))):
        kept.load(rows)
    n_loaded = len(source.loaded)
    rows = np.array(data.draw(st.permutations(range(n_images))))[: data.draw(st.integers(1, n_images))]
    assert same(kept.load(rows), SequenceDataset.load(source, rows))
    assert len(source.loaded) == n_loaded


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "MAX_RETAINED_BYTES", 0)
    whole = sequence_dataset(np.ones((4, 3, 3), np.int64))
    source = Counting(whole.profile, whole.batch)
    kept = RetainedSource(source)
    for _ in range(2):
        assert same(kept.load(np.arange(4)), whole.batch)
    assert source.loaded == [0, 1, 2, 3] * 2


@pytest.mark.parametrize("n", [1, 8, 9, 20, 21])
@pytest.mark.parametrize("portion", [1, 10])
def test_windows_have_each_frame_once_and_a_neighbour_on_either_side(n: int, portion: int) -> None:
    """As many frames as a portion has, and eight at least."""
    data = sequence_dataset(np.ones((n, 4, 5), np.int64), kind="video")
    tables = measure_source(data, frozenset(), jobs=1)
    chunks = np.split(np.arange(n), np.arange(portion, n, portion))
    rows = {"images": tables.images, "annotations": tables.annotations}
    view = DatasetView(data, tables.profile, rows, chunks, 1)

    def seen(window: FrameWindow) -> tuple[list[int], list[bool], int]:
        return window.frame.tolist(), window.own.tolist(), window.batch.images.num_rows

    expected = []
    size = max(8, int(np.median([len(chunk) for chunk in chunks])))
    for first in range(0, n, size):
        frames = list(range(max(first - 1, 0), min(first + size + 1, n)))
        expected.append((frames, [first <= frame < first + size for frame in frames], len(frames)))
    assert view.map_windows(view.sequences("video"), seen) == expected
