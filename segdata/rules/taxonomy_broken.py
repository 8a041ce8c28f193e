"""SEG208 taxonomy-broken: a taxonomy contradicts itself."""

from collections.abc import Sequence
from typing import get_args

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.guideline import Relation, ids_by_name, rgb_to_cielab
from segdata.core.rule import Findings, Tables, rule
from segdata.core.taxonomy import Category, Color, SizeLimits, Taxonomy, lineage
from segdata.rules.shared import join_first

_MAX_REPEATED_NAMES = 5  # that are told one by one


@rule("SEG208", "taxonomy-broken", severity="error", needs=())
def taxonomy_broken(tables: Tables, *, min_delta_e: float = 2.3) -> Findings:
    """A taxonomy has duplicate ids, names or colours, circular parents, unknown names, or contradicting rules.

    Flagged, two categories have one id:
        aa..
        a: car
        category: car (id 1)
        category: bus (id 1)

    Flagged, two categories have one colour:
        aa..
        a: car
        category: car (color 0 0 142)
        category: bus (color 0 0 142)

    Flagged, two colours look alike:
        aa..
        a: car
        category: car (color 0 0 142)
        category: bus (color 0 0 143)

    Flagged, the parents form a circle:
        aa..
        a: egg
        category: egg (parent hen)
        category: hen (parent egg)

    Flagged, a name is unknown:
        aa..
        a: car
        category: car
        category: wheel (part_of cra)

    Flagged, one pair is both allowed and forbidden:
        aa..
        a: car
        category: car
        category: pole (may_overlap car, may_not_touch car)

    Flagged, no size is possible:
        aa..
        a: car
        category: car (size 100 10)

    Fine:
        aa..
        a: car
        category: car (id 1, color 0 0 142)
        category: bus (id 2, color 0 60 100, parent vehicle)
        category: wheel (id 3, part_of car)

    Colours that look alike, but differ, are a warning; everything else is an error. A category may have the name of its
    group, as in COCO (person in the group person). The rule flags nothing in a provisional taxonomy (SEG219), whose
    colours are not declared.

    Why: only one of two entries with the same id, name or colour is ever used. People mix up colours that look alike,
    and so does every step that changes a colour a little.

    Remedy: correct taxonomy.yaml; `segdata taxonomy check` checks it without your data.

    Options: `min_delta_e`: the least CIE76 distance of two colours.
    Defaults: 2.3 is just noticeable (Mahy, Van Eycken, Oosterlinck, 1994, Color Research & Application 19(2), 105-121).
    The closest colours of CamVid (32) are 6.3 apart, of VOC (21) 8.8, of Cityscapes 10.3, of COCO panoptic (133) 11.0.
    """
    taxonomy = tables.profile.taxonomy
    if tables.profile.provisional is not None:
        return
    yield from _repeated_values("id", [(category.id, category.name) for category in taxonomy.categories])
    yield from _same_names(taxonomy)
    for category in taxonomy.categories:
        if not category.name.strip():
            yield RowFinding(f"the category with id {category.id} has no name", category=category.name)
    names = {category.name for category in taxonomy.categories}
    aliases = [(alias, category.name) for category in taxonomy.categories for alias in category.aliases]
    yield from _repeated_values("alias", aliases + [(alias, alias) for alias, _ in aliases if alias in names])
    coloured = [category for category in taxonomy.categories if category.rgb is not None]
    yield from _repeated_values("color", [(category.rgb, category.name) for category in coloured])
    for category in taxonomy.categories:
        if taxonomy.unlabelled is not None and taxonomy.unlabelled in (category.id, category.rgb, category.color):
            message = f"{category.name!r} has the value of `unlabelled`, {taxonomy.unlabelled}"
            yield RowFinding(message, category=category.name)
    yield from _close(list(taxonomy.by_color().items()), min_delta_e)
    yield from _circles(taxonomy)
    yield from _strangers(taxonomy)
    yield from _contradictions(taxonomy)


