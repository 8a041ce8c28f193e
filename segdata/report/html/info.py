"""The HTML report of `info`: what is in a dataset, its categories and strata, as one page without a script."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import segdata
from segdata.measure.summary import QUANTILES, Summary
from segdata.report.html.templates import asset, template
from segdata.report.info import dataset_facts, short_number
from segdata.report.pictures.colours import category_colors, css_color

_MOST_STRATA = 24  # side by side; all are in csv and json
_FAR = 3.0  # doublings of a share at which its shade is full
Row = Mapping[Any, Any]  # Any: a row of pandas


@dataclass(frozen=True, slots=True)
class AreaRange:
    """The areas of a category's segments: least, middle and largest in words, and five quantiles on the axis in %."""

    least: str
    middle: str
    most: str
    low: float
    q25: float
    median: float
    q75: float
    high: float

    @staticmethod
    def of(row: Row, begin: float, span: float) -> "AreaRange":
        """Those of a row of a summary's categories, on an axis of logarithms from `begin` over `span`."""
        low, q25, median, q75, high = (100 * (_log_area(row[f"area_{name}"]) - begin) / span for name in QUANTILES)
        least, middle, most = (short_number(row[f"area_{name}"]) for name in ("min", "median", "max"))
        return AreaRange(least, middle, most, low, q25, median, q75, high)


@dataclass(frozen=True, slots=True)
class CategoryLine:
    """A category: how much of it there is; `bar` is its share of the largest share in %."""

    name: str
    id: int
    kind: str
    color: str
    images: int
    segments: int
    share: str
    bar: float
    areas: AreaRange | None


@dataclass(frozen=True, slots=True)
class ShareCell:
    """A category's share of a stratum's pixels; `far` from 0 to 100: how unlike its share of the whole."""

    share: str
    far: int
    is_more: bool


@dataclass(frozen=True, slots=True)
class StrataTable:
    """The strata: (name, images, annotations, segments, effective number of categories), and a table of shares.

    `heads` are the strata of the table, the largest first; `rows` are categories with a cell for each; `left_out` is
    how many strata the table lacks.
    """

    by: str
    strata: list[tuple[str, int, int, int, str]]
    heads: list[str]
    rows: list[tuple[str, list[ShareCell | None]]]
    left_out: int


def to_html(summary: Summary) -> str:
    """The report as one HTML file; the same input gives the same text.

    What Unicode cannot encode stays in the text as it is: write it with `backslashreplace`.
    """
    return template("info.html").render(
        dataset=summary.dataset,
        facts=dataset_facts(summary),
        lines=category_lines(summary),
        portions=None if summary.by is None else _strata_table(summary, summary.by),
        raster_rules=summary.raster_rules,
        raster_rule=summary.profile.raster_rule,
        version=segdata.__version__,
        style=asset("report.css") + asset("info.css"),
    )


def category_lines(summary: Summary) -> list[CategoryLine]:
    """A line per category, in the order of the taxonomy."""
    rows = summary.categories.to_dict("records")
    colors = category_colors(summary.profile.taxonomy)
    largest = max((row["share"] for row in rows), default=0) or 1
    ends = [_log_area(row[f"area_{end}"]) for row in rows for end in ("min", "max") if row["segments"]]
    least, span = min(ends, default=0), (max(ends, default=0) - min(ends, default=0)) or 1
    return [
        CategoryLine(
            row["name"],
            row["id"],
            row["kind"],
            css_color(colors.get(row["id"], (128, 128, 128))),
            row["images"],
            row["segments"],
            f"{row['share']:.2%}",
            100 * row["share"] / largest,
            AreaRange.of(row, least, span) if row["segments"] else None,
        )
        for row in rows
    ]


def _log_area(area: float) -> float:
    """The logarithm of an area; of an empty one as of a pixel."""
    return math.log(max(area, 1))


def _strata_table(summary: Summary, by: str) -> StrataTable:
    """The strata, and how the categories share the pixels of the largest of them."""
    strata = [
        (
            row["stratum"],
            row["images"],
            row["annotations"],
            row["segments"],
            "-" if math.isnan(row["effective"]) else f"{row['effective']:.1f}",
        )
        for row in summary.portions.to_dict("records")
    ]
    shares = summary.strata.pivot_table(index="name", columns="stratum", values="share", sort=False)
    pixels = summary.strata.groupby("name")["pixels"].sum()
    whole: Row = (pixels / max(int(pixels.sum()), 1)).to_dict()
    largest = summary.portions.sort_values("images", ascending=False, kind="stable")["stratum"]
    heads = [name for name in largest if name in shares.columns][:_MOST_STRATA]
    share = shares.to_dict("index")
    names = [name for name in summary.categories["name"] if name in share]
    rows = [(name, [_cell(share[name][head], whole[name]) for head in heads]) for name in names]
    return StrataTable(by, strata, heads, rows, len(strata) - len(heads))


def _cell(share: float, whole: float) -> ShareCell | None:
    """The share of a category in a stratum beside its share of the whole; None where the stratum has none of it."""
    if math.isnan(share):
        return None
    doublings = math.log2(share / whole) if share > 0 and whole > 0 else 0.0
    return ShareCell(f"{share:.2%}", round(100 * min(abs(doublings) / _FAR, 1)), doublings > 0)
