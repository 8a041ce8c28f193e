"""SEG213 absent-category: a category is absent where the taxonomy expects it."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.guideline import ids_by_name, quote_guideline
from segdata.core.reductions import leading, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags
from segdata.core.taxonomy import Category


@rule(
    "SEG213",
    "absent-category",
    severity="error",
    needs=(),
    when=lambda profile: any(category.expected for category in profile.taxonomy.categories),
    habit="image",
    by_part=True,
)
def absent_category(tables: Tables) -> Findings:
    """A category is absent where the taxonomy expects it (`expected`).

    Flagged, every image must have it:
        rrss

        ssss

        r: road
        s: sky
        category: road (expected 1)

    Flagged, every image with a car must have it:
        aass

        a: car
        s: sky
        category: road (expected car)

    Fine:
        rrss

        ssss

        r: road
        s: sky
        category: road (expected 0.5)

    `expected: {least_share: 1}` gives you one finding for each annotation without the category. A smaller share gives
    one finding for the dataset. `expected: {whenever: [car]}` gives one finding for each annotation that has a car but
    not the category. A name stands for all categories below it, and a category counts as present when one below it is
    present. Images without an annotation do not count.

    Why: you know what the images of your project show. A category that is absent there was probably forgotten.

    Remedy: draw it, or correct `expected` in the taxonomy.
    """
    taxonomy = tables.profile.taxonomy
    ids_of = ids_by_name(taxonomy)
    for category in taxonomy.categories:
        if category.expected is None:
            continue
        is_present = _annotations_with(tables, ids_of.get(category.name, frozenset()))
        yield from _too_rare(tables, category, is_present)
        for indicator in category.expected.whenever:
            beside = _annotations_with(tables, ids_of.get(indicator, frozenset()))
            for row in np.flatnonzero(beside & ~is_present).tolist():
                message = f"no {category.name!r}, which is expected wherever {indicator!r} is"
                yield RowFinding(message + _rule(tables, category), annotation=row, category=category.name, pixels=0)


def _annotations_with(tables: Tables, ids: frozenset[int]) -> Flags:
    """(n_annotations,) whether a segment of one of these categories is there."""
    is_present = np.zeros(len(tables.annotations), bool)
    is_present[tables.segments["annotation"][np.isin(tables.segments["category_id"], list(ids))]] = True
    return is_present


def _too_rare(tables: Tables, category: Category, is_present: Flags) -> Findings:
    """Findings where the category is in a smaller share of the annotations than is expected."""
    least_share = category.expected.least_share if category.expected else None
    if least_share is None:
        return
    sums = total(tables, annotations=len(is_present), present=int(is_present.sum()))
    n, n_present = sums["annotations"], sums["present"]
    if n_present >= least_share * n:
        return
    if least_share == 1:
        for row in np.flatnonzero(~is_present).tolist():
            message = f"no {category.name!r}, which is expected in every image{_rule(tables, category)}"
            yield RowFinding(message, annotation=row, category=category.name, pixels=0)
        return
    if leading(tables) is not None:
        message = f"in {n_present:,} of {n:,} annotations ({n_present / n:.1%}), expected in {least_share:.1%} or more"
        yield RowFinding(message + _rule(tables, category), category=category.name)


def _rule(tables: Tables, category: Category) -> str:
    return quote_guideline(tables.profile.taxonomy, category.id, "definition")
