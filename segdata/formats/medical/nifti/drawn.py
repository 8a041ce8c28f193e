"""Drawn: the segments that the values of one slice stand for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.finding import Defect
from segdata.core.runs import Ints, Runs
from segdata.formats.shared.instance_id_rules import IdRule
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.mask_values import UNKNOWN, UNLABELLED, Legend


@dataclass(frozen=True, slots=True)
class Drawn:
    """n segments.

    Attributes
    ----------
    segment_id, category_id : (n,) int64
    iscrowd : (n,) bool
    runs : `runs.owner` is the segment
    places : (n,) their values, in words
    defects : values that mean nothing
    """

    segment_id: Ints
    category_id: Ints
    iscrowd: NDArray[np.bool_]
    runs: Runs
    places: list[str]
    defects: Sequence[Defect] = ()


Draw = Callable[[ValueRuns, str], Drawn]  # the values of a slice, and the name of its volume


def draw_ids(rule: IdRule, values: ValueRuns, name: str) -> Drawn:
    """A segment for each value that is an instance."""
    meaning = rule(values, name)
    kept = np.flatnonzero(meaning.kept)
    owner = np.full(len(values.value), -1, np.int32)
    owner[kept] = np.arange(len(kept), dtype=np.int32)
    places = [f"value {value}" for value in values.value[kept].tolist()]
    runs = values.owned(owner, len(kept))
    return Drawn(
        meaning.segment_id[kept], meaning.category_id[kept], meaning.iscrowd[kept], runs, places, meaning.defects
    )


def draw_categories(legend: Legend, values: ValueRuns, name: str) -> Drawn:
    """A segment for each category, whose id it has."""
    category = legend.read(values.value)
    known = (category != UNLABELLED) & (category != UNKNOWN)
    ids, owner = np.unique(category[known], return_inverse=True)
    owners = np.full(len(values.value), -1, np.int32)
    owners[known] = owner
    runs = values.owned(owners, len(ids))
    places = [_said(values.value[known][owner == row]) for row in range(len(ids))]
    return Drawn(ids, ids, np.zeros(len(ids), bool), runs, places, unknown(category == UNKNOWN, values))


def draw_regions(regions: Mapping[int, Sequence[int]], legend: Legend, values: ValueRuns, name: str) -> Drawn:
    """A segment for each region: a category of several values, which may be of other regions too.

    `legend` knows the values that may occur.
    """
    pieces, ids, places = [], [], []
    for id_, members in regions.items():
        inside = np.isin(values.value, np.array(members, np.int64))
        if inside.any():
            pieces.append(values.owned(np.where(inside, 0, -1).astype(np.int32), 1))
            ids.append(id_)
            places.append(_said(values.value[inside]))
    number = np.array(ids, np.int64)
    strange = unknown(legend.read(values.value) == UNKNOWN, values)
    runs = Runs.concatenate(pieces, [1] * len(pieces))
    return Drawn(number, number, np.zeros(len(ids), bool), runs, places, strange)


def unknown(lacking: NDArray[np.bool_], values: ValueRuns) -> list[Defect]:
    """SEG009 for each value that has no meaning."""
    found = []
    for row in np.flatnonzero(lacking).tolist():
        x, y = values.first_pixel(row)
        area = int(values.area[row])
        message = f"value {values.value[row]} is not in the taxonomy: {area:,} px, the first at x={x}, y={y}"
        found.append(Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area))
    return found


def _said(values: Ints) -> str:
    return f"value{'s' if len(values) > 1 else ''} {', '.join(map(str, values.tolist()))}"
