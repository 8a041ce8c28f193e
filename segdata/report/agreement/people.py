"""People: annotators who deviate from the others, and those whose files are turned over, in words."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from segdata.agreement.agreed import Agreement, AnnotatorBias, Value
from segdata.core.counted import counted
from segdata.core.finding import Finding
from segdata.core.guideline import Chapter
from segdata.core.opposed import Opposed
from segdata.core.rule import Tables
from segdata.core.taxonomy import Taxonomy
from segdata.report.agreement.confusion import UNLABELLED, Confusion
from segdata.report.agreement.numbers import listed, percent, shown, unit, with_interval
from segdata.report.agreement.points import Conclusion, first_images, of_code, remedy

BIAS, MIRRORED = "SEG406", "SEG413"
_VERBS = {"missed": "misses", "extra": "adds", "confused": "calls otherwise", "offset": "draws"}  # as SEG406 has them
_MUCH = 0.2  # of a category missed or called otherwise: enough to move its boundary by itself
_PLACES = {"missed": ("SEG401",), "extra": ("SEG402",), "confused": ("SEG403",), "offset": ("SEG404",)}

Habit = tuple[str, AnnotatorBias]  # kind, and of what


def mirrored(found: Agreement) -> Iterator[Conclusion]:
    """Whose labels fit the others only when they are turned over: nothing else counts before that is mended."""
    findings = of_code(found.findings, MIRRORED)
    if not findings:
        return
    most = turned(found)
    if len(most) == 1:
        head = f"{most[0]}: the labels are mirrored"
        act = f"Mirror the labels of {most[0]}, or correct the header of the files, and compare again: until then no "
        act += f"figure in which {most[0]} has a part means anything."
    else:
        head = f"{listed(most)}: the labels of one of them are mirrored"
        act = "See whose labels lie on the image; mirror the others, or correct the header of the files, and compare "
        act += "again: until then no figure of these means anything."
    said = "; ".join(each.message for each in findings) + "."
    yield Conclusion("repair", findings[0].severity, head, said, act, (MIRRORED,))


def turned(found: Agreement) -> list[str]:
    """Whose labels are mirrored: who is in most of the pairs that fit only so; both where there is one pair."""
    times: Counter[str] = Counter()
    for each in of_code(found.findings, MIRRORED):
        said = f"{each.annotator} agrees with "
        others = [name for name in found.annotators if each.message.startswith(f"{said}{name} at IoU")]
        times.update([*others[:1], *filter(None, [each.annotator])])
    return [name for name, n in times.items() if n == max(times.values())]


def people(found: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """Who is below the bar, who does not agree with their own work, who deviates; or why nobody is told."""
    for code, topic in (("SEG407", "below the bar of the gold standard"), ("SEG409", "no agreement with own work")):
        for who in dict.fromkeys(each.annotator for each in of_code(found.findings, code) if each.annotator):
            mine = [each for each in of_code(found.findings, code) if each.annotator == who]
            said = "; ".join(each.message.removeprefix(f"{who}: ") for each in mine) + "."
            yield Conclusion("person", mine[0].severity, f"{who}: {topic}", said, remedy(code), (code,), who)
    deviating = of_code(found.findings, BIAS)
    unfit = turned(found)
    for who in dict.fromkeys(each.annotator for each in deviating if each.annotator and each.annotator not in unfit):
        yield _person(who, [each for each in deviating if each.annotator == who], found, tables)
    if not deviating and not unfit:
        yield _nobody(found, tables)


def _person(who: str, findings: Sequence[Finding], found: Agreement, tables: Tables) -> Conclusion:
    """What one annotator does, the largest first, and what to teach."""
    biases = {each.category: each for each in found.annotator_bias if each.annotator == who}
    habits = [(kind, biases[each.category]) for each in findings if (kind := _kind(each)) and each.category in biases]
    habits = sorted((each for each in habits if not _follows(each, habits, tables)), key=lambda each: -_weight(*each))
    told = [_told(kind, bias, tables) for kind, bias in habits]
    quotes = dict.fromkeys(guidance(tables.profile.taxonomy, bias.category, kind) for kind, bias in habits)
    act = f"Teach {who}: {' '.join(list(quotes)[:3])}"
    places = [each for each in found.findings for habit in habits if _shows(each, *habit)]
    if places:
        act += f" Show {listed(first_images(places, 3))}."
    said = f"Also {listed(told[1:], 6)}." if told[1:] else ""
    return Conclusion("person", findings[0].severity, f"{who} {told[0]}", said, act, (BIAS,), who)


def _follows(habit: Habit, habits: Sequence[Habit], tables: Tables) -> bool:
    """Whether an offset is of segments that are not there, or called otherwise: of what is not counted one by one."""
    kind, bias = habit
    opposed = tables.opposed
    if kind != "offset" or opposed is None or _is_counted(bias.category, opposed):
        return False
    return any(other != "offset" and each is bias and _weight(other, each) >= _MUCH for other, each in habits)


def _is_counted(category: str, opposed: Opposed) -> bool:
    countable = opposed.countable.tolist()
    return any(flag and each.name == category for flag, each in zip(countable, opposed.categories, strict=True))


def _shows(finding: Finding, kind: str, bias: AnnotatorBias) -> bool:
    """Whether a finding is an instance of a habit."""
    return finding.code in _PLACES[kind] and (finding.annotator, finding.category) == (bias.annotator, bias.category)


def _kind(finding: Finding) -> str | None:
    """Which of the doings of an annotator a finding of SEG406 tells."""
    said = finding.message.removeprefix(f"{finding.annotator} ")
    return next((kind for kind, verb in _VERBS.items() if said.startswith(f"{verb} ")), None)


def _weight(kind: str, bias: AnnotatorBias) -> float:
    """How much there is of it: shares as they are; 10 px weigh as much as all of the pixels."""
    return abs(bias.boundary_offset.value) / 10 if kind == "offset" else _value(kind, bias).value


def _value(kind: str, bias: AnnotatorBias) -> Value:
    value: Value = getattr(bias, "boundary_offset" if kind == "offset" else kind)
    return value


def _told(kind: str, bias: AnnotatorBias, tables: Tables) -> str:
    """What an annotator does, with its interval and what the others do."""
    value, what = _value(kind, bias), bias.category
    if kind == "offset":
        size = Value(abs(value.value), *sorted((abs(value.low), abs(value.high))), value.n, value.n_undefined)
        way = "larger" if value.value > 0 else "smaller"
        measure = unit(tables.opposed) if tables.opposed is not None else "px"
        return f"draws {what} {with_interval('offset', size).replace(' [', f' {measure} [', 1)} {way}"
    beside = f" (others {percent(_others(kind, bias, tables))})"
    if kind == "confused":
        return f"calls {with_interval('confused', value)} of {what} {_otherwise(bias, tables)}{beside}"
    return f"{_VERBS[kind]} {with_interval(kind, value)} of {what}{beside}"


def _otherwise(bias: AnnotatorBias, tables: Tables) -> str:
    """What an annotator calls instead what others call a category."""
    opposed = tables.opposed
    if opposed is None:
        return "something else"
    confusion = Confusion.by(opposed, opposed.annotators.index(bias.annotator))
    found = [each.other for each in confusion.partners(bias.category) if each.other != UNLABELLED]
    return f"something else, mostly {found[0]}" if found else "something else"


def _others(kind: str, bias: AnnotatorBias, tables: Tables) -> float:
    """What the others do, of the same cell."""
    judged, opposed = tables.judged, tables.opposed
    if judged is None or opposed is None:
        return math.nan
    who = opposed.annotators.index(bias.annotator)
    what = [each.name for each in opposed.categories].index(bias.category)
    cells = judged.biases
    row = np.flatnonzero((cells["annotator"] == who) & (cells["category"] == what) & (cells["kind"] == kind))
    return float(cells["others"][row[0]]) if len(row) else math.nan


def guidance(taxonomy: Taxonomy, category: str, kind: str) -> str:
    """The sentence of the guideline to teach; or that there is none."""
    chapter: Chapter = "boundary_rule" if kind == "offset" else "definition"
    text = next((getattr(each, chapter) for each in taxonomy.categories if each.name == category), None)
    if text:
        return f"{category}: “{' '.join(text.split())}”"
    what = "boundary rule" if kind == "offset" else "definition"
    return f"{category}: the guideline has no {what} yet, write it first."


def _nobody(found: Agreement, tables: Tables) -> Conclusion:
    """That nobody stands out, or why it cannot be said."""
    persons = len(set(tables.opposed.persons)) if tables.opposed is not None else len(found.annotators)
    if persons == 2 and len(found.pairs) == 1:
        return _two(found, tables)
    tested = [p for each in found.annotator_bias for p in each.p.values()]
    if not tested:
        said = f"{counted(found.clusters, 'image')} or sequences are too few to tell a habit from chance."
        act = "Let the same annotators label more of the same images: `--plan` says how many."
        return Conclusion("person", "info", "Who deviates cannot be said yet", said, act)
    said = f"{counted(len(tested), 'cell')} of annotator, category and kind tested at a false discovery rate of 5 %."
    return Conclusion("person", "info", "Nobody deviates from the others more than chance explains", said)


def _two(found: Agreement, tables: Tables) -> Conclusion:
    """What two do differently; which of them is right nobody can say."""
    (pair,) = found.pairs
    told = []
    offset = pair.scores["offset"]
    if offset.low > 0 or offset.high < 0:
        larger, smaller = (pair.b, pair.a) if offset.value > 0 else (pair.a, pair.b)
        measure = unit(tables.opposed) if tables.opposed is not None else "px"
        size = Value(abs(offset.value), *sorted((abs(offset.low), abs(offset.high))), offset.n, offset.n_undefined)
        far = with_interval("offset", size).replace(" [", f" {measure} [", 1)
        told.append(f"{larger} draws {far} larger than {smaller}")
    count = pair.scores["count_difference"]
    if count.low > 0 or count.high < 0:
        more, less = (pair.b, pair.a) if count.value > 0 else (pair.a, pair.b)
        told.append(f"{more} has {shown('count_gap', abs(count.value))} more things an image than {less}")
    head = "; ".join(told) if told else f"Neither {pair.a} nor {pair.b} draws larger"
    said = "Of two annotators nobody can tell which of them deviates."
    act = "Let a third label the same images, or name the reference with `--gold`."
    return Conclusion("person", "info", head, said, act)
