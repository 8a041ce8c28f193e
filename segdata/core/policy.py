"""Policy: what a dataset's coverage and overlap demand of its annotations and pairs of segments."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.relations import Relation, related_either_way
from segdata.core.reported import is_lossy
from segdata.core.rule import Tables
from segdata.core.table import Table


def must_be_full(tables: Tables) -> NDArray[np.bool_]:
    """(n_annotations,) whether every pixel must be labelled: by the annotation's own coverage, else the dataset's."""
    habit = "exhaustive" if tables.profile.is_exhaustive else "sparse"
    said = tables.annotations["coverage"]
    return np.array([(each or habit) == "exhaustive" for each in said.tolist()], bool)


def leaves_background(tables: Tables, least_share: float = 0.25, least_annotations: int = 5) -> bool:
    """Whether the masks themselves say that unlabelled pixels are background, and nobody declared anything else.

    So it is where coverage is exhaustive by the format's habit alone, and of at least `least_annotations` annotations
    nine in ten leave more than `least_share` of their image unlabelled.
    """
    if tables.profile.coverage.declared or not tables.profile.is_exhaustive:
        return False
    annotations = tables.annotations.take(tables.annotations.missing("coverage"))
    frame = (tables.images["width"] * tables.images["height"])[annotations["image"]]
    empty = annotations["unlabelled"] > least_share * frame
    return len(empty) >= least_annotations and bool(empty.mean() >= 0.9)


def must_be_apart(tables: Tables) -> Table:
    """The rows of `pairs` that the policy forbids, or would forbid where it allows all overlap.

    Left out are pairs with a crowd, those whose categories the taxonomy names `part_of` or `may_overlap` (which of the
    two names the other does not matter), those of which it says that they may not overlap or touch (SEG207 speaks of
    them), and with `same-category-forbid` those of different categories.
    """
    pairs, taxonomy = tables.pairs, tables.profile.taxonomy
    category, crowd = tables.segments["category_id"], tables.segments["iscrowd"]
    a, b = pairs["a"], pairs["b"]
    free = crowd[a] | crowd[b]
    if tables.profile.overlap.value == "same-category-forbid":
        free |= category[a] != category[b]
    relations: tuple[Relation, ...] = ("part_of", "may_overlap", "may_not_overlap", "may_not_touch")
    for relation in relations:
        free |= related_either_way(taxonomy, relation, category[a], category[b])
    return pairs.take(~free)


def small_shapes_count(tables: Tables) -> NDArray[np.bool_]:
    """(n_segments,) whether small parts and holes of a segment tell of a mistake.

    Not so of crowds, void, categories whose lines are `thin`, and masks that their storage changed (SEG010).
    """
    categories = tables.profile.taxonomy.categories
    left_alone = [each.id for each in categories if each.thin or each.kind == "void"]
    segments = tables.segments
    return ~(is_lossy(tables) | segments["iscrowd"] | np.isin(segments["category_id"], left_alone))
