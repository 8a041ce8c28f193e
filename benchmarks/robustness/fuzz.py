"""Damage small sound datasets of every format at random, and count the exceptions that are no message of segdata.

    python -m benchmarks.robustness.fuzz 200000 --jobs 2 --seed 1

Each input is a dataset with one to three damaged files: a changed, cut, renamed, doubled or missing file, another
value, word, encoding, element, image, PNG chunk, table, volume or DICOM element. Every other input is validated, the
others are converted: half to the canonical format, half to any. A defect must become a finding, and a dataset that
cannot be read a `SegdataError`; anything else, and more than a minute of computing, is unexpected. Its number is
printed, and

    python -m benchmarks.robustness.fuzz --only 4711 --seed 1

runs that input alone, with its traceback. A process that dies is unexpected, too; the portion that it was at is run
again with a process for each input. The sound datasets are written once, before workers are forked; all files lie in
memory where the system has a folder there.
"""

import argparse
import contextlib
import gc
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import segdata
from segdata import SegdataError
from segdata.core.format import formats
from tests.bad_input.damage import change_content, change_file
from tests.bad_input.written_datasets import NEEDS, WRITTEN, write_dataset

SECONDS = 60  # after which an input hangs
MEMORY = 8 << 30  # bytes of address space
PORTION = 200  # inputs of one task
NAMES = tuple(name for name in WRITTEN if all(find_spec(package) for package in NEEDS.get(name, ())))
IN_MEMORY = Path("/dev/shm")  # a folder whose files no disk has to take
SOUND: dict[str, tuple[Path, str]] = {}  # a sound dataset of each name, and what of it is DATA


class HangError(BaseException):
    """An input takes too long."""


@dataclass
class Tally:
    """What inputs ended with.

    Attributes
    ----------
    ends : how many were read without and with findings, converted and refused
    unexpected : exception and place -> how many, and the number of the first
    """

    ends: Counter[str] = field(default_factory=Counter)
    unexpected: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Count those of another tally too."""
        self.ends += other.ends
        for where, (n, first) in other.unexpected.items():
            before, earliest = self.unexpected.get(where, (0, first))
            self.unexpected[where] = before + n, min(first, earliest)


def write_sound_datasets(folder: Path, names: tuple[str, ...]) -> None:
    """Write a sound dataset of each name; what that imports is there for the workers, too."""
    for name in names:
        SOUND[name] = folder / name, write_dataset(name, folder / name)
    gc.freeze()


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """The block raises where it computes for too long, or waits for ten times as long (on a busy machine it may)."""

    def late(number: int, frame: FrameType | None) -> None:
        raise HangError

    timers = {signal.ITIMER_PROF: (signal.SIGPROF, SECONDS), signal.ITIMER_REAL: (signal.SIGALRM, 10 * SECONDS)}
    for timer, (number, seconds) in timers.items():
        signal.signal(number, late)
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)


def damaged(name: str, rng: random.Random, folder: Path) -> Path:
    """A damaged copy of a dataset below `folder`; returns what is to be read."""
    root, data = SOUND[name]
    copy = Path(shutil.copytree(root, folder / "data", symlinks=True))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        files = sorted(path for path in copy.rglob("*") if path.is_file() and not path.is_symlink())
        labels = [path for path in files if path.relative_to(copy).parts[0] != "images"]
        chosen = rng.choice(labels if labels and rng.random() < 0.85 else files or [copy / "none"])
        if chosen.exists():
            with contextlib.suppress(Exception):  # what was damaged before may be no file of its kind any more
                (change_file if rng.random() < 0.2 else change_content)(chosen, rng)
    return copy / data


def run(name: str, rng: random.Random, folder: Path) -> str:
    """Read a damaged dataset; returns how that ended."""
    data = damaged(name, rng, folder)
    how = rng.randrange(4)
    given = formats().get(name)
    format = None if given is None or rng.random() < 0.5 else name
    writers = sorted(each.name for each in formats().values() if each.write is not None)
    to = "canonical" if how == 2 else rng.choice(writers)
    try:
        if how < 2:
            return "with findings" if segdata.validate(data, format=format, jobs=1).findings else "without findings"
        (suffix, *_) = (*formats()[to].file_suffixes, "")
        segdata.convert(data, folder / f"out{suffix}", to=to, format=format, jobs=1)
    except SegdataError:
        return "refused"
    return "converted"


def fuzz(first: int, n: int, seed: int, raising: bool = False) -> Tally:
    """Run inputs `first` to `first` + n."""
    warnings.simplefilter("ignore")
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="segdata-fuzz-") as place:
        for number in range(first, first + n):
            rng, name = random.Random(f"{seed} {number}"), NAMES[number % len(NAMES)]
            folder = Path(place, str(number))
            folder.mkdir()
            try:
                with in_time():
                    tally.ends[run(name, rng, folder)] += 1
            except (Exception, HangError) as error:
                if raising:
                    traceback.print_exc()
                where = f"{type(error).__name__} {place_of(error)} ({name}): {error!s:.80}"
                count, earliest = tally.unexpected.get(where, (0, number))
                tally.unexpected[where] = count + 1, earliest
            shutil.rmtree(folder, ignore_errors=True)
    return tally


def fuzz_alone(first: int, n: int, seed: int) -> Tally:
    """Run inputs `first` to `first` + n, each in a process of its own."""
    total = Tally()
    for number in range(first, first + n):
        with ProcessPoolExecutor(1) as pool:
            try:
                total.add(pool.submit(fuzz, number, 1, seed).result())
            except BrokenProcessPool:
                total.unexpected[f"a process died ({NAMES[number % len(NAMES)]})"] = 1, number
    return total


def fuzz_all(first: int, n: int, seed: int, jobs: int, minutes: float) -> Tally:
    """Run inputs `first` to `first` + n in several processes, and begin no portion after some minutes."""
    total, begun = Tally(), time.monotonic()
    portions = [(start, min(PORTION, first + n - start)) for start in range(first, first + n, PORTION)][::-1]
    pool, running = ProcessPoolExecutor(jobs), dict[Future[Tally], tuple[int, int]]()
    while portions or running:
        if time.monotonic() - begun > minutes * 60:
            portions = []
        while portions and len(running) < jobs:
            portion = portions.pop()
            running[pool.submit(fuzz, *portion, seed)] = portion
        for task in wait(running, return_when=FIRST_COMPLETED).done:
            portion = running.pop(task)
            try:
                total.add(task.result())
            except BrokenProcessPool:  # which ends the other portions, too
                pool = ProcessPoolExecutor(jobs)
                for again in (portion, *running.values()):
                    total.add(fuzz_alone(*again, seed))
                running.clear()
                break
        print_progress(total, begun)
    pool.shutdown()
    return total


def place_of(error: BaseException) -> str:
    """Where segdata was when it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/segdata/" in frame.filename]
    last = own[-1] if own else frames[-1]
    return f"{last.filename.rpartition('/segdata/')[2]}:{last.lineno}"


