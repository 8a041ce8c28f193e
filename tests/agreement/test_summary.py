"""The summary of a panel: what is counted, who is left out, and that it depends on nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from segdata.agreement.annotator_bias import annotator_biases
from segdata.agreement.estimates import PairAmounts, Resampling, overall_scores
from segdata.agreement.inference import permutation_blocks, strata_differences
from segdata.agreement.scores import Score
from segdata.agreement.summary import Agreement, summarise_agreement
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.finding import Finding
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.core.taxonomy import Category
from tests.generators.agreement_tables import simulate_two_annotators, tables_of_maps

CATEGORIES = (
    Category(id=1, name="car", kind="thing"),
    Category(id=2, name="road", kind="stuff"),
    Category(id=3, name="unused", kind="stuff"),
    Category(id=4, name="dirt", kind="void"),
)
HOW = Resampling(n_draws=100)


def maps(n_annotators: int, n_images: int, seed: int = 0) -> list[list[Ints | None]]:
    rng = np.random.default_rng(seed)
    truth = [rng.integers(-1, 2, (4, 4)) for _ in range(n_images)]
    return [
        [np.where(rng.random((4, 4)) < 0.2, rng.integers(-1, 2, (4, 4)), each) for each in truth]
        for _ in range(n_annotators)
    ]


def flat(found: Agreement) -> dict[tuple[str, ...], tuple[float, ...]]:
    """All scores of all, and of pairs and categories by name."""
    groups = {("all",): found.overall.scores}
    groups |= {("pair", each.a, each.b): each.scores for each in found.pairs}
    groups |= {("category", each.category): each.scores for each in found.categories}
    return {
        (*group, name): (each.value, each.low, each.high, each.n, each.n_undefined)
        for group, scores in groups.items()
        for name, each in scores.items()
    }


def test_what_is_counted() -> None:
    drawn = maps(3, 6)
    drawn[2][0] = drawn[2][1] = None
    found = summarise_agreement(tables_of_maps(drawn, CATEGORIES, clusters=[0, 0, 1, 1, 2, 2]), HOW)
    assert [(each.a, each.b, each.images, each.clusters) for each in found.pairs] == [
        ("a", "b", 6, 3),
        ("a", "c", 4, 2),
        ("b", "c", 4, 2),
    ]
    assert (found.images, found.intervals.clusters, found.annotators) == (6, 3, ("a", "b", "c"))
    assert [each.category for each in found.categories] == ["car", "road"]
    assert all(each.images <= 14 for each in found.categories)
    iou = found.overall.iou
    assert np.isnan([iou.low, iou.high]).all()  # of three clusters
    alone = summarise_agreement(tables_of_maps(drawn, CATEGORIES), HOW).overall.iou
    assert alone.low <= alone.value == iou.value <= alone.high
    assert (iou.n, iou.n_undefined) == (2, 1)  # void is no category to agree on
    assert (found.overall.kappa.n, found.overall.alpha.n) == (14, 6)


def test_order_of_cases_and_seed() -> None:
    """Rows in another order give the same values and intervals; another seed gives the same values alone."""
    opposed = tables_of_maps(maps(2, 8), CATEGORIES)
    order = np.random.default_rng(0).permutation(8)
    rank = np.argsort(order)
    moved = replace(
        opposed,
        cases=opposed.cases.take(order),
        pairs=opposed.pairs.beside(case=rank[opposed.pairs["case"]]).take(order),
        patterns=opposed.patterns.beside(case=rank[opposed.patterns["case"]]),
        members=opposed.members.beside(case=rank[opposed.members["case"]]),
        **{
            name: (table := getattr(opposed, name)).beside(pair=rank[table["pair"]])
            for name in ("overlaps", "cells", "matches")
        },
    )
    one, other, again = (
        summarise_agreement(each, how) for each, how in ((opposed, HOW), (moved, HOW), (opposed, replace(HOW, seed=1)))
    )
    for key, numbers in flat(one).items():
        assert flat(other)[key] == pytest.approx(numbers, nan_ok=True), key
        assert flat(again)[key][0] == pytest.approx(numbers[0], nan_ok=True), key
    assert flat(one) != flat(again)


def test_second_passes_are_compared_but_do_not_count() -> None:
    """Anna's two passes agree perfectly: she does not agree better with others for that."""
    drawn = maps(2, 6)
    three = [drawn[0], drawn[0], drawn[1]]
    twice = replace(tables_of_maps(three, CATEGORIES), persons=(0, 0, 1), annotators=("anna", "anna (2)", "ben"))
    found = summarise_agreement(twice, HOW)
    assert found.pairs[0].scores["kappa"].value == pytest.approx(1)
    alone = summarise_agreement(tables_of_maps(drawn, CATEGORIES), HOW)
    for name in ("iou", "kappa", "alpha", "instance_alpha", "pq"):
        assert found.overall.scores[name].value == pytest.approx(alone.overall.scores[name].value, nan_ok=True)
    only = summarise_agreement(replace(tables_of_maps([drawn[0], drawn[0]], CATEGORIES), persons=(0, 0)), HOW)
    assert only.overall.kappa.value == pytest.approx(1)


