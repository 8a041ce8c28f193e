"""The JSON of an agreement keeps its contract."""

import json
from typing import Any

import jsonschema
import numpy as np
from msgspec.structs import replace

from segdata.agreement.annotator_bias import annotator_biases
from segdata.agreement.estimates import Resampling
from segdata.agreement.planning import plan_sample_sizes
from segdata.agreement.results import PairContrast, ProposedTolerance, Score, UnchangedShare
from segdata.agreement.scores import CATEGORY_SCORES, OVERALL_SCORES, PAIR_SCORES
from segdata.agreement.strata import stratify_by_names
from segdata.agreement.summary import summarise_agreement
from segdata.agreement.surface_distances import CategoryTolerance, Tolerance
from segdata.core.finding import Finding
from segdata.report.agreement.exports import agreement_schema, to_json
from tests.generators.agreement_tables import simulate_two_annotators

HOW = Resampling(n_draws=50)


def report(seed: int = 0) -> str:
    opposed = simulate_two_annotators(np.random.default_rng(seed), 12)
    names = np.empty(12, object)
    names[:] = ["x", "y"] * 6
    finding = Finding(
        code="SEG401", rule="missed-object", severity="warning", message="m", image="000001", bbox=(1, 2, 3, 4)
    )
    value = Score(0.2, 0.1, 0.3, 12, 0)
    return to_json(
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
    jsonschema.validate(json.loads(report()), agreement_schema())


def test_the_tolerance_that_repeats_propose_is_there_and_fits_the_schema() -> None:
    twice = ProposedTolerance("mm", 0.8000001, ("a",), 12, 40)
    agreed = replace(
        summarise_agreement(simulate_two_annotators(np.random.default_rng(0), 4), HOW), proposed_tolerance=(twice,)
    )
    found = json.loads(to_json(agreed))
    jsonschema.validate(found, agreement_schema())
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
    text = json.dumps(agreement_schema(), ensure_ascii=False)
    for meaning in {**OVERALL_SCORES, **PAIR_SCORES, **CATEGORY_SCORES}.values():
        assert meaning in text
