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
    yield from _alike_names(taxonomy.categories)
    yield from _alike_colours(coloured)


def _missing(what: str, names: list[str]) -> Iterator[str]:
    if names:
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        yield f"{counted(len(names), 'category')} without {what}: {shown}"


def _alike_names(categories: Sequence[Category]) -> Iterator[str]:
    names = list(dict.fromkeys(each.name for each in categories))
    for at, name in enumerate(names):
        match = difflib.SequenceMatcher(None, "", name.casefold())
        for other in names[:at]:
            match.set_seq1(other.casefold())
            # Ever closer bounds of the ratio: the first two are cheap.
            if min(match.real_quick_ratio(), match.quick_ratio()) >= _MOST_ALIKE and match.ratio() >= _MOST_ALIKE:
                yield f"{other!r} and {name!r} are names that are easily mistaken for each other"


def _alike_colours(coloured: Sequence[Category]) -> Iterator[str]:
    if not coloured:
        return
    place = lab(np.array([each.rgb for each in coloured], np.float64))
    distance = np.linalg.norm(place[:, None] - place, axis=2)
    near = (distance >= _WRONG_DELTA_E) & (distance < _LEAST_DELTA_E)
    for a, b in zip(*np.nonzero(np.triu(near, k=1)), strict=True):
        names = f"{coloured[a].name!r} and {coloured[b].name!r}"
        yield f"{names} have colours that are hard to tell apart: Delta E {distance[a, b]:.1f}"
