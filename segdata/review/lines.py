"""Lines: a file that only grows, by whole lines, whatever happens to who writes."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

import msgspec

from segdata.core.errors import SegdataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # what there is none of


def append(path: Path, lines: Sequence[bytes]) -> None:
    """Write lines of JSON to the end of a file, all or none, and onto the disk.

    Programs that write at the same time wait for each other. A last line that was never finished, since its writer was
    killed, is cut off. Raises SegdataError where the file cannot be written; it is as it was then.
    """
    if not lines:
        return
    try:
        with _alone(path) as file:
            end, start = _end(file.read())
            file.seek(end)
            file.truncate()
            try:
                _write(file, start + b"".join(line + b"\n" for line in lines))
            except BaseException:
                file.truncate(end)
                raise
    except OSError as error:
        raise SegdataError(f"{path}: cannot be written: {error.strerror}; it is as it was, try again") from error


def read(path: Path) -> tuple[list[tuple[int, bytes]], bool]:
    """The lines of a file with their numbers, without blank ones; and whether a last line was never finished.

    Such a line is left out. A file that does not exist has no lines; raises SegdataError where it cannot be read.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return [], False
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}") from error
    end, _ = _end(text)
    lines = enumerate(text[:end].split(b"\n"), 1)
    return [(number, line) for number, line in lines if line.strip()], bool(text[end:].strip())


def _end(text: bytes) -> tuple[int, bytes]:
    """Where the whole lines end, in bytes, and what is missing there: some editors omit the last end."""
    last = text.rfind(b"\n") + 1
    return (len(text), b"\n") if _is_json(text[last:]) else (last, b"")


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _write(file: FileIO, text: bytes) -> None:
    while text:
        text = text[file.write(text) :]
    os.fsync(file.fileno())


@contextmanager
def _alone(path: Path) -> Iterator[FileIO]:
    """The file, to be read and written, locked against other programs; the system frees the lock of a killed one."""
    path.touch()
    with path.open("r+b", buffering=0) as file:
        if fcntl is not None:
            with suppress(OSError):  # a disk without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield file
