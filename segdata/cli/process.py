"""Process: how a command starts, shows progress, and ends with an exit code.

0: nothing found at or above `--fail-on`. 1: something found. 2: misuse, or cannot run. 130: Ctrl-C.
143: asked to end (SIGTERM). Every way to end prints at most one line on stderr.
"""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from segdata.core.errors import SegdataError

if TYPE_CHECKING:
    from segdata.noise.networks.plan import TrainingPlan
    from segdata.noise.networks.settings import StageProgress


FOUND, MISUSE, INTERRUPTED, TERMINATED = 1, 2, 130, 143


def exit_code(run: Callable[[], object]) -> int:
    """What the process ends with after `run`; a number that it returns is the exit code.

    With SEGDATA_DEBUG=1 exceptions pass, so that Python shows where they come from.
    """
    _signals.clear()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _on_signal)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as in the background
            signal.signal(signal.SIGINT, _on_signal)
    try:
        code = run()
        raise_if_interrupted()
        return code if isinstance(code, int) else 0
    except SystemExit:
        # click leaves this way where the reader of its help page has gone, which is nobody's error.
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
    """SIGTERM, as an exception: what is half-written is removed on its way up."""


_signals: set[int] = set()  # the signals to end that came


def _on_signal(signal_number: int, frame: object) -> None:
    _signals.add(signal_number)
    raise_if_interrupted()


def raise_if_interrupted() -> None:
    """Raise what ends the program where a signal has asked for it.

    The signal itself does so too; but what it raises is lost where the code of a library is at work that takes any
    exception for its own, such as one that looks whether something can be imported.
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
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"unexpected {what}; please report it with what SEGDATA_DEBUG=1 shows"


def explain_usage_error(error: click.ClickException) -> str:
    """What is wrong with a command as it was typed, in one line, and where help is."""
    what = " ".join(error.format_message().split()).removesuffix(".")
    ctx = getattr(error, "ctx", None)
    more = f"; see {ctx.command_path} --help" if ctx is not None else ""
    return what[:1].lower() + what[1:] + more


def say(line: str) -> None:
    """One line on stderr."""
    click.echo(f"segdata: {line}", err=True)


def is_debugging() -> bool:
    """Whether the user wants tracebacks."""
    return os.environ.get("SEGDATA_DEBUG", "") not in ("", "0")


def block_pandas_import() -> None:
    """Keep pyarrow from importing pandas, which takes longer than most runs and which few commands use.

    When pyarrow makes its first array it imports pandas, where that is installed, to recognise pandas' own objects;
    it asks only once. Here it asks while there seems to be no pandas. Commands that make pandas tables import it as
    ever, and pyarrow helps them as ever. Only for a process of our own: a library must not decide this for its user.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    sys.modules["pandas"] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        for values in ([], [None, True]):  # Python asks for the first, C++ for the second
            with suppress(ImportError, AttributeError):
                pa.array(values)
    finally:
        del sys.modules["pandas"]


def collect_garbage_rarely() -> None:
    """Look for cycles of garbage a hundred times less often than Python does.

    It would look for them among every annotation of a dataset again and again; nearly nothing here is part of a cycle.
    A sixth of the processor time of validating 118,000 images goes into that. Only for a process of our own.
    """
    gc.set_threshold(100_000, 50, 100)


@contextmanager
def progress_bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar that counts images up to `total`, and is gone afterwards; call what it gives with how many more are done.

    `total` is None where it is not known before. Where stderr is no terminal nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda done: raise_if_interrupted()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def advance(done: int) -> None:
            raise_if_interrupted()
            bar.advance(task, done)

        yield advance


@contextmanager
def stage_bars() -> Iterator[Callable[["StageProgress"], None]]:
    """A bar for each stage of a long run, with the time that is left of it; call what it gives with how far it is.

    Where stderr is no terminal nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda stage: raise_if_interrupted()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("begin", total=None, left="")
        seen = ""

        def advance(stage: "StageProgress") -> None:
            nonlocal seen
            raise_if_interrupted()
            if stage.what != seen:
                bar.reset(task, description=stage.what, total=stage.total)
                seen = stage.what
            bar.update(task, completed=stage.done, total=stage.total, left=_time_left(stage.seconds_left))

        yield advance


def print_plan(plan: "TrainingPlan") -> None:
    """Each choice of a training with its reason, a line each on stderr; nothing where that is no terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{plan}\n")  # a bar that is shown goes on below


def _time_left(seconds: float) -> str:
    """How long something still takes, in words; nothing where it is not known.

    >>> _left(7.2), _left(200.0), _left(float("nan"))
    ('7 s left', '3 min 20 s left', '')
    """
    if seconds != seconds:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s left" if minutes else f"{rest} s left"