def main() -> int:
    """Run, and print the counts; returns 1 if something was unexpected."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("inputs", type=int, nargs="?", default=2000)
    options.add_argument("--jobs", type=int, default=1)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--first", type=int, default=0, help="the number of the first input")
    options.add_argument("--only", type=int, help="run this input alone")
    options.add_argument("--minutes", type=float, default=1e9, help="begin nothing after this long")
    given = options.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK):
        tempfile.tempdir = str(IN_MEMORY)
    with tempfile.TemporaryDirectory(prefix="segdata-fuzz-") as folder:
        if given.only is not None:
            write_sound_datasets(Path(folder), (NAMES[given.only % len(NAMES)],))
            total = fuzz(given.only, 1, given.seed, raising=True)
        else:
            write_sound_datasets(Path(folder), NAMES)
            total = fuzz_all(given.first, given.inputs, given.seed, given.jobs, given.minutes)
    n_unexpected = sum(n for n, _ in total.unexpected.values())
    print(f"inputs {total.ends.total() + n_unexpected:,} of {len(NAMES)} kinds of datasets, seed {given.seed}")
    print(", ".join(f"{n:,} {end}" for end, n in total.ends.most_common()))
    print(f"unexpected: {n_unexpected:,}")
    for where, (n, first) in sorted(total.unexpected.items(), key=lambda item: -item[1][0]):
        print(f"  {n:,} x {where} (--only {first})")
    return 1 if n_unexpected else 0


def print_progress(total: Tally, begun: float) -> None:
    """Print how far it is on stderr."""
    n = total.ends.total() + sum(each for each, _ in total.unexpected.values())
    print(f"{n:,} inputs, {time.monotonic() - begun:.0f} s, {len(total.unexpected)} unexpected", file=sys.stderr)
    for where, (_, first) in total.unexpected.items():
        print(f"  {where} (--only {first})", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
