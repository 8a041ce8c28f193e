"""Placing: files are made under hidden names, and put where they belong when all of them are done, or not at all."""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from segdata.core.errors import SegdataError


class Placing:
    """What one conversion makes: the target, and what goes beside it. Use it as a context; it leaves nothing hidden."""

    def __init__(self, target: Path) -> None:
        self.target = free(target)
        self._places: dict[Path, Path] = {}
        self.made = self._made(target, target.suffix)

    def beside(self, name: str) -> Path:
        """Where to make something that goes beside the target as `name`."""
        return self._made(self.target.with_name(name), ".made")

    def _made(self, path: Path, suffix: str) -> Path:
        stem = path.stem if path == self.target else path.name
        made = self.target.with_name(f".{stem}.partial{suffix}")
        self._places[made] = path
        _remove([made])  # what a conversion left that was killed
        return made

    def commit(self) -> None:
        """Put what was made where it belongs, all of it or nothing; the target itself comes last."""
        moved: list[Path] = []
        try:
            for made, path in reversed(self._places.items()):
                if made.exists():
                    if path.is_dir():
                        path.rmdir()
                    made.replace(path)
                    moved.append(path)
        except OSError:
            _remove(moved)
            raise

    def told(self, message: str) -> str:
        """A message with the names that people know in place of the hidden ones."""
        for made, path in self._places.items():
            message = message.replace(str(made), str(path))
        return message

    def __enter__(self) -> "Placing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _remove(self._places)


def free(path: Path) -> Path:
    """`path`, when nothing is there, or an empty folder."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise SegdataError(f"{path}: exists already; name another target, or delete it first")
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    return path


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(FileNotFoundError):
                path.unlink()
