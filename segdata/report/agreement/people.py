"""People: annotators who deviate from the others, and those whose files are turned over, in words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from segdata.agreement.summary.agreed import Agreement, PairAgreement, Value
from segdata.core.errors import count_noun
from segdata.core.finding import Finding
from segdata.core.guideline import Chapter
from segdata.core.rule import Tables
from segdata.core.taxonomy import Taxonomy
from segdata.report.agreement.confusion import UNLABELLED, Confusion
from segdata.report.agreement.habits import Habit, habits
from segdata.report.agreement.numbers import interval, listed, percent, shown, unit, with_interval
from segdata.report.agreement.points import Conclusion, first_images, of_code, remedy

BIAS, MIRRORED = "SEG406", "SEG413"
_VERBS = {"missed": "misses", "extra": "adds"}
_MUCH = 0.2  # of a category missed or called otherwise: enough to move its boundary by itself
_NEAR = 0.1  # px or mm: what is less is no habit
_LACKING = 0.05  # of what one of two has, and the other has not: enough to speak of
_PLACES = {"missed": ("SEG401",), "extra": ("SEG402",), "confused": ("SEG403",), "offset": ("SEG404",)}


def mirrored(found: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """Whose labels fit the others only when they are turned over: nothing else counts before that is mended."""
    findings = of_code(found.findings, MIRRORED)
    if not findings:
        return
    most = turned(found, tables)
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


def turned(found: Agreement, tables: Tables) -> list[str]:
    """Whose labels are mirrored: who is in most of the pairs that fit only so; both where there is one pair."""
    told = {each.message for each in of_code(found.findings, MIRRORED)}  # not what is ignored, or decided
    pairs = () if tables.judged is None else tables.judged.mirrored
    times: Counter[str] = Counter()
    for each in pairs:
        if each.message in told:
            times.update([found.annotators[each.other], found.annotators[each.annotator]])
    return [name for name, n in times.items() if n == max(times.values())]


def people(found: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """Who is below the bar, who does not agree with their own work, who deviates; or why nobody is told."""
    for code, topic in (("SEG407", "below the bar of the gold standard"), ("SEG409", "no agreement with own work")):
        for who in dict.fromkeys(each.annotator for each in of_code(found.findings, code) if each.annotator):
            mine = [each for each in of_code(found.findings, code) if each.annotator == who]
            said = "; ".join(each.message.removeprefix(f"{who}: ") for each in mine) + "."
            yield Conclusion("person", mine[0].severity, f"{who}: {topic}", said, remedy(code), (code,), who)
    deviating = of_code(found.findings, BIAS)
    unfit = turned(found, tables)
    for who in dict.fromkeys(each.annotator for each in deviating if each.annotator and each.annotator not in unfit):
        yield _person(who, [each for each in deviating if each.annotator == who], found, tables)
    if not deviating and not unfit:
        yield _nobody(found, tables)


def _person(who: str, findings: Sequence[Finding], found: Agreement, tables: Tables) -> Conclusion:
    """What one annotator does, the largest first, and what to teach."""
    told = told_habits(findings)
    mine = [each for each in habits(found, tables) if (each.annotator, each.category, each.kind) in told]
    mine = [each for each in mine if not _follows(each, mine, tables)]
    said = [f"{who} {_told(each, tables)}" for each in mine] or [each.message for each in findings]
    quotes = dict.fromkeys(guidance(tables.profile.taxonomy, each.category, each.kind) for each in mine)
    act = f"Teach {who}: {' '.join(list(quotes)[:3])}" if quotes else remedy(BIAS)
    wanted = {(code, who, each.category) for each in mine for code in _PLACES[each.kind]}
    places = [each for each in found.findings if (each.code, each.annotator, each.category) in wanted]
    if places:
        act += f" Show {listed(first_images(places, 3))}."
    also = f"Also {listed([each.removeprefix(f'{who} ') for each in said[1:]], 6)}." if said[1:] else ""
    return Conclusion("person", findings[0].severity, said[0], also, act, (BIAS,), who)


def told_habits(findings: Iterable[Finding]) -> set[tuple[str | None, str | None, str]]:
    """Annotator, category and kind of what findings of SEG406 tell."""
    return {(each.annotator, each.category, each.kind) for each in of_code(findings, BIAS) if each.kind is not None}


def _follows(habit: Habit, mine: Sequence[Habit], tables: Tables) -> bool:
    """Whether an offset is of segments that are not there, or called otherwise: of what is not counted one by one."""
    opposed = tables.opposed
    if habit.kind != "offset" or opposed is None:
        return False
    is_counted = dict(zip([each.name for each in opposed.categories], opposed.countable.tolist(), strict=True))
    same = [each for each in mine if each.category == habit.category and each.kind != "offset"]
    return not is_counted[habit.category] and any(each.weight >= _MUCH for each in same)


def _told(habit: Habit, tables: Tables) -> str:
    """What an annotator does, with its interval and what the others do."""
    value, what = habit.value, habit.category
    if habit.kind == "offset":
        return f"draws {what} {_far(value, tables)} {'larger' if value.value > 0 else 'smaller'}"
    beside = f" (others {percent(habit.others)})"
    if habit.kind == "confused":
        return f"calls {with_interval('confused', value)} of {what} {_otherwise(habit, tables)}{beside}"
    return f"{_VERBS[habit.kind]} {with_interval(habit.kind, value)} of {what}{beside}"


def _far(value: Value, tables: Tables) -> str:
    """How far a boundary is out, whichever way, with its interval."""
    low, high = sorted((abs(value.low), abs(value.high)))
    if value.low < 0 < value.high:
        low = 0.0
    size = Value(abs(value.value), low, high, value.n, value.n_undefined)
    measure = unit(tables.opposed) if tables.opposed is not None else "px"
    return " ".join(filter(None, [shown("offset", size.value), measure, interval("offset", size)]))


def _otherwise(habit: Habit, tables: Tables) -> str:
    """What an annotator calls instead what others call a category."""
    opposed = tables.opposed
    if opposed is None:
        return "something else"
    confusion = Confusion.by(opposed, opposed.annotators.index(habit.annotator))
    found = [each.other for each in confusion.partners(habit.category) if each.other != UNLABELLED]
    return f"something else, mostly {found[0]}" if found else "something else"


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
        said = f"{count_noun(found.clusters, 'image')} or sequences are too few to tell a habit from chance."
        act = "Let the same annotators label more of the same images: --plan says how many."
        return Conclusion("person", "info", "Who deviates cannot be said yet", said, act)
    said = f"{count_noun(len(tested), 'cell')} of annotator, category and kind tested at a false discovery rate of 5 %."
    return Conclusion("person", "info", "Nobody deviates from the others more than chance explains", said)


def _two(found: Agreement, tables: Tables) -> Conclusion:
    """What two do differently; which of them is right nobody can say."""
    (pair,) = found.pairs
    told = []
    offset, count = pair.scores["offset"], pair.scores["count_difference"]
    if (offset.low > 0 or offset.high < 0) and abs(offset.value) >= _NEAR:
        larger, smaller = (pair.b, pair.a) if offset.value > 0 else (pair.a, pair.b)
        told.append(f"{larger} draws {_far(offset, tables)} larger than {smaller}")
    if count.low > 0 or count.high < 0:
        more, less = (pair.b, pair.a) if count.value > 0 else (pair.a, pair.b)
        told.append(f"{more} has {shown('count_gap', abs(count.value))} more things an image than {less}")
    told += [f"{who} draws {percent(share)} more {what} by volume than the other" for who, share, what in _more(found)]
    lacking = [each for each in habits(found, tables) if each.kind == "missed" and each.value.value >= _LACKING]
    also = [f"{each.annotator} lacks {_of_other(each, pair)}" for each in lacking[:4]]
    if told or also:
        head, *more_told = [*told, *also]
    else:
        head, more_told = f"Nothing that {pair.a} and {pair.b} do differently stands out", []
    said = f"{'; '.join(more_told)}. " if more_told else ""
    said += "Of two annotators nobody can tell which of them deviates."
    act = "Let a third label the same images, or name the reference with --gold."
    return Conclusion("person", "info", head, said, act)


def _more(found: Agreement) -> Iterator[tuple[str, float, str]]:
    """Who of two draws more of what in volumes, by which share, where that is sure."""
    for of in found.volumes:
        for pair in of.pairs:
            if pair.bias.low > 0 or pair.bias.high < 0:
                yield pair.b if pair.bias.value > 0 else pair.a, abs(pair.difference), of.category


def _of_other(habit: Habit, pair: PairAgreement) -> str:
    other = pair.b if habit.annotator == pair.a else pair.a
    return f"{with_interval('missed', habit.value)} of the {habit.category} that {other} has"
