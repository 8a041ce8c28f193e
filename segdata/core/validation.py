"""Validation: the result of checking a dataset."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from segdata.core.baseline import Comparison, compare
from segdata.core.errors import check_choice
from segdata.core.finding import SEVERITIES, Finding

if TYPE_CHECKING:
    import pandas as pd

FailOn = Literal["error", "warning", "info", "never"]


@dataclass(frozen=True, slots=True)
class Validation:
    """What the rules found in a dataset.

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
    """

    dataset: str
    n_images: int
    n_segments: int
    findings: tuple[Finding, ...]
    suppressed: int = 0
    skipped: tuple[str, ...] = ()
    image_files: Mapping[str, str] = field(default_factory=dict, repr=False)
    baseline: Comparison | None = None
    settled: tuple[Finding, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        found = ", ".join(f"{self.count(severity)} {severity}" for severity in SEVERITIES)
        return f"Validation({self.dataset!r}: {self.n_images} images, {self.n_segments} segments; {found})"

    @property
    def by_code(self) -> dict[str, int]:
        """How many findings each code has, in the order of the codes."""
        return dict(sorted(Counter(finding.code for finding in self.findings).items()))

    def count(self, severity: str) -> int:
        """How many findings have this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def fails(self, fail_on: FailOn) -> bool:
        """Whether something at or above `fail_on` was found; raises SegdataError for a word that is no severity."""
        return fails(self.findings, fail_on)

    def against(self, before: Iterable[Finding]) -> "Validation":
        """The same validation with an earlier one's findings as its baseline: only what is new counts."""
        found = compare(self.every, before)
        fixed = compare(self.settled, found.fixed).fixed  # what is only silent is not fixed
        return replace(self, findings=found.new, baseline=replace(found, fixed=fixed))

    @property
    def decided(self) -> int:
        """How many more findings there are that reviewers have decided."""
        return len(self.settled)

    @property
    def every(self) -> tuple[Finding, ...]:
        """All findings, whether a baseline has them or not, in order."""
        known = self.baseline.known if self.baseline else ()
        return tuple(sorted(self.findings + known, key=Finding.order))

    def table(self) -> "pd.DataFrame":
        """The findings as a pandas table, one row each, a column for every field."""
        import pandas as pd

        fields = Finding.__dataclass_fields__
        return pd.DataFrame(
            [{name: getattr(each, name) for name in fields} for each in self.findings], columns=[*fields]
        )


def fails(findings: Iterable[Finding], fail_on: FailOn) -> bool:
    """Whether a finding is at or above `fail_on`; raises SegdataError for a word that is no severity."""
    check_fail_on(fail_on)
    if fail_on == "never":
        return False
    bad = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return any(finding.severity in bad for finding in findings)


def check_fail_on(value: object) -> None:
    """Raise SegdataError where `value` is no `FailOn`."""
    check_choice("fail_on", value, get_args(FailOn))
