"""Standing: where the reviewers' decisions on each finding or segment have come to."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from segdata.core.finding import Decision
from segdata.core.validation import finding_key


@dataclass(frozen=True, slots=True)
class Standing:
    """What is said of one finding, or of one segment, with the labels that it had then.

    Attributes
    ----------
    said : the last word of each reviewer, the earlier first
    history : every word, in the order of the log
    """

    said: tuple[Decision, ...]
    history: tuple[Decision, ...]

    @property
    def decision(self) -> Decision | None:
        """What holds: the last adjudication, else the last word of reviewers who agree; None without.

        Who is unsure leaves it to others. An unsure adjudicator opens it again.
        """
        final = [each for each in self.said if each.adjudicates]
        sure = final[-1:] or [each for each in self.said if each.verdict != "unsure"]
        agreed = len({each.verdict for each in sure}) == 1 and sure[-1].verdict != "unsure"
        return sure[-1] if agreed else None

    @property
    def is_disputed(self) -> bool:
        """Reviewers disagree, and nobody has settled it."""
        final = any(each.adjudicates for each in self.said)
        return not final and len({each.verdict for each in self.said} - {"unsure"}) > 1


def latest(decisions: Iterable[Decision]) -> list[Standing]:
    """Where the decisions have come to, a standing for each thing decided on, in the order of their first decisions.

    Decisions speak of the same thing when the finding is the same by content and segments, or there is none and the
    segment is the same, and the labels are the same by their imprint.
    """
    told: dict[Hashable, list[Decision]] = {}
    for each in decisions:
        told.setdefault(matter(each), []).append(each)
    standings = []
    for words in told.values():
        last: dict[str, Decision] = {}
        for word in sorted(words, key=lambda each: each.time):
            last.pop(word.reviewer, None)  # a later word goes behind those of others
            last[word.reviewer] = word
        standings.append(Standing(tuple(last.values()), tuple(words)))
    return standings


def newest(standings: Iterable[Standing]) -> list[Standing]:
    """Of the standings of one thing whose labels changed in between, the one with the last word."""
    last: dict[Hashable, Standing] = {}
    for each in standings:
        *about, _ = matter(each.said[-1])
        key = tuple(about)
        if key not in last or last[key].said[-1].time <= each.said[-1].time:
            last[key] = each
    return list(last.values())


def matter(decision: Decision) -> tuple[Hashable, ...]:
    """What a decision is about, with the labels that the reviewer saw."""
    finding = decision.finding
    about = (finding_key(finding), finding.segments) if finding else (decision.annotator, decision.segment)
    return finding is None, decision.image, about, decision.imprint
