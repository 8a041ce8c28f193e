"""Writing: which segments files of annotation tools hold, by which names, and what of the source's they keep."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segdata.core.batch import Batch, integer_column
from segdata.core.format import LossCounter
from segdata.core.profile import RasterRule
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy
from segdata.formats.shapes.rings import Drawn
from segdata.formats.shapes.shape import Polygon
from segdata.formats.shared.painting import in_first_annotation, segment_examples
from segdata.formats.tools.mark import GROUP


def names_of(taxonomy: Taxonomy) -> dict[int, str]:
    """The name that each category is written by; a second category of a name has none."""
    known = taxonomy.by_name()
    return {each.id: each.name for each in taxonomy.categories if each.name and known[each.name].id == each.id}


def writable(batch: Batch, names: dict[int, str], losses: LossCounter, *, empty: bool) -> Ints:
    """The rows of the segments that can be written: the first annotator's, of a category with a name.

    `empty`: those without pixels, too. Those of other categories, and the empty ones where they cannot be written, are
    counted.
    """
    category, first = integer_column(batch.segments["category_id"]), in_first_annotation(batch)
    areas = batch.runs.areas(batch.n_segments)
    known = np.isin(category, np.array(list(names), np.int64))
    strange = np.flatnonzero(first & ~known)
    losses.add("category", "segments", len(strange), int(areas[strange].sum()), segment_examples(batch, strange))
    if empty:
        return np.flatnonzero(first & known)
    without = np.flatnonzero(first & known & (areas == 0))
    losses.add("empty-segment", "segments", len(without), examples=segment_examples(batch, without))
    return np.flatnonzero(first & known & (areas > 0))


def source_polygons(batch: Batch, rows: Ints, rule: RasterRule) -> list[list[Polygon]]:
    """(n,) the source's polygons of the segments at these rows; none where they have holes or are not exact."""
    drawn = Drawn.of(batch)
    exact = drawn.exact(batch.runs, rule)
    holed = np.diff(drawn.polygons.polygon) > 1
    exact[drawn.segment[holed]] = False
    return [drawn.of_segment(row) if whole else [] for row, whole in zip(rows.tolist(), exact[rows], strict=True)]


def groups(
    labels: Sequence[str], said: Sequence[Mapping[str, Any]], n_parts: Sequence[int], first: int = 0
) -> tuple[list[int | None], list[bool]]:
    """(n,) the group of each segment of an image, and whether it says its attribute `group_id`, too.

    It does where it is read as that again: of one part, or with several labels; and one label has a number but once.
    Segments of several parts that have none get numbers that are free, from `first` on.
    """
    wanted: list[int | None] = []
    seen: set[tuple[str, int]] = set()
    for label, segment in zip(labels, said, strict=True):
        number = as_number(dict(segment["attributes"] or ()).get(GROUP))
        taken = number is None or number < first or (label, number) in seen
        wanted.append(None if taken else number)
        seen.add((label, number or 0))
    names = Counter(wanted)
    kept = [
        number is not None and (parts == 1 or names[number] > 1) for number, parts in zip(wanted, n_parts, strict=True)
    ]
    free = max((number for number in wanted if number is not None), default=first - 1) + 1
    found: list[int | None] = []
    for number, parts, is_kept in zip(wanted, n_parts, kept, strict=True):
        if is_kept or parts == 1:
            found.append(number if is_kept else None)
        else:
            found.append(free)
            free += 1
    return found, kept


def as_number(text: str | None) -> int | None:
    """A JSON text as a whole number; None where it is something else."""
    digits = (text or "").removeprefix("-")
    whole = digits.isascii() and digits.isdecimal() and len(digits) < 18
    return int(text or 0) if whole else None
