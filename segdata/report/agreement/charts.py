"""Charts of an agreement as SVG with axes: the confusion matrix of annotators, boundary offsets, misses and extras."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import ratio
from segdata.core.table import Table
from segdata.report.agreement.wording import format_percent
from segdata.report.console import shorten

UNLABELLED = "(nothing)"


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two categories that annotators confuse: of what one annotator labels `one`, the other labels `share` `other`."""

    one: str
    other: str
    share: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """The confusion matrix of annotators, summed over all pairs and both directions.

    `names`: (k,) the categories, and last `UNLABELLED`. `amounts`: (k, k) how much one annotator labels as the row's
    category and the other as the column's: matched segments in rows whose category is counted one by one
    (`is_counted`, (k,)), pixels in other rows.
    """

    names: tuple[str, ...]
    amounts: Floats
    is_counted: Flags

    @staticmethod
    def from_pairs(comparison: AnnotatorPairs) -> "Confusion":
        """The confusion between different persons, in both directions; void is not a category."""
        return Confusion._without_empty(comparison, _amounts(comparison, None))

    @staticmethod
    def of_annotator(comparison: AnnotatorPairs, annotator: int) -> "Confusion":
        """The confusion of one annotator, by position: rows are the others' categories, columns the annotator's."""
        return Confusion._without_empty(comparison, _amounts(comparison, annotator))

    @staticmethod
    def _without_empty(comparison: AnnotatorPairs, amounts: Floats) -> "Confusion":
        """The matrix without categories that no annotator used."""
        names = (*(category.name for category in comparison.categories), UNLABELLED)
        nonempty = (amounts.sum(axis=1) > 0) | (amounts.sum(axis=0) > 0)
        kept = tuple(name for name, has_any in zip(names, nonempty.tolist(), strict=True) if has_any)
        return Confusion(kept, amounts[np.ix_(nonempty, nonempty)], np.append(comparison.countable, False)[nonempty])

    @property
    def shares(self) -> Floats:
        """(k, k) the amounts as shares of their row."""
        return ratio(self.amounts, self.amounts.sum(axis=1, keepdims=True), 0.0)

    def most_confused(self, most: int) -> "Confusion":
        """Keep the `most` names with the largest confusion, in their order; the diagonal does not count."""
        if len(self.names) <= most:
            return self
        off = self.shares.copy()
        np.fill_diagonal(off, 0)
        kept = np.sort(np.argsort(-np.maximum(off.max(axis=1), off.max(axis=0)), kind="stable")[:most])
        names = tuple(self.names[k] for k in kept.tolist())
        return Confusion(names, self.amounts[np.ix_(kept, kept)], self.is_counted[kept])

    def partners(self, name: str) -> list[ConfusedPair]:
        """The other categories that annotators give the segments or pixels of a category, most frequent first."""
        if name not in self.names:
            return []
        row = self.names.index(name)
        share = self.shares[row]
        return [
            ConfusedPair(name, self.names[k], float(share[k]))
            for k in np.argsort(-share, kind="stable").tolist()
            if k != row and share[k] > 0
        ]

    def worst(self, most: int) -> list[ConfusedPair]:
        """The `most` pairs with the largest share in either direction, each pair once, without unlabelled."""
        partners = [partner for name in self.names if name != UNLABELLED for partner in self.partners(name)]
        largest: dict[frozenset[str], ConfusedPair] = {}
        for pair in sorted(partners, key=lambda confused: -confused.share):
            if pair.other != UNLABELLED:
                largest.setdefault(frozenset((pair.one, pair.other)), pair)
        return list(largest.values())[:most]


def _amounts(comparison: AnnotatorPairs, annotator: int | None) -> Floats:
    """(n_categories + 1, n_categories + 1) segments in rows that are counted, pixels in others; unlabelled is last.

    `annotator`: whose categories are in the columns; None: everybody's. Crowds, and what lies in them, count nowhere.
    """
    cells, matches = comparison.cells, comparison.matches
    pixels = _both_ways(comparison, cells, np.ones(len(cells), bool), annotator, "pixels")
    _add_hidden(pixels, comparison, annotator)
    if not len(matches):
        return pixels
    segments = _both_ways(comparison, matches, ~matches["ignored"].astype(bool), annotator, None)
    return np.where(np.append(comparison.countable, False)[:, None], segments, pixels)


