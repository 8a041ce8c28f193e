"""What writers for annotation tools share: the segments that a file holds, category names, polygons, groups."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
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

Json = dict[str, Any]  # Any: JSON


def category_names(taxonomy: Taxonomy) -> dict[int, str]:
    """The name that each category is written by; of several categories with one name only the first has it."""
    by_name = taxonomy.by_name()
    return {
        category.id: category.name
        for category in taxonomy.categories
        if category.name and by_name[category.name].id == category.id
    }


def writable_rows(batch: Batch, categories: Collection[int], losses: LossCounter, *, empty: bool) -> Ints:
    """The rows of the segments that can be written: of each image's first annotation, of one of these categories.

    `empty`: segments without pixels can be written, too. Segments that cannot be written are counted.
    """
    category, first = integer_column(batch.segments["category_id"]), in_first_annotation(batch)
    areas = batch.runs.areas(batch.n_segments)
    is_known = np.isin(category, np.array(list(categories), np.int64))
    unnamed = np.flatnonzero(first & ~is_known)
    losses.add("category", "segments", len(unnamed), int(areas[unnamed].sum()), segment_examples(batch, unnamed))
    if empty:
        return np.flatnonzero(first & is_known)
    empty_rows = np.flatnonzero(first & is_known & (areas == 0))
    losses.add("empty-segment", "segments", len(empty_rows), examples=segment_examples(batch, empty_rows))
    return np.flatnonzero(first & is_known & (areas > 0))


def image_rows(batch: Batch, rows: Ints) -> Iterator[tuple[Json, slice, Json]]:
    """Each image of a batch, with the slice of `rows` (of segments, ascending) that are on it, and who annotated it.

    The last is `annotator` and `source` of the image's first annotation; it is empty if there is none.
    """
    bounds = np.searchsorted(batch.segment_image[rows], np.arange(batch.images.num_rows + 1)).tolist()
    annotation = np.searchsorted(batch.annotation_image, np.arange(batch.images.num_rows)).tolist()
    annotated = set(batch.annotation_image.tolist())
    owners = batch.annotations.select(["annotator", "source"]).to_pylist()
    for row, image in enumerate(batch.images.to_pylist()):
        owner = owners[annotation[row]] if row in annotated else {}
        yield image, slice(bounds[row], bounds[row + 1]), owner


def count_lost_rings(batch: Batch, rows: Ints, losses: LossCounter) -> None:
    """Count the segments at `rows`, which are not written as the source's polygons, that have some."""
    lost = rows[batch.segments["rings"].is_valid().to_numpy()[rows]]
    losses.add("rings", "segments", len(lost), examples=segment_examples(batch, lost))


def source_polygons(batch: Batch, rows: Ints, rule: RasterRule) -> list[list[Polygon]]:
    """(n,) the source's polygons of the segments at these rows; none if they have holes or are not exact."""
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
    """(n,) the group of each segment of an image, and whether that is its attribute `group_id`.

    The attribute is kept if reading gives it back: the segment has one part, or other labels share the group; and one
    label has a number only once. Other segments of several parts get free numbers, from `first` on.
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
    """A JSON text as a whole number; None for another text."""
    digits = (text or "").removeprefix("-")
    is_whole = digits.isascii() and digits.isdecimal() and len(digits) < 18
    return int(text or 0) if is_whole else None
