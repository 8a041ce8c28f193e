"""Fix: what a file of a fix offers, and how fixes are found."""

import pkgutil
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module

import numpy as np

import segdata.fixes
from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.core.runs import Ints

Mend = Callable[[Annotation, Sequence[Evidence], Profile], Batch]
# In this order findings of one annotation are mended: what is no segment goes first, gaps are filled last.
ORDER = ("SEG105", "SEG104", "SEG013", "SEG018", "SEG115", "SEG106", "SEG107", "SEG111", "SEG101")

_REGISTRY: dict[str, Mend] = {}


def fix(code: str) -> Callable[[Mend], Mend]:
    """Register a function as the fix of a rule: an annotation and what is found in it, to what it should be.

    Whether it is safe its rule says, by `fix=` of its decorator.
    """

    def register(mend: Mend) -> Mend:
        _REGISTRY[code] = mend
        return mend

    return register


@cache
def fixes() -> dict[str, Mend]:
    """Every fix by the code of its rule, in the order in which they are made."""
    for module in pkgutil.iter_modules(segdata.fixes.__path__, "segdata.fixes."):
        import_module(module.name)
    return dict(sorted(_REGISTRY.items(), key=lambda each: (*ORDER, each[0]).index(each[0])))


def rows_of(findings: Sequence[Evidence]) -> Ints:
    """The segments that findings name, each once, in ascending order."""
    return np.unique(np.concatenate([np.empty(0, np.int64), *(each.segments for each in findings)]))
