"""Tallies: how often categories occur, by image, annotation or anything else that segments belong to."""

from dataclasses import dataclass

import numpy as np

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
    segments, pixels : (n,) how many, and the sum of their areas
    """

    owner: Ints
    category: Ints
    segments: Ints
    pixels: Ints

    @staticmethod
    def of(segments: Table, owner: Ints) -> "Tally":
        """The tally of segments whose owners (n_segments,) are given."""
        ids, which = np.unique(segments["category_id"], return_inverse=True)
        key, row, n = np.unique(
            owner.astype(np.int64) * max(len(ids), 1) + which, return_inverse=True, return_counts=True
        )
        pixels = np.bincount(row, weights=segments["area"], minlength=len(key)).astype(np.int64)
        return Tally(key // max(len(ids), 1), ids[key % max(len(ids), 1)] if len(ids) else ids, n, pixels)


def countable(tables: Tables, *, crowds: bool = True) -> Flags:
    """(n_segments,) those that count as examples of their category: with pixels, not void; `crowds`: those too."""
    segments = tables.segments
    told = (segments["area"] > 0) & ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    return told if crowds else told & ~segments["iscrowd"]


def units(tables: Tables) -> Ints:
    """(n_images,) what is drawn as a whole when a dataset is divided: the image's group, else sequence, else itself.

    Frames of one film resemble each other, and so do images of one patient: as evidence they are one.
    """
    images = tables.images
    named: dict[tuple[str, str], int] = {}
    lines = enumerate(images.lines("group", "sequence"))
    found = [
        named.setdefault(("group", group) if group is not None else ("sequence", sequence), row)
        if group is not None or sequence is not None
        else row
        for row, (group, sequence) in lines
    ]
    return np.unique(np.array(found, np.int64), return_inverse=True)[1]


def numbered(names: Names) -> tuple[list[str], Ints]:
    """The names that occur, sorted, and (n,) the number of each; -1 where there is none."""
    known = sorted({name for name in names.tolist() if name is not None})
    number = {name: place for place, name in enumerate(known)}
    return known, np.array([number.get(name, -1) for name in names.tolist()], np.int64)
