"""SEG103 duplicate-instance-id: one id for two segments of an annotation."""

from collections.abc import Iterator

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.core.table import Column, Table
from segdata.rules.shared import has_defect


@rule("SEG103", "duplicate-instance-id", severity="error", needs=(), tasks=("instance", "panoptic"))
def duplicate_instance_id(tables: Tables) -> Iterator[RowFinding]:
    """One instance id on two segments, or on two categories, of one annotation.

    Flagged, of one category:
        aaa.bbb
        aaa.bbb

        a, b: car (id 7)

    Flagged, of two categories:
        aaa.bbb
        aaa.bbb

        a: car (id 7)
        b: person (id 7)

    Fine, ids differ:
        aaa.bbb
        aaa.bbb

        a: car (id 7)
        b: car (id 8)

    The same id twice in an annotation file is SEG008 and not reported again.

    Why: instances are told apart by their id alone; two under one id become one object on conversion.

    Remedy: number the segments of each annotation anew.
    """
    segments = tables.segments
    named = segments.beside(id=_ids(segments))
    known = ~(segments.missing("source_id") & segments.missing("segment_id"))
    twice = np.flatnonzero(named.repeated("annotation", "id") & known & ~has_defect(tables, "SEG008"))
    for group in named.take(twice).groups("annotation", "id"):
        rows = twice[group]
        categories = len(np.unique(segments["category_id"][rows]))
        on = f"{len(rows)} segments" + (f" of {categories} categories" if categories > 1 else "")
        pixels = int(segments["area"][rows].sum())
        yield RowFinding(f"id {named['id'][rows[0]]} is on {on}", segments=tuple(rows.tolist()), pixels=pixels)


def _ids(segments: Table) -> Column:
    """(n,) the ids that sources use: whole numbers, or texts where a source has texts."""
    own, number = segments["source_id"], segments["segment_id"]
    if segments.missing("source_id").all() and number.dtype != object:
        return number
    return np.array([str(number[row] if own[row] is None else own[row]) for row in range(len(own))], object)
