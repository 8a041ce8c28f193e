"""Unsafe: names in a dataset that would lead out of it, or that no table can hold, and files without an end."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from segdata.core.errors import SegdataError, UnreadableError


def is_unsafe(name: str) -> bool:
    """Whether a path in an annotation file leads out of the dataset (absolute, a drive, `..`), or can be none (NUL).

    >>> is_unsafe("../secret.png"), is_unsafe("a/b.png")
    (True, False)
    """
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or name[1:2] == ":" or "\0" in name


def check_name(path: Path) -> None:
    """Raise UnreadableError where a path is no text: tables, reports and other systems hold UTF-8 alone."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        raise UnreadableError(f"{shown}: the name is not UTF-8; rename it") from error


def check_files(root: Path) -> None:
    """Raise SegdataError where DATA, or something in the folder, is a pipe, socket or device: reading may never end."""
    for path in _links_and_others(root) if root.is_dir() else [root]:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise SegdataError(f"{path}: is a pipe, a socket or a device, and no file; take it away")


def _links_and_others(folder: Path) -> Iterator[Path]:
    """What is neither a plain file nor a folder, at any depth; links are not followed."""
    with suppress(OSError), os.scandir(folder) as entries:  # the reader says what it cannot read
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _links_and_others(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
