"""SEG207 hierarchy: a part lies outside its whole, or a pair overlaps or touches that may not."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.guideline import Relation, declares_relation, is_related, is_related_either_way, quote_guideline
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints
from segdata.core.table import Table
from segdata.rules.shared import both_ways

_MAX_INEXACT_SHARE = 0.02  # of a part's pixels that may lie over its whole though it is cut out of it
_RELATIONS: tuple[Relation, ...] = ("part_of", "may_not_overlap", "may_not_touch")


@rule(
    "SEG207",
    "hierarchy",
    severity="error",
    needs=("pairs", "contacts"),
    when=lambda profile: declares_relation(profile.taxonomy, *_RELATIONS),
    habit="image",
    per_image=True,
)
def hierarchy(tables: Tables, *, min_inside: float = 0.5) -> Findings:
    """A part lies outside its whole, or two segments overlap or touch although the taxonomy forbids it.

    Flagged, the wheel belongs to no car:
        aaa...w
        aaa...w

        a: car
        w: wheel
        category: car
        category: wheel (part_of car)

    Flagged, most of it is outside:
        aaxwww
        aaxwww

        x = a + w
        a: car
        w: wheel
        category: car
        category: wheel (part_of car)

    Flagged, they touch:
        aabb
        aabb

        a: axon
        b: sheath
        category: axon (may_not_touch sheath)
        category: sheath

    Fine, it lies in its car:
        aaxx
        aaxx

        x = a + w
        a: car
        w: wheel
        category: car
        category: wheel (part_of car)

    Fine, it is cut out of its car:
        aaww
        aaww

        a: car
        w: wheel
        category: car
        category: wheel (part_of car)

    You declare this in the taxonomy with `part_of`, `may_not_overlap` and `may_not_touch`. A part shares its pixels
    with its whole, or is cut out of it: then it touches the whole and shares none, or up to 2 % of its pixels, as
    borders are never drawn exactly. A name in the taxonomy stands for all categories below it. You get one finding for
    each such part and for each such pair. The rule ignores crowds; of segments with the same pixels only the first
    counts.

    Why: a part without its whole means that one of the two is wrong, and the part joins no object.

    Remedy: draw the whole, move the part, or correct its category.

    Options: `min_inside`: the least share of a part's pixels within wholes, if it shares any.
    Defaults: TACO's caps and pop tabs were taken as parts of the bottle or can that they lie on: of 183 none has less
    than 55 % of its pixels inside. Lids form two clusters: of 31 that meet a cup 11 share up to 1 % (they lie beside
    it), 18 half or more. Half is also what the words mean: a part that lies mostly elsewhere belongs there.
    """
    yield from _outside(tables, min_inside)
    yield from _too_near(tables)


def _outside(tables: Tables, min_inside: float) -> Findings:
    segments, taxonomy = tables.segments, tables.profile.taxonomy
    divided = [category for category in reversed(taxonomy.categories) if category.part_of]
    wholes = {category.id: " or ".join(category.part_of) for category in divided}
    is_part = np.isin(segments["category_id"], list(wholes)) & ~segments["iscrowd"] & (segments["area"] > 0)
    inside = np.minimum(_within_wholes(tables, tables.pairs, "shared"), segments["area"])
    beside = _within_wholes(tables, tables.contacts, "length")
    cut_out = (inside <= _MAX_INEXACT_SHARE * segments["area"]) & (inside + beside > 0)
    for row in np.flatnonzero(is_part & ~cut_out & (inside < min_inside * segments["area"])).tolist():
        id_, area = int(segments["category_id"][row]), int(segments["area"][row])
        partly = f"only {inside[row]:,} of its {area:,} px lie within one; {min_inside:.0%} are required"
        none = f"none of its {area:,} px lies within one, and it touches none"
        message = f"it is part of {wholes[id_]}, but {partly if inside[row] else none}"
        message += quote_guideline(taxonomy, id_, "definition")
        yield RowFinding(message, segments=(row,), pixels=area - int(inside[row]))


def _within_wholes(tables: Tables, pairs: Table, column: str) -> Ints:
    """(n_segments,) how much of `column` each part shares with its possible wholes."""
    category, taxonomy = tables.segments["category_id"], tables.profile.taxonomy
    total = np.zeros(len(category), np.int64)
    related = both_ways(pairs, column)
    related = related.take(is_related(taxonomy, "part_of", category[related["one"]], category[related["other"]]))
    np.add.at(total, related["one"], related[column])
    if column == "shared":  # of segments with the same pixels only the first is met by others
        area = tables.segments["area"]
        is_identical = (pairs["shared"] == area[pairs["a"]]) & (pairs["shared"] == area[pairs["b"]])
        np.maximum.at(total, pairs["b"][is_identical], total[pairs["a"][is_identical]])
    return total


def _too_near(tables: Tables) -> Findings:
    pairs, contacts = tables.pairs, tables.contacts
    overlapping = _of_relation(tables, pairs, "may_not_overlap") | _of_relation(tables, pairs, "may_not_touch")
    reported = set()
    for a, b, shared, *box in pairs.take(overlapping).lines("a", "b", "shared", "x", "y", "width", "height"):
        reported.add((a, b))
        first, second = _names(tables, a, b)
        message = f"{first!r} and {second!r} share {shared:,} px, but may not overlap{_rule_of(tables, first, second)}"
        yield RowFinding(message, segments=(a, b), bbox=tuple(box), pixels=shared, category=first)
    for a, b, length in contacts.take(_of_relation(tables, contacts, "may_not_touch")).lines("a", "b", "length"):
        if (a, b) not in reported:
            first, second = _names(tables, a, b)
            along = f"touch along {count_noun(length, 'pixel edge')}"
            message = f"{first!r} and {second!r} {along}, but may not touch{_rule_of(tables, first, second)}"
            yield RowFinding(message, segments=(a, b), category=first)


def _of_relation(tables: Tables, pairs: Table, relation: Relation) -> Flags:
    category, crowd = tables.segments["category_id"], tables.segments["iscrowd"]
    a, b = pairs["a"], pairs["b"]
    related = is_related_either_way(tables.profile.taxonomy, relation, category[a], category[b])
    return related & ~crowd[a] & ~crowd[b]


def _names(tables: Tables, a: int, b: int) -> list[str]:
    """The categories of two segments, in an order that does not depend on theirs."""
    return sorted(tables.category_name(row) for row in (a, b))


def _rule_of(tables: Tables, *names: str) -> str:
    """The guideline's sentence on the border of one of the categories."""
    return next(filter(None, (quote_guideline(tables.profile.taxonomy, name, "boundary_rule") for name in names)), "")
