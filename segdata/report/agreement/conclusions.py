"""Conclusions: what an agreement comes to, in words, each with its numbers and what to do; the gravest first."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from segdata.agreement.summary.agreed import Agreement, PairAgreement, Planned
from segdata.core.errors import count_noun
from segdata.core.finding import Finding
from segdata.core.rule import Tables
from segdata.report.agreement.accepted import accepted
from segdata.report.agreement.betters import betters
from segdata.report.agreement.numbers import NAMES, extent, listed, percent, shown, tolerance, with_interval
from segdata.report.agreement.people import mirrored, people, turned
from segdata.report.agreement.points import Conclusion, first_images, of_code, remedy
from segdata.report.agreement.repeated import repeated
from segdata.report.agreement.sheets import disputed
from segdata.report.agreement.skipped import skipped
from segdata.report.agreement.unclear import least_agreed, unclear

_DISPUTES = {
    "SEG401": "missing",
    "SEG402": "extra",
    "SEG403": "called otherwise",
    "SEG404": "with another boundary",
    "SEG405": "split or merged",
}
_BROKEN = ("SEG411", "SEG412")
_SHOWN = 3
_FEW = 8  # clusters, below which annotators are not tested


def conclusions(found: Agreement, tables: Tables) -> list[Conclusion]:
    """What there is to know and to do, in the order in which to read it.

    First what makes the figures wrong (mirrored, broken, unequal or skipped files), then how much annotators agree,
    then who differs, which categories are unclear, what to settle one by one, what tolerance annotators need against
    themselves, and last what could not be compared.
    """
    unfit = turned(found, tables)
    return [
        *mirrored(found, tables),
        *_broken(found.findings),
        *skipped(found, tables),
        *_overall(found, tables),
        *people(found, tables),
        *unclear(found, tables),
        *(least_agreed(found, tables) if not of_code(found.findings, "SEG408") else ()),
        *accepted(found),
        *_disputes([each for each in found.findings if each.annotator not in unfit]),
        *repeated(found),
        *betters(found, gold_of(found, tables)),
        *_portions(found),
        *_plan(found),
        *_limits(found),
    ]


def _broken(findings: Sequence[Finding]) -> Iterator[Conclusion]:
    """What could not be read, or not be compared: sizes and taxonomies."""
    files = [each for each in findings if each.code.startswith("SEG0")]
    groups = [of_code(findings, code) for code in sorted({each.code for each in files}) + list(_BROKEN)]
    for group in filter(None, groups):
        first = group[0]
        where = f"{first.image}: " if first.image else ""
        more = f" (and {len(group) - 1:,} more)" if len(group) > 1 else ""
        said = f"{where}{first.message}{more}"
        yield Conclusion(
            "repair", first.severity, first.rule.replace("-", " "), said, remedy(first.code), (first.code,)
        )


def _overall(found: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """How much all agree, and who with whom."""
    iou = found.overall["iou"]
    images = count_noun(found.images, "image") if tables.opposed is None else extent(tables.opposed)
    of = f"{count_noun(len(found.annotators), 'annotator')}, {images}"
    head = f"IoU {with_interval('iou', iou)} over {of}" if iou.value == iou.value else f"Nothing to compare in {of}"
    facts = []
    for name in ("f1", "pq"):
        value = found.overall[name]
        if value.value == value.value and _is_countable(tables):
            facts.append(f"{NAMES[name]} {with_interval(name, value)}")
    accuracy, kappa = found.overall["accuracy"], found.overall["kappa"]
    if accuracy.value == accuracy.value:
        facts.append(f"{percent(accuracy.value)} of the pixels called alike, kappa {with_interval('kappa', kappa)}")
    near = found.overall["nsd"]
    if near.value == near.value:
        facts.append(f"{percent(near.value)} of the boundaries within {tolerance(found.tolerance)}")
    facts += filter(None, [disputed(found, tables)])
    said = "; ".join(facts)
    said += "." if facts else ""
    yield Conclusion(
        "agreement", "info", head, f"{said} {_without(found, tables)}{_with_whom(found, tables)}".strip(), _sure(found)
    )


def _without(found: Agreement, tables: Tables) -> str:
    """That mirrored labels are in the figures, and what the others reach."""
    unfit = turned(found, tables)
    fit = [_iou(each) for each in found.pairs if not {each.a, each.b} & set(unfit)]
    reach = "" if not fit else f"; without them {shown('iou', min(fit))}"
    if len(fit) > 1:
        reach += f" to {shown('iou', max(fit))}"
    return f"The mirrored labels are in these figures{reach}. " if unfit else ""


def _with_whom(found: Agreement, tables: Tables) -> str:
    """How much each agrees with the reference; without one, who agrees best and least."""
    name = gold_of(found, tables)
    if name is None:
        return _best_and_least(found.pairs)
    held = [(pair.b if pair.a == name else pair.a, pair) for pair in found.pairs if name in (pair.a, pair.b)]
    ranked = sorted((each for each in held if _iou(each[1]) == _iou(each[1])), key=lambda each: -_iou(each[1]))
    told = [f"{who} {with_interval('iou', pair.scores['iou'])}" for who, pair in ranked]
    return f"Against {name}, the reference: {listed(told, 12)}." if told else ""


def gold_of(found: Agreement, tables: Tables) -> str | None:
    """The name of the reference; None: there is none."""
    gold = None if tables.judged is None else tables.judged.gold
    return None if gold is None else found.annotators[gold]


def _best_and_least(pairs: Sequence[PairAgreement]) -> str:
    """Which two agree best, and which least."""
    known = sorted((each for each in pairs if each.scores["iou"].value == each.scores["iou"].value), key=_iou)
    if len(known) < 2:
        return ""
    least, best = known[0], known[-1]
    return (
        f"Best: {best.a} and {best.b} with {with_interval('iou', best.scores['iou'])}; "
        f"least: {least.a} and {least.b} with {with_interval('iou', least.scores['iou'])}."
    )


def _iou(pair: PairAgreement) -> float:
    return pair.scores["iou"].value


def _sure(found: Agreement) -> str:
    """How far the figures carry, where that is not far."""
    if found.clusters == 1:
        return "Add images of other sequences, patients or scenes: all are of one, so that no interval can be given."
    if found.clusters < _FEW:
        known = found.overall["iou"].low == found.overall["iou"].low
        rough = "intervals are rough" if known else "no interval can be given"
        few = f"there are {found.clusters}, so that {rough}, and nobody is tested"
        return f"Add sequences, patients or scenes: {few}."
    return ""


def _is_countable(tables: Tables) -> bool:
    return tables.opposed is not None and bool(tables.opposed.countable.any())


def _disputes(findings: Sequence[Finding]) -> Iterator[Conclusion]:
    """Single segments to settle, where there are any."""
    some = [each for each in findings if each.code in _DISPUTES]
    if not some:
        return
    count = Counter(each.code for each in some)
    kinds = listed((f"{count[code]:,} {what}" for code, what in _DISPUTES.items() if count[code]), 5)
    told = []
    for field, noun in (("annotator", "annotator"), ("category", "category")):
        most = Counter(value for each in some if (value := getattr(each, field)) is not None).most_common()
        if len(most) > 1:
            told.append(f"by {noun}: {', '.join(f'{name} {times:,}' for name, times in most[:_SHOWN])}")
    head = (
        f"{count_noun(len(some), 'segment')} or regions in dispute: {kinds}" if len(some) > 1 else f"1 dispute: {kinds}"
    )
    act = f"Settle them one by one, the largest first; most are in {listed(first_images(some, _SHOWN))}."
    yield Conclusion("place", "warning", head, f"Most {'; '.join(told)}." if told else "", act, tuple(sorted(count)))


def _portions(found: Agreement) -> Iterator[Conclusion]:
    """Whether the agreement differs between portions of the images."""
    if found.by is None:
        return
    by, told = found.by, []
    for each in (each for each in found.by.differences if each.stands):
        of = f" of {each.category}" if each.category else ""
        values = ", ".join(f"{s.name} {shown(each.score, v)}" for s, v in zip(by.strata, each.values, strict=True))
        told.append(f"{NAMES[each.score]}{of}: {values} (p {each.p:.2g})")
    if told:
        head = f"The agreement differs by {by.column}"
        act = f"Compare the images of these portions: the guideline, or the pictures, differ by {by.column}."
        yield Conclusion("portion", "warning", head, "; ".join(told[:_SHOWN]) + _rest(told), act)
        return
    reached = [f"{each.name} {with_interval('iou', each.scores['iou'])}" for each in by.strata]
    said = f"IoU: {', '.join(reached)}."
    if not by.differences:
        head = (
            f"The agreement by {by.column}" if len(by.strata) > 1 else f"All images are in one portion by {by.column}"
        )
        yield Conclusion("portion", "info", head, said)
        return
    tested = f"None of {count_noun(len(by.differences), 'difference')} tested is more than chance brings."
    yield Conclusion("portion", "info", f"No difference by {by.column} that stands", f"{said} {tested}")


def _rest(told: Sequence[str]) -> str:
    return f"; and {len(told) - _SHOWN:,} more" if len(told) > _SHOWN else ""


def _plan(found: Agreement) -> Iterator[Conclusion]:
    """How many images the interval that was asked for takes."""
    overall = [each for each in found.plan if each.category is None and each.now == each.now]
    if not overall:
        return
    width = overall[0].half_width
    first, *others = [_takes(each, found.images) for each in overall]
    rare = [each for each in found.plan if each.category is not None and each.score == "iou"]
    most = max(rare, key=lambda each: each.images or 0, default=None)
    said = f"{', '.join(others)}." if others else ""
    if most is not None and most.images is not None:
        said += f" The IoU of {most.category} by itself takes most: {most.images:,} images."
    head = f"For intervals of ±{width:g} {first}"
    yield Conclusion("plan", "info", head, said.strip(), "Let two annotators label as many images, drawn at random.")


def _takes(each: Planned, images: int) -> str:
    """What an interval takes, and what there is."""
    wanted = "more images than can be said" if each.images is None else count_noun(each.images, "image")
    return f"{NAMES[each.score]} takes {wanted} (now ±{shown(each.score, each.now)} with {images:,})"


def _limits(found: Agreement) -> Iterator[Conclusion]:
    """What could not be compared, and what is undefined."""
    told = [each.message for each in of_code(found.findings, "SEG410")]
    if told:
        head = f"{count_noun(len(told), 'dataset')} with images that nobody else has"
        yield Conclusion("limit", "info", head, "; ".join(told) + ".", remedy("SEG410"), ("SEG410",))
    undefined = [each.category for each in found.categories if not np.isfinite(each.scores["iou"].value)]
    if undefined:
        said = f"Of {listed(undefined)} there is nothing to compare: their figures are dashes, and in no mean."
        yield Conclusion("limit", "info", "Undefined figures", said)
