"""Progress: how far a review is, who decided what, and how often rules and reviewers were right."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from segdata.core.finding import Decision, Finding, Verdict
from segdata.review.standing import Standing, latest

RIGHT: frozenset[Verdict] = frozenset({"accept", "fix", "void"})  # of a finding: what it says is true
FLAG = "SEG5"  # codes of `segdata flag` begin so


@dataclass(slots=True)
class OfRule:
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
        return sum(self.verdicts[each] for each in RIGHT)

    def add(self, other: "OfRule") -> None:
        """Count the other's findings, too."""
        self.verdicts += other.verdicts
        self.unsure += other.unsure
        self.disputed += other.disputed
        self.open += other.open


@dataclass(slots=True)
class OfReviewer:
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
class Progress:
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

    rules: tuple[OfRule, ...]
    flag: OfRule
    reviewers: tuple[OfReviewer, ...]
    segments: Counter[Verdict]
    disputed: tuple[Standing, ...]
    n_findings: int | None = None


def progress(
    decisions: Sequence[Decision], findings: Sequence[Finding] | None = None, decided: Mapping[Finding, Verdict] = {}
) -> Progress:
    """How far a review is, by its log and the findings at hand; `decided` are those of them that have a verdict.

    A finding counts once, with the verdict that holds. One whose labels have changed is another one afterwards.
    """
    standings = latest(decisions)
    rules: dict[str, OfRule] = {}
    segments: Counter[Verdict] = Counter()
    for each in standings:
        finding = each.said[-1].finding
        if finding is not None:
            _count(rules.setdefault(finding.code, OfRule(finding.code, finding.rule)), each)
        elif each.decision is not None:
            segments[each.decision.verdict] += 1
    for finding in findings or ():
        rule = rules.setdefault(finding.code, OfRule(finding.code, finding.rule))
        rule.open += finding not in decided
    flag = OfRule(FLAG, "flag")
    for code, rule in rules.items():
        if code.startswith(FLAG):
            flag.add(rule)
    return Progress(
        tuple(rules[code] for code in sorted(rules)),
        flag,
        tuple(_reviewers(decisions, standings)),
        segments,
        tuple(each for each in standings if each.is_disputed),
        None if findings is None else len(findings),
    )


def _count(rule: OfRule, standing: Standing) -> None:
    if standing.is_disputed:
        rule.disputed += 1
    elif standing.decision is None:
        rule.unsure += 1
    else:
        rule.verdicts[standing.decision.verdict] += 1


def _reviewers(decisions: Sequence[Decision], standings: Iterable[Standing]) -> list[OfReviewer]:
    """Who decided what, and which of it was changed later."""
    found: dict[str, OfReviewer] = {}
    images: dict[str, set[str | None]] = {}
    for each in decisions:
        one = found.setdefault(each.reviewer, OfReviewer(each.reviewer, first=each.time, last=each.time))
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
