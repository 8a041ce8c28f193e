"""Process: how a command starts, shows progress, and ends with an exit code.

0: nothing found at or above `--fail-on`. 1: something found. 2: misuse, or cannot run. 130: Ctrl-C.
143: asked to end (SIGTERM). Every way to end prints at most one message on stderr: one line, or on a terminal a line
for each clause.
"""

import difflib
import os
import shutil
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING

import click

from segdata.core.errors import SegdataError
from segdata.core.lazy_loading import entry_points
from segdata.core.safe_text import escape_controls, escape_line

if TYPE_CHECKING:
    from segdata.noise.networks.plan import StageProgress, TrainingPlan


QUIET, NO_COLOR = "quiet", "no_color"  # flags of the whole run, in the context of click
_PLAIN_WORDS = {  # click's, and ours
    "is not a valid integer range": "is not a whole number",
    "is not a valid integer": "is not a whole number",
    "is not a valid float range": "is not a number",
    "is not a valid float": "is not a number",
}
FOUND, MISUSE, INTERRUPTED, TERMINATED = 1, 2, 130, 143


def exit_code(run: Callable[[], object]) -> int:
    """Run a command, and return the exit code of the process; `run` may return one itself.

    With SEGDATA_DEBUG=1 exceptions pass through, so that Python prints a traceback.
    """
    _signals.clear()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _on_signal)
        # Another program's handler stays, and so does SIG_IGN of a process in the background.
        if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, signal.SIG_DFL):
            signal.signal(signal.SIGINT, _on_signal)
    try:
        code = run()
        raise_if_interrupted()
        return code if isinstance(code, int) else 0
    except SystemExit:
        # click exits like this if the reader of its help page closes the pipe, which is not an error.
        return 0
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except _Terminated:
        return TERMINATED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return MISUSE
    except click.ClickException as error:
        say(f"error: {explain_usage_error(error)}")
        return MISUSE
    except Exception as error:
        if is_debugging():
            raise
        say(f"error: {explain_error(error)}")
        return MISUSE


class _Terminated(BaseException):
    """SIGTERM as an exception, so that partial files are removed as it propagates."""


_signals: set[int] = set()  # signals received


def _on_signal(signal_number: int, frame: object) -> None:
    _signals.add(signal_number)
    raise_if_interrupted()


def raise_if_interrupted() -> None:
    """Raise the exception that ends the program, if a signal has asked for it.

    The signal handler raises it too, but a library that catches every exception, such as one that tests whether an
    import works, would swallow it.
    """
    if signal.SIGTERM in _signals:
        raise _Terminated
    if signal.SIGINT in _signals:
        raise KeyboardInterrupt


def explain_error(error: Exception) -> str:
    """An exception as one line: what, where, and what to do."""
    if isinstance(error, SegdataError):
        return " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "out of memory; try fewer threads (--jobs 1) or fewer images (--list FILE)"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if place := ", ".join([*getattr(error, "__notes__", ()), *_code_line(error)]):
        text = f"{text} ({place})"
    authors = f"the authors of {_failing_package(error)}"
    return f"unexpected {text}; please report it to {authors}, with the traceback that SEGDATA_DEBUG=1 shows"


def _failing_package(error: Exception) -> str:
    """The plugin whose code an exception came through, else segdata."""
    packages = {
        point.module.partition(".")[0]: point.package
        for group in ("segdata.formats", "segdata.rules", "segdata.metrics")
        for point in entry_points(group=group)
    }
    frames = (str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in walk_tb(error.__traceback__))
    return next((packages[name] for name in frames if name != "segdata" and name in packages), "segdata")


def _code_line(error: Exception) -> list[str]:
    """The module and line that raised an exception: they tell an error of a plugin from one of segdata."""
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        entry = entry.tb_next
    return [f"{Path(entry.tb_frame.f_code.co_filename).name}, line {entry.tb_lineno}"] if entry else []


def explain_usage_error(error: click.ClickException) -> str:
    """A usage error as one line, with the command that shows help."""
    text = " ".join(error.format_message().split()).removesuffix(".")
    for theirs, ours in _PLAIN_WORDS.items():
        text = text.replace(theirs, ours)
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        near = difflib.get_close_matches(error.option_name, error.possibilities, n=1, cutoff=0) or error.possibilities
        text = f"no such option {error.option_name!r}; did you mean {near[0]!r}?"
    ctx = getattr(error, "ctx", None)
    mark = "" if text.endswith("?") else ";"
    more = f"{mark} see {ctx.command_path} --help" if ctx is not None else ""
    return text[:1].lower() + text[1:] + more


