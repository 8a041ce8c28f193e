"""SEG412 different-taxonomy: datasets have different categories, or other names for them."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG412", "different-taxonomy", severity="warning", needs=("agreement",))
def different_taxonomy(tables: Tables) -> Findings:
    """Not all datasets have these categories, or they name them differently.

    Example:
        no category van: its annotators were not asked for it, and what others drew there is left out

    Why: a category that an annotator was not asked for is no miss, and another name is no confusion.

    Remedy: agree on one taxonomy; with `--taxonomy-map FILE` you map the names.
    """
    yield from reader_findings(tables, "SEG412")
