"""Names that a module shows and imports on first use.

The stub beside the module (`.pyi`) is their only list: type checkers read it, and `attach` takes the names from there.
scikit-image and others of its family do the same (SPEC 1 of Scientific Python).
"""

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


def attach(module: str, file: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The functions `__getattr__` and `__dir__` of a module, from the names that the stub beside its file imports.

    `__all__` is the sorted list of these names, and of those that the stub declares.
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


@dataclass(frozen=True)
class ImportedOnCall:
    """A function that is imported when it is first called: `place` is ``module:function``.

    So a light module names what is slow to import, and both need not repeat its parameters.
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
