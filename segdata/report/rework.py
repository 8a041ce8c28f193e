"""The reports of a review: how much of the work was corrected, as text and CSV."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any, Literal

from segdata.agreement.results import Score
from segdata.agreement.rework import ReworkCounts, ReworkSummary
from segdata.core.errors import count_noun
from segdata.report.agreement.wording import tolerance_cells, tolerance_in_words
from segdata.report.console import Console, shorten, table
from segdata.report.json_format import encode_result, format_json, result_schema

_EXPLAINED = (  # {}: the tolerance
    "reworked: the share of segments that were deleted, added, recategorised (recat), or whose boundary was moved "
    "by more than {}; pixels: the share that changed; passed: the share of annotations in which none of this "
    "was done"
)
_RATES = ("rework", "pixels", "passed")
_COUNTS = ("images", "segments", "deleted", "added", "recategorised", "moved")


def to_text(found: ReworkSummary, paper: Console) -> str:
    """Everybody's work first, then each annotator's; of each all categories, then the most corrected ones."""
    lines = [paper.paint("segdata rework", "bold")]
    said = f"{count_noun(found.images, 'annotation')} before and after a review"
    if found.unreviewed:
        said += f"; {found.unreviewed:,} more have no counterpart"
    lines += paper.wrap(said, "  ")
    for annotator in dict.fromkeys(each.annotator for each in found.rows):
        rows = [each for each in found.rows if each.annotator == annotator]
        if annotator is not None and len({each.annotator for each in found.rows}) == 2:
            continue  # everybody is one person
        lines += ["", paper.paint(f"  {annotator or 'all annotators'}", "bold"), *_rows(rows, paper)]
    lines += ["", *paper.wrap(_EXPLAINED.format(tolerance_in_words(found.tolerance)), "  ", style="dim")]
    return "\n".join(lines) + "\n"


def to_csv(found: ReworkSummary) -> str:
    """A line for each annotator and category; an empty name stands for all of them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ends = [f"{name}{end}" for name in _RATES for end in ("", "_low", "_high")]
    writer.writerow(["annotator", "category", *_COUNTS, *ends, "tolerance_px", "tolerance_mm"])
    near = tolerance_cells(found.tolerance)
    for each in found.rows:
        values = (getattr(each, name) for name in _RATES)
        numbers = [_number(number) for value in values for number in (value.value, value.low, value.high)]
        writer.writerow([each.annotator, each.category, *(getattr(each, name) for name in _COUNTS), *numbers, *near])
    return out.getvalue()


def _rows(rows: Sequence[ReworkCounts], paper: Console) -> list[str]:
    ordered = [rows[0], *sorted(rows[1:], key=lambda each: (-each.rework.value, each.category or ""))]
    cells = [
        [
            shorten(each.category or "all", 16),
            *(f"{getattr(each, name):,}" for name in ("segments", "deleted", "added", "recategorised", "moved")),
            _share(each.rework),
            *("-" if math.isnan(rate.value) else f"{rate.value:.1%}" for rate in (each.pixels, each.passed)),
        ]
        for each in ordered
    ]
    heads = ("category", "segments", "deleted", "added", "recat", "moved", "reworked", "pixels", "passed")
    return [f"  {line}" for line in table(heads, cells)]


def _share(value: Score) -> str:
    if math.isnan(value.value):
        return "-"
    ends = "" if math.isnan(value.low) else f" {value.low:.0%}-{value.high:.0%}"
    return f"{value.value:.0%}{ends}"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


class ReworkReport(ReworkSummary, frozen=True, kw_only=True):
    """The report of `segdata rework`."""

    version: Literal[1] = 1


def to_json(found: ReworkSummary) -> str:
    """All rows as JSON; the same input gives the same text."""
    return format_json({**encode_result(found), "version": 1})


def rework_schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return result_schema(ReworkReport)
