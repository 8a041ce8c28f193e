"""JSON format: numbers and lists of all JSON reports, written the same way."""

import json
import math
from collections.abc import Mapping
from typing import Any


def round_number(value: float) -> float | None:
    """A number to six significant digits, so that results do not depend on the machine; NaN is None."""
    return round_finite(value) if math.isfinite(value) else None


def round_finite(value: float) -> float:
    """A finite number to six significant digits."""
    return float(f"{value:.6g}") + 0.0  # no negative zero


def format_json(plain: Mapping[str, object]) -> str:
    """A report as JSON text, with one line for each item of its lists."""
    return "{\n" + ",\n".join(f"  {_text(name)}: {_value(value)}" for name, value in plain.items()) + "\n}\n"


def _value(value: object) -> str:
    """A value as JSON: lists of objects and objects of scores with one item per line, all else on one line."""
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"    {_text(item)}" for item in value) + "\n  ]"
    if isinstance(value, dict) and any(isinstance(item, (dict, list)) for item in value.values()):
        return "{\n" + ",\n".join(f"    {_text(name)}: {_text(item)}" for name, item in value.items()) + "\n  }"
    return _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def replace_nan(value: Any) -> Any:  # Any: JSON
    """Replace NaN and infinity by None, also within dictionaries and lists.

    >>> replace_nan({"low": float("nan"), "n": [1, 2.5]})
    {'low': None, 'n': [1, 2.5]}
    """
    if isinstance(value, dict):
        return {name: replace_nan(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [replace_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
