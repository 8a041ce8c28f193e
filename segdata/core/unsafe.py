"""Unsafe: names in a dataset that would lead out of it, or that no table can hold."""

from pathlib import Path, PurePosixPath

from segdata.core.errors import UnreadableError


def is_unsafe(name: str) -> bool:
    """Whether a path in an annotation file leads out of the dataset (absolute, a drive, or `..`).

    >>> is_unsafe("../secret.png"), is_unsafe("a/b.png")
    (True, False)
    """
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or (len(name) > 1 and name[1] == ":")


def check_name(path: Path) -> None:
    """Raise UnreadableError where a path is no text: tables, reports and other systems hold UTF-8 alone."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        raise UnreadableError(f"{shown}: the name is not UTF-8; rename it") from error
