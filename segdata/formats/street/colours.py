"""Colours of labels that are told apart by their ids: those that look like an earlier one say nothing."""

from collections.abc import Iterable

import msgspec
import numpy as np

from segdata.core.cielab import rgb_to_cielab
from segdata.core.taxonomy import Category

_JUST_NOTICEABLE = 2.3  # CIE76, as in rule SEG208


def told_apart(categories: Iterable[Category]) -> tuple[Category, ...]:
    """The categories, without the colours that an earlier one has, or that cannot be told from an earlier one's.

    >>> [each.color for each in told_apart([Category(id=i, name=str(i), color=(9, 9, 9)) for i in range(2)])]
    [(9, 9, 9), None]
    """
    found: list[Category] = []
    taken = np.empty((0, 3))
    for category in categories:
        if category.rgb is not None:
            place = rgb_to_cielab(np.array([category.rgb], np.float64))
            if (np.linalg.norm(taken - place, axis=1) < _JUST_NOTICEABLE).any():
                category = msgspec.structs.replace(category, color=None)
            else:
                taken = np.concatenate([taken, place])
        found.append(category)
    return tuple(found)
