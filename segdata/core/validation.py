"""Validation: the result of checking or fixing a dataset, and the comparison with a baseline."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from segdata.core.errors import check_choice, count_noun
from segdata.core.finding import SEVERITIES, Finding, sort_findings

if TYPE_CHECKING:
    import pandas as pd

    from segdata.core.batch import Batch


class BaselineComparison(msgspec.Struct, frozen=True):
    """Findings compared with a baseline: the `new` ones, the `known` ones, and `fixed` ones, which only it has."""

    new: tuple[Finding, ...]
    known: tuple[Finding, ...]
    fixed: tuple[Finding, ...]


def compare_to_baseline(findings: Iterable[Finding], before: Iterable[Finding]) -> BaselineComparison:
    """Match findings with those of a baseline, one for one, in their order.

    If there are more equal findings than the baseline has, the rest are new.
    """
    now, earlier = tuple(findings), tuple(before)
    partner = match_keys([*map(finding_keys, now)], [*map(finding_keys, earlier)])
    matched = set(partner.values())
    return BaselineComparison(
        tuple(finding for row, finding in enumerate(now) if row not in partner),
        tuple(finding for row, finding in enumerate(now) if row in partner),
        tuple(finding for row, finding in enumerate(earlier) if row not in matched),
    )


def match_keys(now: Sequence[tuple[Hashable, ...]], earlier: Sequence[tuple[Hashable, ...]]) -> dict[int, int]:
    """Match rows of `now` to rows of `earlier` with equal keys, by their first keys, and the rest by their second keys.

    Each row is matched at most once; of several with equal keys, the first are matched first.
    """
    partner: dict[int, int] = {}
    rest: Sequence[int] = range(len(earlier))
    for level in range(2):
        by_key: dict[Hashable, list[int]] = {}
        for row in reversed(rest):
            by_key.setdefault(earlier[row][level], []).append(row)
        for row, keys in enumerate(now):
            if row not in partner and (rows := by_key.get(keys[level])):
                partner[row] = rows.pop()
        taken_keys = set(partner.values())
        rest = [row for row in rest if row not in taken_keys]
    return partner


def finding_key(finding: Finding) -> Hashable:
    """The key that equal findings of two validations share: code, annotator and pixels, without ids.

    The pixels are the box and the number of pixels. A finding without a box is identified by its file and its message
    without numbers, so that the same imbalance is not new when a count has changed.
    """
    return finding_keys(finding)[0]


def finding_keys(finding: Finding) -> tuple[Hashable, Hashable]:
    """`finding_key`, and for a finding without a box a second key that does not depend on the words of its message.

    The second key has the numbers and the quoted names of the message, in order: a finding is still recognised if
    the words of its rule have changed since version 0.1, or if a count has changed.
    """
    key = _key_of_pixels(finding)
    if key is not None:
        return key, key
    words = re.sub(_NUMBER, "#", f"{finding.category} {finding.message}")
    data = tuple(number or name for name, number in _DATA.findall(finding.message))
    return (*_place_of(finding), words), (*_place_of(finding), finding.category, data or words)


def finding_identity(finding: Finding) -> Hashable:
    """The identity of a finding for services that compare reports of several versions, such as code scanning.

    As `finding_key`, but a finding without a box is identified by its rule, file, place, category, variant and the
    names that its message quotes: neither other words nor another count makes it new. Several findings may share one.
    """
    names = tuple(name for name, _ in _DATA.findall(finding.message) if name)
    return _key_of_pixels(finding) or (*_place_of(finding), finding.category, finding.kind, names)


def _key_of_pixels(finding: Finding) -> tuple[Hashable, ...] | None:
    """The key of a habit or of a finding with a box; None for other findings."""
    who = (finding.code, finding.image, finding.annotator)
    if finding.count > 1:  # a habit is the same one whatever images have it now
        return (*who, finding.kind, "habit")
    return None if finding.bbox is None else (*who, finding.category, finding.bbox, finding.pixels)


def _place_of(finding: Finding) -> tuple[Hashable, ...]:
    place = re.sub(r"\d+", "#", finding.place or "")
    return finding.code, finding.image, finding.annotator, finding.file, place


_NUMBER = r"-?\d[\d.,]*"
_DATA = re.compile(rf"(?<!\w)('[^']*'|\"[^\"]*\")(?!\w)|({_NUMBER}(?<![.,]))")  # quoted names, and numbers


FailOn = Literal["error", "warning", "info", "never"]


@dataclass(frozen=True, slots=True)
class Validation:
    """The findings of the rules in a dataset.

    Attributes
    ----------
    dataset : what was checked, as the user named it
    n_images, n_segments : how much was checked
    findings : worst first, then by code, image and place; with a baseline only those that it has not
    suppressed : how many more there are that the configuration accepts
    settled : more findings, that reviewers have decided and whose labels have not changed since; `decided` counts them
    skipped : codes of the rules that did not run, since they judge a whole dataset and only a part of it was checked
    image_files : image_id -> file of the images that have findings, as far as one is known
    baseline : with a baseline, the findings that it has, too, and those of it that are not there any more; else None
    members : of the findings that stand for many (see `segdata.api.habits`), the single ones
    """

    dataset: str
    n_images: int
    n_segments: int
    findings: tuple[Finding, ...]
    suppressed: int = 0
    skipped: tuple[str, ...] = ()
    image_files: Mapping[str, str] = field(default_factory=dict, repr=False)
    baseline: BaselineComparison | None = None
    settled: tuple[Finding, ...] = field(default=(), repr=False)
    members: Mapping[Finding, tuple[Finding, ...]] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        counts = ", ".join(count_noun(self.count(severity), severity) for severity in SEVERITIES)
        size = f"{count_noun(self.n_images, 'image')}, {count_noun(self.n_segments, 'segment')}"
        return f"Validation({self.dataset!r}: {size}; {counts})"

    @property
    def by_code(self) -> dict[str, int]:
        """The number of findings of each code, in the order of the codes."""
        return dict(sorted(Counter(finding.code for finding in self.findings).items()))

    def count(self, severity: str) -> int:
        """The number of findings with this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def fails(self, fail_on: FailOn) -> bool:
        """Whether a finding is at or above `fail_on`; raises SegdataError for an unknown severity."""
        return has_failures(self.findings, fail_on)

    def against(self, before: Iterable[Finding]) -> "Validation":
        """The same validation with an earlier one as its baseline: only new findings count."""
        earlier = tuple(before)
        habits = {finding_key(finding) for finding in earlier if finding.count > 1}
        shared = {summary: own for summary, own in self.members.items() if finding_key(summary) not in habits}
        comparison = _cover_habits(compare_to_baseline(_unfold(self.every, shared), earlier))
        new, known = (_refold(findings, shared) for findings in (comparison.new, comparison.known))
        fixed = compare_to_baseline(self.settled, comparison.fixed).fixed  # settled findings are not fixed
        return replace(self, findings=new, baseline=BaselineComparison(new, known, fixed))

    @property
    def decided(self) -> int:
        """The number of further findings, which reviewers have decided."""
        return len(self.settled)

    @property
    def every(self) -> tuple[Finding, ...]:
        """All findings, in the baseline or not, in order."""
        known_findings = self.baseline.known if self.baseline else ()
        return tuple(sort_findings(self.findings + known_findings))

    @property
    def unfolded(self) -> tuple[Finding, ...]:
        """`findings`, with each finding that stands for many replaced by the single findings."""
        return _unfold(self.findings, self.members)

    @property
    def single(self) -> tuple[Finding, ...]:
        """`every`, with each finding that stands for many replaced by the single findings."""
        return _unfold(self.every, self.members)

    def table(self) -> "pd.DataFrame":
        """The findings as a pandas table, one row each, a column for every field."""
        import pandas as pd

        fields = Finding.__dataclass_fields__
        return pd.DataFrame(
            [{name: getattr(finding, name) for name in fields} for finding in self.findings], columns=[*fields]
        )