def _same_names(taxonomy: Taxonomy) -> Findings:
    """Names that several categories have; one finding for all if they are many, as in a list built image by image."""
    ids: dict[str, list[int]] = {}
    for category in taxonomy.categories:
        ids.setdefault(category.name, []).append(category.id)
    repeated = {name: own for name, own in ids.items() if len(own) > 1}
    if len(repeated) > _MAX_REPEATED_NAMES:
        n = sum(len(own) for own in repeated.values())
        name, own = max(repeated.items(), key=lambda item: len(item[1]))
        yield RowFinding(
            f"{n:,} of {len(taxonomy.categories):,} categories share {len(repeated):,} names: {name!r} has the ids "
            f"{join_first(own, 4)}; only one of each can be used: was the list built anew for each image or file?"
        )
        return
    for name, own in repeated.items():
        both = "both" if len(own) == 2 else "all"
        listed = " and ".join([", ".join(map(str, own[:-1][:4])) + (", …" if len(own) > 5 else ""), str(own[-1])])
        yield RowFinding(f"the ids {listed} are {both} called {name!r}; only one can be used", category=name)


def _repeated_values(kind: str, entries: Sequence[tuple[object, str]]) -> Findings:
    """Values that several entries have; the finding is the later entry's."""
    first: dict[object, str] = {}
    for value, name in entries:
        if value in first:
            owners = f"{first[value]!r} and {name!r}" if first[value] != name else f"{name!r}, twice"
            yield RowFinding(f"{kind} {value} belongs to {owners}", category=name)
        first.setdefault(value, name)


def _strangers(taxonomy: Taxonomy) -> Findings:
    """Names in the rules of categories that no category, group or alias has."""
    known_names = ids_by_name(taxonomy).keys() | taxonomy.groups.keys()
    for category in taxonomy.categories:
        whenever = category.expected.whenever if category.expected else ()
        named = {relation: getattr(category, relation) for relation in get_args(Relation)} | {"whenever": whenever}
        for relation, other_names in named.items():
            for other_name in other_names:
                if other_name not in known_names:
                    nearest = taxonomy.nearest(other_name)
                    hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
                    message = f"names {other_name!r} in {relation}, but no category has this name{hint}"
                    yield RowFinding(f"{category.name!r} {message}", category=category.name)


def _contradictions(taxonomy: Taxonomy) -> Findings:
    """Categories whose own rules no segment can follow."""
    for category in taxonomy.categories:
        for allowed, forbidden in (
            ("may_overlap", "may_not_overlap"),
            ("may_overlap", "may_not_touch"),
            ("part_of", "may_not_overlap"),
            ("part_of", "may_not_touch"),
        ):
            for other_name in sorted({*getattr(category, allowed)} & {*getattr(category, forbidden)}):
                message = f"{category.name!r} names {other_name!r} both in {allowed} and in {forbidden}"
                yield RowFinding(message, category=category.name)
        size = category.size or SizeLimits()
        for lower, upper, unit in ((size.min_pixels, size.max_pixels, "px"), (size.min_mm2, size.max_mm2, "mm²")):
            if lower is not None and upper is not None and lower > upper:
                message = f"{category.name!r} must have at least {lower:g} and at most {upper:g} {unit}"
                yield RowFinding(message, category=category.name)
        names = [attribute.name for attribute in category.attributes]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield RowFinding(f"{category.name!r} has the attribute {name!r} twice", category=category.name)


def _close(colors: list[tuple[Color, Category]], min_delta_e: float) -> Findings:
    if not colors:
        return
    place = rgb_to_cielab(np.array([color for color, _ in colors], np.float64))
    distance = np.linalg.norm(place[:, None] - place, axis=2)
    for a, b in zip(*np.nonzero(np.triu(distance < min_delta_e, k=1)), strict=True):
        (color, category), (other_color, other_category) = colors[a], colors[b]
        message = (
            f"colours {other_color} of {other_category.name!r} and {color} of {category.name!r} look alike: "
            f"Delta E {distance[a, b]:.1f}, the limit is {min_delta_e:g}"
        )
        yield RowFinding(message, category=other_category.name, severity="warning")


def _circles(taxonomy: Taxonomy) -> Findings:
    """Parents that lead back to where they began; each circle once."""
    parents = taxonomy.parents
    reported: set[str] = set()
    for start in parents:
        path = lineage(start, parents)
        above = parents.get(path[-1])
        if above is not None and above in path[:-1] and above not in reported:
            circle = path[path.index(above) :]
            reported.update(circle)
            yield RowFinding(f"parents form a circle: {', '.join(circle)}", category=circle[0])
