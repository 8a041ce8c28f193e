"""SEG019 expired-suppression: a suppression past its date, or one that matches nothing any more."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG019", "expired-suppression", severity="warning", needs=(), whole=True)
def expired_suppression(tables: Tables) -> Iterator[RowFinding]:
    """A suppression in segdata.yaml whose date has passed, or that no longer matches anything.

    Example:
        the suppression of SEG101 (first batch) ended on 2020-01-31
        the suppression of SEG102 (glass in front) matches no finding

    Left alone: suppressions of rules that did not run. Of a part of a dataset nothing is said.

    Why: what was accepted for a while was to be mended by then, and an entry that matches nothing will hide the next
    finding that it happens to match.

    Remedy: mend the labels and remove the entry, or give it a later date and a reason that still holds.
    """
    yield from reader_findings(tables, "SEG019")
