"""Processes: run work over images in processes of this machine, where threads would wait for Python's lock."""

import pickle
import tempfile
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from segdata.core.cluster import PORTION, ImageWork
from segdata.core.errors import SegdataError
from segdata.core.executor import keep_freed_memory
from segdata.core.label_maps import LabelMaps
from segdata.core.pixel_limit import max_pixels, set_max_pixels
from segdata.core.runs import Ints

R = TypeVar("R")


@contextmanager
def process_pool(n: int) -> Iterator[Executor]:
    """`n` processes of this machine, which stay for some seconds for whoever asks for as many.

    A script needs no `if __name__ == "__main__":`. Raises SegdataError if a process dies.
    """
    import loky  # starts processes that do not run the caller's script again
    from loky.process_executor import TerminatedWorkerError

    # One that ended because it had nothing to do, just when work came: loky starts another, and nothing is lost.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
    try:
        yield loky.get_reusable_executor(n, timeout=30)
    except TerminatedWorkerError as error:
        raise SegdataError(
            f"one of {n} processes was ended, perhaps for lack of memory: ask for fewer with --jobs"
        ) from error


@dataclass(frozen=True)
class ImageProcesses:
    """Processes that judge images of a dataset, as the workers of `segdata.core.cluster.ImageCluster` do."""

    maps: LabelMaps  # the labels of the whole dataset
    n: int  # processes

    def run(self, work: ImageWork[R], images: Ints) -> Iterator[R]:
        """The result of `work` for each image, in the order of `images`, rows of the dataset.

        Raises what `work` raises, and SegdataError if a process dies.
        """
        waiting: deque[Future[list[R]]] = deque()
        size = max(min(PORTION, len(images) // (4 * self.n)), 1)
        with tempfile.TemporaryDirectory(prefix="segdata-") as folder, process_pool(self.n) as pool:
            job = Path(folder) / "job"  # read once by each process, and not sent with each task
            job.write_bytes(pickle.dumps((work, max_pixels())))
            try:
                for first in range(0, len(images), size):
                    some = images[first : first + size]
                    waiting.append(pool.submit(_run_portion, str(job), self.maps.take(some), some))
                    if len(waiting) >= 2 * self.n:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()


def _run_portion(job: str, maps: LabelMaps, images: Ints) -> list[Any]:  # Any: what the work returns
    """The results for some images, whose labels are `maps`; in a process."""
    return _opened_work(job)(maps, images)


@lru_cache(maxsize=1)
def _opened_work(job: str) -> ImageWork[Any]:
    """The work in a file, and this process ready for it."""
    work: ImageWork[Any]
    work, pixels = pickle.loads(Path(job).read_bytes())
    keep_freed_memory()
    set_max_pixels(pixels)
    Image.MAX_IMAGE_PIXELS = None  # so that Pillow reads headers of large images, which are not decoded
    return work
