"""Fit: advice where regions are several things large, and where instances say no more than classes."""

import random

import pandas as pd
import pytest

from segdata.measure.measure import measure_source
from segdata.measure.summary import _summary_facts, task_advice
from segdata.testing.pictures import draw_picture


def said(text: str) -> list[str]:
    return list(task_advice(measure_source(draw_picture(text), frozenset({"parts"}), jobs=1)))


def cells(wide: list[int]) -> str:
    """Regions 4 pixels high and as wide as said, side by side."""
    row = "".join("a" * each + "." for each in wide)
    return "\n".join([row] * 4) + "\n\na: cell\ntask: semantic"


def test_regions_several_cells_large() -> None:
    (line,) = said(cells([5] * 40 + [20] * 5))
    assert "33% of the pixels of 'cell' are in 5 regions more than 2.5 times as large as the median of 20 px" in line


def test_nothing_is_said_of_sizes_that_vary_or_are_alike_or_few() -> None:
    varied = random.Random(0).choices(range(4, 40), k=60)
    for wide in ([5] * 60, varied, [5] * 10 + [20] * 5):
        assert said(cells(wide)) == []
    assert said(cells([5] * 40 + [20] * 5).replace("a: cell", "a: field (stuff)")) == []


def test_instances_that_are_one_a_category() -> None:
    one = "\n\n".join(["ab"] * 30)
    (line,) = said(one + "\n\ntask: instance")
    assert "no image has two instances of one category (30 images with things)" in line
    assert said(one + "\n\nac\n\na, c: car\ntask: instance") == []
    assert said(one.replace("ab\n\n", "", 1) + "\n\ntask: instance") == []


@pytest.mark.parametrize(("n_sizes", "more"), [(1, ""), (5, ""), (6, ", 1 more"), (8, ", 3 more")])
def test_five_sizes_are_listed_and_the_others_counted(n_sizes: int, more: str) -> None:
    """The most common one first."""
    pictures = ["a" * (size + 1) for size in range(n_sizes) for _ in range(n_sizes - size)]
    tables = measure_source(draw_picture("\n\n".join(pictures)), frozenset({"coverage"}), jobs=1)
    facts = _summary_facts(tables, pd.DataFrame({"segments": [len(pictures)], "pixels": [1], "kind": ["thing"]}))
    listed = ", ".join(f"{size + 1}x1 ({n_sizes - size})" for size in range(min(n_sizes, 5)))
    assert facts["image sizes"] == listed + more
    assert facts["pixels of all images"] == sum(map(len, pictures))
    assert (facts["images"], facts["segments"], facts["empty annotations"]) == (len(pictures), len(pictures), 0)
