"""Baseline: which findings were there before, told by content and not by ids, so that renumbering changes nothing."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from segdata.core.finding import Finding


@dataclass(frozen=True, slots=True)
class Comparison:
    """Findings against those of a baseline: `new`, those `known` from before, and the baseline's that are `fixed`."""

    new: tuple[Finding, ...]
    known: tuple[Finding, ...]
    fixed: tuple[Finding, ...]


def compare(findings: Iterable[Finding], before: Iterable[Finding]) -> Comparison:
    """Hold findings against those of a baseline, one for one; the order of each stays.

    Where more findings are alike than the baseline has, those beyond its number are new.
    """
    earlier = tuple(before)
    rest = Counter(map(content, earlier))
    new, known = [], []
    for finding in findings:
        mine = content(finding)
        if rest[mine]:
            rest[mine] -= 1
            known.append(finding)
        else:
            new.append(finding)
    fixed = []
    for finding in reversed(earlier):  # those that remain are the last of their kind, as the first were met
        mine = content(finding)
        if rest[mine]:
            rest[mine] -= 1
            fixed.append(finding)
    return Comparison(tuple(new), tuple(known), tuple(reversed(fixed)))


def content(finding: Finding) -> Hashable:
    """What makes two findings the same: the code, whose work it is, and the pixels; never a number that names a thing.

    The pixels are the box and how many are affected. A finding without a box is told by its file and its words, with
    all numbers left out: the same imbalance is no new one when a count has changed.
    """
    who = (finding.code, finding.image, finding.annotator)
    if finding.bbox is not None:
        return (*who, finding.category, finding.bbox, finding.pixels)
    words = re.sub(r"-?\d[\d.,]*", "#", f"{finding.category} {finding.message}")
    return (*who, finding.file, re.sub(r"\d+", "#", finding.place or ""), words)
