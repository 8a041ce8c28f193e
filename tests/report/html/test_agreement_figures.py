"""The figures of an agreement's page: places on axes, shades of heat maps, counts of histograms."""

import math

import numpy as np

from segdata.agreement.results import Score
from segdata.core.taxonomy import Category
from segdata.report.agreement.annotators import ReportedBias
from segdata.report.agreement.confusion import Confusion
from segdata.report.agreement.tables import ImageAgreement
from segdata.report.html.agreement_figures import confusion_heat, forest_plot, image_histograms
from tests.generators.agreement_tables import tables_of_maps

CATEGORIES = [Category(id=1, name="road", kind="stuff"), Category(id=2, name="car", kind="stuff")]


def habit(who: str, value: float, low: float, high: float, stands: bool = False) -> ReportedBias:
    return ReportedBias(who, "car", "offset", Score(value, low, high, 9, 0), 0.0, 0.5, stands)


def test_intervals_on_one_axis() -> None:
    some = [habit("a", 1.0, 0.5, 1.5, True), habit("b", -1.0, -1.5, -0.5), habit("b", 30.0, 29.0, 31.0)]
    found = forest_plot(some, ["a", "b"], 9)
    assert found is not None
    rows = {(each.annotator, each.text[:2]): each for each in found.rows}
    one = rows["a", "+1"]
    assert (one.low, one.mid, one.high) == tuple(50 + 50 * each / found.end for each in (0.5, 1.0, 1.5))
    assert one.stands
    assert [each.annotator for each in found.rows] == ["a", "b", "b"]
    assert found.n_more == 0


def test_what_is_beyond_the_axis_is_marked() -> None:
    some = [habit("a", 0.1 * k, 0.1 * k - 0.1, 0.1 * k + 0.1) for k in range(-9, 10)]
    found = forest_plot([*some, habit("a", -80.0, -90.0, -70.0)], ["a"], 99)
    assert found is not None
    beyond = [each for each in found.rows if each.is_beyond]
    assert [(each.mid, each.low, each.high) for each in beyond] == [(0.0, 0.0, 0.0)]


def test_those_that_stand_are_shown_before_larger_ones() -> None:
    found = forest_plot([habit("a", 5.0, -9.0, 20.0), habit("b", 0.3, 0.2, 0.4, True)], ["a", "b"], 1)
    assert found is not None
    assert [each.annotator for each in found.rows] == ["b"]
    assert found.n_more == 1


def test_without_intervals_there_is_a_dot() -> None:
    found = forest_plot([habit("a", 0.2, math.nan, math.nan)], ["a"], 9)
    assert found is not None
    assert (found.rows[0].low, found.rows[0].high) == (None, None)
    assert found.rows[0].text == "+0.20"
    assert forest_plot([], ["a"], 9) is None


def test_histograms_count_every_image() -> None:
    rng = np.random.default_rng(0)
    drawn = [[rng.integers(0, 2, (5, 6)) for _ in range(7)] for _ in range(3)]
    images = ImageAgreement.of(tables_of_maps(drawn, CATEGORIES))
    rows = image_histograms(images, ["a", "b", "c"])
    assert [each.name for each in rows] == ["all", "a", "b", "c"]
    for row in rows:
        assert sum(int(bar.title.split()[0]) for bar in row.bars) == row.n == 7
        assert max(bar.height for bar in row.bars) == 100
        assert row.median == f"{row.middle / 100:.2f}"
    one = ImageAgreement.of(tables_of_maps([each[:1] for each in drawn], CATEGORIES))
    assert image_histograms(one, ["a", "b", "c"]) == []


def test_confusion_says_the_shares_of_rows() -> None:
    one, two = np.array([[0, 0, 0, 1]]), np.array([[0, 0, 1, 1]])
    heat = confusion_heat(Confusion.of(tables_of_maps([[one], [two]], CATEGORIES)))
    assert heat.heads == ("road", "car")
    cells = [[cell.text if cell else None for cell in cells] for _, cells in heat.rows]
    assert cells == [["80%", "20%"], ["33%", "67%"]]
    assert [cell.agrees for cell in heat.rows[0][1] if cell] == [True, False]