def test_bias_and_findings_are_taken_over() -> None:
    opposed = tables_of_maps(maps(3, 10), CATEGORIES)
    cells = annotator_biases(opposed, n_draws=50)
    findings = [
        Finding(code="SEG401", rule="missed-object", severity=severity, message="m") for severity in ("info", "error")
    ]
    found = summarise_agreement(opposed, HOW, bias=cells, findings=findings)
    assert [each.severity for each in found.findings] == ["error", "info"]
    assert {(each.annotator, each.category) for each in found.annotator_bias} == {
        (who, what) for who in "abc" for what in ("car", "road")
    }
    at = {key: row for row, key in enumerate(cells.lines("annotator", "category", "kind"))}
    road = next(each for each in found.annotator_bias if (each.annotator, each.category) == ("b", "road"))
    row = at[1, 1, "missed"]
    assert road.missed == Score(cells["value"][row], cells["low"][row], cells["high"][row], cells["clusters"][row], 0)
    assert road.p["missed"] == cells["p"][row]
    assert np.isnan(road.boundary_offset.value)


def test_one_annotator_and_nothing() -> None:
    for drawn in (maps(1, 3), [[None, None], [None, None]]):
        found = summarise_agreement(tables_of_maps(drawn, CATEGORIES), HOW)
        assert (found.images, found.pairs, found.categories) == (0, (), ())
        assert np.isnan([each.value for each in found.overall.scores.values()]).all()
    bare = AnnotatorPairs((), (), (), "panoptic", **dict.fromkeys(NAMES, Table({})))
    assert summarise_agreement(bare, HOW).images == 0


NAMES = (
    "cases",
    "pairs",
    "overlaps",
    "cells",
    "patterns",
    "votes",
    "matches",
    "members",
    "groups",
    "causes",
    "surfaces",
)


def test_simulated_campaigns_are_covered() -> None:
    """Of 60 campaigns of 40 images, intervals of 80 % hold the truth as often; the bounds are three standard errors."""
    truth_of = PairAmounts.from_pairs(simulate_two_annotators(np.random.default_rng(99), 20_000))
    truth = overall_scores(truth_of, truth_of.all_rows, Resampling(n_draws=2))
    names = ("iou", "pq", "kappa")
    held = np.zeros(len(names))
    for campaign in range(60):
        amounts = PairAmounts.from_pairs(simulate_two_annotators(np.random.default_rng([1, campaign]), 40))
        how = Resampling(confidence=0.8, n_draws=200, seed=campaign)
        found = overall_scores(amounts, amounts.all_rows, how)
        held += [found[name].low <= truth[name].value <= found[name].high for name in names]
    assert ((held / 60 > 0.64) & (held / 60 < 0.96)).all()


def test_strata_of_clusters_and_within_them() -> None:
    assert permutation_blocks(np.array([0, 0, 1, 1]), np.array([5, 5, 6, 6])) is None
    crossed = permutation_blocks(np.array([0, 1, 0, 1]), np.array([5, 5, 6, 6]))
    assert crossed is not None
    assert crossed.tolist() == [5, 5, 6, 6]


def test_strata_differ_where_they_do() -> None:
    """The means of 0 and 1 in eight units each differ; two of 8,000 ways to hand strata out are as far apart."""
    values = np.repeat([0.0, 1.0], 8)

    def mean(weights: np.ndarray) -> np.ndarray:
        n = weights.sum(axis=1)
        return np.divide(weights @ values, n, out=np.full(len(weights), np.nan), where=n > 0)[:, None]

    stratum, one = np.repeat([0, 1], 8), np.zeros(16, np.int64)
    found, p = strata_differences(mean, stratum, one, 0)
    assert found.ravel().tolist() == [0, 1]
    assert p[0] == pytest.approx(1e-3, abs=1e-3)
    assert strata_differences(mean, np.tile([0, 1], 8), one, 0)[1][0] == 1
    within = strata_differences(mean, stratum, np.arange(16) % 8, 0)[1][0]  # each block has one of both
    assert within == pytest.approx(2 / 2**8, abs=0.01)
    assert np.isnan(strata_differences(mean, np.zeros(16, np.int64), one, 0)[1][0])
