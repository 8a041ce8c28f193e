"""Windows of frames, frames that are kept, columns that stay decoded, and measurements in order, against loops."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from segdata.core.batch import Batch, replace_column
from segdata.core.runs import Ints
from segdata.measure import sequences
from segdata.measure.registry import BatchMeasurement, _in_order
from segdata.measure.sequences import FrameWindow, RetainedSource
from segdata.measure.stored_tables import _DecodedColumns
from segdata.testing.pictures import masks_of_runs
from tests.measure.test_tables_by_loops import PROFILE, random_batch
from tests.memory import Memory

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_frames_between_and_beside_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 7))
    frame = np.cumsum(rng.choice([1, 2], m)) + 3
    height, width = rng.choice([5, 5, 5, 6], m), rng.choice([4, 4, 4, 7], m)
    own = rng.random(m) < 0.8
    step = int(rng.choice([1, 2]))
    batch: Any = SimpleNamespace(image_size=(height, width))
    none = np.empty(0, np.int64)
    window = FrameWindow(batch, frame, none, step, none, none, own)
    size = list(zip(height.tolist(), width.tolist(), strict=True))
    follows = [k > 0 and size[k] == size[k - 1] for k in range(m)]
    assert window.follows.tolist() == follows
    assert window.adjoining.tolist() == [follows[k] and frame[k] - frame[k - 1] == step for k in range(m)]
    assert window.is_between.tolist() == [
        bool(own[k]) and 0 < k < m - 1 and size[k - 1] == size[k] == size[k + 1]
        and frame[k + 1] - frame[k] == frame[k] - frame[k - 1]
        for k in range(m)
    ]  # fmt: skip


@pytest.mark.parametrize("shift", [-1, 0, 1, 2])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_runs_laid_on_other_frames(seed: int, shift: int, layers: int) -> None:
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, 4)
    n = batch.n_segments
    place = np.where(rng.random(n) < 0.8, batch.segment_image, -1).astype(np.int64)
    frames = rng.random(4) < 0.7
    layer = rng.integers(-1, layers, n) if layers > 1 else None
    none = np.empty(0, np.int64)
    window = FrameWindow(batch, np.arange(4), none, 1, place, none, np.ones(4, bool))
    line = window.line(layers)
    assert len(line.height) == 4 * layers
    side = window.side(line, shift, frames, layer, layers)
    found = sorted(zip(side.owner.tolist(), side.start.tolist(), (side.end - side.start).tolist(), strict=True))
    expected = []
    for row, mask in enumerate(masks_of_runs(batch.runs, *batch.segment_size)):
        on = int(place[row]) + shift
        if place[row] < 0 or not 0 <= on < 4 or not frames[on] or (layer is not None and layer[row] < 0):
            continue
        frame = on if layer is None else on * layers + int(layer[row])
        columns = [np.flatnonzero(np.diff(np.concatenate([[0], column, [0]]))) for column in mask.T.astype(int)]
        for x, edges in enumerate(columns):
            for top, bottom in edges.reshape(-1, 2).tolist():
                expected.append((row, int(line.base[frame]) + x * 6 + top, bottom - top))  # 5 high, and a gap
    assert found == sorted(expected)


class _Counting(Memory):
    """Remembers which rows were loaded."""

    loads: list[list[int]]

    def load(self, rows: Ints) -> Batch:
        self.loads.append(rows.tolist())
        return super().load(rows)


@pytest.mark.parametrize("room", [0, 1 << 20])
@pytest.mark.parametrize("seed", SEEDS)
def test_frames_that_are_kept_are_not_loaded_again(seed: int, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "MAX_RETAINED_BYTES", room)
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, 7)
    has_sequence = bool(seed % 3)
    images = replace_column(batch.images, "sequence", ["v" if has_sequence else None] * 7)
    batch = Batch(images, batch.annotations, batch.segments, batch.runs)
    own = _Counting(PROFILE, batch, 2)
    object.__setattr__(own, "loads", [])
    source = RetainedSource(own)
    known: set[int] = set()
    for _ in range(6):
        first = int(rng.integers(0, 7))
        rows = np.arange(first, int(rng.integers(first, 7)) + 1)
        if rng.random() < 0.3:
            rows = rng.permutation(rows)
        own.loads.clear()
        found, expected = source.load(rows), Memory.load(own, rows)
        kept = set(rows.tolist()) <= known
        assert own.loads == ([] if kept else [rows.tolist()])
        if room and has_sequence:
            known |= set(rows.tolist())
        assert found.images.equals(expected.images)
        assert found.annotations.equals(expected.annotations)
        assert found.segments["segment_id"].to_pylist() == expected.segments["segment_id"].to_pylist()
        assert found.runs.start.tolist() == expected.runs.start.tolist()
    own.loads.clear()
    assert source.load(np.empty(0, np.int64)).images.num_rows == 0
    assert source.image_ids == own.image_ids
    assert source.files is None


@pytest.mark.parametrize("seed", SEEDS)
def test_columns_that_were_used_last_stay(seed: int) -> None:
    rng = np.random.default_rng(seed)
    most = int(rng.integers(5, 20))
    found, expected = _DecodedColumns(most), OrderedDict[Any, tuple[int, int]]()
    for number in range(40):
        key = ("t", f"c{int(rng.integers(6))}", False)
        if rng.random() < 0.5:
            column = found.get(key)
            if key in expected:
                expected.move_to_end(key)
            assert column == (expected[key][0] if key in expected else None)
        else:
            size = int(rng.integers(1, 9))
            found.put(key, number, size)
            expected.pop(key, None)
            expected[key] = number, size
            while sum(size for _, size in expected.values()) > most and len(expected) > 1:
                expected.popitem(last=False)
        assert [(key, one) for key, (one, _) in found._columns.items()] == [
            (key, one) for key, (one, _) in expected.items()
        ]
        assert found._bytes == sum(size for _, size in expected.values())


def _measurement(name: str, needs: Sequence[str] = ()) -> BatchMeasurement:
    return BatchMeasurement(frozenset(), {name: {}}, frozenset(needs), lambda view: pa.table({}))


def test_a_measurement_comes_after_what_it_needs_and_refers_to_but_not_after_itself() -> None:
    tables = {"parts": {"segment": "segments"}, "pairs": {"a": "segments", "b": "parts", "c": "pairs"}}
    one = BatchMeasurement(frozenset(), tables, frozenset(["walk", "pairs"]), lambda view: pa.table({}))
    assert one.after == {"walk", "segments"}
    assert BatchMeasurement(frozenset(), {}, frozenset(), lambda view: pa.table({})).after == set()


def test_measurements_come_after_those_that_they_need() -> None:
    several = [_measurement("a", ["c", "elsewhere"]), _measurement("b"), _measurement("c", ["b"]), _measurement("d")]
    for order in permutations(several):
        found = [next(iter(one.tables)) for one in _in_order(list(order), lambda one: set(one.needs))]
        assert sorted(found) == ["a", "b", "c", "d"]
        assert found.index("b") < found.index("c") < found.index("a")
        free = [next(iter(one.tables)) for one in order if not one.needs]
        assert found[: len(free)] == free
    circle = [_measurement("a", ["b"]), _measurement("b", ["a"])]
    with pytest.raises(ValueError, match=r"measurements need each other: \['a', 'b'\]"):
        _in_order(circle, lambda one: set(one.needs))
