"""The csv of an agreement: every number of the result in a row of its own."""

import csv
import io
import math

import numpy as np
from msgspec.structs import replace

from segdata.agreement.estimates import Resampling
from segdata.agreement.planning import plan_sample_sizes
from segdata.agreement.results import PairContrast, Score, UnchangedShare
from segdata.agreement.strata import stratify_by_names
from segdata.agreement.summary import summarise_agreement
from segdata.api.agreement import AgreementRun
from segdata.report.agreement.exports import HEAD, to_csv
from tests.generators.agreement_tables import simulate_two_annotators


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_score_has_a_row(habits: AgreementRun) -> None:
    found = habits.agreement
    told = rows(to_csv(found))
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
    told = [row for row in rows(to_csv(habits.agreement)) if row["scope"] == "annotator"]
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
    told = rows(to_csv(found))
    assert {row["portion"] for row in told if row["scope"] == "portion"} == {"x", "y"}
    assert found.by is not None
    assert sum(row["scope"] == "difference" for row in told) == 2 * len(found.by.differences)
    planned = [row for row in told if row["scope"] == "plan"]
    assert [row["value"] for row in planned] == [str(each.images or "") for each in found.plan]


def test_names_with_commas_and_quotes_come_back(habits: AgreementRun) -> None:
    from msgspec.structs import replace

    name = 'a, "b"\nc'
    pairs = tuple(replace(each, a=name) for each in habits.agreement.pairs)
    told = rows(to_csv(replace(habits.agreement, pairs=pairs)))
    assert {row["annotator_a"] for row in told if row["scope"] == "pair"} == {name}


def test_what_else_is_told_has_rows_of_its_own(habits: AgreementRun) -> None:
    value = Score(0.2, 0.1, 0.3, 12, 0)
    found = replace(
        habits.agreement,
        contrasts=(PairContrast(("anna", "carl"), ("ben", "carl"), "iou", (0.5, 0.7), value, 0.01, True),),
        unchanged=(UnchangedShare("ben", "carl", 12, 40, value, value),),
    )
    told = rows(to_csv(found))
    (contrast,) = [row for row in told if row["scope"] == "contrast"]
    assert (contrast["annotator_a"], contrast["annotator_b"]) == ("anna, carl", "ben, carl")
    assert (contrast["value"], contrast["p"], contrast["stands"]) == ("0.2", "0.01", "yes")
    assert [row["score"] for row in told if row["scope"] == "unchanged"] == ["share", "persons"]
    due = [row for row in told if row["scope"] == "disagreement" and row["score"] == "pixels"]
    assert sum(int(row["value"]) for row in due) == sum(each.pixels for each in found.disagreement)
    assert [(row["score"], row["value"]) for row in told if row["scope"] == "tolerance"] == [("px", "2")]
