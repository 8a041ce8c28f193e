"""SEG201 unknown-category: the taxonomy lacks a category."""

from collections.abc import Iterator

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.rules.shared import has_defect


@rule("SEG201", "unknown-category", severity="error", needs=())
def unknown_category(tables: Tables) -> Iterator[RowFinding]:
    """A segment has a category that the taxonomy lacks.

    Flagged:
        aa.bb
        aa.bb

        a: car
        b: cra (unknown)

    Fine:
        aa.bb
        aa.bb

        a: car
        b: truck

    You get one finding for each such category in an annotation, with the nearest known names. A category id that its
    own file does not list is SEG007.

    Why: training code drops these segments, or gives them an index that the model has no output for.

    Remedy: add the category, or name it as an alias of the right one.
    """
    segments, taxonomy = tables.segments, tables.profile.taxonomy
    unknown = ~np.isin(segments["category_id"], list(taxonomy.by_id())) & ~has_defect(tables, "SEG007")
    names = tables.profile.unknown_names
    flagged = np.flatnonzero(unknown)
    for group in segments.take(flagged).groups("annotation", "category_id"):
        rows = flagged[group]
        category = int(segments["category_id"][rows[0]])
        name = names.get(category)
        called = f"id {category}" if name is None else f"{name!r}"
        nearest = [] if name is None else taxonomy.nearest(name)
        hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
        message = f"category {called} of {count_noun(len(rows), 'segment')} is not in the taxonomy{hint}"
        pixels = int(segments["area"][rows].sum())
        yield RowFinding(message, segments=tuple(rows.tolist()), category=name or str(category), pixels=pixels)
