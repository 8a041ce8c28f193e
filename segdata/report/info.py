"""Dataset information: the report of `info` as text, JSON, CSV and HTML."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pandas as pd

import segdata
from segdata.core.errors import count_noun
from segdata.core.finding import Count
from segdata.core.profile import Policy, Profile
from segdata.core.safe_text import csv_cell
from segdata.core.taxonomy import DRAFTED
from segdata.measure.summary import EFFECTIVE_BETA, QUANTILES, ChannelStatistics, Summary
from segdata.report.console import Console, shorten, table
from segdata.report.encoding import encode_result, indent_json
from segdata.report.html import asset, template
from segdata.report.pictures.colors import category_colors, css_color

_SHAPE_MEASURES = ("area", "length", "width", "feret", "perimeter")


def _shape_lines(shapes: pd.DataFrame, console: Console) -> Iterator[str]:
    rows = []
    for row in shapes.to_dict("records"):
        for unit, square in (("px", "px"), ("mm", "mm2")):
            middle = {name: row[f"{name}_{square if name == 'area' else unit}_median"] for name in _SHAPE_MEASURES}
            if math.isnan(middle["area"]):
                continue
            low, high = (_number(row[f"area_{square}_{span}"]) for span in ("q25", "q75"))
            area = f"{_number(middle['area'])} ({low}-{high})"
            others = [_number(middle[name]) for name in _SHAPE_MEASURES[1:]]
            rows.append([shorten(str(row["category"]), 18), f"{row['objects']:,}", unit, area, *others])
    yield from console.table(("category", "things", "", "area (quartiles)", *_SHAPE_MEASURES[1:]), rows, left=(0, 2))
    text = (
        "medians; length and width: of the ellipse with the same moments; feret: the largest diameter; perimeter: edges"
    )
    yield from console.wrap(text, style="dim")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


_WEIGHTS = {
    "weight": "inverse square root of the frequency",
    "weight_inverse": "inverse frequency",
    "weight_median": "median frequency",
    "weight_effective": f"effective number of samples, beta {EFFECTIVE_BETA}",
}


def _weight_lines(summary: Summary, console: Console) -> Iterator[str]:
    rows = summary.categories[summary.categories["kind"] != "void"]
    for name, comment in _WEIGHTS.items():
        yield console.paint(f"# {comment}", "dim")
        pairs = zip(rows["name"].tolist(), rows[name].tolist(), strict=True)
        words = [f"{category!r}: {weight:.6g}," for category, weight in pairs]
        yield from console.wrap([f"{name} = {{", *words, "}"], "", "    ")


def _channel_lines(groups: Sequence[ChannelStatistics], unread: int, console: Console) -> Iterator[str]:
    """Mean and standard deviation of the channels of each kind of image, for values in [0, 1]."""
    for group in groups:
        scaled = "" if group.top == 1 else f", divided by {group.top:,.0f}"
        images = count_noun(group.n_images, "image")
        yield console.paint(f"# {images} of {len(group.mean)} x {group.dtype}{scaled}", "dim")
        for name, values in (("mean", group.mean), ("std", group.std)):
            words = [f"{value / group.top:.6f}," for value in values]
            yield from console.wrap([f"{name} = [", *words[:-1], words[-1].rstrip(",") + "]"], "", "    ")
    if unread or not groups:
        yield from console.wrap(f"{count_noun(unread, 'image')} without a readable file", style="dim")


_MAX_EMPTY = 8  # categories without segments that the text lists
_CELL_WIDTH = 10  # columns of a share
_HEADS = ("category", "id", "kind", "images", "segments", "share", "area:min", "median", "max")


def info_text(summary: Summary, console: Console, with_weights: bool = False) -> str:
    """Facts about the dataset, a line per category in the order of the taxonomy, and the requested extras."""
    lines = [console.paint(f"segdata info {shorten(summary.dataset, console.width - 13)}", "bold"), ""]
    for name, value in dataset_facts(summary).items():
        lines += console.wrap(value, f"{name:<20}  ", " " * 22)
    lines += ["", *_category_lines(summary.categories, console)]
    if summary.by is not None:
        lines += ["", *_strata_lines(summary, console)]
    if summary.raster_rules:
        lines += ["", *_raster_rule_lines(summary, console)]
    if summary.shapes is not None:
        lines += ["", *_shape_lines(summary.shapes, console)]
    if with_weights:
        lines += ["", *_weight_lines(summary, console)]
    if summary.channels is not None:
        lines += ["", *_channel_lines(summary.channels, summary.unread, console)]
    for advice in summary.advice:
        lines += ["", *console.wrap(f"advice: {advice}", "", "  ")]
    return "\n".join(lines) + "\n"


def dataset_facts(summary: Summary) -> dict[str, str]:
    """Facts about the whole dataset: name -> text."""
    profile = summary.profile
    facts = {
        "format": profile.format,
        **{f"{role} in": place for role, place in profile.places.items()},  # the number of images is a fact too
        "task": profile.task,
        "coverage": _policy(profile.coverage),
        "overlap": _policy(profile.overlap),
        "taxonomy": _origin(profile),
        **{name: f"{value:,}" if isinstance(value, int) else str(value) for name, value in summary.facts.items()},
    }
    if summary.facts["annotations"] and not summary.facts["annotators"]:
        facts["annotators"] = "not named"
    if summary.content_hash is not None:
        facts["content hash"] = summary.content_hash
    return facts


def _raster_rule_lines(summary: Summary, console: Console) -> Iterator[str]:
    """Lines about polygons that have other pixels by the raster rules of other tools."""
    rows = [
        [rule, f"{differing:,}", f"{n_drawn:,}", f"{pixels:,}"]
        for rule, (n_drawn, differing, pixels) in summary.raster_rules.items()
    ]
    yield from console.table(("raster rule", "differing", "of", "pixels"), rows, left=(0,))
    own_rule = summary.profile.raster_rule
    text = f"segments whose polygons have other pixels by that rule than by the rule used here: {own_rule}"
    yield from console.wrap(text, style="dim")


class PolicyInfo(msgspec.Struct, frozen=True):
    """A policy, for all categories or by name; `declared`: a person wrote it down, else it is the format's default."""

    value: str | Mapping[str, str]
    declared: bool


class CategoryInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A category: its counts, weights for a loss, and quantiles of its segments' areas in pixels."""

    id: int
    name: str
    kind: str
    images: Count
    segments: Count
    pixels: Count
    share: float
    weight: float | None
    weight_inverse: float | None
    weight_median: float | None
    weight_effective: float | None
    area_min: float | None
    area_q25: float | None
    area_median: float | None
    area_q75: float | None
    area_max: float | None


class StratumCategory(msgspec.Struct, frozen=True, kw_only=True):
    """A category in one stratum; `share` is that of the stratum's pixels."""

    id: int
    name: str
    images: Count
    segments: Count
    pixels: Count
    share: float | None


class StratumInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A stratum; `effective` is the effective number of its categories."""

    stratum: str
    images: Count
    annotations: Count
    segments: Count
    effective: float | None
    categories: tuple[StratumCategory, ...]


class RasterRuleInfo(msgspec.Struct, frozen=True):
    """Segments with polygons, how many of them have other pixels by this rule, and pixels that they gain or lose."""

    segments: Count
    differing: Count
    pixels: Count


class InfoReport(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a dataset; undefined numbers are null.

    `facts` are for people, and later versions may add some. `by` and `strata`, `channels` and `unread_images`, `shapes`
    (a row for each category: its name, the number of objects, quartiles of sizes) and `raster_rules` are present on
    request.
    """

    version: Literal[1] = 1
    dataset: str
    format: str
    task: str
    coverage: PolicyInfo
    overlap: PolicyInfo
    taxonomy_declared: bool
    content_hash: str | None
    facts: dict[str, int | str]
    categories: tuple[CategoryInfo, ...]
    by: str | msgspec.UnsetType = msgspec.UNSET
    strata: tuple[StratumInfo, ...] | msgspec.UnsetType = msgspec.UNSET
    channels: tuple[ChannelStatistics, ...] | msgspec.UnsetType = msgspec.UNSET
    unread_images: Count | msgspec.UnsetType = msgspec.UNSET
    shapes: tuple[dict[str, str | float | None], ...] | msgspec.UnsetType = msgspec.UNSET
    advice: tuple[str, ...]
    raster_rules: dict[str, RasterRuleInfo] | msgspec.UnsetType = msgspec.UNSET


