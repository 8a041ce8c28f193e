"""SEG202 inconsistent-mapping: one name, id or colour has two meanings."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG202", "inconsistent-mapping", severity="error", needs=())
def inconsistent_mapping(tables: Tables) -> Findings:
    """One category name, id or colour means different things in different files.

    Example:
        car is 3 in annotations.json and 7 in taxonomy.yaml
        the palette of b.png shows id 1 as (244, 35, 232), the taxonomy as (128, 64, 128)
        2 objects have the classTitle 'lemon' and the classId of 'kiwi', by meta.json (Supervisely)
        palette masks without a taxonomy: 3 is a category, or the third instance (info)

    Not flagged: old names that the taxonomy lists as aliases.

    Why: if you merge or compare the files by id, cars become buses, and every number stays plausible.

    Remedy: decide on one mapping in taxonomy.yaml, and remap the files that differ.
    """
    yield from reader_findings(tables, "SEG202")
