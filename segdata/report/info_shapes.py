"""What `info --shapes` prints: how large things are, by category, in px and mm."""

import math
from collections.abc import Iterator

import pandas as pd

from segdata.report.paper import Paper, shorten, table

MEASURES = ("area", "length", "width", "feret", "perimeter")


def shapes(found: pd.DataFrame, paper: Paper) -> Iterator[str]:
    """A line for each category and unit: the medians, and of the area the quartiles."""
    rows = []
    for row in found.to_dict("records"):
        for unit, square in (("px", "px"), ("mm", "mm2")):
            middle = {name: row[f"{name}_{square if name == 'area' else unit}_median"] for name in MEASURES}
            if math.isnan(middle["area"]):
                continue
            low, high = (_number(row[f"area_{square}_{span}"]) for span in ("q25", "q75"))
            area = f"{_number(middle['area'])} ({low}-{high})"
            others = [_number(middle[name]) for name in MEASURES[1:]]
            rows.append([shorten(str(row["category"]), 18), f"{row['objects']:,}", unit, area, *others])
    head, *lines = table(("category", "things", "", "area (quartiles)", *MEASURES[1:]), rows, left=(0, 2))
    yield paper.paint(head, "bold")
    yield from lines
    said = (
        "medians; length and width: of the ellipse of the same moments; feret: the largest diameter; perimeter: edges"
    )
    yield from paper.wrap(said, style="dim")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
