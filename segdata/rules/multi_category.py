"""SEG211 multi-category: the taxonomy does not allow a secondary category."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding, Severity
from segdata.core.guideline import declares_relation, is_related, quote_guideline
from segdata.core.reductions import gather
from segdata.core.rule import Findings, Tables, rule
from segdata.core.table import Table


@rule("SEG211", "multi-category", severity="warning", needs=("also",), by_part=True)
def multi_category(tables: Tables) -> Findings:
    """A segment has a secondary category that the taxonomy does not allow beside its own (`also`).

    Flagged:
        aa.bb
        aa.bb

        a: sofa (also bed)
        b: car (also bed)
        category: sofa (also bed)
        category: bed

    Flagged, the same category twice:
        aa.bb
        aa.bb

        a: sofa (also sofa)
        category: sofa (also bed)
        category: bed

    Fine:
        aa.bb
        aa.bb

        a: sofa (also bed)
        category: sofa (also bed)
        category: bed

    With `also: [bed]` in the entry of a sofa you allow bed as a secondary category of sofas, and with a group's name
    all categories below it. You get one finding for each such pair of categories in an annotation. If the taxonomy has
    no `also` at all, you get one for each such pair in the dataset, as an info if no person gave the taxonomy. A
    secondary category that is the segment's own, or is unknown, is never allowed.

    Why: a sofa that is also a bed for one annotator is a bed that is also a sofa, or two segments, for another.

    Remedy: decide which comes first, write it into the taxonomy, and correct these segments.
    """
    segments, profile = tables.segments, tables.profile
    own_category = segments["category_id"][tables.also["segment"]]
    second = tables.also["category_id"]
    is_allowed = is_related(profile.taxonomy, "also", own_category, second) & (own_category != second)
    rows = np.flatnonzero(~(is_allowed & np.isin(second, list(profile.taxonomy.by_id()))))
    odd = tables.also.take(rows).beside(own=own_category[rows])
    odd = odd.beside(annotation=segments["annotation"][odd["segment"]])
    ruled = declares_relation(profile.taxonomy, "also")
    columns = {name: odd[name] for name in ("segment", "annotation", "own", "category_id")}
    tables, odd = gather(tables, columns, {"segment": "segments", "annotation": "annotations"})
    for group in odd.groups(*(("annotation",) if ruled else ()), "own", "category_id"):
        yield _finding(tables, odd.take(group), ruled)


def _finding(tables: Tables, odd: Table, ruled: bool) -> RowFinding:
    """One finding for segments of one category with the same secondary one."""
    profile, rows = tables.profile, tuple(np.unique(odd["segment"]).tolist())
    own_category, second = int(odd["own"][0]), int(odd["category_id"][0])
    name, second_name = profile.name_of(own_category), profile.name_of(second)
    unruled = "does not allow" if ruled else "does not mention"
    why = "which is the same" if own_category == second else f"which the taxonomy {unruled}"
    verb = "has" if len(rows) == 1 else "have"
    message = f"{count_noun(len(rows), 'segment')} of {name!r} also {verb} {second_name!r}, {why}"
    message += quote_guideline(profile.taxonomy, own_category, "definition")
    pixels = int(tables.segments.take(np.array(rows))["area"].sum())
    severity: Severity | None = None if ruled or profile.taxonomy_declared else "info"
    if len(np.unique(odd["annotation"])) == 1:
        return RowFinding(message, segments=rows, pixels=pixels, severity=severity)
    return RowFinding(message, category=name, pixels=pixels, severity=severity)
