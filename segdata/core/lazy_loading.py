"""Lazy loading: names and functions that are imported on first use, and entry points of installed packages.

The stub beside a module (`.pyi`) is the only list of its names: type checkers read it, and `attach` takes them from
there. scikit-image and others of its family do the same (SPEC 1 of Scientific Python).

Entry points are `segdata.formats`, `segdata.rules` and `segdata.metrics`. importlib.metadata reads the same files; it
takes a twentieth of the start of a command (e-mail headers, archives, and every package once for each group), so the
few lines that are needed are read here. A test compares the two.
Source: https://packaging.python.org/en/latest/specifications/entry-points/
"""

import ast
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from segdata.core.errors import SegdataError

_METADATA = (".dist-info", ".egg-info")
_OBJECT = re.compile(r"(?P<module>[\w.]+)\s*(:\s*(?P<names>[\w.]+))?\s*(\[.*\])?$")


def attach(module: str, file: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The functions `__getattr__` and `__dir__` of a module, from the names that the stub beside its file imports.

    `__all__` is the sorted list of these names, and of those that the stub declares. `__getattr__` raises
    AttributeError for any other name.
    """

    @cache
    def homes() -> dict[str, str]:
        """Name -> the module that defines it; declared names are in `module` itself."""
        names: dict[str, str] = {}
        for statement in ast.parse(Path(file).with_suffix(".pyi").read_text("utf-8")).body:
            if isinstance(statement, ast.ImportFrom) and statement.module:
                names |= {alias.name: statement.module for alias in statement.names}
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                names[statement.target.id] = module
        return names

    def get(name: str) -> object:
        """Import a public name from its home on first use."""
        if name == "__all__":
            return sorted(name for name in homes() if not name.startswith("_"))
        if name.startswith("__") or homes().get(name, module) == module:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(import_module(homes()[name]), name)

    def names() -> list[str]:
        """The public names, used or not, for completion."""
        return sorted({*vars(sys.modules[module]), *homes()})

    return get, names


class ImportedOnCall(NamedTuple):
    """A function that is imported when it is first called: `place` is ``module:function``.

    A light module can so offer a function that is slow to import, without repeating its parameters.
    """

    place: str

    def function(self) -> Callable[..., Any]:  # Any: of whatever parameters it has
        """The function itself."""
        module, _, name = self.place.partition(":")
        function: Callable[..., Any] = getattr(import_module(module), name)
        return function

    def __call__(self, *arguments: Any, **options: Any) -> Any:  # Any: as the function has them
        """Import the function, and call it."""
        return self.function()(*arguments, **options)


class EntryPoint(NamedTuple):
    """One line of a package's entry points: a name, and the object that it stands for (``module:name.name``)."""

    group: str
    name: str
    value: str
    package: str

    @property
    def module(self) -> str:
        """The module that defines the object."""
        return self.value.partition(":")[0].strip()

    def load(self) -> Any:  # Any: what a package names may be anything
        """Import the object. Raises ImportError, AttributeError, and what the module raises."""
        parts = _OBJECT.match(self.value)
        if parts is None:
            raise ImportError(f"{self.value!r} is no module and no module:name")
        loaded = import_module(parts["module"])
        for name in (parts["names"] or "").split(".") if parts["names"] else ():
            loaded = getattr(loaded, name)
        return loaded


def entry_points(group: str) -> list[EntryPoint]:
    """The entry points of a group in the order of `sys.path`; of a package installed twice, the first copy's."""
    points: list[EntryPoint] = []
    packages: set[str] = set()
    for folder in sys.path:
        try:
            changed = Path(folder).stat().st_mtime_ns
        except OSError:
            continue
        there = _packages(str(Path(folder).absolute()), changed)
        points += [
            point for name, named in there.items() if name not in packages for point in named if point.group == group
        ]
        packages |= there.keys()
    return points


@lru_cache(64)
def _packages(folder: str, changed: int) -> dict[str, tuple[EntryPoint, ...]]:
    """The packages in a folder of `sys.path` and their entry points, cached by `changed`, the folder's time."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(_METADATA))
    except OSError:  # an archive; plugins are not looked for in it
        return {}
    packages: dict[str, tuple[EntryPoint, ...]] = {}
    for name in names:
        package = re.sub(r"[-_.]+", "-", name.rpartition(".")[0].partition("-")[0]).lower()  # as pip shows it
        try:
            text = Path(folder, name, "entry_points.txt").read_text("utf-8")
        except (OSError, ValueError):
            text = ""
        packages[package] = tuple(_parse(text, package)) if "[segdata." in text else ()
    return packages


def _parse(text: str, package: str) -> Iterator[EntryPoint]:
    """The entry points of a file."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield EntryPoint(group, name.strip(), value.strip(), package)


@contextmanager
def loading_plugin(point: EntryPoint, what: str) -> Iterator[None]:
    """Turn errors into SegdataError while the block imports what an entry point names (`what`: "format").

    The message names the entry point, the reason, and the package to mend.
    """
    try:
        yield
    except SegdataError:
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, (ImportError, ValueError)) else f"{type(error).__name__}: {error}"
        name = f"{what} {point.name} ({point.value})"
        raise SegdataError(
            f"{name} cannot be loaded: {reason}; mend, reinstall or remove its package, {point.package}"
        ) from error
