"""The extra `medical`: packages that only the formats of medicine need, imported when they are used."""

from importlib import import_module
from typing import Any

from segdata.core.errors import SegdataError


def package(name: str) -> Any:  # Any: a module, typed or not, that may not be installed
    """A module by its name; raises SegdataError that says how to get it."""
    try:
        return import_module(name)
    except ImportError as error:
        missing = error.name or name
        raise SegdataError(f"{missing} is not installed; pip install 'segdata[medical]'") from error