def _add_hidden(pixels: Floats, comparison: AnnotatorPairs, annotator: int | None) -> None:
    """Add, in place, pixels with a category of both annotators below another one; cells count only the top one."""
    overlaps = comparison.overlaps
    if not len(overlaps) or not len(comparison.hidden):
        return
    a, b, rows = _between_persons(comparison, overlaps)
    both = np.zeros(len(comparison.categories))
    for column_annotator in (a, b):
        selected = rows if annotator is None else rows & (column_annotator == annotator)
        np.add.at(both, overlaps["category"][selected], overlaps["both"][selected])
    diagonal = np.arange(len(both))
    pixels[diagonal, diagonal] = both


def _both_ways(
    comparison: AnnotatorPairs, table: Table, kept: Flags, annotator: int | None, amount: str | None
) -> Floats:
    """(n_categories + 1, n_categories + 1) the amounts of a table's rows, counted in both directions.

    `amount`: its column; None: each row is one.
    """
    n = len(comparison.categories) + 1
    total = np.zeros((n, n))
    if not len(table):
        return total
    a, b, rows = _between_persons(comparison, table)
    rows &= kept
    weight = np.ones(len(table)) if amount is None else table[amount]
    category_a, category_b = table["category_a"], table["category_b"]
    for row, column, column_annotator in ((category_a, category_b, b), (category_b, category_a, a)):
        selected = rows if annotator is None else rows & (column_annotator == annotator)
        np.add.at(total, (row[selected], column[selected]), weight[selected])
    return total


def _between_persons(comparison: AnnotatorPairs, table: Table) -> tuple[Ints, Ints, Flags]:
    """The annotators (n,) A and B of a table's rows, and (n,) whether they are two persons; if none are, all True."""
    person = np.array(comparison.persons, np.int64)
    a, b = (comparison.pairs[side][table["pair"]] for side in ("a", "b"))
    differ = person[a] != person[b]
    return a, b, differ if differ.any() else np.ones(len(table), bool)


_LETTER_WIDTH = 7.2  # px, of a letter of 12 px, generously
_MAX_NAME_LETTERS = 22  # letters of a name
_ROW, _CELL = 22, 46  # height of a row, width of a cell
_PLOT_WIDTH = 460  # px, of the axis of offsets
_PANEL, _GAP = 190, 44  # width of one of three axes side by side, and between these
_MIN_SHARE_SHOWN = 0.005
_ROWS_TITLE = "one annotator says"
_INTERVALS_ON_AXIS = 0.75  # share of intervals that the axis of a share includes; arrows mark the others


@dataclass(frozen=True, slots=True)
class ChartValue:
    """A value with its interval, the value of the others to mark (NaN: none), and whether it is significant."""

    value: float
    low: float
    high: float
    others: float
    stands: bool
    text: str


@dataclass(frozen=True, slots=True)
class ChartRow:
    """One row of a chart: annotator, colour, category, and values; None: undefined."""

    annotator: str
    color: str
    category: str
    values: tuple[ChartValue | None, ...]


