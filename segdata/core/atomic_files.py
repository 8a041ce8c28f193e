"""Atomic files: a file is complete or absent, even after a crash or when several programs write it at the same time.

segdata writes every file under a hidden, unique name, and moves it into place at the end.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

from segdata.core.errors import SegdataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # no file locks

_MAX_PREFIX_BYTES = 120  # of a file name, repeated in hidden names; file systems allow 255
_TOKEN_BYTES = 6
TOKEN_PATTERN = "[0-9a-f]{12}"
_LOCK_ATTEMPTS = 100
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)})


def unique_token() -> str:
    """Twelve random hexadecimal digits."""
    return os.urandom(_TOKEN_BYTES).hex()


def hidden_stem(name: str) -> str:
    """The prefix of the hidden names of a file; a long name is cut, and gets a checksum that keeps it unique.

    >>> hidden_stem("coco.json")
    '.coco.json'
    """
    data = os.fsencode(name)
    if len(data) <= _MAX_PREFIX_BYTES:
        return f".{name}"
    return f".{os.fsdecode(data[:_MAX_PREFIX_BYTES]).encode('utf-8', 'ignore').decode()}-{crc32(data):08x}"


@contextmanager
def replace_whole(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Write a file completely or not at all: yields the hidden path to write; when the block ends, it becomes `path`.

    An older file is replaced, and a link to one stays a link. Missing folders are made. With `durable`, the content and
    the entry in the folder are flushed to disk. Raises SegdataError that names `path` if it cannot be written; nothing
    is left then.
    """
    target = path.resolve() if path.is_symlink() and path.exists() else path
    partial = target.with_name(f"{hidden_stem(target.name)}.{unique_token()}.partial")
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        yield partial
        if durable:
            sync(partial)
        partial.replace(target)
        if durable:
            sync(target.absolute().parent)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be written: {os_reason(error)}") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file completely or not at all, as `replace_whole`; text is UTF-8."""
    with replace_whole(path) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)


def os_reason(error: OSError) -> str:
    """Why a file could not be written, in a few words."""
    return error.strerror or (os.strerror(error.errno) if error.errno else str(error))


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk; does nothing for a folder on a system that cannot flush one.

    Raises OSError if the disk reports that it is full or broken.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        if path.is_dir():  # Windows
            return
        raise
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise
    finally:
        os.close(file)


def sync_tree(folder: Path) -> None:
    """Flush all files and folders below a folder, and the folder itself, to disk."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(parent) / name)
        sync(Path(parent))


def place(made: Path, path: Path) -> None:
    """Move a finished file or folder to a free place or an empty folder; never overwrites.

    Raises FileExistsError if another program was faster.
    """
    if made.is_dir():
        if path.is_dir() and not path.is_symlink():
            path.rmdir()  # of an empty folder; else it fails
        elif os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        made.rename(path)  # a folder that has content meanwhile makes it fail
        return
    if path.is_dir():
        path.rmdir()
    try:
        os.link(made, path)  # unlike a move, it fails where something is
    except FileExistsError:
        raise
    except OSError as error:  # a disk without links
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        made.replace(path)
        return
    made.unlink()


@contextmanager
def lock_target(path: Path) -> Iterator[bool]:
    """Lock a target against other programs while the block runs; the system frees the lock of a killed program.

    Yields whether the lock is held; False where the system or the disk has no locks. Raises SegdataError
    if another program has the lock, and OSError if the folder cannot be written.
    """
    file_path = path.with_name(f"{hidden_stem(path.name)}.lock")
    file = None if fcntl is None else _open_lock(file_path, path)
    try:
        yield file is not None
    finally:
        if file is not None:
            with suppress(OSError):
                file_path.unlink()  # while it is locked, so that it is nobody else's
            os.close(file)


def _open_lock(file_path: Path, path: Path) -> int | None:
    """The lock file, open and locked; None on a disk without locks."""
    for _ in range(_LOCK_ATTEMPTS):
        file = os.open(file_path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, file_path):
                return file
            os.close(file)  # its owner has just deleted it
        except BlockingIOError as error:
            os.close(file)
            raise SegdataError(
                f"{path}: another program is writing it; wait until it has finished, or name another target"
            ) from error
        except OSError:
            os.close(file)
            return None
    raise SegdataError(f"{path}: other programs are writing it all the time; name another target")


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
