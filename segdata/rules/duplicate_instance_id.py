"""SEG103 duplicate-instance-id: one id for two segments of an annotation."""

from collections.abc import Iterator

import pandas as pd

from segdata.core.finding import Found
from segdata.core.reported import was_reported
from segdata.core.rule import Tables, rule


@rule("SEG103", "duplicate-instance-id", severity="error", needs=(), tasks=("instance", "panoptic"))
def duplicate_instance_id(tables: Tables) -> Iterator[Found]:
    """One instance id on two segments, or on two categories, of one annotation.

    Flagged:
        aaa.bbb
        aaa.bbb

        a, b: car (id 7)

    Flagged:
        aaa.bbb
        aaa.bbb

        a: car (id 7)
        b: person (id 7)

    Fine:
        aaa.bbb
        aaa.bbb

        a: car (id 7)
        b: car (id 8)

    The same id twice in an annotation file is SEG008 and not reported again.

    Why: instances are told apart by their id alone; two under one id become one object on conversion.

    Remedy: number the segments of each annotation anew.
    """
    segments = tables.segments
    id_ = segments["source_id"].fillna(segments["segment_id"].astype("Int64").astype("string"))
    key = pd.DataFrame({"annotation": segments["annotation"], "id": id_})
    twice = key[key.duplicated(keep=False) & id_.notna() & ~was_reported(tables, "SEG008")]
    for rows in twice.groupby(["annotation", "id"], sort=True).groups.values():
        categories = segments.loc[rows, "category_id"].nunique()
        on = f"{len(rows)} segments" + (f" of {categories} categories" if categories > 1 else "")
        pixels = int(segments.loc[rows, "area"].sum())
        yield Found(f"id {id_[rows[0]]} is on {on}", segments=tuple(int(row) for row in rows), pixels=pixels)
