"""Review states: what reviewers' decisions on each finding or segment add up to, and how far a review is."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from segdata.core.finding import Decision, Finding, Verdict
from segdata.core.validation import finding_key


@dataclass(frozen=True, slots=True)
class ReviewState:
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


def review_states(decisions: Iterable[Decision]) -> list[ReviewState]:
    """Where the decisions have come to, a standing for each thing decided on, in the order of their first decisions.

    Decisions speak of the same thing when the finding is the same by content and segments, or there is none and the
    segment is the same, and the labels are the same by their imprint.
    """
    told: dict[Hashable, list[Decision]] = {}
    for each in decisions:
        told.setdefault(decision_subject(each), []).append(each)
    standings = []
    for words in told.values():
        last: dict[str, Decision] = {}
        for word in sorted(words, key=lambda each: each.time):
            last.pop(word.reviewer, None)  # a later word goes behind those of others
            last[word.reviewer] = word
        standings.append(ReviewState(tuple(last.values()), tuple(words)))
    return standings


def newest_states(standings: Iterable[ReviewState]) -> list[ReviewState]:
    """Of the standings of one thing whose labels changed in between, the one with the last word."""
    last: dict[Hashable, ReviewState] = {}
    for each in standings:
        *about, _ = decision_subject(each.said[-1])
        key = tuple(about)
        if key not in last or last[key].said[-1].time <= each.said[-1].time:
            last[key] = each
    return list(last.values())


def decision_subject(decision: Decision) -> tuple[Hashable, ...]:
    """What a decision is about, with the labels that the reviewer saw."""
    finding = decision.finding
    about = (finding_key(finding), finding.segments) if finding else (decision.annotator, decision.segment)
    return finding is None, decision.image, about, decision.imprint


RIGHT_VERDICTS: frozenset[Verdict] = frozenset({"accept", "fix", "void"})  # of a finding: what it says is true
FLAG_CODES = "SEG5"  # codes of `segdata flag` begin so


@dataclass(slots=True)
class RuleProgress:
    """What is decided of the findings of a rule, or of several.

    Attributes
    ----------
    code, name : of the rule
    verdicts : how many findings have which verdict, of those that reviewers agree on
    unsure, disputed : how many nobody is sure of, and how many reviewers disagree on
    open : how many of the findings at hand are not decided
    """

    code: str
    name: str
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    unsure: int = 0
    disputed: int = 0
    open: int = 0

    @property
    def decided(self) -> int:
        """How many findings reviewers have decided."""
        return self.verdicts.total()

    @property
    def right(self) -> int:
        """How many of these are no false alarms."""
        return sum(self.verdicts[each] for each in RIGHT_VERDICTS)

    def add(self, other: "RuleProgress") -> None:
        """Count the other's findings, too."""
        self.verdicts += other.verdicts
        self.unsure += other.unsure
        self.disputed += other.disputed
        self.open += other.open


@dataclass(slots=True)
class ReviewerProgress:
    """What a reviewer did.

    Attributes
    ----------
    name : who
    verdicts : how many decisions of each sort, those that were changed later, too
    by_self, by_others : how many were changed later to another verdict, and by whom; unsure ones do not count
    first, last : when
    images : how many images they are about
    """

    name: str
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    by_self: int = 0
    by_others: int = 0
    first: str = ""
    last: str = ""
    images: int = 0

    @property
    def sure(self) -> int:
        """How many decisions could be reversed."""
        return self.verdicts.total() - self.verdicts["unsure"]


@dataclass(frozen=True, slots=True)
class ReviewProgress:
    """How far a review is.

    Attributes
    ----------
    rules : by code, those with decisions or findings
    flag : the rules of `segdata flag` together
    reviewers : by name
    segments : verdicts on segments without a finding
    disputed : what somebody is to settle
    n_findings : how many findings are at hand; None: nobody looked
    """

    rules: tuple[RuleProgress, ...]
    flag: RuleProgress
    reviewers: tuple[ReviewerProgress, ...]
    segments: Counter[Verdict]
    disputed: tuple[ReviewState, ...]
    n_findings: int | None = None


def measure_progress(
    decisions: Sequence[Decision], findings: Sequence[Finding] | None = None, decided: Mapping[Finding, Verdict] = {}
) -> ReviewProgress:
    """How far a review is, by its log and the findings at hand; `decided` are those of them that have a verdict.

    A finding counts once, with the verdict that holds. One whose labels have changed is another one afterwards.
    """
    standings = review_states(decisions)
    rules: dict[str, RuleProgress] = {}
    segments: Counter[Verdict] = Counter()
    for each in standings:
        finding = each.said[-1].finding
        if finding is not None:
            _count(rules.setdefault(finding.code, RuleProgress(finding.code, finding.rule)), each)
        elif each.decision is not None:
            segments[each.decision.verdict] += 1
    for finding in findings or ():
        rule = rules.setdefault(finding.code, RuleProgress(finding.code, finding.rule))
        rule.open += finding not in decided
    flag = RuleProgress(FLAG_CODES, "flag")
    for code, rule in rules.items():
        if code.startswith(FLAG_CODES):
            flag.add(rule)
    return ReviewProgress(
        tuple(rules[code] for code in sorted(rules)),
        flag,
        tuple(_reviewers(decisions, standings)),
        segments,
        tuple(each for each in standings if each.is_disputed),
        None if findings is None else len(findings),
    )


def _count(rule: RuleProgress, standing: ReviewState) -> None:
    if standing.is_disputed:
        rule.disputed += 1
    elif standing.decision is None:
        rule.unsure += 1
    else:
        rule.verdicts[standing.decision.verdict] += 1


def _reviewers(decisions: Sequence[Decision], standings: Iterable[ReviewState]) -> list[ReviewerProgress]:
    """Who decided what, and which of it was changed later."""
    found: dict[str, ReviewerProgress] = {}
    images: dict[str, set[str | None]] = {}
    for each in decisions:
        one = found.setdefault(each.reviewer, ReviewerProgress(each.reviewer, first=each.time, last=each.time))
        one.verdicts[each.verdict] += 1
        one.first, one.last = min(one.first, each.time), max(one.last, each.time)
        images.setdefault(each.reviewer, set()).add(each.image)
    for standing in standings:
        words = sorted((each for each in standing.history if each.verdict != "unsure"), key=lambda each: each.time)
        for before, after in pairwise(words):
            if before.verdict != after.verdict:
                one = found[before.reviewer]
                one.by_self += before.reviewer == after.reviewer
                one.by_others += before.reviewer != after.reviewer
    for name, one in found.items():
        one.images = len(images[name] - {None})
    return [found[name] for name in sorted(found)]
