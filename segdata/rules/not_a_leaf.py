"""SEG205 not-a-leaf: a segment has a parent category where its children exist."""

from collections import defaultdict

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.guideline import quote_guideline
from segdata.core.profile import Profile
from segdata.core.reductions import leading, sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.taxonomy import Taxonomy
from segdata.rules.shared import join_first, segments_finding

_MAX_NAMES = 4  # children in a message


@rule("SEG205", "not-a-leaf", severity="warning", needs=(), by_part=True)
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
    category, area = segments["category_id"][flagged], segments["area"][flagged]
    if not profile.taxonomy_declared:
        sums = sum_by(tables, {"category": category}, {"n": np.ones(len(flagged), np.int64), "pixels": area})
        for id_, n, pixels in sums.lines("category", "n", "pixels") if leading(tables) is not None else ():
            message = _message(profile, id_, n, children[id_])
            yield RowFinding(message, category=profile.name_of(id_), pixels=pixels, severity="info")
        return
    for group in segments.take(flagged).groups("annotation", "category_id"):
        id_ = int(category[group[0]])
        yield segments_finding(tables, _message(profile, id_, len(group), children[id_]), flagged[group])


def _message(profile: Profile, id_: int, n: int, children: list[str]) -> str:
    below = join_first(children, _MAX_NAMES)
    message = f"{count_noun(n, 'segment')} of {profile.name_of(id_)!r}, which is divided into {below}"
    return message + quote_guideline(profile.taxonomy, id_, "definition")


def _children(taxonomy: Taxonomy) -> dict[int, list[str]]:
    """The names of the children of each category that has some, by its id."""
    children: defaultdict[str, list[str]] = defaultdict(list)
    for category in taxonomy.categories:
        if category.parent is not None and category.parent != category.name and category.kind != "void":
            children[category.parent].append(category.name)
    divided = {id_: entry for id_, entry in taxonomy.by_id().items() if entry.parent != entry.name}
    return {id_: children[entry.name] for id_, entry in divided.items() if entry.name in children}