def info_json(summary: Summary) -> str:
    """The information as one JSON object."""
    profile, unset = summary.profile, msgspec.UNSET
    rules = {rule: RasterRuleInfo(*counts) for rule, counts in summary.raster_rules.items()}
    report = InfoReport(
        dataset=summary.dataset,
        format=profile.format,
        task=profile.task,
        coverage=PolicyInfo(profile.coverage.value, profile.coverage.declared),
        overlap=PolicyInfo(profile.overlap.value, profile.overlap.declared),
        taxonomy_declared=profile.taxonomy_declared,
        content_hash=summary.content_hash,
        facts=summary.facts,
        categories=tuple(CategoryInfo(**_json_row(row)) for row in summary.categories.to_dict("records")),
        by=unset if summary.by is None else summary.by,
        strata=unset if summary.by is None else tuple(_strata(summary)),
        channels=unset if summary.channels is None else summary.channels,
        unread_images=unset if summary.channels is None else summary.unread,
        shapes=unset if summary.shapes is None else tuple(map(_json_row, summary.shapes.to_dict("records"))),
        advice=summary.advice,
        raster_rules=rules or unset,
    )
    return indent_json(encode_result(report))


def _strata(summary: Summary) -> Iterator[StratumInfo]:
    for portion in map(_json_row, summary.portions.to_dict("records")):
        own = summary.strata[summary.strata["stratum"] == str(portion["stratum"])].drop(columns="stratum")
        categories = tuple(StratumCategory(**_json_row(row)) for row in own.to_dict("records"))
        yield StratumInfo(**portion, categories=categories)


def info_csv(summary: Summary) -> str:
    """The table of categories as CSV, for each stratum if results are grouped; undefined numbers are empty."""
    rows = summary.categories if summary.by is None else summary.strata.rename(columns={"stratum": summary.by})
    columns = [str(name) for name in rows.columns]
    return (
        rows.map(csv_cell)
        .set_axis([csv_cell(name) for name in columns], axis=1)
        .to_csv(index=False, lineterminator="\n")
    )


def _json_row(row: Mapping[Any, Any]) -> dict[str, Any]:  # Any: JSON
    return {str(name): _finite_or_none(value) for name, value in row.items()}


