"""SEG019 expired-suppression: a suppression has expired, or no longer matches anything."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG019", "expired-suppression", severity="warning", needs=(), whole=True)
def expired_suppression(tables: Tables) -> Findings:
    """The date of a suppression in segdata.yaml has passed, or it no longer matches anything.

    Example:
        the suppression of SEG101 (first batch) ended on 2020-01-31
        the suppression of SEG102 (glass in front) matches no finding

    Not flagged: suppressions of rules that did not run. The rule is skipped when you validate a subset of a dataset.

    Why: labels that you accepted until that date should be mended by now, and an entry that matches nothing will hide
    the next finding that it happens to match.

    Remedy: correct the labels and remove the entry, or give it a later date and a reason that still holds.
    """
    yield from reader_findings(tables, "SEG019")
