"""Sheets: causes, sizes, contrasts and what is a model's, as tables that say whose is more, and that fit a terminal."""

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from segdata.agreement.results import Agreement, PairContrast, Score, UnchangedShare, VolumeAgreement, VolumePair
from segdata.agreement.surface_distances import CategoryTolerance, Tolerance
from segdata.api.agreement import AgreementRun
from segdata.report.agreement.annotators import annotator_conclusions, model_conclusions
from segdata.report.agreement.conclusions import contrast_conclusions
from segdata.report.agreement.tables import (
    agreement_tables,
    better_first,
    causes_table,
    contrasts_table,
    unchanged_table,
    volumes_table,
)
from segdata.report.agreement.text import to_text
from segdata.report.agreement.wording import tolerance_in_words
from segdata.report.console import Console, display_width

Compare = Callable[..., AgreementRun]
NONE = Score(np.nan, np.nan, np.nan, 1, 0)


def sure(value: float, low: float, high: float) -> Score:
    return Score(value, low, high, 10, 0)


def pair(a: str, b: str, size_a: float, size_b: float, lower: float = np.nan, upper: float = np.nan) -> VolumePair:
    ends = (Score(each, np.nan, np.nan, 9, 0) for each in (lower, upper))
    return VolumePair(a, b, 9, size_a, size_b, 2 * (size_b - size_a) / (size_a + size_b), NONE, *ends)


def contrast(first: str, second: str, values: tuple[float, float], p: float, stands: bool) -> PairContrast:
    away = values[1] - values[0]
    return PairContrast((first, "gold"), (second, "gold"), "iou", values, sure(away, away - 0.1, away + 0.1), p, stands)


@pytest.fixture
def more(habits: AgreementRun) -> Agreement:
    """The same with volumes, contrasts and a model; names are long."""
    volume = VolumeAgreement(
        "car", "mm3", 9, sure(0.98, 0.9, 0.99), NONE, (pair("anna", "ben", 4000, 3000, -1500, -500),)
    )
    long = "an annotator with a very long name indeed"
    return replace(
        habits.agreement,
        volumes=(volume,),
        contrasts=(contrast(long, "ben", (0.6, 0.8), 0.001, True), contrast("ben", "carl", (0.8, 0.7), 0.4, False)),
        unchanged=(UnchangedShare(long, "the model", 10, 100, sure(0.87, 0.8, 0.93), sure(0.004, 0, 0.01)),),
    )


def test_causes_add_up(habits: AgreementRun) -> None:
    found = causes_table(habits.agreement)
    assert found is not None
    for row in found.rows:
        assert sum(float(cell.rstrip("%")) for cell in row[3:]) == pytest.approx(100, abs=2)
    total = sum(each.pixels for each in habits.agreement.disagreement)
    assert sum(int(row[1].replace(",", "")) for row in found.rows) == total


def test_who_draws_more_comes_first(more: Agreement) -> None:
    found = volumes_table(more)
    assert found is not None
    assert found.rows == (("car", "anna", "ben", "9", "4.00", "3.00", "29%", "0.500 and 1.50"),)
    assert "in ml" in found.note
    assert "car 0.98 [0.90, 0.99]" in found.note


def test_who_of_two_surely_draws_more_is_told(more: Agreement, compare: Compare) -> None:
    """Where the interval of the difference has no 0."""
    labels = np.ones((8, 8), np.uint8)
    two = compare({"anna": [labels], "ben": [labels]})
    (volume,) = more.volumes
    (sizes_of,) = volume.pairs
    for bias, is_sure in ((sure(-1000, -1500, -500), True), (sure(-1000, -1500, 500), False)):
        told = replace(two.agreement, volumes=(replace(volume, pairs=(replace(sizes_of, bias=bias),)),))
        (person,) = [each for each in annotator_conclusions(told, two.tables) if each.topic == "person"]
        assert ("anna draws 29% more car by volume than the other" in person.head + person.said) == is_sure


