"""Batches: taking, joining, and the executor that loads them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import numpy as np
import pytest
from hypothesis import given, settings

from segdata.core.batch import Batch, concatenate_batches
from segdata.core.executor import default_jobs, n_threads, run_ordered
from segdata.core.profile import Profile
from segdata.core.schema import rle_to_runs, runs_to_rle
from segdata.testing.round_trip import content
from segdata.testing.strategies import datasets


@settings(max_examples=40)
@given(datasets())
def test_a_batch_is_its_images(made: tuple[Profile, list[Batch]]) -> None:
    profile, batches = made
    whole = concatenate_batches(batches)
    single = [whole.take_images(np.array([row])) for row in range(whole.images.num_rows)]
    assert content(concatenate_batches(single), profile, frozenset()) == content(whole, profile, frozenset())


@settings(max_examples=40)
@given(datasets())
def test_taking_segments_keeps_images_and_annotations(made: tuple[Profile, list[Batch]]) -> None:
    _, batches = made
    whole = concatenate_batches(batches)
    rows = np.arange(0, whole.n_segments, 2)
    taken = whole.take_segments(rows)
    assert taken.images.equals(whole.images)
    assert taken.annotations.equals(whole.annotations)
    assert taken.segments["segment_id"].to_pylist() == whole.segments["segment_id"].to_pylist()[::2]
    assert taken.runs.areas(len(rows)).tolist() == whole.runs.areas(whole.n_segments)[::2].tolist()


@settings(max_examples=40)
@given(datasets())
def test_counts_and_back(made: tuple[Profile, list[Batch]]) -> None:
    _, batches = made
    whole = concatenate_batches(batches)
    height, width = whole.segment_size
    runs, error = rle_to_runs(runs_to_rle(whole.runs, height, width), height, width)
    assert not error.any()
    for name in ("start", "length", "owner"):
        np.testing.assert_array_equal(getattr(runs, name), getattr(whole.runs, name))


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_order_and_few_wait(jobs: int) -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.002 * (number % 3))
        return number * number

    def portions() -> Iterator[int]:
        yield from range(30)

    results = run_ordered(work, portions(), jobs)
    assert next(results) == 0
    assert len(begun) <= 2 * jobs + 1
    assert list(results) == [number * number for number in range(1, 30)]


def test_an_exception_ends_the_run_and_leaves_no_thread() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ZeroDivisionError
        return number

    before = set(threading.enumerate())  # a run that an earlier test gave up may still end one of its own
    with pytest.raises(ZeroDivisionError):
        list(run_ordered(work, range(100), 2))
    assert not set(threading.enumerate()) - before


def test_a_run_that_nobody_wants_waits_for_no_thread() -> None:
    """The garbage collector may end it anywhere, also while another thread starts, which would wait for ever."""
    gate = threading.Event()

    def work(number: int) -> int:
        if number:
            gate.wait()
        return number

    results = run_ordered(work, range(100), 2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]  # an iterator that is a generator
    gate.set()


def test_threads_that_end_in_another_order_leave_no_default() -> None:
    """A program may validate two datasets at the same time, each with its own number of threads."""
    begun, ended = Barrier(2), Event()

    def first() -> int:
        with default_jobs(3):
            begun.wait(10)
            return n_threads(0)

    def second() -> tuple[int, int]:
        before = n_threads(0)
        with default_jobs(5):
            begun.wait(10)
            ended.wait(10)
            inside = n_threads(0)
        return inside, n_threads(0) - before

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.submit(first), pool.submit(second)
        assert one.result() == 3
        ended.set()
        assert two.result() == (5, 0)
