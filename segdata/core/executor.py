"""Executor: run a function over portions in threads; results come in order, and only a few are held in memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from segdata.core.errors import SegdataError

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[int], None]


def no_progress(done: object, /) -> None:
    """Ignore what is reported; the default of `progress` and of other parameters that are told what happens."""


_default_jobs: ContextVar[int] = ContextVar("default_jobs", default=0)


@contextmanager
def default_jobs(jobs: int) -> Iterator[None]:
    """While the block runs, 0 threads mean `jobs` in this thread, for readers that get no number (0: as before)."""
    token = _default_jobs.set(jobs or _default_jobs.get())
    try:
        yield
    finally:
        _default_jobs.reset(token)


def n_threads(jobs: int) -> int:
    """The number of threads for `jobs`; 0 means the default, or else one for every core that this process may use."""
    if jobs < 0:
        raise SegdataError(f"jobs is {jobs}, it must be 0 or more")
    if jobs := jobs or _default_jobs.get():
        return jobs
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def single_threaded_opencv() -> Iterator[None]:
    """Limit OpenCV, if it is installed, to one thread while the block runs: its own come beside the `jobs` of ours."""
    with ExitStack() as stack:
        with suppress(ImportError):
            import cv2

            stack.callback(cv2.setNumThreads, cv2.getNumThreads())
            cv2.setNumThreads(1)
        yield


@contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """Limit OpenCV, numpy's linear algebra and PyTorch to one thread while the block runs; none has to be installed."""
    with single_threaded_opencv(), ExitStack() as stack:
        with suppress(ImportError):
            from threadpoolctl import threadpool_limits

            stack.enter_context(threadpool_limits(1))
        yield


MapFiles = Callable[[Callable[[str], Any], Sequence[str]], list[Any]]  # Any: what the function returns
_map_files: ContextVar[MapFiles | None] = ContextVar("map_files", default=None)


@contextmanager
def mapping_files(by: MapFiles) -> Iterator[None]:
    """While the block runs, `map_files` calls `by` in this thread, which may use the workers of a cluster."""
    token = _map_files.set(by)
    try:
        yield
    finally:
        _map_files.reset(token)


def map_files(work: Callable[[str], R], paths: Sequence[str], jobs: int = 0) -> list[R]:
    """`work(path)` for each file, in order, in `jobs` threads (0: one per core); see `mapping_files`."""
    by = _map_files.get()
    return list(run_ordered(work, paths, jobs)) if by is None else by(work, paths)


def run_ordered(work: Callable[[T], R], portions: Iterable[T], jobs: int = 0, *, ahead: float = 2) -> Iterator[R]:
    """Yield `work(portion)` for each portion, in order, in `jobs` threads (0: one per core).

    Each thread works up to `ahead` results ahead of the caller. If results are small, let all of them wait
    (`ahead=inf`): then no thread idles while the first portion takes long. With one thread, everything runs in the
    caller's thread. An exception ends the run; portions that have not started are dropped.
    """
    threads = n_threads(jobs)
    if threads == 1:
        yield from map(work, portions)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="segdata")
    waiting: deque[Future[R]] = deque()
    may_wait = True
    try:
        for portion in portions:
            waiting.append(pool.submit(work, portion))
            if len(waiting) >= ahead * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except GeneratorExit:
        # Nobody wants the rest. It may be the garbage collector that says so, in the middle of anything, such as the
        # start of another thread: to wait for threads there waits for ever.
        may_wait = False
        raise
    finally:
        pool.shutdown(wait=may_wait, cancel_futures=True)


_MALLOPT_TRIM_THRESHOLD, _MALLOPT_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_KEPT_BYTES = 256 << 20  # rules free and allocate this much again and again for 862,000 segments
_MAPPED_BYTES = 32 << 20  # the largest threshold that glibc allows


def keep_freed_memory() -> None:
    """Let glibc keep up to 256 MiB of freed memory, and allocate arrays of up to 32 MiB from it, Arrow's as well.

    By default each array of a portion gets fresh pages from the system and returns them at once: a million page faults
    for 118,000 images. Arrow's own allocator (mimalloc) keeps what it frees beside that: 160 MB of them. Other C
    libraries have no such setting. Call this before Arrow allocates, and only in the process of a command, or in a
    worker of a cluster, where Dask sets the opposite.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_MALLOPT_MMAP_THRESHOLD, _MAPPED_BYTES)
        mallopt(_MALLOPT_TRIM_THRESHOLD, _KEPT_BYTES)
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def return_freed_memory() -> None:
    """Let glibc return all free pages to the system, before work that allocates arrays of other sizes.

    It takes 10 to 25 ms when 600 MiB are in use.
    """
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc, or None if this C library does not have it."""
    import ctypes

    try:
        return getattr(ctypes.CDLL(None), name)  # type: ignore[no-any-return]
    except (OSError, AttributeError, TypeError):  # TypeError: Windows
        return None
