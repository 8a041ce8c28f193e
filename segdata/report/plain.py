"""Plain: values as JSON has them."""

import math
from typing import Any


def plain(value: Any) -> Any:  # Any: JSON
    """Numbers that are none, within dictionaries and lists too, as null.

    >>> plain({"low": float("nan"), "n": [1, 2.5]})
    {'low': None, 'n': [1, 2.5]}
    """
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
