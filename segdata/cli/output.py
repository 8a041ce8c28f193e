"""Output: reports go to stdout or whole into a file, and everything else to stderr."""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from segdata.core.errors import SegdataError
from segdata.report.paper import Paper


def paper(output: Path | None = None) -> Paper:
    """What a text report is written on: at most 80 columns, in colour where a person sees it."""
    if output is not None:
        return Paper()
    seen = sys.stdout.isatty()
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    width = min(80, max(40, shutil.get_terminal_size((80, 24)).columns))
    return Paper(width, colour=seen and not plain)


def emit(text: str, output: Path | None = None) -> None:
    """Write a report to stdout, or to a file that is there whole or not at all.

    Always UTF-8; what UTF-8 cannot hold (file names that are not text) as the escapes that JSON has too. A reader of
    stdout that has gone away is no error.
    """
    data = (text.rstrip("\n") + "\n").encode("utf-8", "backslashreplace")
    if output is not None:
        _write_whole(output, data)
        return
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Python would try to flush once more when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def free(path: Path, force: bool) -> None:
    """Raise SegdataError where a file is there already and may not be overwritten."""
    if path.exists() and not force:
        raise SegdataError(f"{path}: exists already; --force overwrites it, --output writes elsewhere")


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink()