def _unfold(findings: Iterable[Finding], members: Mapping[Finding, tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """The findings, in order, with each finding that stands for many replaced by its members."""
    return tuple(sort_findings(member for finding in findings for member in members.get(finding, (finding,))))


def _refold(findings: Sequence[Finding], members: Mapping[Finding, tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """The findings, with members replaced by the finding that stands for them, if all of its members are there."""
    present = set(map(id, findings))
    whole = {summary: own for summary, own in members.items() if all(id(finding) in present for finding in own)}
    gone = {id(finding) for own in whole.values() for finding in own}
    rest = [finding for finding in findings if id(finding) not in gone]
    return tuple(sort_findings([*rest, *whole]))


def _cover_habits(comparison: BaselineComparison) -> BaselineComparison:
    """The comparison in which findings that a habit of the baseline covers are known, even if they are no habit now."""
    habits = [finding for finding in comparison.fixed if finding.count > 1]
    covered = {(habit.code, habit.annotator, name): habit for habit in habits for name in (*habit.images, habit.image)}
    covered |= {(habit.code, habit.annotator, name): habit for habit in habits for name in habit.categories}
    known, still = set(), set()
    for finding in comparison.new if covered else ():
        for annotator in (finding.annotator, None):
            for name in (finding.image, finding.category):
                habit = covered.get((finding.code, annotator, name))
                if habit is not None and name is not None:
                    known.add(id(finding))
                    still.add(id(habit))
    return BaselineComparison(
        tuple(finding for finding in comparison.new if id(finding) not in known),
        comparison.known + tuple(finding for finding in comparison.new if id(finding) in known),
        tuple(finding for finding in comparison.fixed if id(finding) not in still),
    )


def has_failures(findings: Iterable[Finding], fail_on: FailOn) -> bool:
    """Whether any finding is at or above `fail_on`; raises SegdataError for an unknown severity."""
    check_fail_on(fail_on)
    if fail_on == "never":
        return False
    bad = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return any(finding.severity in bad for finding in findings)


def check_fail_on(value: object) -> None:
    """Raise SegdataError if `value` is not a `FailOn`."""
    check_choice("fail_on", value, get_args(FailOn))


class FixedFinding(msgspec.Struct, frozen=True):
    """A finding that a fix resolved, and the number of pixels that the fix changed."""

    finding: Finding
    pixels: int


class FixedImage(msgspec.Struct, frozen=True):
    """An image before and after its fixes, and the findings that they resolved."""

    image_id: str
    before: "Batch"
    after: "Batch"
    mended: tuple[FixedFinding, ...]
