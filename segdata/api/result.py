"""Result: what commands return renders itself, as the command line does with ``--format``."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from segdata.core.finding import Finding

if TYPE_CHECKING:
    import pandas as pd


class Result:
    """What a command returns.

    `table` returns the rows as a pandas table; `to_json` returns what ``--format json`` prints, byte for byte;
    `to_html` returns the HTML report, where the command has one; `findings` are there where the result consists of
    findings.
    """

    _context: Mapping[str, Any] = {}  # Any: what renderers need beside the result, such as the dataset

    def __repr__(self) -> str:
        name, mark, rest = super().__repr__().partition("(")
        return f"{type(self).__name__}({rest}" if mark and name.isidentifier() else f"{name}{mark}{rest}"


R = TypeVar("R", bound=Result)


def promote(cls: type[R], value: Any, **context: Any) -> R:  # Any: of a base class of `cls`; what its renderers need
    """`value` as an instance of `cls`, a subclass of its own class that also renders, with what the renderers need."""
    names = value.__struct_fields__ if isinstance(value, msgspec.Struct) else [field.name for field in fields(value)]
    result = cls(**{name: getattr(value, name) for name in names})
    vars(result)["_context"] = context  # frozen results refuse assignment
    return result


def findings_table(findings: Sequence[Finding]) -> "pd.DataFrame":
    """Findings as a pandas table: one row each, one column a field."""
    import pandas as pd

    names = list(Finding.__dataclass_fields__)
    return pd.DataFrame([{name: getattr(finding, name) for name in names} for finding in findings], columns=names)


def csv_table(text: str) -> "pd.DataFrame":
    """The rows of a CSV report as a pandas table."""
    import pandas as pd

    return pd.read_csv(io.StringIO(text))


def json_table(text: str, key: str | int) -> "pd.DataFrame":
    """One list (or object) of a JSON report as a pandas table; nested fields get names like ``pixels.value``."""
    import pandas as pd

    return pd.json_normalize(json.loads(text)[key])
