"""Tallies: how often categories occur, by image, annotation or anything else that segments belong to."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.distinct import distinct
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.strata import Names
from segdata.core.table import Flags, Table


@dataclass(frozen=True, slots=True)
class Tally:
    """One row for each (owner, category) that occurs, in ascending order.

    Attributes
    ----------
    owner, category : (n,) the owner's number, the category's id
    segments, pixels, log_area : (n,) how many, the sum of their areas, and the mean of the logarithms of these
    """

    owner: Ints
    category: Ints
    segments: Ints
    pixels: Ints
    log_area: NDArray[np.float64]

    @staticmethod
    def of(segments: Table, owner: Ints) -> "Tally":
        """The tally of segments whose owners (n_segments,) are given."""
        row, first = joint(owner, segments["category_id"])
        n = np.bincount(row, minlength=len(first))
        pixels = np.bincount(row, weights=segments["area"], minlength=len(first)).astype(np.int64)
        logs = np.bincount(row, weights=np.log(np.maximum(segments["area"], 1)), minlength=len(first))
        return Tally(owner[first].astype(np.int64), segments["category_id"][first], n, pixels, logs / np.maximum(n, 1))


def joint(*columns: Ints) -> tuple[Ints, Ints]:
    """Each distinct combination of columns (n,) as a number, in ascending order of the combinations.

    Returns the numbers (n,), and the first row of each combination (k,).
    """
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        low, high = int(column.min(initial=0)), int(column.max(initial=0))
        if (high - low + 1) * (int(code.max(initial=0)) + 1) >= 2**62:
            column, low, high = distinct(column)[1], 0, len(column)
            code = distinct(code)[1]
        code = code * (high - low + 1) + (column - low)
    found, which = distinct(code)
    first = np.empty(len(found), np.int64)
    first[which[::-1]] = np.arange(len(code) - 1, -1, -1)  # of several rows the last that is written stays
    return which, first


def countable(tables: Tables, *, crowds: bool = True) -> Flags:
    """(n_segments,) those that count as examples of their category: with pixels, not void; `crowds`: those too."""
    segments = tables.segments
    told = (segments["area"] > 0) & ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    return told if crowds else told & ~segments["iscrowd"]


def examples(tables: Tables, *, crowds: bool = True) -> Table:
    """The columns annotation, image, category_id, area and iscrowd of the segments that are `countable`."""
    rows = np.flatnonzero(countable(tables, crowds=crowds))
    names = ("annotation", "image", "category_id", "area", "iscrowd")
    return Table({name: tables.segments[name][rows] for name in names})


def units(tables: Tables) -> Ints:
    """(n_images,) what is drawn as a whole when a dataset is divided: the image's group, else sequence, else itself.

    Frames of one film resemble each other, and so do images of one patient: as evidence they are one.
    """
    images = tables.images
    if images.missing("group").all() and images.missing("sequence").all():
        return np.arange(len(images))
    named: dict[tuple[str, str], int] = {}
    lines = enumerate(images.lines("group", "sequence"))
    found = [
        named.setdefault(("group", group) if group is not None else ("sequence", sequence), row)
        if group is not None or sequence is not None
        else row
        for row, (group, sequence) in lines
    ]
    return np.unique(np.array(found, np.int64), return_inverse=True)[1]


def size_class(tables: Tables) -> Ints:
    """(n_images,) images of about the same size have the same number: areas within a factor of 4; unknown ones 0."""
    area = tables.images["width"].astype(np.float64) * tables.images["height"]
    return np.round(np.log2(np.maximum(area, 1)) / 2).astype(np.int64)


def numbered(names: Names) -> tuple[list[str], Ints]:
    """The names that occur, sorted, and (n,) the number of each; -1 where there is none."""
    coded = pa.array(names, pa.string()).dictionary_encode()
    told: list[str] = coded.dictionary.to_pylist()
    place = np.empty(len(told) + 1, np.int64)
    order = sorted(range(len(told)), key=told.__getitem__)
    place[order], place[-1] = np.arange(len(told)), -1  # the last for what has none
    return [told[each] for each in order], place[coded.indices.fill_null(len(told)).to_numpy()]