def _strata_lines(summary: Summary, console: Console) -> Iterator[str]:
    """The size of each stratum, then the categories' shares of its pixels, for as many strata as fit."""
    rows = [
        [str(row.stratum), f"{row.images:,}", f"{row.annotations:,}", f"{row.segments:,}", f"{row.effective:.1f}"]
        for row in summary.portions.itertuples(index=False)
    ]
    yield from console.table((f"by {summary.by}", "images", "annotations", "segments", "effective categories"), rows)
    shares = summary.strata.pivot_table(index="name", columns="stratum", values="share", sort=False)
    names = [name for name in summary.categories["name"] if name in shares.index]
    largest = summary.portions.sort_values("images", ascending=False, kind="stable")["stratum"]
    shown = [name for name in largest if name in shares.columns][: max((console.width - 22) // (_CELL_WIDTH + 2), 1)]
    cells = [
        [
            shorten(name, 20),
            *("-" if math.isnan(stratum) else share_in_words(stratum) for stratum in shares.loc[name, shown]),
        ]
        for name in names
    ]
    head, *lines = table(("share of the pixels", *(shorten(stratum, _CELL_WIDTH) for stratum in shown)), cells)
    yield ""
    yield console.paint(head, "bold")
    yield from lines
    if len(summary.portions) > len(shown):
        yield from console.wrap(
            f"{len(summary.portions) - len(shown)} more; use --format csv or json to see all", style="dim"
        )


def _category_lines(categories: pd.DataFrame, console: Console) -> Iterator[str]:
    if categories.empty:
        yield "no categories"
        return
    is_empty = categories["segments"] == 0
    n_folded = is_empty.sum() if is_empty.sum() > _MAX_EMPTY else 0
    categories = categories[~is_empty] if n_folded else categories
    numbers_of = categories[["share", "area_min", "area_median", "area_max"]].to_numpy(dtype=float)
    rows = [
        [
            str(row.name),
            str(row.id),
            str(row.kind),
            f"{row.images:,}",
            f"{row.segments:,}",
            share_in_words(share),
            *map(short_number, areas),
        ]
        for row, (share, *areas) in zip(categories.itertuples(index=False), numbers_of.tolist(), strict=True)
    ]
    head, *lines = table(_HEADS, rows, left=(0, 2), width=console.width)
    yield console.paint(head, "bold")
    for row, line in zip(rows, lines, strict=True):
        yield console.paint(line, "dim") if row[4] == "0" else line
    if n_folded:
        yield console.paint(f"and {n_folded:,} categories without segments (--format csv lists them)", "dim")
    yield console.paint("share: of the labelled pixels; area: of the segments, in pixels", "dim")


def _origin(profile: Profile) -> str:
    if profile.taxonomy_declared:
        return "given (by taxonomy.yaml or the format)"
    drafted = any((category.definition or "").startswith(DRAFTED) for category in profile.taxonomy.categories)
    return "drafted from the values in the masks (segdata init writes it)" if drafted else "from the data"


def share_in_words(share: float) -> str:
    """Format a share as a percentage; what is not zero never reads as zero.

    >>> share_in_words(0.1234), share_in_words(1e-6), share_in_words(0)
    ('12.34%', '<0.01%', '0.00%')
    """
    return "<0.01%" if 0 < share < 0.00005 else f"{share:.2%}"


def short_number(value: float) -> str:
    """Format a number in few characters."""
    if math.isnan(value):
        return "-"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}"
    return f"{value:,.0f}"


def _policy(policy: Policy[Any]) -> str:  # Any: of either sort
    return f"{policy.value} ({'declared' if policy.declared else 'default of the format'})"


def _finite_or_none(value: object) -> object:
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain


_MAX_STRATA = 24  # side by side; all are in csv and json
_FULL_SHADE_DOUBLINGS = 3.0  # of a share, at which its shade is full
Row = Mapping[Any, Any]  # Any: a row of pandas


@dataclass(frozen=True, slots=True)
class AreaRange:
    """The areas of a category's segments: minimum, median and maximum in words, and five quantiles in % of the axis."""

    least: str
    middle: str
    most: str
    low: float
    q25: float
    median: float
    q75: float
    high: float

    @staticmethod
    def from_row(row: Row, begin: float, span: float) -> "AreaRange":
        """Build from a row of a summary's categories, on a logarithmic axis from `begin` over `span`."""
        low, q25, median, q75, high = (100 * (_log_area(row[f"area_{name}"]) - begin) / span for name in QUANTILES)
        least, middle, most = (short_number(row[f"area_{name}"]) for name in ("min", "median", "max"))
        return AreaRange(least=least, middle=middle, most=most, low=low, q25=q25, median=median, q75=q75, high=high)


@dataclass(frozen=True, slots=True)
class CategoryLine:
    """A line of a category; `bar` is its share in % of the largest share."""

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
    """A category's share of a stratum's pixels; `far` from 0 to 100 is its difference from the share in the dataset."""

    share: str
    far: int
    is_more: bool


@dataclass(frozen=True, slots=True)
class StrataTable:
    """The strata: (name, images, annotations, segments, effective number of categories), and a table of shares.

    `heads` are the strata of the table, the largest first; `rows` are categories with a cell for each; `left_out` is
    the number of strata that the table omits.
    """

    by: str
    strata: list[tuple[str, int, int, int, str]]
    heads: list[str]
    rows: list[tuple[str, list[ShareCell | None]]]
    left_out: int


def info_html(summary: Summary) -> str:
    """The report as one HTML file; the same input gives the same text.

    The text may contain characters that Unicode cannot encode: write it with `backslashreplace`.
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
            name=row["name"],
            id=row["id"],
            kind=row["kind"],
            color=css_color(colors.get(row["id"], (128, 128, 128))),
            images=row["images"],
            segments=row["segments"],
            share=share_in_words(row["share"]),
            bar=100 * row["share"] / largest,
            areas=AreaRange.from_row(row, least, span) if row["segments"] else None,
        )
        for row in rows
    ]


def _log_area(area: float) -> float:
    """The logarithm of an area; an area of 0 counts as one pixel."""
    return math.log(max(area, 1))


def _strata_table(summary: Summary, by: str) -> StrataTable:
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
    heads = [name for name in largest if name in shares.columns][:_MAX_STRATA]
    share = shares.to_dict("index")
    names = [name for name in summary.categories["name"] if name in share]
    rows = [(name, [_cell(share[name][head], whole[name]) for head in heads]) for name in names]
    return StrataTable(by, strata, heads, rows, len(strata) - len(heads))


def _cell(share: float, whole: float) -> ShareCell | None:
    """The cell of a category in a stratum, from its shares there and in the dataset; None if it does not occur."""
    if math.isnan(share):
        return None
    doublings = math.log2(share / whole) if share > 0 and whole > 0 else 0.0
    return ShareCell(share_in_words(share), round(100 * min(abs(doublings) / _FULL_SHADE_DOUBLINGS, 1)), doublings > 0)
