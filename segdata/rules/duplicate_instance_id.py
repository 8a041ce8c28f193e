"""SEG103 duplicate-instance-id: two segments of an annotation share one id."""

import numpy as np

from segdata.core.rule import Findings, Tables, rule
from segdata.core.table import Column, Table
from segdata.rules.shared import has_defect, segments_finding


@rule(
    "SEG103",
    "duplicate-instance-id",
    severity="error",
    needs=(),
    tasks=("instance", "panoptic"),
    habit="image",
    per_image=True,
)
def duplicate_instance_id(tables: Tables) -> Findings:
    """One instance id is on two segments, or on two categories, of one annotation.

    Flagged, in one category:
        aaa.bbb
        aaa.bbb

        a, b: car (id 7)

    Flagged, in two categories:
        aaa.bbb
        aaa.bbb

        a: car (id 7)
        b: person (id 7)

    Fine, the ids differ:
        aaa.bbb
        aaa.bbb

        a: car (id 7)
        b: car (id 8)

    SEG008 reports an id that occurs twice in an annotation file; this rule does not repeat it.

    Why: only the id tells instances apart. Two under one id become one object when you convert the data.

    Remedy: renumber the segments of each annotation.
    """
    segments = tables.segments
    with_ids = segments.beside(id=_ids(segments))
    has_id = ~(segments.missing("source_id") & segments.missing("segment_id"))
    twice = np.flatnonzero(with_ids.repeated("annotation", "id") & has_id & ~has_defect(tables, "SEG008"))
    for group in with_ids.take(twice).groups("annotation", "id"):
        rows = twice[group]
        categories = len(np.unique(segments["category_id"][rows]))
        several = f" of {categories} categories" if categories > 1 else ""
        yield segments_finding(tables, f"id {with_ids['id'][rows[0]]} is on {len(rows)} segments{several}", rows)


def _ids(segments: Table) -> Column:
    """(n,) the ids that sources use: whole numbers, or texts where a source has texts."""
    source_id, number = segments["source_id"], segments["segment_id"]
    if segments.missing("source_id").all() and number.dtype != object:
        return number
    return np.array([str(n if own is None else own) for n, own in zip(number, source_id, strict=True)], object)
