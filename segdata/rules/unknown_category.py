"""SEG201 unknown-category: the taxonomy lacks a category."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import has_defect, segments_finding


@rule("SEG201", "unknown-category", severity="error", needs=(), per_image=True)
def unknown_category(tables: Tables) -> Findings:
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

    Why: your training code drops these segments, or gives them an index that your model has no output for.

    Remedy: add the category, or name it as an alias of the right one.
    """
    segments, taxonomy = tables.segments, tables.profile.taxonomy
    unknown = ~np.isin(segments["category_id"], list(taxonomy.by_id())) & ~has_defect(tables, "SEG007")
    flagged = np.flatnonzero(unknown)
    for group in segments.take(flagged).groups("annotation", "category_id"):
        rows = flagged[group]
        category = int(segments["category_id"][rows[0]])
        name = tables.profile.unknown_names.get(category)
        called = f"id {category}" if name is None else f"{name!r}"
        nearest = [] if name is None else taxonomy.nearest(name)
        hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
        message = f"category {called} of {count_noun(len(rows), 'segment')} is not in the taxonomy{hint}"
        yield segments_finding(tables, message, rows, category=name or str(category))
