"""SEG008 duplicate-id: one id used twice."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG008", "duplicate-id", severity="error", needs=())
def duplicate_id(tables: Tables) -> Iterator[RowFinding]:
    """The same image, annotation or category id twice in one file.

    Example:
        /annotations/4040/id is 309, as /annotations/309/id

    Left alone: ids that are unique within an image only, where the format says so (panoptic segments). Both entries
    are kept and checked.

    Why: an index by id keeps only the last one, so segments vanish on loading, and a correction reaches the wrong
    one.

    Remedy: number the entries anew. If both are the same, delete one (SEG104).
    """
    yield from reader_findings(tables, "SEG008")
