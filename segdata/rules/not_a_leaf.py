"""SEG205 not-a-leaf: a segment has a parent category where its children exist."""

from collections import defaultdict

import numpy as np
from msgspec.structs import replace

from segdata.core.errors import count_noun
from segdata.core.guideline import quote_guideline
from segdata.core.rule import Findings, Tables, rule
from segdata.core.taxonomy import Taxonomy
from segdata.rules.shared import join_first, segments_finding

_SHOWN = 4  # children that a message names


@rule("SEG205", "not-a-leaf", severity="warning", needs=())
def not_a_leaf(tables: Tables) -> Findings:
    """A segment has a category that the taxonomy divides further.

    Flagged:
        aa.bb
        aa.bb

        a: vehicle
        b: car
        category: vehicle
        category: car (parent vehicle)

    Fine, the group is no category itself:
        aa.bb
        aa.bb

        a: bus
        b: car
        category: bus (parent vehicle)
        category: car (parent vehicle)

    Fine, it belongs to the group of its own name:
        aa.bb
        aa.bb

        a: bag
        b: paper bag
        category: bag (parent bag)
        category: paper bag (parent bag)

    If a person gave the taxonomy, you get one finding for each such category in an annotation; if it comes from the
    data, one info for each such category. The rule ignores crowds, since a crowd may have several children, and parents
    whose children are all void.

    Why: your model learns that a car is a vehicle and not a car. Scores count each of the two as an error of the other.

    Remedy: give each segment the child it belongs to. If you cannot tell, add a child for that (other vehicle).
    """
    segments, profile = tables.segments, tables.profile
    children = _children(profile.taxonomy)
    flagged = np.flatnonzero(np.isin(segments["category_id"], list(children)) & ~segments["iscrowd"])
    by = ("annotation", "category_id") if profile.taxonomy_declared else ("category_id",)
    for group in segments.take(flagged).groups(*by):
        rows = flagged[group]
        id_ = int(segments["category_id"][rows[0]])
        below = join_first(children[id_], _SHOWN)
        message = f"{count_noun(len(rows), 'segment')} of {profile.name_of(id_)!r}, which is divided into {below}"
        finding = segments_finding(tables, message + quote_guideline(profile.taxonomy, id_, "definition"), rows)
        if not profile.taxonomy_declared:
            finding = replace(finding, segments=(), category=profile.name_of(id_), severity="info")
        yield finding


def _children(taxonomy: Taxonomy) -> dict[int, list[str]]:
    """The names of the children of each category that has some, by its id."""
    children: defaultdict[str, list[str]] = defaultdict(list)
    for category in taxonomy.categories:
        if category.parent is not None and category.parent != category.name and category.kind != "void":
            children[category.parent].append(category.name)
    divided = {id_: entry for id_, entry in taxonomy.by_id().items() if entry.parent != entry.name}
    return {id_: children[entry.name] for id_, entry in divided.items() if entry.name in children}
