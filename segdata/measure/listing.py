"""Listing: the files that a dataset is read from, and which of them have changed since."""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

_PIECE = 1 << 20
Stat = tuple[int, int, int]  # bytes, and nanoseconds of the last change of content and of anything


@dataclass(frozen=True, slots=True)
class Listing:
    """Path -> size and times of every file; -1 for one that is not there."""

    files: dict[str, Stat]

    @staticmethod
    def of(root: Path, folders: Iterable[Path], most: int, but: Collection[str] = ()) -> "Listing | None":
        """Everything in the folder of a dataset, or of its file, and in `folders`; None for more than `most` files.

        Hidden files and folders are nobody's labels. The files `but` in the folder of the dataset are left out.
        """
        home = root if root.is_dir() else root.parent
        left_out = {str(home.absolute() / name) for name in but}
        found: dict[str, Stat] = {}
        for folder in {home, *folders}:
            for entry in _below(folder):
                if entry.path not in left_out:
                    found[entry.path] = _stat(entry.path)
                if len(found) > most:
                    return None
        return Listing(found)

    def with_files(self, paths: Iterable[str]) -> "Listing":
        """The listing with more files, wherever they are."""
        return Listing(self.files | {path: _stat(path) for path in paths if path not in self.files})

    def changed(self, now: "Listing") -> set[str]:
        """The files that are new in `now`, gone, or not known to be as they were."""
        before, after = self.files, now.files
        return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def hash_of(path: str) -> str | None:
    """The BLAKE2 hash of a file's content, 32 hexadecimal digits; None where it cannot be read."""
    digest = blake2b(digest_size=16)
    try:
        with Path(path).open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError:
        return None
    return digest.hexdigest()


def _below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The files below a folder; links to folders are followed, each folder is gone through once."""
    waiting, seen = [str(folder.absolute())], set[tuple[int, int]]()
    while waiting:
        try:
            place = waiting.pop()
            known = os.stat(place)  # noqa: PTH116 - a Path for each of many files would take longer than this
            if (known.st_dev, known.st_ino) in seen:
                continue
            seen.add((known.st_dev, known.st_ino))
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        waiting.append(entry.path)
                    else:
                        yield entry
        except OSError:  # what cannot be listed cannot be read either
            continue


def _stat(path: str) -> Stat:
    try:
        found = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return (-1, 0, 0)
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
