"""Examples: an annotator's own worst work, what is wrong with it, and what the guideline says about that."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from segdata.agreement.gold.trend import Flags, Scored
from segdata.agreement.summary.sums import column
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy

LEAST_PIXELS = 64  # of an example: what is smaller can be missed by a hair
_SAID = {
    "missed": ("definition", "boundary_rule"),
    "extra": ("definition", "boundary_rule"),
    "confused": ("definition", "boundary_rule"),
    "boundary": ("boundary_rule", "definition"),
}


@dataclass(frozen=True, slots=True)
class Example:
    """Some of an annotator's worst work.

    Attributes
    ----------
    image, category : names
    other : against whom
    value : the score, 0 to 1
    pixels : how many of the category only one of both has
    cause : what most of these are: ``missed``, ``extra``, ``confused`` with another category, or the ``boundary``
    guideline : what the taxonomy says about that; None: nothing
    """

    image: str
    category: str
    other: str
    value: float
    pixels: int
    cause: str
    guideline: str | None


def worst_examples(
    tables: Tables,
    opposed: AnnotatorPairs,
    scored: Scored,
    pair: Ints,
    mine: Flags,
    annotator: int,
    n: int,
) -> Iterator[Example]:
    """The `n` lowest scores of an annotator, of categories of some size, one an image.

    `scored` are all scores, `pair` (n,) the pair of annotations of each, `mine` (n,) which of them are the annotator's.
    """
    wide = len(opposed.categories)
    overlaps = opposed.overlaps
    key = column(overlaps, "pair") * wide + column(overlaps, "category")
    both, area = column(overlaps, "both"), column(overlaps, "area_a") + column(overlaps, "area_b")
    order = np.argsort(key)
    at = order[np.searchsorted(key[order], pair * wide + scored.category)] if len(key) else np.empty(0, np.int64)
    apart = (area - 2 * both)[at]
    rows = np.flatnonzero(mine & (apart > 0) & ((area - both)[at] >= LEAST_PIXELS))
    rows = rows[np.lexsort((-apart[rows], scored.value[rows]))]
    _, first = np.unique(scored.case[rows], return_index=True)
    for row in rows[np.sort(first)[:n]].tolist():
        side = int(scored.annotators[1, row] == annotator)
        cause = _cause(opposed, int(pair[row]), int(scored.category[row]), side)
        category = opposed.categories[scored.category[row]].name
        yield Example(
            str(opposed.cases.cell("name", int(scored.case[row]))),
            category,
            opposed.annotators[int(scored.annotators[1 - side, row])],
            float(scored.value[row]),
            int(apart[row]),
            cause,
            _guideline(tables.profile.taxonomy, category, cause),
        )


def _cause(opposed: AnnotatorPairs, pair: int, category: int, side: int) -> str:
    """Why most of the pixels are that only one of both gives the category; `side`: which of both the annotator is."""
    causes = opposed.causes
    rows = np.flatnonzero((column(causes, "pair") == pair) & (column(causes, "category") == category))
    own = column(causes, "side")[rows] == side
    pixels: Mapping[str, int] = {
        "missed": int(column(causes, "unmatched")[rows][~own].sum()),
        "extra": int(column(causes, "unmatched")[rows][own].sum()),
        "confused": int(column(causes, "confused")[rows].sum()),
        "boundary": int(column(causes, "boundary")[rows].sum()),
    }
    return max(pixels, key=lambda name: pixels[name])


def _guideline(taxonomy: Taxonomy, category: str, cause: str) -> str | None:
    """What the taxonomy says: of boundaries first where it is about these."""
    entry = taxonomy.by_name().get(category)
    return next((text for chapter in _SAID[cause] if entry and (text := getattr(entry, chapter))), None)