def test_sizes_without_a_spacing_are_voxels(more: Agreement) -> None:
    (volume,) = more.volumes
    single = replace(volume, unit="voxels", icc=NONE, pairs=(pair("a", "b", 32590, 33013),))
    found = volumes_table(replace(more, volumes=(single,)))
    assert found is not None
    assert found.rows == (("car", "b", "a", "9", "33,013", "32,590", "1%", "–"),)
    assert "too few volumes" in found.note


def test_the_better_comes_first_and_what_stands_on_top(more: Agreement) -> None:
    found = contrasts_table(more, "gold")
    assert found is not None
    assert found.title == "who agrees better with gold"
    assert found.rows[0][0] == "ben"
    assert found.rows[0][3:] == ("0.80", "0.60", "0.20 [0.10, 0.30]", "0.001", "●")
    assert found.rows[1][:2] == ("ben", "carl")
    assert found.rows[1][5:] == ("0.10 [0.00, 0.20]", "0.4", "")
    turned = better_first(more.contrasts[1])
    assert (turned.first, turned.values, turned.difference.value) == (("ben", "gold"), (0.8, 0.7), pytest.approx(0.1))
    (told,) = contrast_conclusions(more, "gold")
    assert told.head.startswith("ben agrees better with gold than an annotator with")
    assert "Not distinguishable: ben from carl (0.10 [0.00, 0.20])" in told.said


def test_nobody_is_better_or_nobody_was_tested(more: Agreement) -> None:
    (alike,) = contrast_conclusions(replace(more, contrasts=more.contrasts[1:]), "gold")
    assert alike.head == "No annotator agrees better with gold than another by more than chance"
    few = replace(more.contrasts[1], p=np.nan)
    (untested,) = contrast_conclusions(replace(more, contrasts=(few,)), "gold")
    assert untested.head == "Too few images to test who agrees better"
    assert list(contrast_conclusions(replace(more, contrasts=()), None)) == []


def test_what_is_a_models_is_told_beside_what_two_persons_have(more: Agreement) -> None:
    found = unchanged_table(more)
    assert found is not None
    assert found.rows[0][1:] == ("the model", "10", "100", "87% [80%, 93%]", "0.4% [0%, 1%]")
    (told,) = model_conclusions(more)
    assert (
        told.head == "87% [80%, 93%] of an annotator with a very long name indeed's segments are the model's, unchanged"
    )
    assert told.severity == "warning"
    assert "Two persons have 0.4% of their segments alike" in told.said
    little = replace(more.unchanged[0], share=sure(0.03, 0.01, 0.05))
    (calm,) = model_conclusions(replace(more, unchanged=(little,)))
    assert (calm.severity, calm.head) == ("info", "Hardly anything is the model's, unchanged")
    unknown = replace(more.unchanged[0], persons=NONE)
    (alone,) = model_conclusions(replace(more, unchanged=(unknown,)))
    assert "is unknown" in alone.said


def test_all_of_them_fit_a_terminal(more: Agreement, habits: AgreementRun) -> None:
    text = to_text(more, habits.tables, ["agreement", "a", "b"], Console())
    assert [each.title for each in agreement_tables(more, "gold")] == [
        "what the pixels in dispute are due to",
        "who draws more, in volumes",
        "who agrees better with gold",
        "what is a model's, unchanged",
    ]
    assert all(each.title in text for each in agreement_tables(more, None))
    assert max(display_width(line) for line in text.splitlines()) <= 80


def test_the_tolerance_is_in_every_report(habits: AgreementRun) -> None:
    found = replace(habits.agreement, tolerance=Tolerance(3, 0.5, {"car": CategoryTolerance(1)}))
    text = " ".join(to_text(found, habits.tables, ["agreement"], Console()).split())
    assert "of the boundaries within 3 px, 0.5 mm where the spacing is known; car 1 px" in text
    assert f"within the tolerance ({tolerance_in_words(found.tolerance)})" in text