def has_flag(flag: str) -> bool:
    """Whether the user gave a flag of the whole run, `QUIET` or `NO_COLOR`."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(flag))


def say(line: str) -> None:
    """Print one line on stderr, folded on a terminal; with `--quiet` only errors."""
    if has_flag(QUIET) and not line.startswith(("error:", "warning:")):
        return
    text = f"segdata: {escape_line(line)}"
    if sys.stderr.isatty():
        text = _fold_clauses(text, shutil.get_terminal_size().columns)
    click.echo(text, err=True)


def say_lines(text: str) -> None:
    """Print a report of several lines on stderr, as `say` prints one."""
    if not has_flag(QUIET):
        click.echo(escape_controls(text.rstrip("\n")), err=True)


def _fold_clauses(text: str, width: int) -> str:
    """A text wider than a terminal as a line for each clause, longer clauses folded; paths and commands stay whole.

    >>> print(_fold_clauses("error: a/b: holds two datasets; give one of them as DATA", 32))
    error: a/b: holds two datasets;
      give one of them as DATA
    """
    if len(text) <= width:
        return text
    clauses = text.replace("; ", ";\n").splitlines()
    wrapped = [
        textwrap.fill(
            clause,
            width,
            initial_indent="  " if row else "",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for row, clause in enumerate(clauses)
    ]
    return "\n".join(wrapped)


def is_debugging() -> bool:
    """Whether the user wants tracebacks."""
    return os.environ.get("SEGDATA_DEBUG", "") not in ("", "0")


def block_pandas_import() -> None:
    """Keep pyarrow from importing pandas, which few commands need.

    With its first array pyarrow imports pandas, if installed, and has no setting against it: `validate` of a tiny
    dataset would take 0.54 s of processor time instead of 0.35 s. It tries only once. This function triggers that
    attempt while Python refuses the import (None in `sys.modules` is the way that the language reference names).
    Commands that use pandas import it later, and pyarrow then works with it as usual. Call this only in the process of
    a command, never in library code.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    sys.modules["pandas"] = None  # type: ignore[assignment]  # makes the import fail
    try:
        for values in ([], [None, True]):  # Python tries with the first, C++ with the second
            with suppress(ImportError, AttributeError):
                pa.array(values)
    finally:
        del sys.modules["pandas"]


def use_one_blas_thread() -> None:
    """Let numpy and scipy load OpenBLAS with one thread, unless the user has asked for more.

    The command line multiplies no large matrices, but the threads that OpenBLAS starts when numpy is imported spin for
    0.1 s of processor time (torch has threads of its own). Call this before numpy is imported, and only in the process
    of a command.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _shows_progress() -> bool:
    return sys.stderr.isatty() and not has_flag(QUIET)


@contextmanager
def progress_bar(task_name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar of `total` images while the block runs; yields a function that advances it by n images.

    `total` is None if it is unknown. The bar appears only if stderr is a terminal, and not with `--quiet`.
    """
    if not _shows_progress():
        yield lambda n: raise_if_interrupted()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True, no_color=has_flag(NO_COLOR) or None), transient=True) as bar:
        task = bar.add_task(task_name, total=total)

        def advance(n: int) -> None:
            raise_if_interrupted()
            bar.advance(task, n)

        yield advance


@contextmanager
def stage_bars() -> Iterator[Callable[["StageProgress"], None]]:
    """Show a progress bar for each stage of a long run, with the time left; yields a function that takes the progress.

    If stderr is no terminal there is a line a minute instead, so that a log shows that the run goes on. With `--quiet`
    there is neither.
    """
    if has_flag(QUIET):
        yield lambda stage: raise_if_interrupted()
        return
    if not _shows_progress():
        with _StageLines().told() as lines:
            yield lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True, no_color=has_flag(NO_COLOR) or None), transient=True) as bar:
        running: set[str] = set()
        tasks = {"": bar.add_task("begin", total=None, left="")}

        def advance(stage: "StageProgress") -> None:
            raise_if_interrupted()
            if stage.what not in tasks:  # several networks may be trained at the same time
                for what in [what for what in tasks if what not in running]:
                    bar.remove_task(tasks.pop(what))
                tasks[stage.what] = bar.add_task(stage.what, total=stage.total or None, left="")
            (running.add if stage.done < stage.total else running.discard)(stage.what)
            left = _time_left(stage.seconds_left)
            bar.update(tasks[stage.what], completed=stage.done, total=stage.total or None, left=left)

        yield advance


_LINE_SECONDS = 60.0  # between two lines of progress


class _StageLines:
    """Progress as lines on stderr, one a minute, whether or not the stage has reported anything since."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._reported = clock, clock()
        self._stage: StageProgress | None = None
        self._is_new = False  # since the last line

    def __call__(self, stage: "StageProgress") -> None:
        """Take how far a stage is."""
        raise_if_interrupted()
        self._stage, self._reported, self._is_new = stage, self._clock(), True

    @contextmanager
    def told(self) -> Iterator["_StageLines"]:
        """Print a line a minute while the block runs: a thread does, since a stage may take long without a report."""
        ended = threading.Event()

        def tell() -> None:
            while not ended.wait(_LINE_SECONDS):
                self.print_line()

        thread = threading.Thread(target=tell, name="progress", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()

    def print_line(self) -> None:
        """Print how far the stage is; if it has reported nothing since the last line, for how long."""
        stage, silent = self._stage, "" if self._is_new else f"for {_duration(self._clock() - self._reported)}"
        self._is_new = False
        if stage is None or not stage.total:
            say(f"{stage.what if stage else 'begin'}: {silent or 'begun'}")
            return
        more = (silent and f"the same {silent}") or _time_left(stage.seconds_left)
        say(f"{stage.what}: {stage.done:,} of {stage.total:,}{more and f', {more}'}")


def print_plan(plan: "TrainingPlan") -> None:
    """Print each choice of the training with its reason on stderr, if stderr is a terminal."""
    if _shows_progress():
        sys.stderr.write(escape_controls(f"{plan}\n"))  # a visible progress bar continues below


def _time_left(seconds: float) -> str:
    """The time left in words; empty if it is unknown.

    >>> _time_left(7.2), _time_left(200.0), _time_left(float("nan"))
    ('7 s left', '3 min 20 s left', '')
    """
    return "" if seconds != seconds else f"{_duration(seconds)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
