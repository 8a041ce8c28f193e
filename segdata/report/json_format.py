"""JSON format: numbers and lists of all JSON reports, written the same way."""

import json
import math
from collections.abc import Mapping
from typing import Any


def round_number(value: float) -> float | None:
    """Six digits that count, so that the last bits of a machine's arithmetic do not; NaN is None."""
    return round_finite(value) if math.isfinite(value) else None


def round_finite(value: float) -> float:
    """The same of a number that is finite."""
    return float(f"{value:.6g}") + 0.0  # no minus before a 0


def format_json(plain: Mapping[str, object]) -> str:
    """A report as JSON text, with a line for each item of its lists."""
    return "{\n" + ",\n".join(f"  {_text(name)}: {_value(value)}" for name, value in plain.items()) + "\n}\n"


def _value(value: object) -> str:
    """A list with an item a line, so has an object with scores; everything else in one."""
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"    {_text(item)}" for item in value) + "\n  ]"
    if isinstance(value, dict) and any(isinstance(item, (dict, list)) for item in value.values()):
        return "{\n" + ",\n".join(f"    {_text(name)}: {_text(item)}" for name, item in value.items()) + "\n  }"
    return _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def replace_nan(value: Any) -> Any:  # Any: JSON
    """Numbers that are none, within dictionaries and lists too, as null.

    >>> plain({"low": float("nan"), "n": [1, 2.5]})
    {'low': None, 'n': [1, 2.5]}
    """
    if isinstance(value, dict):
        return {name: replace_nan(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [replace_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
