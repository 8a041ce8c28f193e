"""Joining: what a mask of classes and a mask of objects of one image say together."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.errors import count_noun
from segdata.core.finding import Defect, Severity
from segdata.core.runs import Ints, Runs
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.mask_values import UNKNOWN, UNLABELLED
from segdata.formats.voc.classes import VOID

BORDER = -1  # in place of an object's number
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Joined:
    """The n segments of one image: its objects in the order of their numbers, then what is none, by category.

    Attributes
    ----------
    segment_id : (n,) an object's number; of what is none a number that no object has, 255 for the border
    category_id : (n,)
    runs : owners are the segments
    n_objects : how many are objects
    defects : where the two masks disagree
    """

    segment_id: Ints
    category_id: Ints
    runs: Runs
    n_objects: int
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The n pairs of an object and a class that share pixels.

    Attributes
    ----------
    object : (n,) rows of the values in the mask of objects
    number, category : (n,) what they stand for
    pixels : (n,)
    first : (n,) the first shared pixel, in column-major order
    """

    object: Ints
    number: Ints
    category: Ints
    pixels: Ints
    first: Ints


def join(classes: ValueRuns, category: Ints, objects: ValueRuns, number: Ints, void: int, things: Ints) -> Joined:
    """The segments of an image.

    Parameters
    ----------
    classes, category : the mask of classes, and the category id of each of its values (NOBODY, UNKNOWN)
    objects, number : the mask of objects, and the number of each of its values; 0: no object, BORDER: void
    void : the category of borders
    things : categories that should not occur outside of objects

    An object has the category of most of its pixels, as far as these have any.
    """
    o, c, start, length = kernels.strips(
        *(objects.start, objects.start + objects.length, objects.row),
        *(classes.start, classes.start + classes.length, classes.row),
    )
    code, pixels, first, of = kernels.distinct(o.astype(np.int64) * len(category) + c, length)
    row, at = np.divmod(code, len(category))
    pairs = _Pairs(row, number[row], category[at], pixels, start[first])
    of_object = _majority(pairs, len(number))
    kept = np.flatnonzero((number > 0) & (of_object != UNLABELLED))
    kept = kept[np.argsort(number[kept], kind="stable")]
    region = np.where(pairs.number == BORDER, void, np.where(pairs.number == 0, pairs.category, UNLABELLED))
    others = np.unique(region[region > UNKNOWN])
    owner = np.full(len(number), -1, np.int64)
    owner[kept] = np.arange(len(kept))
    whose = np.where(pairs.number > 0, owner[row], -1)
    loose = region > UNKNOWN
    whose[loose] = len(kept) + np.searchsorted(others, region[loose])
    n_segments = len(kept) + len(others)
    runs = Runs(*kernels.deal(start, length, of, whose.astype(np.int32), n_segments, objects.height))
    return Joined(
        np.concatenate([number[kept], _free_ids(others, void, number)]),
        np.concatenate([of_object[kept], others]),
        runs,
        len(kept),
        tuple(_disagreements(pairs, of_object, void, things, objects.height)),
    )


def _majority(pairs: _Pairs, n_values: int) -> Ints:
    """(n_values,) the category that most pixels of each object have, the lower id of two; NOBODY where none has one."""
    known = np.flatnonzero((pairs.number > 0) & (pairs.category > UNKNOWN))
    order = known[np.lexsort((pairs.category[known], -pairs.pixels[known], pairs.object[known]))]
    found, first = np.unique(pairs.object[order], return_index=True)
    category = np.full(n_values, UNLABELLED, np.int64)
    category[found] = pairs.category[order[first]]
    return category


def _free_ids(others: Ints, void: int, number: Ints) -> Ints:
    """(n,) ids for what is no object: 255 for void, as masks have it, else the next ones that are free."""
    ids = max(VOID, int(number.max(initial=0))) + 1 + np.arange(len(others), dtype=np.int64)
    ids[(others == void) & ~np.isin(VOID, number)] = VOID
    return ids


def _disagreements(pairs: _Pairs, of_object: Ints, void: int, things: Ints, height: int) -> Iterator[Defect]:
    """One SEG014 for objects of several classes, one for those without any, one for things that are no object."""
    meant = np.where(pairs.number == BORDER, void, of_object[pairs.object])
    inside = (pairs.number > 0) | (pairs.number == BORDER)
    nameless = (pairs.number > 0) & (meant == UNLABELLED)
    strange = np.isin(pairs.object, pairs.object[pairs.category == UNKNOWN])  # reported by their values
    found: tuple[tuple[Flags, Severity | None, str], ...] = (
        (inside & (meant != pairs.category) & ~nameless & (pairs.category != UNKNOWN), None, "have another class"),
        (nameless & ~strange, None, "have no class: they are left out"),
        ((pairs.number == 0) & np.isin(pairs.category, things), "warning", "are of things, and of no object"),
    )
    for rows, severity, said in found:
        some = np.flatnonzero(rows)
        if len(some) == 0:
            continue
        area = int(pairs.pixels[some].sum())
        x, y = divmod(int(pairs.first[some].min()), max(height, 1))
        numbers = tuple(np.unique(pairs.number[some][pairs.number[some] > 0]).tolist())
        of = f" of {count_noun(len(numbers), 'object')} ({', '.join(map(str, numbers[:5]))})" if numbers else ""
        message = f"{count_noun(area, 'pixel')}{of} {said}; the first at x={x}, y={y}"
        yield Defect("SEG014", message, place=f"x={x}, y={y}", segments=numbers, pixels=area, severity=severity)
