"""Guideline: relations between categories, texts to quote, and names and colours that are easily confused."""

import difflib
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from segdata.core.errors import count_noun, list_names
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.taxonomy import DRAFTED, Category, Taxonomy, lineage

Relation = Literal["part_of", "may_overlap", "may_not_overlap", "may_not_touch", "also"]
_XYZ_OF_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65


def ids_by_name(taxonomy: Taxonomy) -> dict[str, frozenset[int]]:
    """The ids that each name stands for: a category's own id and those below it; for a group, all ids below it."""
    parents = taxonomy.parents
    by_name: defaultdict[str, set[int]] = defaultdict(set)
    for category in taxonomy.categories:
        for name in lineage(category.name, parents):
            by_name[name].add(category.id)
    for category in taxonomy.categories:
        for alias in category.aliases:
            by_name.setdefault(alias, by_name[category.name])
    return {name: frozenset(ids) for name, ids in by_name.items()}


def declares_relation(taxonomy: Taxonomy, *relations: Relation) -> bool:
    """Whether any category declares one of these relations."""
    return any(getattr(category, relation) for category in taxonomy.categories for relation in relations)


def is_related(taxonomy: Taxonomy, relation: Relation, a: Ints, b: Ints) -> Flags:
    """(n,) whether category `a` declares a relation to category `b`; both are ids (n,)."""
    if not declares_relation(taxonomy, relation):
        return np.zeros(len(a), bool)
    meant = ids_by_name(taxonomy)
    ids = np.array(sorted(taxonomy.by_id()), np.int64)
    keys = [
        int(np.searchsorted(ids, category.id)) * len(ids) + int(np.searchsorted(ids, other))
        for category in taxonomy.categories
        for name in getattr(category, relation)
        for other in meant.get(name, ())
    ]
    in_taxonomy = np.isin(a, ids) & np.isin(b, ids)
    return in_taxonomy & np.isin(np.searchsorted(ids, a) * len(ids) + np.searchsorted(ids, b), keys)


def is_related_either_way(taxonomy: Taxonomy, relation: Relation, a: Ints, b: Ints) -> Flags:
    """(n,) whether either of the two categories declares a relation to the other."""
    return is_related(taxonomy, relation, a, b) | is_related(taxonomy, relation, b, a)


Chapter = Literal["definition", "boundary_rule", "occlusion_rule"]


def chapter_text(category: Category, chapter: Chapter) -> str | None:
    """The guideline's text for a category; None without one, and for a definition that nobody has written yet.

    >>> from segdata.core.taxonomy import Category
    >>> chapter_text(Category(id=1, name="car", definition="drafted: in 3 of 3 masks"), "definition")
    """
    text: str | None = getattr(category, chapter)
    return None if chapter == "definition" and text is not None and text.startswith(DRAFTED) else text


def quote_guideline(taxonomy: Taxonomy, category: str | int | None, chapter: Chapter) -> str:
    """The end of a message: the guideline's text for a category, by name or id; empty without one.

    >>> from segdata.core.taxonomy import Category
    >>> taxonomy = Taxonomy(categories=(Category(id=1, name="car", occlusion_rule="Only what is seen."),))
    >>> quote_guideline(taxonomy, "car", "occlusion_rule"), quote_guideline(taxonomy, "car", "boundary_rule")
    ('; guideline: "Only what is seen."', '')
    """
    named = (entry for entry in taxonomy.categories if category in (entry.name, entry.id))
    return quote_text(next((chapter_text(entry, chapter) for entry in named), None))


def quote_text(text: str | None) -> str:
    """The end of a message that quotes a text of the guideline; empty where there is none."""
    short = textwrap.shorten(text or "", 160, placeholder=" …")
    return f'; guideline: "{short}"' if short else ""


# The closest colours of CamVid are 6.3 apart (CIE76), of VOC 8.8, of Cityscapes 10.3; SEG208 reports those below 2.3.
_CLEAR_DELTA_E, _SAME_DELTA_E = 6.0, 2.3
_MIN_NAME_SIMILARITY = 0.88  # difflib's ratio: 0.89 for "sign" and "signs", 0.86 for "car" and "cart"
_MAX_NAMES_SHOWN = 6  # in one line of advice


def taxonomy_advice(taxonomy: Taxonomy) -> Iterator[str]:
    """One line for each part of a taxonomy that is likely to confuse annotators."""
    undefined = [category.name for category in taxonomy.categories if not chapter_text(category, "definition")]
    yield from _missing("definition", undefined)
    neighbours = [category for category in taxonomy.categories if category.kind != "void"]
    for chapter in ("boundary_rule", "occlusion_rule"):
        without = [category.name for category in neighbours if not getattr(category, chapter)]
        if len(without) < len(neighbours):  # if no category has one, none was planned
            yield from _missing(chapter, without)
    coloured = [category for category in taxonomy.categories if category.rgb is not None]
    if coloured:
        yield from _missing("color", [category.name for category in taxonomy.categories if category.rgb is None])
    for first, second in similar_names(taxonomy.categories):
        yield f"the names {first!r} and {second!r} are easily confused"
    for first, second, distance in similar_colours(coloured):
        yield f"{first!r} and {second!r} have colours that are hard to tell apart: Delta E {distance:.1f}"


def _missing(what: str, names: list[str]) -> Iterator[str]:
    if names:
        yield f"{count_noun(len(names), 'category')} without {what}: {list_names(names, _MAX_NAMES_SHOWN)}"


def similar_names(categories: Sequence[Category]) -> Iterator[tuple[str, str]]:
    """Pairs of names that are easily mistaken for each other."""
    names = list(dict.fromkeys(category.name for category in categories))
    for position, name in enumerate(names):
        match = difflib.SequenceMatcher(None, "", name.casefold())
        for other in names[:position]:
            match.set_seq1(other.casefold())
            # Ever closer bounds of the ratio: the first two are cheap.
            if (
                min(match.real_quick_ratio(), match.quick_ratio()) >= _MIN_NAME_SIMILARITY
                and match.ratio() >= _MIN_NAME_SIMILARITY
            ):
                yield other, name


def similar_colours(categories: Sequence[Category]) -> Iterator[tuple[str, str, float]]:
    """Pairs of categories with colours that are hard to tell apart: their names, and CIE76's Delta E."""
    coloured = [category for category in categories if category.rgb is not None]
    if not coloured:
        return
    place = rgb_to_cielab(np.array([category.rgb for category in coloured], np.float64))
    distance = np.linalg.norm(place[:, None] - place, axis=2)
    near = (distance >= _SAME_DELTA_E) & (distance < _CLEAR_DELTA_E)
    for a, b in zip(*np.nonzero(np.triu(near, k=1)), strict=True):
        yield coloured[a].name, coloured[b].name, float(distance[a, b])


def rgb_to_cielab(rgb: Floats) -> Floats:
    """CIELAB coordinates (n, 3) of sRGB colours (n, 3) from 0 to 255, under illuminant D65.

    Source: IEC 61966-2-1 (sRGB) and CIE 15:2004 (CIELAB). The Euclidean distance of two results is CIE76's Delta E;
    2.3 is just noticeable (Mahy, Van Eycken, Oosterlinck, 1994, Color Research & Application 19(2), 105-121).

    >>> rgb_to_cielab(np.array([[255.0, 0, 0]])).round(1).tolist()
    [[53.2, 80.1, 67.2]]
    """
    value = rgb / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _XYZ_OF_RGB.T / _WHITE
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])
