"""Panels: options that nobody knows are refused, by name, wherever options are passed on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import segdata
from segdata.core.taxonomy import Category, Taxonomy

DATA = segdata.from_arrays({"a": [(np.ones((4, 4), bool), "car")]}, Taxonomy(categories=(Category(id=1, name="car"),)))
CALLS: dict[str, Callable[..., Any]] = {  # Any: results of all sorts
    "rework": lambda **more: segdata.rework(DATA, DATA, **more),
    "scorecard": lambda **more: segdata.scorecard(DATA, **more),
    "evaluate": lambda **more: segdata.evaluate(DATA, DATA, **more),
    "agree": lambda **more: segdata.agree({"x": DATA, "y": DATA}, **more),
    "consensus": lambda **more: segdata.consensus({"x": DATA, "y": DATA}, "nowhere", **more),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_unknown_option(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'tolerence'"):
        CALLS[name](tolerence=3)


@pytest.mark.parametrize("name", ["evaluate", "consensus"])
def test_what_has_no_boundaries_has_no_tolerance(name: str) -> None:
    with pytest.raises(TypeError, match="'tolerance'"):
        CALLS[name](tolerance=3.0)
