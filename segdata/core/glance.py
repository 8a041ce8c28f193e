"""Glance: a dataset at first sight. Names and first bytes, each looked at once, for all formats that might be meant."""

import os
import re
from contextlib import suppress
from functools import cached_property
from pathlib import Path

HEAD = 1 << 16  # bytes of a file that are looked at
_MOST_ALIKE = 64  # names of one folder and one suffix
_MOST_FOLDERS = 400
_DEEPEST = 6  # folders below the root


class Glance:
    """What a file or folder looks like, without reading all of it.

    Folders are listed breadth first. Of the files of one folder with the same suffix the first few by name are kept:
    so a hundred thousand images hide no `data.yaml`.

    Attributes
    ----------
    root : the file or folder named by the user
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._heads: dict[str, bytes] = {}

    @cached_property
    def names(self) -> list[str]:
        """Files as paths below the root, POSIX; of a file its own name."""
        if self.root.is_file():
            return [self.root.name]
        found: list[str] = []
        level = [""]
        n_folders = 0
        for _ in range(_DEEPEST):
            below: list[str] = []
            for folder in level:
                n_folders += 1
                if n_folders > _MOST_FOLDERS:
                    return found
                files, folders = _listed(self.root / folder)
                found += [folder + name for name in files]
                below += [f"{folder}{name}/" for name in folders]
            level = below
        return found

    def path(self, name: str) -> Path:
        """The file of a name."""
        return self.root if self.root.is_file() else self.root / name

    def matching(self, pattern: str) -> list[str]:
        """The names in which a regular expression is found, case ignored."""
        expression = re.compile(pattern, re.IGNORECASE)
        return [name for name in self.names if expression.search(name)]

    def head(self, name: str) -> bytes:
        """The first 64 KiB of a file, without a byte order mark; empty where it cannot be read."""
        if name not in self._heads:
            self._heads[name] = b""
            with suppress(OSError), self.path(name).open("rb") as file:
                self._heads[name] = file.read(HEAD).removeprefix(b"\xef\xbb\xbf")
        return self._heads[name]

    def heads(self, pattern: str, expression: bytes, most: int = 8) -> list[str]:
        """Of the first `most` names that match `pattern` those whose head has `expression` (a regular expression)."""
        return [name for name in self.matching(pattern)[:most] if re.search(expression, self.head(name))]


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """The files, few of each suffix, and the folders in a folder, both sorted; hidden ones are left out."""
    try:
        with os.scandir(folder) as entries:
            every = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError:
        return [], []
    seen: dict[str, int] = {}
    files = []
    for name, is_folder in every:
        if not is_folder:
            suffix = name.rpartition(".")[2].lower()
            seen[suffix] = seen.get(suffix, 0) + 1
            if seen[suffix] <= _MOST_ALIKE:
                files.append(name)
    return files, [name for name, is_folder in every if is_folder]
