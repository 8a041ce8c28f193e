"""What writers for annotation tools share: the segments that a file holds, category names, polygons, groups."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segdata.core.batch import Batch, integer_column
from segdata.core.format import LossCounter
from segdata.core.profile import RasterRule
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy
from segdata.formats.shapes.geometry import Polygon
from segdata.formats.shapes.source_polygons import SourcePolygons
from segdata.formats.shared.painting import in_first_annotation, segment_examples
from segdata.formats.tools.shapes import GROUP


def category_names(taxonomy: Taxonomy) -> dict[int, str]:
    """The name that each category is written by; a second category of a name has none."""
    by_name = taxonomy.by_name()
    return {
        category.id: category.name
        for category in taxonomy.categories
        if category.name and by_name[category.name].id == category.id
    }


def writable_rows(batch: Batch, names: dict[int, str], losses: LossCounter, *, empty: bool) -> Ints:
    """The rows of the segments that can be written: the first annotator's, of a category with a name.

    `empty`: those without pixels, too. Those of other categories, and the empty ones where they cannot be written, are
    counted.
    """
    category, first = integer_column(batch.segments["category_id"]), in_first_annotation(batch)
    areas = batch.runs.areas(batch.n_segments)
    has_name = np.isin(category, np.array(list(names), np.int64))
    unnamed = np.flatnonzero(first & ~has_name)
    losses.add("category", "segments", len(unnamed), int(areas[unnamed].sum()), segment_examples(batch, unnamed))
    if empty:
        return np.flatnonzero(first & has_name)
    empty_rows = np.flatnonzero(first & has_name & (areas == 0))
    losses.add("empty-segment", "segments", len(empty_rows), examples=segment_examples(batch, empty_rows))
    return np.flatnonzero(first & has_name & (areas > 0))


def source_polygons(batch: Batch, rows: Ints, rule: RasterRule) -> list[list[Polygon]]:
    """(n,) the source's polygons of the segments at these rows; none where they have holes or are not exact."""
    polygons = SourcePolygons.of(batch)
    exact = polygons.exact(batch.runs, rule)
    with_holes = np.diff(polygons.polygons.polygon) > 1
    exact[polygons.segment[with_holes]] = False
    return [
        polygons.of_segment(row) if is_exact else [] for row, is_exact in zip(rows.tolist(), exact[rows], strict=True)
    ]


def assign_groups(
    labels: Sequence[str], segments: Sequence[Mapping[str, Any]], n_parts: Sequence[int], first: int = 0
) -> tuple[list[int | None], list[bool]]:
    """(n,) the group of each segment of an image, and whether it says its attribute `group_id`, too.

    It does where it is read as that again: of one part, or with several labels; and one label has a number but once.
    Segments of several parts that have none get numbers that are free, from `first` on.
    """
    wanted: list[int | None] = []
    used: set[tuple[str, int]] = set()
    for label, segment in zip(labels, segments, strict=True):
        number = whole_number(dict(segment["attributes"] or ()).get(GROUP))
        taken = number is None or number < first or (label, number) in used
        wanted.append(None if taken else number)
        used.add((label, number or 0))
    names = Counter(wanted)
    kept = [
        number is not None and (parts == 1 or names[number] > 1) for number, parts in zip(wanted, n_parts, strict=True)
    ]
    next_free = max((number for number in wanted if number is not None), default=first - 1) + 1
    groups: list[int | None] = []
    for number, parts, is_kept in zip(wanted, n_parts, kept, strict=True):
        if is_kept or parts == 1:
            groups.append(number if is_kept else None)
        else:
            groups.append(next_free)
            next_free += 1
    return groups, kept


def whole_number(text: str | None) -> int | None:
    """A JSON text as a whole number; None where it is something else."""
    digits = (text or "").removeprefix("-")
    is_whole = digits.isascii() and digits.isdecimal() and len(digits) < 18
    return int(text or 0) if is_whole else None
