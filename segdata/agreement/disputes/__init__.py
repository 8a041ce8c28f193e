"""Disputes: single segments on which annotators do not agree, and whose doing each is.

What more than half of the others have, an annotator missed; what fewer than half of them have, is extra. Of two
annotators nobody can tell whose doing it is: what only one has is told once, as missed by the other. Where there is a
reference (gold) each annotator is held against it alone, and nothing is said of the reference.
"""

import numpy as np

from segdata.agreement.disputes.boundaries import of_boundaries
from segdata.agreement.disputes.groups import Groups, of_groups
from segdata.agreement.disputes.regions import of_regions
from segdata.agreement.disputes.rows import COLUMNS
from segdata.agreement.disputes.things import of_things
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.table import Table


def disputes(opposed: AnnotatorPairs, gold: int | None = None) -> Table:
    """One row for each segment that is in dispute.

    Columns: kind (``missed``, ``extra``, ``category``, ``boundary``, ``split``, ``merge``), annotation (row: whose
    doing it is), segment (row: what to look at), other (row of a segment of another annotator, -1: none), category
    (position: of `segment`), called (position: what the annotator calls it; -1), support (how many of the others have
    or say it), others (how many there are), n (segments that one was made into), pixels and share (of a
    region that is not counted: how much is concerned), near (share of both boundaries
    within the tolerance of each other), distance (HD95). -1 and NaN where a column says nothing.

    `gold`: the position of the reference among the annotators.
    """
    groups = Groups.of(opposed)
    found = [
        *of_things(opposed, groups, gold),
        *of_regions(opposed, gold),
        of_boundaries(opposed, gold),
        *of_groups(opposed, groups, gold),
    ]
    columns = {
        name: np.concatenate([np.full(len(each.annotation), each.kind, object) for each in found])
        if name == "kind"
        else np.concatenate([getattr(each, name) for each in found])
        for name in COLUMNS
    }
    return Table(columns)