def confusion_chart(confusion: Confusion) -> Markup:
    """The confusion matrix as a chart: one annotator in rows, the other in columns, in % of the row."""
    names = [shorten(name, _MAX_NAME_LETTERS) for name in confusion.names]
    left, top = 30 + _text_width(names), 34 + 0.72 * _text_width(names)
    width = left + _CELL * len(names) + 0.5 * _text_width(names)
    height = max(top + _ROW * len(names) + 8, _LETTER_WIDTH * len(_ROWS_TITLE) + 8)
    parts = [
        _text(left + _CELL * len(names) / 2, 14, "the other annotator says", "axis", "middle"),
        Markup('<text class="axis" text-anchor="middle" transform="translate(14 {:.0f}) rotate(-90)">{}</text>').format(
            min(top + _ROW * len(names) / 2, height - _LETTER_WIDTH * len(_ROWS_TITLE) / 2 - 4), _ROWS_TITLE
        ),
    ]
    for k, name in enumerate(names):
        x, y = left + _CELL * (k + 0.5), top + _ROW * k
        parts.append(
            Markup('<text transform="translate({:.0f} {:.0f}) rotate(-40)">{}</text>').format(x - 4, top - 8, name)
        )
        parts.append(_text(left - 8, y + 15, name, "", "end"))
    for k, shares in enumerate(confusion.shares.tolist()):
        unit = "segments" if confusion.is_counted[k] else "pixels"
        for j, share in enumerate(shares):
            x, y = left + _CELL * j, top + _ROW * k
            title = f"of the {unit} that one calls {confusion.names[k]} the other calls {format_percent(share)} "
            title += confusion.names[j]
            parts.append(
                Markup(
                    '<g><title>{}</title><rect class="{}" x="{:.0f}" y="{:.0f}" width="{}" height="{}" '
                    'style="fill-opacity:{:.2f}"/>{}</g>'
                ).format(
                    title,
                    "same" if k == j else "other",
                    x,
                    y,
                    _CELL - 2,
                    _ROW - 2,
                    0.55 * share if k == j else min(0.85, 1.6 * share),
                    _text(x + _CELL / 2 - 1, y + 15, _cell_text(share), "", "middle"),
                )
            )
    return _svg("confusion", width, height, parts, "confusion of categories")


def _cell_text(share: float) -> str:
    if share >= 0.995:
        return f"{share:.1%}" if share < 0.9995 else "100%"
    return format_percent(share) if share >= _MIN_SHARE_SHOWN else "·" if share > 0 else ""


def offsets_chart(rows: Sequence[ChartRow], end: float, unit: str) -> Markup:
    """The boundary offsets as a chart: a dot and an interval for each row, on an axis from -end to end."""
    left, top = 24 + _label_width(rows), 40
    bottom = top + _ROW * len(rows)
    parts = [
        _text(left, 14, "◀ draws smaller", "axis", "start"),
        _text(left + _PLOT_WIDTH / 2, 14, f"offset in {unit}", "axis", "middle"),
        _text(left + _PLOT_WIDTH, 14, "draws larger ▶", "axis", "end"),
    ]
    for k in range(-2, 3):
        x = left + _PLOT_WIDTH * (k + 2) / 4
        parts.append(_line(x, top - 4, x, bottom, "zero" if k == 0 else "grid"))
        parts.append(_text(x, top - 8, f"{k * end / 2:+g}".replace("-", "−") if k else "0", "tick", "middle"))
    for k, row in enumerate(rows):
        y = top + _ROW * (k + 0.5)
        parts.append(_label(row, rows[k - 1] if k else None, y))
        parts.append(_mark(row.values[0], left + _PLOT_WIDTH / 2, _PLOT_WIDTH / 2 / end, (left, left + _PLOT_WIDTH), y))
        if row.values[0] is not None:
            parts.append(
                _text(left + _PLOT_WIDTH + 12, y + 4, row.values[0].text, "bold" if row.values[0].stands else "", "")
            )
    beside = _text_width([row.values[0].text for row in rows if row.values[0] is not None])
    return _svg(
        "offsets", left + _PLOT_WIDTH + 20 + beside, bottom + 8, parts, "boundary offsets by annotator and category"
    )


