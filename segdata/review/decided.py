"""Decided: which findings reviewers have decided, so that nobody need look at them again until their labels change."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from segdata.core.finding import Decision, Finding, Verdict
from segdata.core.validation import finding_key
from segdata.review.applied import changes_labels
from segdata.review.standing import Standing

Imprints = Callable[[Sequence[Finding]], Mapping[Finding, str]]


def decided(findings: Sequence[Finding], standings: Iterable[Standing], imprints: Imprints) -> dict[Finding, Verdict]:
    """The verdict on each finding that has one, for the labels as they are; known again as by `standing_of`."""
    sure = [each for each in standings if each.decision is not None]
    found = standing_of(findings, sure, imprints).items()
    return {finding: each.decision.verdict for finding, each in found if each.decision is not None}


def standing_of(
    findings: Sequence[Finding], standings: Iterable[Standing], imprints: Imprints
) -> dict[Finding, Standing]:
    """Where the decisions on each finding that has any have come to, for the labels as they are.

    A finding is known again by its content, as in a baseline, and by the imprint of its labels: `imprints` is asked for
    those whose content a decision speaks of, and for no others. One standing is that of one finding.
    """
    told: dict[tuple[Hashable, str], list[Standing]] = {}
    for standing in standings:
        word = standing.said[-1]
        if word.finding is not None:
            told.setdefault((finding_key(word.finding), word.imprint), []).append(standing)
    contents = {about for about, _ in told}
    asked = [(each, about) for each in findings if (about := finding_key(each)) in contents] if contents else []
    now = imprints([each for each, _ in asked]) if asked else {}
    found: dict[Finding, Standing] = {}
    for each, about in asked:
        if mine := told.get((about, now[each])):
            found[each] = mine.pop()
    return found


def dealt_with(
    findings: Sequence[Finding], standings: Iterable[Standing], is_done: Callable[[Decision], bool]
) -> dict[Finding, Verdict]:
    """The verdict on each finding of an earlier report that is done with, though its labels may have changed since.

    It is known again by its content alone. `is_done` says whether a decision was carried out; one that asks for no
    change that segdata makes is done with when the labels change. What was to be changed, and was not, is open.
    """
    known: dict[Hashable, list[Verdict]] = {}
    for standing in standings:
        holds = standing.decision
        if holds is not None and holds.finding is not None and (not changes_labels(holds) or is_done(holds)):
            known.setdefault(finding_key(holds.finding), []).append(holds.verdict)
    told = ((each, known.get(finding_key(each))) for each in findings)
    return {each: verdicts.pop() for each, verdicts in told if verdicts}
