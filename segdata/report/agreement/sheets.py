"""Sheets: tables of an agreement that reports draw on whatever they are written on."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from segdata.agreement.summary.agreed import Agreement, Contrasted, Disagreement, Value, VolumePair
from segdata.core.errors import count_noun
from segdata.core.rule import Tables
from segdata.report.agreement.numbers import NONE, percent, shown, with_interval

_NAME, _PAIR = 14, 13  # columns of a terminal that a name takes, and where there are many columns
_CAUSES, _CONTRASTS, _SIZES = 12, 20, 20
_SHORT = {"iou": "IoU", "nsd": "near", "pq": "PQ", "kappa": "kappa"}
_ML = 1000  # mm3


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: what it is about, its heads, its rows as text, which columns are names, and what to know.

    `room`: in how many columns of a terminal a name must fit.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[int, ...]
    note: str
    room: int = _NAME


def sheets(found: Agreement, gold: str | None) -> list[Sheet]:
    """Those that have something to say; `gold`: the name of the reference."""
    every = (causes(found), sizes(found), contrasts(found, gold), unchanged(found))
    return [each for each in every if each is not None]


def causes(found: Agreement) -> Sheet | None:
    """What the pixels in dispute are due to, category by category, over all pairs of annotators."""
    pixels: dict[str, int] = defaultdict(int)
    due: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for each in found.disagreement:
        pixels[each.category] += each.pixels
        for k, share in enumerate(_shares(each)):
            due[each.category][k] += share * each.pixels if math.isfinite(share) else 0.0
    ranked = sorted((name for name in pixels if pixels[name]), key=lambda name: -pixels[name])
    if not ranked or (len(ranked) == 1 and not any(due[ranked[0]][:3])):
        return None  # of one category of pixels there is nothing to tell
    total, pair = sum(pixels.values()), found.pairs[0] if len(found.pairs) == 1 else None
    alone = ("one alone",) if pair is None else tuple(f"only {who}" for who in (pair.a, pair.b))
    rows = []
    for name in ranked[:_CAUSES]:
        missed, extra, confused, boundary = due[name]
        told = [missed + extra] if pair is None else [missed, extra]
        of = sum(due[name])
        shares = (percent(each / of) if of else NONE for each in (*told, confused, boundary))
        rows.append((name, f"{pixels[name]:,}", percent(pixels[name] / total), *shares))
    more = len(ranked) - len(rows)
    note = "Pixels of all images to which one of two annotators gives the category, and why: a segment that the other "
    note += "has not, calls otherwise, or ends elsewhere. Of stuff, and in class masks, a segment is all of a "
    note += "category in an image: what one leaves out of it is there, too."
    note += f" {count_noun(more, 'category', 'categories')} with fewer: in the JSON report." if more else ""
    heads = ("category", "pixels", "of all", *alone, "otherwise", "elsewhere")
    return Sheet("what the pixels in dispute are due to", heads, tuple(rows), (0,), note, _PAIR - 3)


def _shares(each: Disagreement) -> tuple[float, ...]:
    return each.missed, each.extra, each.confused, each.boundary


def disputed(found: Agreement, tables: Tables) -> str:
    """The same of all things, in words; empty where nothing is in dispute, or nothing is counted one by one."""
    opposed = tables.opposed
    if opposed is None:
        return ""
    things = {each.name for each, is_thing in zip(opposed.categories, opposed.countable, strict=True) if is_thing}
    known = [each for each in found.disagreement if each.category in things and math.isfinite(each.missed)]
    missed, extra, confused, boundary = (sum(_shares(each)[k] * each.pixels for each in known) for k in range(4))
    of = missed + extra + confused + boundary
    if not of:
        return ""
    kinds = {"along boundaries": boundary, "drawn by one alone": missed + extra, "called otherwise": confused}
    told = [
        f"{percent(n / of)} {kind}" for kind, n in sorted(kinds.items(), key=lambda each: -each[1]) if n / of >= 0.005
    ]
    return f"of the pixels of things in dispute {', '.join(told)}"


def sizes(found: Agreement) -> Sheet | None:
    """Who draws more of what in volumes, two by two; who draws more comes first."""
    if not found.volumes:
        return None
    largest = max((size for of in found.volumes for pair in of.pairs for size in (pair.size_a, pair.size_b)), default=0)
    in_mm = found.volumes[0].unit == "mm3"
    unit, of_one = ("ml", _ML) if in_mm and largest >= _ML else ("mm³" if in_mm else "voxels", 1)
    rows = [(of.category, *_size(pair, of_one)) for of in found.volumes for pair in of.pairs if pair.volumes]
    told = [f"{of.category} {with_interval('iou', of.icc)}" for of in found.volumes if of.icc.value == of.icc.value]
    note = f"What both draw in a volume, in {unit} on average; by how much the first draws more, and between which lie "
    note += "95 % of the volumes (Bland-Altman). "
    note += (
        f"Sizes alike over all annotators, 1 at best (ICC): {', '.join(told)}."
        if told
        else "There are too few volumes for limits, or to say how alike sizes are."
    )
    heads = ("category", "who", "more than", "volumes", f"its {unit}", "other's", "by", "95% between")
    return Sheet("who draws more, in volumes", heads, tuple(rows[:_SIZES]), (0, 1, 2), note, _PAIR)


def _size(pair: VolumePair, of_one: int) -> tuple[str, ...]:
    """Two annotators' row: names, volumes, what both draw, by how much the first draws more, and limits."""
    way = -1 if pair.size_b < pair.size_a else 1
    more, less = (pair.b, pair.a) if way > 0 else (pair.a, pair.b)
    both = sorted((pair.size_a, pair.size_b), reverse=True)
    ends = sorted(way * each.value / of_one for each in (pair.lower, pair.upper))
    limits = f"{_amount(ends[0])} and {_amount(ends[1])}" if all(map(math.isfinite, ends)) else NONE
    return (
        more,
        less,
        f"{pair.volumes:,}",
        *(_amount(size / of_one) for size in both),
        percent(way * pair.difference),
        limits,
    )