def shares_chart(rows: Sequence[ChartRow], titles: Sequence[str]) -> Markup:
    """The shares that annotators miss, add or confuse as a chart: an axis for each kind, dots, intervals, and ticks."""
    left, top = 24 + _label_width(rows), 40
    bottom = top + _ROW * len(rows)
    parts: list[Markup] = []
    for panel, title in enumerate(titles):
        start = left + panel * (_PANEL + _GAP)
        values = [row.values[panel] for row in rows]
        end = _round_end([entry for entry in values if entry is not None])
        parts.append(_text(start, 14, title, "axis", "start"))
        for k in range(3):
            x = start + _PANEL * k / 2
            parts.append(_line(x, top - 4, x, bottom, "grid" if k else "zero"))
            parts.append(_text(x, top - 8, format_percent(end * k / 2), "tick", "middle"))
        for k, value in enumerate(values):
            y = top + _ROW * (k + 0.5)
            parts.append(_mark(value, start, _PANEL / end, (start, start + _PANEL), y))
            if value is not None and math.isfinite(value.others):
                x = start + min(value.others / end, 1) * _PANEL
                parts.append(_line(x, y - 6, x, y + 6, "others"))
    parts += [_label(row, rows[k - 1] if k else None, top + _ROW * (k + 0.5)) for k, row in enumerate(rows)]
    width = left + len(titles) * (_PANEL + _GAP)
    return _svg("shares", width, bottom + 8, parts, "misses, extras and confusions by annotator and category")


def _round_end(values: Sequence[ChartValue]) -> float:
    """The end of an axis of shares: a round number that includes all values and most of the intervals."""
    highs = sorted(value.high for value in values if math.isfinite(value.high))
    most = max(
        [share for value in values for share in (value.value, value.others) if math.isfinite(share)]
        + [value.high for value in values if value.stands and math.isfinite(value.high)]
        + highs[: math.ceil(_INTERVALS_ON_AXIS * len(highs))],
        default=0.0,
    )
    return next(end for end in (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if end >= min(most, 1.0))


def _mark(value: ChartValue | None, zero: float, scale: float, ends: tuple[float, float], y: float) -> Markup:
    """A dot with its interval; an arrow where it lies beyond the axis."""
    if value is None or not math.isfinite(value.value):
        return Markup("")
    low, x, high = (zero + scale * number for number in (value.low, value.value, value.high))
    parts = [Markup("<g><title>{}</title>").format(value.text)]
    if math.isfinite(low) and math.isfinite(high):
        first, last = (min(max(place, ends[0]), ends[1]) for place in (low, high))
        parts.append(_line(first, y, last, y, ""))
        if low < ends[0] - 0.5:
            parts.append(_text(ends[0] - 2, y + 4, "‹", "", "end"))
        if high > ends[1] + 0.5:
            parts.append(_text(ends[1] + 2, y + 4, "›", "", "start"))
    if ends[0] <= x <= ends[1]:
        parts.append(
            Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4"/>').format("full" if value.stands else "", x, y)
        )
    else:
        parts.append(_text(ends[0] if x < ends[0] else ends[1], y + 4, "◀" if x < ends[0] else "▶", "", "middle"))
    return Markup("").join([*parts, Markup("</g>")])


def _label(row: ChartRow, before: ChartRow | None, y: float) -> Markup:
    """The name of the row's annotator, if it differs from the row before, and the category."""
    own = Markup("")
    if before is None or before.annotator != row.annotator:
        own = Markup('<rect class="key" x="0" y="{:.1f}" width="11" height="11" style="fill:{}"/>').format(
            y - 6, row.color
        ) + _text(18, y + 4, shorten(row.annotator, _MAX_NAME_LETTERS), "bold", "start")
    return own + _text(
        _LETTER_WIDTH * _MAX_NAME_LETTERS * 0.62 + 18, y + 4, shorten(row.category, _MAX_NAME_LETTERS), "", "start"
    )


def _label_width(rows: Sequence[ChartRow]) -> float:
    return (
        _LETTER_WIDTH * _MAX_NAME_LETTERS * 0.62
        + 18
        + _text_width([shorten(row.category, _MAX_NAME_LETTERS) for row in rows])
    )


def _text_width(names: Sequence[str]) -> float:
    return _LETTER_WIDTH * max((len(name) for name in names), default=0)


def _text(x: float, y: float, text: str, style: str, anchor: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        style, x, y, anchor or "start", text
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(style, x1, y1, x2, y2)


def _svg(name: str, width: float, height: float, parts: Sequence[Markup], title: str) -> Markup:
    return Markup(
        '<svg class="chart {}" role="img" aria-label="{}" viewBox="0 0 {:.0f} {:.0f}" style="width:{:.0f}px">{}</svg>'
    ).format(name, title, width, height, width, Markup("").join(parts))
