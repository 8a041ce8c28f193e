"""Confusion: counted pixel by pixel."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segdata.core.taxonomy import Category
from segdata.report.agreement.confusion import UNLABELLED, Confusion
from tests.generators.agreement_tables import tables_of_maps

CATEGORIES = [Category(id=k + 1, name=name, kind="stuff") for k, name in enumerate(("road", "car", "fence"))]
NAMES = [*(each.name for each in CATEGORIES), UNLABELLED]
maps = arrays.arrays(np.int64, (3, 4, 5), elements=st.integers(-1, 2))


def counted(pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    pixels = np.zeros((4, 4))
    for one, other in pairs:
        for a, b in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True):
            pixels[a, b] += 1
    return pixels


def kept(confusion: Confusion, expected: np.ndarray) -> None:
    at = [NAMES.index(name) for name in confusion.names]
    np.testing.assert_array_equal(confusion.pixels, expected[np.ix_(at, at)])
    assert confusion.pixels.sum() == expected.sum()


@given(maps)
def test_every_pixel_counts_both_ways(drawn: np.ndarray) -> None:
    confusion = Confusion.of(tables_of_maps([[each] for each in drawn], CATEGORIES))
    pairs = [(drawn[i], drawn[j]) for i in range(3) for j in range(3) if i != j]
    kept(confusion, counted(pairs))
    np.testing.assert_array_equal(confusion.pixels, confusion.pixels.T)
    np.testing.assert_allclose(confusion.shares.sum(axis=1), 1)


@given(maps, st.integers(0, 2))
def test_of_one_annotator_the_columns_are_theirs(drawn: np.ndarray, who: int) -> None:
    opposed = tables_of_maps([[each] for each in drawn], CATEGORIES)
    kept(Confusion.by(opposed, who), counted([(drawn[i], drawn[who]) for i in range(3) if i != who]))


def test_partners_and_the_worst() -> None:
    one = np.array([[0, 0, 0, 0, 1, 1, -1, -1]])
    two = np.array([[0, 0, 0, 1, 1, 1, -1, 2]])
    confusion = Confusion.of(tables_of_maps([[one], [two]], CATEGORIES))
    (partner,) = confusion.partners("road")
    assert (partner.other, partner.pixels) == ("car", 1)
    assert partner.share == 1 / 7  # of 4 pixels of one and 3 of two
    assert [{each.one, each.other} for each in confusion.worst(5)] == [{"road", "car"}]
    assert confusion.partners("fence")[0].other == UNLABELLED
    assert confusion.partners("sky") == []


def test_the_reduced_keeps_those_with_most_confusion() -> None:
    one = np.array([[0, 0, 0, 0, 1, 1, 2, 2]])
    two = np.array([[0, 0, 0, 0, 2, 1, 2, 1]])
    confusion = Confusion.of(tables_of_maps([[one], [two]], CATEGORIES))
    assert confusion.reduced(2).names == ("car", "fence")
    assert confusion.reduced(9) is confusion
