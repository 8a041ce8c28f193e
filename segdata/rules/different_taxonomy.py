"""SEG412 different-taxonomy: categories that not all datasets have, or that they call differently."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG412", "different-taxonomy", severity="warning", needs=("agreement",))
def different_taxonomy(tables: Tables) -> Iterator[RowFinding]:
    """Categories that not all datasets have, or that they call differently.

    Example:
        no category van: its annotators were not asked for them, and what others drew there is left out

    Why: what an annotator was not asked for is no miss; what is called otherwise is no confusion.
    Remedy: agree on one taxonomy; `--taxonomy-map FILE` says which names stand for which.
    """
    yield from reader_findings(tables, "SEG412")
