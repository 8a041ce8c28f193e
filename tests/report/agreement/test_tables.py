"""Sheets: causes, sizes, contrasts and what is a model's, as tables that say whose is more, and that fit a terminal."""

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

import jsonschema
import numpy as np
import pytest
from msgspec.structs import replace

from segdata.agreement.annotator_bias import annotator_biases
from segdata.agreement.contrasts import PairContrast, stratify_by_names
from segdata.agreement.copying import UnchangedShare
from segdata.agreement.estimates import Resampling
from segdata.agreement.planning import plan_sample_sizes
from segdata.agreement.repeatability import ProposedTolerance
from segdata.agreement.scores import CATEGORY_SCORES, OVERALL_SCORES, PAIR_SCORES, Score
from segdata.agreement.summary import Agreement, summarise_agreement
from segdata.agreement.surface_distances import CategoryTolerance, Tolerance
from segdata.agreement.volumes import VolumeAgreement, VolumePair
from segdata.api.agreement import AgreementRun
from segdata.core.finding import Finding
from segdata.report.agreement.annotators import annotator_conclusions, model_conclusions
from segdata.report.agreement.conclusions import _best_and_least, contrast_conclusions
from segdata.report.agreement.tables import (
    agreement_tables,
    better_first,
    causes_table,
    contrasts_table,
    unchanged_table,
    volumes_table,
)
from segdata.report.agreement.text import HEAD, agreement_csv, agreement_json, agreement_text
from segdata.report.agreement.wording import tolerance_in_words
from segdata.report.console import Console, display_width
from tests.generators.agreement_tables import simulate_two_annotators
from tests.generators.schemas import json_schemas

Compare = Callable[..., AgreementRun]
NONE = Score(np.nan, np.nan, np.nan, 1, 0)


def sure(value: float, low: float, high: float) -> Score:
    return Score(value, low, high, 10, 0)


def pair(a: str, b: str, size_a: float, size_b: float, lower: float = np.nan, upper: float = np.nan) -> VolumePair:
    return VolumePair(
        a=a,
        b=b,
        volumes=9,
        size_a=size_a,
        size_b=size_b,
        difference=2 * (size_b - size_a) / (size_a + size_b),
        bias=NONE,
        lower=NONE,
        upper=NONE,
        median=NONE,
        smallest=lower,
        largest=upper,
        within=0.57,
    )


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
    assert "57% (9 volumes)" in found.note
    assert "car 0.98." in found.note


def test_who_of_two_surely_draws_more_is_told(more: Agreement, compare: Compare) -> None:
    """Where the interval of the difference has no 0."""
    labels = np.ones((8, 8), np.uint8)
    two = compare({"anna": [labels], "ben": [labels]})
    (volume,) = more.volumes
    (sizes_of,) = volume.pairs
    for bias, is_sure in ((sure(-1000, -1500, -500), True), (sure(-1000, -1500, 500), False)):
        told = replace(two.agreement, volumes=(replace(volume, pairs=(replace(sizes_of, median=bias),)),))
        (person,) = [each for each in annotator_conclusions(told, two.tables) if each.topic == "person"]
        assert ("anna draws 29% more car by volume than the other" in person.head + person.details) == is_sure


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
    assert "Not distinguishable: ben from carl (0.10 [0.00, 0.20])" in told.details


def test_nobody_is_better_or_nobody_was_tested(more: Agreement) -> None:
    (alike,) = contrast_conclusions(replace(more, contrasts=more.contrasts[1:]), "gold")
    assert alike.head == "No annotator agrees better with gold than another by more than chance"
    few = replace(more.contrasts[1], p=np.nan)
    (untested,) = contrast_conclusions(replace(more, contrasts=(few,)), "gold")
    assert untested.head == "Too few images to test who agrees better"
    assert list(contrast_conclusions(replace(more, contrasts=()), None)) == []


def test_who_kept_a_models_work_is_no_best_pair(habits: AgreementRun) -> None:
    """Agreement with what was left as it was is none of two who draw by themselves."""
    result = habits.agreement
    best = max(result.pairs, key=lambda pair: pair.scores[result.leading].value)
    kept = UnchangedShare(best.a, best.b, 10, 100, sure(0.87, 0.8, 0.93), sure(0.004, 0, 0.01))
    (plain, told) = (_best_and_least(each) for each in (result, replace(result, unchanged=(kept,))))
    assert plain.startswith(f"Best: {best.a} and {best.b} with")
    assert f"Best: {best.a} and {best.b} with" not in told
    assert told.endswith(f"Not ranked, since much was left as the model had it: {best.a} and {best.b}.")


