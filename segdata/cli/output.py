"""Output: reports go to stdout or whole into a file, and everything else to stderr."""

import os
import re
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from segdata.core.errors import SegdataError
from segdata.report.paper import Paper

# How the reports begin that --output writes; the name of the program alone is also how dataset.yaml begins.
_OURS = re.compile(
    rb"""\s*$ | segdata\ \w | segdata:\ (nothing|[\d,]+\ (error|warning|info)) | ::(error|warning|notice)\ file=
    | \{\s*"version":\s*1,\s*"(dataset|same|annotators)" | \{"code":\ "SEG | \[\s*\{"description": | \[\]\s*$
    | \{\s*"\$schema":\ "[^"]*sarif | <\?xml[^>]*>\s*<testsuites\ name="segdata" | <!doctype\ html>
    | findings\ +severity | nothing\ (found|to\ fix)\s*$ | id,name,kind,images, | scope,annotator_a,
    | \x89PNG.{1,80}Software\0segdata""",
    re.DOTALL | re.VERBOSE,
)
_HEAD = 4096  # bytes in which a report is known


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


def spare(path: Path | None, inputs: Iterable[object]) -> None:
    """Raise SegdataError where a report at `path` would take the place of data: of a file that is no report of ours.

    `inputs` are the files and folders that the command reads; of what lies beside them nothing is overwritten either,
    since a document's images may be there. Devices and pipes take whatever they are given.
    """
    if path is None:
        return
    if not path.name:
        raise SegdataError("an output needs the name of a file, this is ''")
    if not path.is_file():
        return
    target = path.resolve()
    for given in inputs:
        there = Path(str(given)).resolve()
        if target == there or (target.is_relative_to(there if there.is_dir() else there.parent) and not _is_ours(path)):
            raise SegdataError(f"{path}: is part of the data, or no report of segdata; write to another file")


def spare_folder(folder: Path | None, inputs: Iterable[object]) -> None:
    """Raise SegdataError where pictures would come among images or masks: there they are some more of these."""
    if folder is not None and any(Path(str(given)).resolve() == folder.resolve() for given in inputs):
        raise SegdataError(f"{folder}: is a folder of the data; name another for the pictures")


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return _OURS.match(file.read(_HEAD)) is not None


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all; links stay links, and devices and pipes what they are."""
    if path.exists() and not path.is_file():
        _write_through(path, data)
        return
    path = path.resolve() if path.is_symlink() and path.exists() else path
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


def _write_through(path: Path, data: bytes) -> None:
    """Write to a device or a pipe."""
    try:
        path.write_bytes(data)
    except BrokenPipeError:
        return  # as for stdout
    except OSError as error:
        raise SegdataError(f"{path}: cannot be written: {error.strerror}") from error
