"""Id meaning: which segment and category each value of an instance-ID image stands for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.config import InstanceIds
from segdata.core.defect import Defect
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.masks.idtable import IdTable
from segdata.formats.masks.valueruns import ValueRuns

_NO_NUMBER = 256  # KITTI's divisor, with which number 0 means "no instance"
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the k distinct values of one image stand for.

    Attributes
    ----------
    kept : (k,) the value is a segment; else it is background, or unknown
    segment_id, category_id : (k,) int64
    iscrowd : (k,) bool
    defects : SEG009 for values without a category
    """

    kept: Flags
    segment_id: Ints
    category_id: Ints
    iscrowd: Flags
    defects: tuple[Defect, ...] = ()


def by_category(category: Category, config: InstanceIds, void: int | None, runs: ValueRuns, image: str) -> Meaning:
    """Every value but background and void is an instance of one category."""
    categories = np.full(len(runs.value), category.id, np.int64)
    return _under(config, void, runs, runs.value, categories, np.zeros(len(runs.value), bool), _known(runs))


def by_divisor(taxonomy: Taxonomy, config: InstanceIds, void: int | None, runs: ValueRuns, image: str) -> Meaning:
    """Value = category id * divisor + number; below the divisor it is a category id, and for a thing a crowd."""
    divisor = config.divisor or 1
    whole = runs.value < divisor
    categories = np.where(whole, runs.value, runs.value // divisor)
    things = np.array([each.id for each in taxonomy.categories if each.kind == "thing"], np.int64)
    unnumbered = whole | ((runs.value % divisor == 0) & (divisor == _NO_NUMBER))
    known = np.isin(categories, np.array(list(taxonomy.by_id()), np.int64))
    return _under(config, void, runs, runs.value, categories, unnumbered & np.isin(categories, things), known)


def by_table(
    table: IdTable, taxonomy: Taxonomy, config: InstanceIds, void: int | None, runs: ValueRuns, image: str
) -> Meaning:
    """The side table says it, by image and value, or by value alone."""
    row = np.array([table.row_of(image, value) for value in runs.value.tolist()], np.int64)
    known = row >= 0
    named, by_id = taxonomy.by_name(), taxonomy.by_id()
    ids = {name: _id_of(name, named, by_id) for name in set(table.category)}
    columns = [(ids[table.category[at]], table.segment_id[at], table.iscrowd[at]) for at in row[known].tolist()]
    categories, segments, crowds = np.full(len(row), -1, np.int64), runs.value.copy(), np.zeros(len(row), bool)
    for place, (category, segment, crowd) in zip(np.flatnonzero(known), columns, strict=True):
        if category is None:
            known[place] = False
            continue
        categories[place], crowds[place] = category, crowd
        segments[place] = segments[place] if segment is None else segment
    return _under(config, void, runs, segments, categories, crowds, known)


def _id_of(name: str, named: dict[str, Category], by_id: dict[int, Category]) -> int | None:
    """The category id of a name, or of an id written as text."""
    if name in named:
        return named[name].id
    return int(name) if name.isdigit() and int(name) in by_id else None


def _under(
    config: InstanceIds,
    void: int | None,
    runs: ValueRuns,
    segments: Ints,
    categories: Ints,
    crowds: Flags,
    known: Flags,
) -> Meaning:
    """The meaning once background and void are set apart."""
    background = runs.value == config.background if config.background is not None else np.zeros(len(runs.value), bool)
    ignored = runs.value == config.void if config.void is not None else np.zeros(len(runs.value), bool)
    ignored &= ~background
    categories = np.where(ignored, void if void is not None else -1, categories)
    unknown = ~known & ~background & ~ignored
    return Meaning(
        ~background & ~unknown, segments, categories, crowds & ~ignored, tuple(_unknown(runs, unknown, categories))
    )


def _known(runs: ValueRuns) -> Flags:
    return np.ones(len(runs.value), bool)


def _unknown(runs: ValueRuns, unknown: Flags, categories: Ints) -> list[Defect]:
    """One SEG009 for each category id that the taxonomy lacks, with the values that have it."""
    defects = []
    for category in np.unique(categories[unknown]).tolist():
        rows = np.flatnonzero(unknown & (categories == category))
        x, y = runs.first_pixel(int(rows[0]))
        values = ", ".join(map(str, runs.value[rows[:5]].tolist())) + (", …" if len(rows) > 5 else "")
        what = "the table has no category for" if category < 0 else f"category {category} is not in the taxonomy:"
        area = int(runs.area[rows].sum())
        message = f"{what} value {values}: {area:,} px, the first at x={x}, y={y}"
        defects.append(Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area))
    return defects