def test_what_is_a_models_is_told_beside_what_two_persons_have(more: Agreement) -> None:
    found = unchanged_table(more)
    assert found is not None
    assert found.rows[0][1:] == ("the model", "10", "100", "87% [80%, 93%]", "0.4% [0%, 1%]")
    (told,) = model_conclusions(more)
    assert (
        told.head == "87% [80%, 93%] of an annotator with a very long name indeed's segments are the model's, unchanged"
    )
    assert told.severity == "warning"
    assert "Two persons have 0.4% of their segments alike" in told.details
    little = replace(more.unchanged[0], share=sure(0.03, 0.01, 0.05))
    (calm,) = model_conclusions(replace(more, unchanged=(little,)))
    assert (calm.severity, calm.head) == ("info", "Hardly anything is the model's, unchanged")
    unknown = replace(more.unchanged[0], persons=NONE)
    (alone,) = model_conclusions(replace(more, unchanged=(unknown,)))
    assert "is unknown" in alone.details


def test_all_of_them_fit_a_terminal(more: Agreement, habits: AgreementRun) -> None:
    text = agreement_text(more, habits.tables, ["agreement", "a", "b"], Console())
    assert [each.title for each in agreement_tables(more, "gold")] == [
        "why pixels are disputed",
        "who draws more, in volumes",
        "who agrees better with gold",
        "segments of a model, kept unchanged",
    ]
    assert all(each.title in text for each in agreement_tables(more, None))
    assert max(display_width(line) for line in text.splitlines()) <= 80


def test_the_tolerance_is_in_every_report(habits: AgreementRun) -> None:
    found = replace(habits.agreement, tolerance=Tolerance(3, 0.5, {"car": CategoryTolerance(1)}))
    text = " ".join(agreement_text(found, habits.tables, ["agreement"], Console()).split())
    assert "of the boundaries within 3 px, 0.5 mm where the spacing is known; car 1 px" in text
    assert f"within the tolerance ({tolerance_in_words(found.tolerance)})" in text


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_score_has_a_row(habits: AgreementRun) -> None:
    found = habits.agreement
    told = rows(agreement_csv(found))
    assert tuple(told[0]) == HEAD
    for pair in found.pairs:
        of_pairs = [row for row in told if row["scope"] == "pair"]
        mine = {row["score"]: row for row in of_pairs if (row["annotator_a"], row["annotator_b"]) == (pair.a, pair.b)}
        assert set(mine) == set(pair.scores)
        for name, value in pair.scores.items():
            for field in ("value", "low", "high"):
                number = getattr(value, field)
                assert mine[name][field] == ("" if math.isnan(number) else f"{number + 0.0:.6g}")
            assert (mine[name]["n"], mine[name]["n_undefined"]) == (str(value.n), str(value.n_undefined))
    categories = {row["category"] for row in told if row["scope"] == "category"}
    assert categories == {each.category for each in found.categories}


def test_habits_have_p_and_whether_they_stand(habits: AgreementRun) -> None:
    told = [row for row in rows(agreement_csv(habits.agreement)) if row["scope"] == "annotator"]
    standing = {(row["annotator_a"], row["category"], row["score"]) for row in told if row["stands"] == "yes"}
    assert standing == {
        (each.annotator, each.category, "boundary_offset" if kind == "offset" else kind)
        for each in habits.agreement.annotator_bias
        for kind in each.found
    }
    assert all(float(row["p"]) <= 1 for row in told if row["stands"])


def test_portions_and_plans() -> None:
    opposed, how = simulate_two_annotators(np.random.default_rng(0), 12), Resampling(n_draws=50)
    names = np.empty(12, object)
    names[:] = ["x", "y"] * 6
    found = summarise_agreement(
        opposed, how, by=stratify_by_names(opposed, "site", names, how), plan=plan_sample_sizes(opposed, 0.1, how)
    )
    told = rows(agreement_csv(found))
    assert {row["portion"] for row in told if row["scope"] == "portion"} == {"x", "y"}
    assert found.by is not None
    assert sum(row["scope"] == "difference" for row in told) == 2 * len(found.by.differences)
    planned = [row for row in told if row["scope"] == "plan"]
    assert [row["value"] for row in planned] == [str(each.images or "") for each in found.plan]


def test_names_with_commas_and_quotes_come_back(habits: AgreementRun) -> None:
    from msgspec.structs import replace

    name = 'a, "b"\nc'
    pairs = tuple(replace(each, a=name) for each in habits.agreement.pairs)
    told = rows(agreement_csv(replace(habits.agreement, pairs=pairs)))
    assert {row["annotator_a"] for row in told if row["scope"] == "pair"} == {name}


