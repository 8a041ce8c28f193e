"""Palette: categories are told apart."""

import numpy as np

from segdata.core.taxonomy import Category, Taxonomy
from segdata.report.pictures.colors import category_colors, distinct_color, segment_colors


def test_the_taxonomy_gives_the_colours() -> None:
    taxonomy = Taxonomy(categories=(Category(id=1, name="a", color=(1, 2, 3)), Category(id=2, name="b")))
    assert category_colors(taxonomy)[1] == (1, 2, 3)
    assert category_colors(taxonomy)[2] not in [(1, 2, 3), (0, 0, 0)]


def test_colours_that_are_all_the_same_are_not_used() -> None:
    taxonomy = Taxonomy(categories=tuple(Category(id=id_, name=str(id_), color=(0, 0, 0)) for id_ in range(6)))
    assert len(set(category_colors(taxonomy).values())) == 6


def test_forty_categories_differ() -> None:
    assert len({distinct_color(number) for number in range(40)}) == 40


def test_instances_of_a_thing_differ_and_stuff_does_not() -> None:
    taxonomy = Taxonomy(
        categories=(
            Category(id=1, name="car", color=(0, 0, 142)),
            Category(id=2, name="sky", kind="stuff", color=(9, 9, 9)),
        )
    )
    colors = segment_colors(np.array([1, 1, 2, 2, 7]), taxonomy, "panoptic").tolist()
    assert colors[0] != colors[1]
    assert colors[2] == colors[3] == [9, 9, 9]
    assert colors[4] == [255, 255, 255]  # a category that the taxonomy lacks
