"""Result: base of the results of commands, which render themselves as the command line does with ``--format``."""

import inspect
import io
import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    import pandas as pd


class Result:
    """The result of a command.

    `table` returns the rows as a pandas table; `to_json` returns what ``--format json`` prints, byte for byte;
    `to_html` returns the HTML report, where the command has one; `findings` are there where the result consists of
    findings.
    """

    _context: Mapping[str, Any] = {}  # Any: what renderers need beside the result, such as the dataset

    def __init_subclass__(cls) -> None:
        """Add to the help page what our bases, which hold the fields, say about them below their first line."""
        ours = (base for base in cls.__mro__[1:] if base.__module__.startswith("segdata."))
        pages = (inspect.cleandoc(base.__doc__ or "").partition("\n\n")[2] for base in ours)
        if cls.__doc__:
            cls.__doc__ = "\n\n".join([inspect.cleandoc(cls.__doc__), *filter(None, pages)])

    def __repr__(self) -> str:
        if isinstance(self, (tuple, list)):
            return f"{type(self).__name__}({textwrap.shorten(repr([*self])[1:-1], _MAX_LENGTH, placeholder=' …')})"
        function = getattr(super().__repr__, "__func__", None)  # None: msgspec's
        if function is not None and not hasattr(function, "__wrapped__"):  # the class's own, not dataclass's
            name, mark, rest = super().__repr__().partition("(")
            return f"{type(self).__name__}({rest}" if mark and name.isidentifier() else f"{name}{mark}{rest}"
        parts = filter(None, (_brief(name, getattr(self, name)) for name in _field_names(self)))
        return f"{type(self).__name__}({textwrap.shorten(', '.join(parts), _MAX_LENGTH, placeholder=' …')})"


_MAX_LENGTH = 160  # of the fields in a representation, for notebooks


def _field_names(value: Any) -> Sequence[str]:  # Any: a structure or dataclass
    return value.__struct_fields__ if isinstance(value, msgspec.Struct) else [field.name for field in fields(value)]


def _brief(name: str, value: object) -> str:
    """A field of a representation: its value if that is short, else the number of its items.

    >>> _brief("images", 8), _brief("findings", [1] * 40)
    ('images=8', 'findings: 40')
    """
    if isinstance(value, (str, int, float, Path)) or (
        isinstance(value, tuple) and len(repr(value)) <= _MAX_LENGTH // 4
    ):
        return f"{name}={value!r}"
    return f"{name}: {len(value)}" if isinstance(value, Sized) else ""


R = TypeVar("R", bound=Result)


def promote(cls: type[R], value: Any, **context: Any) -> R:  # Any: of a base class of `cls`; what its renderers need
    """Turn `value` into an instance of `cls`, a subclass of its class that renders itself with the `context`."""
    result = cls(**{name: getattr(value, name) for name in _field_names(value)})
    vars(result)["_context"] = context  # frozen results refuse assignment
    return result


def records_table(records: Iterable[object], names: Sequence[str]) -> "pd.DataFrame":
    """Records as a pandas table: one row each, a column for each of their attributes `names`."""
    import pandas as pd

    return pd.DataFrame([{name: getattr(record, name) for name in names} for record in records], columns=list(names))


def csv_table(text: str) -> "pd.DataFrame":
    """The rows of a CSV report as a pandas table."""
    import pandas as pd

    return pd.read_csv(io.StringIO(text))


def json_table(text: str, key: str | int) -> "pd.DataFrame":
    """One list (or object) of a JSON report as a pandas table; nested fields get names like ``pixels.value``."""
    import pandas as pd

    return pd.json_normalize(json.loads(text)[key])
