"""Dataset information: the report of `info` as tables, JSON and CSV."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from segdata.core.profile import Policy, Profile
from segdata.measure.summary import Summary
from segdata.measure.training_statistics import EFFECTIVE_BETA, ChannelStatistics
from segdata.report.console import Console, shorten, table

_SHAPE_MEASURES = ("area", "length", "width", "feret", "perimeter")


def _shape_lines(found: pd.DataFrame, paper: Console) -> Iterator[str]:
    """A line for each category and unit: the medians, and of the area the quartiles."""
    rows = []
    for row in found.to_dict("records"):
        for unit, square in (("px", "px"), ("mm", "mm2")):
            middle = {name: row[f"{name}_{square if name == 'area' else unit}_median"] for name in _SHAPE_MEASURES}
            if math.isnan(middle["area"]):
                continue
            low, high = (_number(row[f"area_{square}_{span}"]) for span in ("q25", "q75"))
            area = f"{_number(middle['area'])} ({low}-{high})"
            others = [_number(middle[name]) for name in _SHAPE_MEASURES[1:]]
            rows.append([shorten(str(row["category"]), 18), f"{row['objects']:,}", unit, area, *others])
    head, *lines = table(("category", "things", "", "area (quartiles)", *_SHAPE_MEASURES[1:]), rows, left=(0, 2))
    yield paper.paint(head, "bold")
    yield from lines
    said = (
        "medians; length and width: of the ellipse of the same moments; feret: the largest diameter; perimeter: edges"
    )
    yield from paper.wrap(said, style="dim")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


_WEIGHTS = {
    "weight": "inverse square root of the frequency",
    "weight_inverse": "inverse frequency",
    "weight_median": "median frequency",
    "weight_effective": f"effective number of samples, beta {EFFECTIVE_BETA}",
}


def _weight_lines(summary: Summary, paper: Console) -> Iterator[str]:
    """Each sort of weights as a dictionary of Python, void left out; exact to six digits."""
    rows = summary.categories[summary.categories["kind"] != "void"]
    for name, what in _WEIGHTS.items():
        yield paper.paint(f"# {what}", "dim")
        pairs = zip(rows["name"].tolist(), rows[name].tolist(), strict=True)
        words = [f"{category!r}: {weight:.6g}," for category, weight in pairs]
        yield from paper.wrap([f"{name} = {{", *words, "}"], "", "    ")


def _channel_lines(found: Sequence[ChannelStatistics], unread: int, paper: Console) -> Iterator[str]:
    """Mean and standard deviation of the channels of each sort of image, of values in [0, 1]."""
    for each in found:
        scaled = "" if each.top == 1 else f", divided by {each.top:,.0f}"
        images = f"{each.n_images:,} {'image' if each.n_images == 1 else 'images'}"
        yield paper.paint(f"# {images} of {len(each.mean)} x {each.dtype}{scaled}", "dim")
        for name, values in (("mean", each.mean), ("std", each.std)):
            words = [f"{value / each.top:.6f}," for value in values]
            yield from paper.wrap([f"{name} = [", *words[:-1], words[-1].rstrip(",") + "]"], "", "    ")
    if unread or not found:
        yield from paper.wrap(f"{unread:,} images without a file that can be read", style="dim")


_CELL = 10  # columns of a share
_HEADS = ("category", "id", "kind", "images", "segments", "share", "area:min", "median", "max")


def info_text(summary: Summary, paper: Console, with_weights: bool = False) -> str:
    """Facts about the whole, then a line per category, in the order of the taxonomy, and what else was asked for."""
    lines = [paper.paint(f"segdata info {shorten(summary.dataset, paper.width - 13)}", "bold"), ""]
    for name, value in dataset_facts(summary).items():
        lines += paper.wrap(value, f"{name:<20}  ", " " * 22)
    lines += ["", *_category_lines(summary.categories, paper)]
    if summary.by is not None:
        lines += ["", *_strata_lines(summary, paper)]
    if summary.raster_rules:
        lines += ["", *_raster_rule_lines(summary, paper)]
    if summary.shapes is not None:
        lines += ["", *_shape_lines(summary.shapes, paper)]
    if with_weights:
        lines += ["", *_weight_lines(summary, paper)]
    if summary.channels is not None:
        lines += ["", *_channel_lines(summary.channels, summary.unread, paper)]
    for said in summary.advice:
        lines += ["", *paper.wrap(f"advice: {said}", "", "  ")]
    return "\n".join(lines) + "\n"


def dataset_facts(summary: Summary) -> dict[str, str]:
    """What there is to say of the whole: name -> text."""
    profile = summary.profile
    found = {
        "format": profile.format,
        **{f"{role} in": place for role, place in profile.places.items()},  # the number of images is a fact too
        "task": profile.task,
        "coverage": _policy(profile.coverage),
        "overlap": _policy(profile.overlap),
        "taxonomy": _origin(profile),
        **{name: f"{value:,}" if isinstance(value, int) else str(value) for name, value in summary.facts.items()},
    }
    if summary.facts["annotations"] and not summary.facts["annotators"]:
        found["annotators"] = "not named"
    if summary.content_hash is not None:
        found["content hash"] = summary.content_hash
    return found


def _raster_rule_lines(summary: Summary, paper: Console) -> Iterator[str]:
    """Where polygons have other pixels by the rule of another tool."""
    rows = [
        [rule, f"{differing:,}", f"{drawn:,}", f"{pixels:,}"]
        for rule, (drawn, differing, pixels) in summary.raster_rules.items()
    ]
    head, *lines = table(("drawn by", "differing", "of", "pixels"), rows, left=(0,))
    yield paper.paint(head, "bold")
    yield from lines
    own = summary.profile.raster_rule
    said = f"segments whose polygons have other pixels by that rule than here, where they are drawn by: {own}"
    yield from paper.wrap(said, style="dim")


def info_json(summary: Summary) -> str:
    """The same as one JSON object; undefined numbers are null."""
    profile = summary.profile
    rows = [_plain(row) for row in summary.categories.to_dict("records")]
    found: dict[str, Any] = {  # Any: JSON
        "version": 1,
        "dataset": summary.dataset,
        "format": profile.format,
        "task": profile.task,
        "coverage": {"value": profile.coverage.value, "declared": profile.coverage.declared},
        "overlap": {"value": profile.overlap.value, "declared": profile.overlap.declared},
        "taxonomy_declared": profile.taxonomy_declared,
        "content_hash": summary.content_hash,
        "facts": summary.facts,
        "categories": rows,
    }
    if summary.by is not None:
        found["by"] = summary.by
        found["strata"] = [
            {**_plain(portion), "categories": [_plain(row) for row in _stratum_rows(summary, str(portion["stratum"]))]}
            for portion in summary.portions.to_dict("records")
        ]
    if summary.channels is not None:
        found["channels"] = [asdict(each) for each in summary.channels]
        found["unread_images"] = summary.unread
    if summary.shapes is not None:
        found["shapes"] = [_plain(row) for row in summary.shapes.to_dict("records")]
    found["advice"] = list(summary.advice)
    if summary.raster_rules:
        found["raster_rules"] = {
            rule: dict(zip(("segments", "differing", "pixels"), counts, strict=True))
            for rule, counts in summary.raster_rules.items()
        }
    return json.dumps(found, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def info_csv(summary: Summary) -> str:
    """The table of the categories as CSV, of each stratum where a column was asked for; undefined numbers are empty."""
    rows = summary.categories if summary.by is None else summary.strata.rename(columns={"stratum": summary.by})
    return rows.to_csv(index=False, lineterminator="\n")


def _stratum_rows(summary: Summary, stratum: str) -> list[Any]:  # Any: rows of pandas
    """The rows of one stratum."""
    return summary.strata[summary.strata["stratum"] == stratum].drop(columns="stratum").to_dict("records")


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:  # Any: JSON
    """A row as JSON has it."""
    return {str(name): _defined(value) for name, value in row.items()}


def _strata_lines(summary: Summary, paper: Console) -> Iterator[str]:
    """How large each stratum is, then the categories' shares of its pixels, as many strata as fit side by side."""
    rows = [
        [str(row.stratum), f"{row.images:,}", f"{row.annotations:,}", f"{row.segments:,}", f"{row.effective:.1f}"]
        for row in summary.portions.itertuples(index=False)
    ]
    for row in rows:
        row[0] = shorten(row[0], max(paper.width - 52, 12))
    head, *lines = table((f"by {summary.by}", "images", "annotations", "segments", "worth categories"), rows)
    yield paper.paint(head, "bold")
    yield from lines
    shares = summary.strata.pivot_table(index="name", columns="stratum", values="share", sort=False)
    names = [name for name in summary.categories["name"] if name in shares.index]
    largest = summary.portions.sort_values("images", ascending=False, kind="stable")["stratum"]
    shown = [name for name in largest if name in shares.columns][: max((paper.width - 22) // (_CELL + 2), 1)]
    cells = [
        [shorten(name, 20), *("-" if math.isnan(each) else f"{each:.2%}" for each in shares.loc[name, shown])]
        for name in names
    ]
    head, *lines = table(("share of the pixels", *(shorten(each, _CELL) for each in shown)), cells)
    yield ""
    yield paper.paint(head, "bold")
    yield from lines
    if len(summary.portions) > len(shown):
        yield from paper.wrap(f"{len(summary.portions) - len(shown)} more: --format csv or json has all", style="dim")


def _category_lines(categories: pd.DataFrame, paper: Console) -> Iterator[str]:
    if categories.empty:
        yield "no categories"
        return
    areas_of = categories[["area_min", "area_median", "area_max"]].to_numpy(dtype=float)
    rows = [
        [
            str(row.name),
            str(row.id),
            str(row.kind),
            f"{row.images:,}",
            f"{row.segments:,}",
            f"{row.share:.2%}",
            *map(short_number, areas),
        ]
        for row, areas in zip(categories.itertuples(index=False), areas_of.tolist(), strict=True)
    ]
    others = len(max(table(_HEADS[1:], [row[1:] for row in rows]), key=len))
    for row in rows:
        row[0] = shorten(row[0], max(paper.width - others - 2, 12))
    head, *lines = table(_HEADS, rows, left=(0, 2))
    yield paper.paint(head, "bold")
    for row, line in zip(rows, lines, strict=True):
        yield paper.paint(line, "dim") if row[4] == "0" else line
    yield paper.paint("share: of the labelled pixels; area: of the segments, in pixels", "dim")


def _origin(profile: Profile) -> str:
    """Where the categories come from."""
    if profile.taxonomy_declared:
        return "given"
    drafted = any((category.definition or "").startswith("drafted:") for category in profile.taxonomy.categories)
    return "made up from the values in the masks (segdata init writes it)" if drafted else "the data's own"


def short_number(value: float) -> str:
    """An area in few characters."""
    if math.isnan(value):
        return "-"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}"
    return f"{value:,.0f}"


def _policy(policy: Policy[Any]) -> str:  # Any: of either sort
    return f"{policy.value} ({'declared' if policy.declared else 'the habit of the format'})"


def _defined(value: object) -> object:
    """A plain JSON value; NaN is None."""
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain
