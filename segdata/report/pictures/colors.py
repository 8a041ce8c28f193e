"""Colours of categories, segments, annotators and severities."""

import colorsys

import numpy as np
from numpy.typing import NDArray

from segdata.core.profile import Task
from segdata.core.runs import Ints
from segdata.core.taxonomy import Color, Taxonomy

SEVERITY_COLORS: dict[str, Color] = {"error": (225, 20, 40), "warning": (240, 120, 0), "info": (30, 100, 220)}
# Okabe and Ito (2008), "Color Universal Design": distinguishable with any colour vision.
ANNOTATOR_COLORS: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
)
_HUE_STEP = 0.618033988749895  # of the hue circle: the golden ratio keeps any number of hues apart
_SATURATIONS_AND_VALUES = ((0.85, 1.0), (0.6, 0.85), (0.95, 0.6), (0.4, 1.0))  # saturation and value
_SHADES = (0.0, 0.28, -0.22, 0.14, -0.36)  # of a category's colour, for its instances in turn


def category_colors(taxonomy: Taxonomy) -> dict[int, Color]:
    """A colour for each category id: the taxonomy's colours if they are distinct, else generated ones."""
    own_colors = {category.id: category.rgb for category in reversed(taxonomy.categories)}
    usable = len(set(own_colors.values())) > 0.5 * len(own_colors)
    colors: dict[int, Color] = {}
    for position, (id_, rgb) in enumerate(sorted(own_colors.items())):
        colors[id_] = rgb if rgb is not None and usable else distinct_color(position)
    return colors


def distinct_color(number: int) -> Color:
    """A bright colour by number, without an end; each differs from those before it.

    >>> distinct_color(0) != distinct_color(1)
    True
    """
    saturation, value = _SATURATIONS_AND_VALUES[number % len(_SATURATIONS_AND_VALUES)]
    red, green, blue = colorsys.hsv_to_rgb((0.02 + number * _HUE_STEP) % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def segment_colors(category_id: Ints, taxonomy: Taxonomy, task: Task) -> NDArray[np.uint8]:
    """(n, 3): a colour per segment; the instances of a thing in shades of its category's colour."""
    colors = category_colors(taxonomy)
    kinds = {category.id: category.kind for category in taxonomy.categories}
    chosen = np.zeros((len(category_id), 3), np.uint8)
    n_seen: dict[int, int] = {}
    for row, id_ in enumerate(category_id.tolist()):
        number = n_seen[id_] = n_seen.get(id_, -1) + 1
        color = colors.get(id_, (255, 255, 255))
        shaded = task != "semantic" and kinds.get(id_) == "thing"
        chosen[row] = shade(color, _SHADES[number % len(_SHADES)]) if shaded else color
    return chosen


def shade(color: Color, by: float) -> Color:
    """Make a colour lighter (up to 1) or darker (down to -1).

    >>> shade((100, 100, 100), 0.5), shade((100, 100, 100), -0.5)
    ((178, 178, 178), (50, 50, 50))
    """
    target = 255 if by > 0 else 0
    red, green, blue = (round(value + (target - value) * abs(by)) for value in color)
    return red, green, blue


def annotator_color(number: int) -> Color:
    """The colour of an annotator, by position; colours repeat after seven."""
    return ANNOTATOR_COLORS[number % len(ANNOTATOR_COLORS)]


def css_color(color: Color) -> str:
    """Format a colour for CSS and FiftyOne.

    >>> css_color((230, 159, 0))
    '#e69f00'
    """
    return "#{:02x}{:02x}{:02x}".format(*color)
