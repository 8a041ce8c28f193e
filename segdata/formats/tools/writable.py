"""Writable: which segments a tool's file can name, and by which name of their category."""

import numpy as np

from segdata.core.batch import Batch, whole
from segdata.core.loss import Losses
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy
from segdata.formats.sheets import examples, is_painted


def names_of(taxonomy: Taxonomy) -> dict[int, str]:
    """The name that each category is written by; a second category of a name has none."""
    known = taxonomy.by_name()
    return {each.id: each.name for each in taxonomy.categories if each.name and known[each.name].id == each.id}


def writable(batch: Batch, names: dict[int, str], losses: Losses, *, empty: bool) -> Ints:
    """The rows of the segments that can be written: the first annotator's, of a category with a name.

    `empty`: those without pixels, too. Those of other categories, and the empty ones where they cannot be written, are
    counted.
    """
    category, first = whole(batch.segments["category_id"]), is_painted(batch)
    areas = batch.runs.areas(batch.n_segments)
    known = np.isin(category, np.array(list(names), np.int64))
    strange = np.flatnonzero(first & ~known)
    losses.add("category", "segments", len(strange), int(areas[strange].sum()), examples(batch, strange))
    if empty:
        return np.flatnonzero(first & known)
    without = np.flatnonzero(first & known & (areas == 0))
    losses.add("empty-segment", "segments", len(without), examples=examples(batch, without))
    return np.flatnonzero(first & known & (areas > 0))