def _amount(value: float) -> str:
    """A size in three digits that count."""
    if not math.isfinite(value):
        return NONE
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, 3)}f}".replace("-", "−")


def contrasts(found: Agreement, gold: str | None) -> Sheet | None:
    """Who agrees better with the reference, or which two with each other; who does comes first."""
    if not found.contrasts:
        return None
    ranked = sorted(found.contrasts, key=lambda each: not each.stands)  # within these by score, as they come
    rows = tuple(tuple(_contrast(each, gold)) for each in ranked[:_CONTRASTS])
    heads = ("better", "than", "score", "its", "other's", "difference", "p", "")
    title = "which two agree better" if gold is None else f"who agrees better with {gold}"
    note = "On the images that all of them annotated. ●: stands when all contrasts of a score are taken together, at a "
    note += "false discovery rate of 5%."
    if len(ranked) > len(rows):
        note += f" {len(ranked) - len(rows):,} more: --format csv has all."
    return Sheet(title, heads, rows, (0, 1, 2), note, _PAIR)


def better(each: Contrasted) -> Contrasted:
    """The same with the pair that agrees better first."""
    if each.values[0] >= each.values[1]:
        value = each.difference
        turned = Value(-value.value, -value.high, -value.low, value.n, value.n_undefined)
        return Contrasted(each.first, each.second, each.score, each.values, turned, each.p, each.stands)
    values = each.values[1], each.values[0]
    return Contrasted(each.second, each.first, each.score, values, each.difference, each.p, each.stands)


def whose(pair: tuple[str, str], gold: str | None) -> str:
    """Two annotators in words; of the reference and another the other."""
    return next((name for name in pair if name != gold), pair[0]) if gold in pair else ", ".join(pair)


def _contrast(each: Contrasted, gold: str | None) -> Iterator[str]:
    told = better(each)
    yield from (whose(pair, gold) for pair in (told.first, told.second))
    yield _SHORT[told.score]
    yield from (shown(told.score, value) for value in told.values)
    yield with_interval(told.score, told.difference)
    yield f"{told.p:.2g}" if math.isfinite(told.p) else NONE
    yield "●" if told.stands else ""


def unchanged(found: Agreement) -> Sheet | None:
    """How much of everybody's work is a model's."""
    if not found.unchanged:
        return None
    rows = [
        (
            each.annotator,
            each.model,
            f"{each.images:,}",
            f"{each.segments:,}",
            with_interval("missed", each.share),
            with_interval("missed", each.persons),
        )
        for each in sorted(found.unchanged, key=lambda each: -each.share.value)
    ]
    heads = ("annotator", "model", "images", "segments", "unchanged", "two persons")
    note = "Unchanged: the annotator's segments that are the model's, pixel for pixel. Two persons: how often segments "
    note += "of two persons are, without those of the model; so many to expect of who draws."
    return Sheet("what is a model's, unchanged", heads, tuple(rows), (0, 1), note)
