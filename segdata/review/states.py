"""Review states: the combined decisions of reviewers on each finding or segment, and the progress of a review."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from segdata.core.finding import Decision, Finding, Verdict
from segdata.core.validation import finding_key


@dataclass(frozen=True, slots=True)
class ReviewState:
    """The decisions on one finding or segment, with the labels that it had then."""

    latest: tuple[Decision, ...]  # the last decision of each reviewer, earliest first
    history: tuple[Decision, ...]  # all decisions in the order of the log

    @property
    def decision(self) -> Decision | None:
        """The valid decision: the last adjudication, else the last decision of reviewers who agree; None without.

        Unsure reviewers leave the decision to others. An unsure adjudicator opens it again.
        """
        final = [decision for decision in self.latest if decision.adjudicates]
        sure = final[-1:] or [decision for decision in self.latest if decision.verdict != "unsure"]
        agreed = len({decision.verdict for decision in sure}) == 1 and sure[-1].verdict != "unsure"
        return sure[-1] if agreed else None

    @property
    def is_disputed(self) -> bool:
        """Whether reviewers disagree and no adjudicator has settled it."""
        final = any(decision.adjudicates for decision in self.latest)
        return not final and len({decision.verdict for decision in self.latest} - {"unsure"}) > 1


def review_states(decisions: Iterable[Decision]) -> list[ReviewState]:
    """The review state of each subject, in the order of the first decisions.

    Two decisions have the same subject if their findings agree in content and segments, or they have none and the same
    segment, and the hashes of their labels are equal.
    """
    by_subject: dict[Hashable, list[Decision]] = {}
    for item in decisions:
        by_subject.setdefault(decision_subject(item), []).append(item)
    standings = []
    for decisions_on_it in by_subject.values():
        last: dict[str, Decision] = {}
        for decision in sorted(decisions_on_it, key=lambda item: item.time):
            last.pop(decision.reviewer, None)  # a later decision goes behind those of others
            last[decision.reviewer] = decision
        standings.append(ReviewState(tuple(last.values()), tuple(decisions_on_it)))
    return standings


def newest_states(standings: Iterable[ReviewState]) -> list[ReviewState]:
    """For each subject whose labels changed in between, the state with the last decision."""
    last: dict[Hashable, ReviewState] = {}
    for state in standings:
        *subject, _ = decision_subject(state.latest[-1])
        key = tuple(subject)
        if key not in last or last[key].latest[-1].time <= state.latest[-1].time:
            last[key] = state
    return list(last.values())


def decision_subject(decision: Decision) -> tuple[Hashable, ...]:
    """The subject of a decision, with the labels that the reviewer saw."""
    finding = decision.finding
    subject = (finding_key(finding), finding.segments) if finding else (decision.annotator, decision.segment)
    return finding is None, decision.image, subject, decision.imprint


RIGHT_VERDICTS: frozenset[Verdict] = frozenset({"accept", "fix", "void"})  # verdicts that confirm a finding
FLAG_CODES = "SEG5"  # beginning of the codes of `segdata flag`


@dataclass(slots=True)
class RuleProgress:
    """Decided and open findings of a rule, or of several."""

    # code, name: code and name of the rule
    code: str
    name: str
    # number of findings with each verdict, without disputes
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    # unsure, disputed: numbers of unsure and disputed findings
    unsure: int = 0
    disputed: int = 0
    open: int = 0  # number of current findings without a decision

    @property
    def decided(self) -> int:
        """The number of decided findings."""
        return self.verdicts.total()

    @property
    def right(self) -> int:
        """The number of decided findings that are not false alarms."""
        return sum(self.verdicts[verdict] for verdict in RIGHT_VERDICTS)

    def add(self, other: "RuleProgress") -> None:
        """Add the findings of another rule."""
        self.verdicts += other.verdicts
        self.unsure += other.unsure
        self.disputed += other.disputed
        self.open += other.open


@dataclass(slots=True)
class ReviewerProgress:
    """The decisions of a reviewer."""

    name: str  # name of the reviewer
    # number of decisions with each verdict, including those changed later
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    # by_self, by_others: number of decisions changed later to another verdict, without unsure ones
    by_self: int = 0
    by_others: int = 0
    # first, last: times of the first and last decision
    first: str = ""
    last: str = ""
    images: int = 0  # number of images

    @property
    def sure(self) -> int:
        """The number of decisions other than unsure."""
        return self.verdicts.total() - self.verdicts["unsure"]


@dataclass(frozen=True, slots=True)
class ReviewProgress:
    """The progress of a review."""

    rules: tuple[RuleProgress, ...]  # rules with decisions or findings, by code
    flag: RuleProgress  # all rules of `segdata flag` together
    reviewers: tuple[ReviewerProgress, ...]  # reviewers by name
    segments: Counter[Verdict]  # verdicts on segments without a finding
    disputed: tuple[ReviewState, ...]  # disputes to settle
    n_findings: int | None = None  # number of current findings; None: unknown


def measure_progress(
    decisions: Sequence[Decision], findings: Sequence[Finding] | None = None, decided: Mapping[Finding, Verdict] = {}
) -> ReviewProgress:
    """The progress of a review, from its log and the current findings; `decided` are those with a verdict.

    A finding counts once, with its valid verdict. After its labels change, it counts as another finding.
    """
    standings = review_states(decisions)
    rules: dict[str, RuleProgress] = {}
    segments: Counter[Verdict] = Counter()
    for state in standings:
        finding = state.latest[-1].finding
        if finding is not None:
            _count(rules.setdefault(finding.code, RuleProgress(finding.code, finding.rule)), state)
        elif state.decision is not None:
            segments[state.decision.verdict] += 1
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
        tuple(state for state in standings if state.is_disputed),
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
    """The reviewers, with their decisions and those that were changed later."""
    by_name: dict[str, ReviewerProgress] = {}
    images: dict[str, set[str | None]] = {}
    for item in decisions:
        reviewer = by_name.setdefault(item.reviewer, ReviewerProgress(item.reviewer, first=item.time, last=item.time))
        reviewer.verdicts[item.verdict] += 1
        reviewer.first, reviewer.last = min(reviewer.first, item.time), max(reviewer.last, item.time)
        images.setdefault(item.reviewer, set()).add(item.image)
    for standing in standings:
        sure = sorted((item for item in standing.history if item.verdict != "unsure"), key=lambda item: item.time)
        for before, after in pairwise(sure):
            if before.verdict != after.verdict:
                reviewer = by_name[before.reviewer]
                reviewer.by_self += before.reviewer == after.reviewer
                reviewer.by_others += before.reviewer != after.reviewer
    for name, reviewer in by_name.items():
        reviewer.images = len(images[name] - {None})
    return [by_name[name] for name in sorted(by_name)]
