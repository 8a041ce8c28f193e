"""Thousands of instances in one image: nothing that is made grows with their number squared."""

import tracemalloc

import numpy as np

import segdata
from segdata.agreement.comparison import compare_panel
from segdata.agreement.panel import PanelMember, build_panel
from segdata.core.dataset import OpenDataset
from segdata.core.taxonomy import Category, Taxonomy

N_ROWS, CELL, SQUARE = 72, 12, 7
N = N_ROWS**2
TAXONOMY = Taxonomy(categories=(Category(id=1, name="cell", kind="thing"),))


def drawn(shift: int, missed: int) -> OpenDataset:
    """Squares on a grid, all moved to the right, without the last ones."""
    ids = np.zeros((N_ROWS * CELL, N_ROWS * CELL), np.uint16)
    blocks = ids.reshape(N_ROWS, CELL, N_ROWS, CELL)
    numbers = np.arange(1, N + 1).reshape(N_ROWS, 1, N_ROWS, 1)
    blocks[:, :SQUARE, :, shift : shift + SQUARE] = np.where(numbers <= N - missed, numbers, 0)
    return segdata.from_arrays({"x.png": (ids, dict.fromkeys(range(1, N - missed + 1), 1))}, TAXONOMY)


def test_thousands_of_instances_make_no_table_of_all_with_all() -> None:
    """Of one byte a pair of instances it would have 27 MB for every two annotators."""
    three = build_panel([PanelMember(drawn(k, missed), f"a{k}") for k, missed in enumerate((0, 100, 10))])
    compare_panel(three, jobs=1)  # what is imported, and kept from then on, counts for nothing
    tracemalloc.start()
    try:
        opposed = compare_panel(three, jobs=1).annotator_pairs
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert opposed is not None
    first = opposed.matches["pair"] == 0
    assert int(first.sum()) == N
    assert int((opposed.matches["b"][first] < 0).sum()) == 100
    assert len(opposed.members) == 3 * N
    assert peak < 2 * N**2  # 1.6 of these are taken