def test_what_else_is_told_has_rows_of_its_own(habits: AgreementRun) -> None:
    value = Score(0.2, 0.1, 0.3, 12, 0)
    found = replace(
        habits.agreement,
        contrasts=(PairContrast(("anna", "carl"), ("ben", "carl"), "iou", (0.5, 0.7), value, 0.01, True),),
        unchanged=(UnchangedShare("ben", "carl", 12, 40, value, value),),
    )
    told = rows(agreement_csv(found))
    (contrast,) = [row for row in told if row["scope"] == "contrast"]
    assert (contrast["annotator_a"], contrast["annotator_b"]) == ("anna, carl", "ben, carl")
    assert (contrast["value"], contrast["p"], contrast["stands"]) == ("0.2", "0.01", "yes")
    assert [row["score"] for row in told if row["scope"] == "unchanged"] == ["share", "persons"]
    due = [row for row in told if row["scope"] == "disagreement" and row["score"] == "pixels"]
    assert sum(int(row["value"]) for row in due) == sum(each.pixels for each in found.disagreement)
    assert [(row["score"], row["value"]) for row in told if row["scope"] == "tolerance"] == [("px", "2")]


HOW = Resampling(n_draws=50)


def report(seed: int = 0) -> str:
    opposed = simulate_two_annotators(np.random.default_rng(seed), 12)
    names = np.empty(12, object)
    names[:] = ["x", "y"] * 6
    finding = Finding(
        code="SEG401", rule="missed-object", severity="warning", message="m", image="000001", bbox=(1, 2, 3, 4)
    )
    value = Score(0.2, 0.1, 0.3, 12, 0)
    return agreement_json(
        summarise_agreement(
            opposed,
            HOW,
            bias=annotator_biases(opposed, n_draws=50),
            by=stratify_by_names(opposed, "site", names, HOW),
            plan=plan_sample_sizes(opposed, 0.1, HOW),
            contrasts=[PairContrast(("a", "c"), ("b", "c"), "iou", (0.5, 0.7), value, 0.01, True)],
            unchanged=[UnchangedShare("a", "b", 12, 40, value, Score(np.nan, np.nan, np.nan, 0, 0))],
            tolerance=Tolerance(2, 0.5, {"car": CategoryTolerance(1)}),
            findings=[finding],
        )
    )


def test_contract() -> None:
    found: dict[str, Any] = json.loads(report())  # Any: JSON
    assert found["version"] == 1
    assert (found["annotators"], found["images"]) == (["a", "b"], 12)
    (pair,) = found["pairs"]
    assert set(pair) == {"a", "b", "images", "clusters", *PAIR_SCORES}
    assert set(pair["iou"]) == {"value", "low", "high", "n", "n_undefined"}
    assert set(found["overall"]) == set(OVERALL_SCORES)
    assert set(found["categories"][0]) == {"category", "id", "kind", "images", *CATEGORY_SCORES}
    bias = found["annotator_bias"][0]
    assert {"annotator", "category", "boundary_offset", "missed", "extra"} <= set(bias)
    assert found["findings"][0]["bbox"] == [1, 2, 3, 4]
    assert [each["name"] for each in found["by"]["strata"]] == ["x", "y"]
    assert found["plan"][0]["score"] == "iou"
    assert found["tolerance"] == {"px": 2.0, "mm": 0.5, "categories": {"car": {"px": 1.0, "mm": None}}}
    (contrast,) = found["contrasts"]
    assert (contrast["first"], contrast["values"], contrast["stands"]) == (["a", "c"], [0.5, 0.7], True)
    assert found["unchanged"][0]["persons"]["value"] is None


def test_fits_its_schema() -> None:
    jsonschema.validate(json.loads(report()), json_schemas()["agreement"])


def test_the_tolerance_that_repeats_propose_is_there_and_fits_the_schema() -> None:
    twice = ProposedTolerance("mm", 0.8000001, ("a",), 12, 40)
    agreed = replace(
        summarise_agreement(simulate_two_annotators(np.random.default_rng(0), 4), HOW), proposed_tolerance=(twice,)
    )
    found = json.loads(agreement_json(agreed))
    jsonschema.validate(found, json_schemas()["agreement"])
    assert found["proposed_tolerance"] == [
        {"unit": "mm", "value": 0.8, "annotators": ["a"], "images": 12, "boundaries": 40}
    ]
    assert json.loads(report())["proposed_tolerance"] == []


def test_undefined_is_null_and_numbers_have_six_digits() -> None:
    found = json.loads(report())
    assert found["overall"]["nsd"] == {"value": None, "low": None, "high": None, "n": 0, "n_undefined": 3}
    assert all(len(f"{each['value']:.17g}".rstrip("0")) < 20 for each in found["overall"].values() if each["value"])
    assert float(f"{found['overall']['iou']['value']:.6g}") == found["overall"]["iou"]["value"]


def test_the_same_input_gives_the_same_text() -> None:
    assert report() == report()
    assert report() != report(1)


def test_every_score_says_what_it_is() -> None:
    text = json.dumps(json_schemas()["agreement"], ensure_ascii=False)
    for meaning in {**OVERALL_SCORES, **PAIR_SCORES, **CATEGORY_SCORES}.values():
        assert meaning in text
