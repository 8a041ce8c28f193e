"""Exits: how every way to end becomes an exit code, and at most one line on stderr.

0: nothing found at or above `--fail-on`. 1: something found. 2: misuse, or cannot run. 130: Ctrl-C.
143: asked to end (SIGTERM).
"""

import os
import signal
import threading
from collections.abc import Callable

import click

from segdata.core.errors import SegdataError

FOUND, MISUSE, INTERRUPTED, TERMINATED = 1, 2, 130, 143


def exit_code(run: Callable[[], object]) -> int:
    """What the process ends with after `run`; a number that it returns is the exit code.

    With SEGDATA_DEBUG=1 exceptions pass, so that Python shows where they come from.
    """
    _asked.clear()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as in the background
            signal.signal(signal.SIGINT, _end)
    try:
        code = run()
        end_if_asked()
        return code if isinstance(code, int) else 0
    except SystemExit:
        # click leaves this way where the reader of its help page has gone, which is nobody's error.
        return 0
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except _AskedToEnd:
        return TERMINATED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return MISUSE
    except click.ClickException as error:
        say(f"error: {misused(error)}")
        return MISUSE
    except Exception as error:
        if debugging():
            raise
        say(f"error: {explained(error)}")
        return MISUSE


class _AskedToEnd(BaseException):
    """SIGTERM, as an exception: what is half-written is removed on its way up."""


_asked: set[int] = set()  # the signals to end that came


def _end(signal_number: int, frame: object) -> None:
    _asked.add(signal_number)
    end_if_asked()


def end_if_asked() -> None:
    """Raise what ends the program where a signal has asked for it.

    The signal itself does so too; but what it raises is lost where the code of a library is at work that takes any
    exception for its own, such as one that looks whether something can be imported.
    """
    if signal.SIGTERM in _asked:
        raise _AskedToEnd
    if signal.SIGINT in _asked:
        raise KeyboardInterrupt


def explained(error: Exception) -> str:
    """An exception as one line: what, where, and what to do."""
    if isinstance(error, SegdataError):
        return " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "out of memory; try fewer threads (--jobs 1) or fewer images (--list FILE)"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"unexpected {what}; please report it with what SEGDATA_DEBUG=1 shows"


def misused(error: click.ClickException) -> str:
    """What is wrong with a command as it was typed, in one line, and where help is."""
    what = " ".join(error.format_message().split()).removesuffix(".")
    ctx = getattr(error, "ctx", None)
    more = f"; see {ctx.command_path} --help" if ctx is not None else ""
    return what[:1].lower() + what[1:] + more


def say(line: str) -> None:
    """One line on stderr."""
    click.echo(f"segdata: {line}", err=True)


def debugging() -> bool:
    """Whether the user wants tracebacks."""
    return os.environ.get("SEGDATA_DEBUG", "") not in ("", "0")
