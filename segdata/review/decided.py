"""Decided: which findings reviewers have decided, so that nobody need look at them again until their labels change."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from segdata.core.baseline import content
from segdata.core.decision import Verdict
from segdata.core.finding import Finding
from segdata.review.standing import Standing

Imprints = Callable[[Sequence[Finding]], Mapping[Finding, str]]


def decided(findings: Sequence[Finding], standings: Iterable[Standing], imprints: Imprints) -> dict[Finding, Verdict]:
    """The verdict on each finding that has one, for the labels as they are.

    A finding is known again by its content, as in a baseline, and by the imprint of its labels: `imprints` is asked for
    those whose content a decision speaks of, and for no others. One decision decides one finding.
    """
    known: Counter[tuple[Hashable, str]] = Counter()
    verdict: dict[tuple[Hashable, str], Verdict] = {}
    for standing in standings:
        holds = standing.decision
        if holds is not None and holds.finding is not None:
            key = (content(holds.finding), holds.imprint)
            known[key] += 1
            verdict[key] = holds.verdict
    contents = {about for about, _ in known}
    asked = [(each, about) for each in findings if (about := content(each)) in contents] if contents else []
    now = imprints([each for each, _ in asked]) if asked else {}
    found: dict[Finding, Verdict] = {}
    for each, about in asked:
        key = (about, now[each])
        if known[key] > 0:
            known[key] -= 1
            found[each] = verdict[key]
    return found
