"""Habits: what each annotator does with each category, one thing at a time, and whether it stands."""

import math
from dataclasses import dataclass

from segdata.agreement.summary.agreed import Agreement, Value
from segdata.core.rule import Tables

KINDS = ("missed", "extra", "confused", "offset")


@dataclass(frozen=True, slots=True)
class Habit:
    """What an annotator does with a category.

    Attributes
    ----------
    annotator, category : whose, with what
    kind : missed, extra, confused: shares; offset: by how much larger
    value : with its interval
    others : the value of all others; NaN where unknown, and of offsets 0
    p : the chance of as much by chance; NaN where not tested
    stands : whether it is told when all tests are taken together
    """

    annotator: str
    category: str
    kind: str
    value: Value
    others: float
    p: float
    stands: bool

    @property
    def score(self) -> str:
        """What to show its value as."""
        return "boundary_offset" if self.kind == "offset" else self.kind

    @property
    def weight(self) -> float:
        """How much there is of it: shares as they are; 10 px weigh as much as all of the pixels."""
        size = abs(self.value.value) / 10 if self.kind == "offset" else self.value.value
        return size if math.isfinite(size) else -1.0


def habits(found: Agreement, tables: Tables) -> list[Habit]:
    """All of them that have a value, those that stand and the largest first; the reference is not judged."""
    others = _others(tables)
    gold = None if tables.judged is None else tables.judged.gold
    every = []
    for each in found.annotator_bias:
        if gold is not None and each.annotator == found.annotators[gold]:
            continue
        for kind in KINDS:
            value: Value = getattr(each, "boundary_offset" if kind == "offset" else kind)
            if math.isfinite(value.value):
                key = (each.annotator, each.category, kind)
                p = each.p.get(kind, math.nan)
                every.append(Habit(*key, value, others.get(key, math.nan), p, kind in each.found))
    return sorted(every, key=lambda habit: (not habit.stands, -habit.weight))


def _others(tables: Tables) -> dict[tuple[str, str, str], float]:
    """What the others do, of each annotator, category and kind."""
    judged, opposed = tables.judged, tables.opposed
    if judged is None or opposed is None or not len(judged.biases):
        return {}
    return {
        (opposed.annotators[who], opposed.categories[code].name, kind): others
        for who, code, kind, others in judged.biases.lines("annotator", "category", "kind", "others")
    }
