"""Summed: many small things of one owner as one row, so that a rule can speak of them in one finding."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def summed(things: "pd.DataFrame", by: str) -> "pd.DataFrame":
    """One row per owner, ascending.

    Takes `things` with the columns area, x, y, width, height in pixels, and `by`, the column that names the owner.
    Returns the columns `by`, n (how many), pixels (their sum), and area and box of the largest; of equals the first.
    """
    ordered = things.sort_values([by, "area"], ascending=[True, False], kind="stable")
    groups = ordered.groupby(by, sort=True)
    largest = groups[["area", "x", "y", "width", "height"]].first()
    return largest.assign(n=groups.size(), pixels=groups["area"].sum()).reset_index()
