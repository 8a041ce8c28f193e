"""Unclear: categories on which everybody disagrees, and what they are taken for, in words."""

from collections.abc import Iterator

from segdata.agreement.summary.agreed import Agreement, CategoryAgreement, Value
from segdata.core.rule import Tables
from segdata.report.agreement.confusion import UNLABELLED, Confusion
from segdata.report.agreement.numbers import NAMES, percent, shown, with_interval
from segdata.report.agreement.people import guidance
from segdata.report.agreement.points import Conclusion, of_code

CODE = "SEG408"


def unclear(found: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """The categories that SEG408 tells, worst first: the guideline, not a person."""
    opposed, judged = tables.opposed, tables.judged
    if opposed is None or judged is None:
        return
    told = {each.category: each for each in of_code(found.findings, CODE)}
    names = ("category", "value", "low", "high", "best", "without")
    confusion = Confusion.of(opposed)
    for code, value, low, high, best, without in sorted(judged.unclear.lines(*names), key=lambda line: float(line[1])):
        what = opposed.categories[code].name
        if what not in told:
            continue
        score = "f1" if opposed.countable[code] else "dice"
        reached = with_interval(score, Value(value, low, high, 0, 0))
        head = f"{what}: everybody disagrees, {NAMES[score].split()[0]} {reached}"
        said = f"Without {opposed.annotators[without]}, who lowers it most, it is {shown(score, best)}."
        yield Conclusion(
            "guideline",
            told[what].severity,
            head,
            f"{said} {taken_for(confusion, what)}".strip(),
            _act(tables, confusion, what),
            (CODE,),
            category=what,
        )


def least_agreed(found: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """The category with the least agreement, where several can be compared and none is told as unclear."""
    known = [each for each in found.categories if each.scores["iou"].value == each.scores["iou"].value]
    if len(known) < 2 or tables.opposed is None:
        return
    ranked = sorted(known, key=_iou)
    worst, best = ranked[0], ranked[-1]
    head = f"Least agreed: {worst.category}, IoU {with_interval('iou', worst.scores['iou'])}"
    confusion = Confusion.of(tables.opposed)
    said = f"{taken_for(confusion, worst.category)} Best: {best.category} with {shown('iou', _iou(best))}.".strip()
    yield Conclusion("guideline", "info", head, said, category=worst.category)


def _iou(category: CategoryAgreement) -> float:
    return category.scores["iou"].value


def taken_for(confusion: Confusion, name: str) -> str:
    """What the pixels of a category are for the other of two annotators, where they are not that category."""
    found = [each for each in confusion.partners(name) if each.share >= 0.02][:2]
    if not found:
        return ""
    told = [f"{percent(each.share)} {'nothing' if each.other == UNLABELLED else each.other}" for each in found]
    return f"Of its pixels the other calls {' and '.join(told)}."


def _act(tables: Tables, confusion: Confusion, what: str) -> str:
    """What to write into the guideline."""
    other = next((each.other for each in confusion.partners(what) if each.other != UNLABELLED), None)
    apart = f" and what tells it from {other}" if other else ""
    taxonomy = tables.profile.taxonomy
    has = any(each.name == what and each.definition for each in taxonomy.categories)
    clear = f"It says now: {guidance(taxonomy, what, 'missed')}" if has else "It has no definition yet."
    wanted = f"Clarify the guideline on {what}: its definition, its boundary{apart}, with pictures."
    return f"{wanted} {clear} Then annotate again."
