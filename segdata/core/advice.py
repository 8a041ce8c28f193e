"""Advice: what would make a taxonomy easier to follow, beyond what is wrong with it (rule SEG208)."""

import difflib
from collections.abc import Iterator, Sequence

import numpy as np

from segdata.core.counted import counted
from segdata.core.lab import lab
from segdata.core.taxonomy import Category, Taxonomy

# The closest colours of CamVid are 6.3 apart (CIE76), of VOC 8.8, of Cityscapes 10.3; below 2.3 SEG208 speaks.
_LEAST_DELTA_E, _WRONG_DELTA_E = 6.0, 2.3
_MOST_ALIKE = 0.88  # of difflib's ratio: "sign" and "signs" have 0.89, "car" and "cart" 0.86
_SHOWN = 6  # names in one line


def advice(taxonomy: Taxonomy) -> Iterator[str]:
    """One line for each thing that annotators are likely to stumble over."""
    yield from _missing("definition", [each.name for each in taxonomy.categories if not each.definition])
    neighbours = [each for each in taxonomy.categories if each.kind != "void"]
    for chapter in ("boundary_rule", "occlusion_rule"):
        without = [each.name for each in neighbours if not getattr(each, chapter)]
        if len(without) < len(neighbours):  # where none has one, nobody meant to write any
            yield from _missing(chapter, without)
    coloured = [each for each in taxonomy.categories if each.rgb is not None]
    if coloured:
        yield from _missing("color", [each.name for each in taxonomy.categories if each.rgb is None])
    for one, other in alike_names(taxonomy.categories):
        yield f"{one!r} and {other!r} are names that are easily mistaken for each other"
    for one, other, distance in alike_colours(coloured):
        yield f"{one!r} and {other!r} have colours that are hard to tell apart: Delta E {distance:.1f}"


def _missing(what: str, names: list[str]) -> Iterator[str]:
    if names:
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        yield f"{counted(len(names), 'category')} without {what}: {shown}"


def alike_names(categories: Sequence[Category]) -> Iterator[tuple[str, str]]:
    """Pairs of names that are easily mistaken for each other."""
    names = list(dict.fromkeys(each.name for each in categories))
    for at, name in enumerate(names):
        match = difflib.SequenceMatcher(None, "", name.casefold())
        for other in names[:at]:
            match.set_seq1(other.casefold())
            # Ever closer bounds of the ratio: the first two are cheap.
            if min(match.real_quick_ratio(), match.quick_ratio()) >= _MOST_ALIKE and match.ratio() >= _MOST_ALIKE:
                yield other, name


def alike_colours(categories: Sequence[Category]) -> Iterator[tuple[str, str, float]]:
    """Pairs of categories with colours that are hard to tell apart: their names, and CIE76's Delta E."""
    coloured = [each for each in categories if each.rgb is not None]
    if not coloured:
        return
    place = lab(np.array([each.rgb for each in coloured], np.float64))
    distance = np.linalg.norm(place[:, None] - place, axis=2)
    near = (distance >= _WRONG_DELTA_E) & (distance < _LEAST_DELTA_E)
    for a, b in zip(*np.nonzero(np.triu(near, k=1)), strict=True):
        yield coloured[a].name, coloured[b].name, float(distance[a, b])
