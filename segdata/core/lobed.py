"""Lobed: segments that are larger and less convex than their companions, and whose lobes are like these."""

import numpy as np

from segdata.core.companions import are_things
from segdata.core.rule import Tables
from segdata.core.table import Table

_LEAST_SPREAD = 0.2  # of the logarithm of area
_LEAST_SOLIDITY = 0.02  # of the spread of solidity, or
_COARSE = 0.15  # of a pixel's share of a segment's side: small outlines are coarse
_PART = 2.0  # how unusual the area of a lobe may be
_SOLIDITY = 3.0  # and its solidity


def lobed(tables: Tables) -> Table:
    """The rows of `lobes` whose two largest lobes are like their companions, with how much more unusual the whole is.

    Adds the columns area_z and bent_z, robust scores of the logarithm of the segment's area and of its lack of
    solidity; and gain: by how much both together exceed the score of its more unusual lobe.
    """
    table, area = tables.lobes, tables.segments["area"]
    middle, spread = np.log(table["typical"]), np.maximum(table["spread"], _LEAST_SPREAD)
    scale = np.maximum(table["solidity_spread"], np.maximum(_LEAST_SOLIDITY, _COARSE / np.sqrt(table["typical"])))
    area_z = (np.log(area[table["segment"]]) - middle) / spread
    bent_z = (table["typical_solidity"] - table["solidity"]) / scale
    first, second = ((np.log(table[name]) - middle) / spread for name in ("first", "second"))
    bent = (table["typical_solidity"] - table["lobe_solidity"]) / scale
    worst = np.maximum.reduce([first, -second, bent, np.zeros(len(table))])
    gain = np.hypot(np.maximum(area_z, 0), np.maximum(bent_z, 0)) - worst
    alike = (first <= _PART) & (second >= -_PART) & (bent <= _SOLIDITY)
    alike &= are_things(tables)[table["segment"]]
    return table.beside(area_z=area_z, bent_z=bent_z, gain=gain).take(alike)
