"""Encoding: the common form of numbers, lists and rows in JSON and CSV reports."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import msgspec

from segdata.core.safe_text import csv_cell


def round_number(value: float) -> float | None:
    """Round a number to six significant digits, so that results do not depend on the machine; NaN is None."""
    return round_finite(value) if math.isfinite(value) else None


def round_finite(value: float) -> float:
    """Round a finite number to six significant digits."""
    return float(f"{value:.6g}") + 0.0  # no negative zero


def format_json(plain: Mapping[str, object], *, flat: bool = False) -> str:
    """A report as JSON text, with one line for each item of its lists; with `flat`, objects are on one line."""
    return "{\n" + ",\n".join(f"  {_text(name)}: {_value(value, flat)}" for name, value in plain.items()) + "\n}\n"


def indent_json(plain: Mapping[str, object]) -> str:
    """A report as JSON text, indented by two spaces."""
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _value(value: object, flat: bool) -> str:
    """A value as JSON: lists of objects and objects of scores with one item per line, all else on one line."""
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"    {_text(item)}" for item in value) + "\n  ]"
    if not flat and isinstance(value, dict) and any(isinstance(item, (dict, list)) for item in value.values()):
        return "{\n" + ",\n".join(f"    {_text(name)}: {_text(item)}" for name, item in value.items()) + "\n  }"
    return _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def encode_result(
    result: msgspec.Struct, kind: type[msgspec.Struct] | None = None, *, rounded: bool = False
) -> dict[str, Any]:  # Any: JSON
    """The fields of a result as JSON values: undefined numbers (NaN) are null, paths are text with slashes.

    `kind`: a base class of the result, whose fields alone are encoded. With `rounded`, numbers have six significant
    digits, as `round_number` gives them.
    """
    values = {name: getattr(result, name) for name in (kind or type(result)).__struct_fields__}
    return {
        name: _clean(msgspec.to_builtins(value, enc_hook=_encode_path), rounded)
        for name, value in values.items()
        if value is not msgspec.UNSET
    }


def _encode_path(value: object) -> str:
    if isinstance(value, PurePath):
        return value.as_posix()
    raise NotImplementedError


def _clean(value: Any, rounded: bool) -> Any:  # Any: JSON
    if isinstance(value, dict):
        return {name: _clean(part, rounded) for name, part in value.items()}
    if isinstance(value, (list, tuple)):  # tuples stay tuples: `format_json` breaks lists alone
        return type(value)(_clean(part, rounded) for part in value)
    if not isinstance(value, float):
        return value
    return round_number(value) if rounded else value if math.isfinite(value) else None


def csv_text(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Heads and rows as CSV; None is an empty cell, and no cell is a formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([map(csv_cell, row) for row in (heads, *rows)])
    return text.getvalue()


def csv_number(value: float) -> str:
    """A number as a cell, with six significant digits; empty if it is not finite."""
    return f"{value + 0.0:.6g}" if math.isfinite(value) else ""
